"""News for open streams: one message, what a stream wants, and what waits to be sent to it."""

import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

QUEUE_LENGTH = 2_000
"""So many news may wait for one stream, two looks of a box that runs at its full rate."""
CHUNK_BYTES = 65_536
"""What is sent in one piece ends with the news that reaches this."""
FLEET = "fleet"
"""The part of a screen that is numbers: where robots are."""
WAKE_AT_ONCE, WAKE_REST_S = 8, 0.002
"""So many streams are woken together, then requests have their turn: threads that wait for the interpreter get it in
no order, so two hundred at once would hold up everything else."""


@dataclass(frozen=True)
class News:
    """One message of a stream; `number` is the move's, by which a stream goes on."""

    name: str
    topic: str
    job: str | None
    data: str
    number: int | None = None

    @cached_property
    def encoded(self) -> bytes:
        """As server-sent events are written."""
        number = "" if self.number is None else f"id: {self.number}\n"
        return f"{number}event: {self.name}\ndata: {self.data}\n\n".encode()


@dataclass(frozen=True)
class Bundle:
    """One or more news that were found together, as they are sent; written once for all streams that want them."""

    encoded: bytes
    count: int = 1


def bundles(news: Iterable[News]) -> list[Bundle]:
    """News in their order, in as few pieces as `CHUNK_BYTES` allows."""
    found: list[Bundle] = []
    pieces: list[bytes] = []
    size = 0
    for one in news:
        pieces.append(one.encoded)
        size += len(one.encoded)
        if size >= CHUNK_BYTES:
            found.append(Bundle(b"".join(pieces), len(pieces)))
            pieces, size = [], 0
    return [*found, Bundle(b"".join(pieces), len(pieces))] if pieces else found


def resync(number: int) -> News:
    """Too much was missed: load anew, then go on from here."""
    return News("resync", "system", None, "{}", number)


@dataclass(frozen=True)
class Wanted:
    """What a stream is for: moves of some topics, everything about some jobs, parts of screens."""

    topics: frozenset[str] = frozenset()
    jobs: frozenset[str] = frozenset()
    parts: frozenset[str] = frozenset()

    def fits(self, news: News) -> bool:
        """Whether this is wanted."""
        if news.job is not None and news.job in self.jobs:
            return True
        return news.topic in self.topics and news.name not in ("block", "log", "artifact")


@dataclass(eq=False)
class Stream:
    """One open stream: what it wants, what it has not sent yet. What is offered is sent once it is woken."""

    wanted: Wanted
    after: int
    until: int
    parts: dict[str, News] = field(default_factory=dict)
    """The newest state of parts that wait to be sent; `_waiting` holds their names."""
    seen: set[str] = field(default_factory=set)
    """Parts that were handed to it at all."""
    _waiting: deque[Bundle | str] = field(default_factory=deque)
    _count: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _woken: threading.Event = field(default_factory=threading.Event)
    """Set only while something waits; cleared by whoever takes the last of it."""

    @property
    def waiting(self) -> int:
        """How many news wait to be sent."""
        return self._count

    def offer(self, found: Sequence[Bundle], newest: int) -> None:
        """Hand over; a stream that does not keep up is told so instead of filling the memory."""
        with self._lock:
            self._put(found, sum(bundle.count for bundle in found), newest)

    def offer_part(self, name: str, news: News, newest: int) -> None:
        """Hand over the newest state of a part; one that still waits is replaced, so a slow reader skips states."""
        with self._lock:
            self.seen.add(name)
            waits = name in self.parts
            self.parts[name] = news
            if not waits:
                self._put([name], 1, newest)

    def _put(self, found: Sequence[Bundle | str], count: int, newest: int) -> None:
        if self._count + count > QUEUE_LENGTH:
            self._waiting.clear()
            self.parts.clear()
            self.seen.clear()  # so that every part is handed to it again
            found, count, self._count = [Bundle(resync(newest).encoded)], 1, 0
        self._waiting.extend(found)
        self._count += count

    def wake(self) -> None:
        """Have it send what waits."""
        with self._lock:
            if self._waiting:
                self._woken.set()

    def take(self, timeout_s: float) -> bytes:
        """What is to be sent next, as one piece: all that waits, up to `CHUNK_BYTES`. Empty if nothing came in time."""
        if not self._woken.wait(timeout_s):
            return b""
        pieces: list[bytes] = []
        size = 0
        with self._lock:
            while self._waiting and size < CHUNK_BYTES:
                found = self._waiting.popleft()
                self._count -= 1 if isinstance(found, str) else found.count
                pieces.append(self.parts.pop(found).encoded if isinstance(found, str) else found.encoded)
                size += len(pieces[-1])
            if not self._waiting:
                self._woken.clear()
        return b"".join(pieces)


def wake(streams: Sequence[Stream]) -> None:
    """Wake streams a few at a time; whoever calls this holds no lock that a request needs."""
    for first in range(0, len(streams), WAKE_AT_ONCE):
        if first:
            time.sleep(WAKE_REST_S)
        for stream in streams[first : first + WAKE_AT_ONCE]:
            stream.wake()
