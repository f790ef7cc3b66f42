"""News for open streams: one message, what a stream wants, and what waits to be sent to it."""

import queue
from dataclasses import dataclass, field
from functools import cached_property

QUEUE_LENGTH = 1_000
FLEET = "fleet"
"""The part of a screen that is numbers: where robots are."""


@dataclass(frozen=True)
class News:
    """One message of a stream; `number` is the move's, by which a stream goes on."""

    name: str
    topic: str
    job: str | None
    data: str
    number: int | None = None

    @cached_property
    def text(self) -> str:
        """As server-sent events are written."""
        number = "" if self.number is None else f"id: {self.number}\n"
        return f"{number}event: {self.name}\ndata: {self.data}\n\n"


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
        return news.topic in self.topics and news.name not in ("block", "log")


@dataclass(eq=False)
class Stream:
    """One open stream: what it wants, what it has not sent yet."""

    wanted: Wanted
    after: int
    until: int
    waiting: "queue.Queue[News | str]" = field(default_factory=lambda: queue.Queue(QUEUE_LENGTH))
    parts: dict[str, News] = field(default_factory=dict)
    """The newest state of parts that wait to be sent; the queue holds their names."""
    seen: set[str] = field(default_factory=set)
    """Parts that were handed to it at all."""

    def offer(self, news: "News | str", newest: int) -> None:
        """Hand over; a stream that does not keep up is told so instead of filling the memory."""
        try:
            self.waiting.put_nowait(news)
        except queue.Full:
            with self.waiting.mutex:
                self.waiting.queue.clear()
                self.parts.clear()
            self.waiting.put_nowait(resync(newest))

    def offer_part(self, name: str, news: News, newest: int) -> None:
        """Hand over the newest state of a part; one that still waits is replaced, so a slow reader skips states."""
        self.seen.add(name)
        with self.waiting.mutex:
            waits = name in self.parts
            self.parts[name] = news
        if not waits:
            self.offer(name, newest)

    def next(self, timeout_s: float) -> News | None:
        """What is to be sent next; None for a name whose part was dropped. Raises `queue.Empty`."""
        found = self.waiting.get(timeout=timeout_s)
        if isinstance(found, News):
            return found
        with self.waiting.mutex:
            return self.parts.pop(found, None)
