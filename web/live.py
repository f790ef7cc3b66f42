"""Live news for browsers and systems: one thread looks for new moves and hands them to every open stream."""

import logging
import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

from controller.store.queries import Connection, JobWatch, Reader, Unreadable, Watch, events_after, last_event
from schemas.views import Event, View

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 0.2
COMMENT_EVERY_S = 15.0
MAX_BEHIND = 10_000
"""So many moves are sent again to a stream that comes back; one that missed more is told to load anew."""
QUEUE_LENGTH = 1_000
_BATCH = 500
TOPICS = {"job": "jobs", "robot": "robots", "queue": "queues"}
"""Topic of a move to the topic of streams; every other move belongs to `system`."""
_NAMES = {"jobs": "job", "robots": "robot", "queues": "queues", "system": "system"}


class TooManyStreams(RuntimeError):
    """As many streams are open as may be."""


@dataclass(frozen=True)
class News:
    """One message of a stream; `number` is the move's, by which a stream goes on."""

    name: str
    topic: str
    job: str | None
    data: str
    number: int | None = None

    @property
    def text(self) -> str:
        """As server-sent events are written."""
        number = "" if self.number is None else f"id: {self.number}\n"
        return f"{number}event: {self.name}\ndata: {self.data}\n\n"


def _of_move(event: Event) -> News:
    topic = TOPICS.get(event.topic, "system")
    return News(_NAMES[topic], topic, event.job, event.model_dump_json(), event.id)


def _of_job(name: str, job: str, view: View) -> News:
    return News(name, "jobs", job, view.model_dump_json(by_alias=True))


def resync(number: int) -> News:
    """Too much was missed: load anew, then go on from here."""
    return News("resync", "system", None, "{}", number)


@dataclass(eq=False)
class Stream:
    """One open stream: what it wants, what it has not sent yet."""

    topics: frozenset[str]
    job: str | None
    after: int
    until: int
    waiting: "queue.Queue[News]" = field(default_factory=lambda: queue.Queue(QUEUE_LENGTH))

    def wants(self, news: News) -> bool:
        """Whether this is news here."""
        if self.job is not None:
            return news.job == self.job
        return news.topic in self.topics and news.name not in ("block", "log")

    def offer(self, news: News, newest: int) -> None:
        """Hand over; a stream that does not keep up is told so instead of filling the memory."""
        try:
            self.waiting.put_nowait(news)
        except queue.Full:
            with self.waiting.mutex:
                self.waiting.queue.clear()
            self.waiting.put_nowait(resync(newest))


class Live:
    """Reads new moves while anybody listens."""

    def __init__(self, reader: Reader, max_streams: int) -> None:
        self._reader, self._max = reader, max_streams
        self._lock = threading.Lock()
        self._streams: set[Stream] = set()
        self._watched: dict[str, JobWatch] = {}
        self._last = 0
        self._thread: threading.Thread | None = None

    @property
    def count(self) -> int:
        """How many streams are open."""
        return len(self._streams)

    def join(self, topics: frozenset[str], job: str | None, after: int | None) -> Stream:
        """Open a stream that goes on after a move, or begins now. Raises `TooManyStreams`, `Unreadable`."""
        with self._lock:
            if len(self._streams) >= self._max:
                raise TooManyStreams
            if self._thread is None:
                with self._reader.reading() as db:
                    self._last = last_event(db)
                self._thread = threading.Thread(target=self._run, name="live", daemon=True)
                self._thread.start()
            stream = Stream(topics, job, self._last if after is None else after, self._last)
            self._streams.add(stream)
        return stream

    def leave(self, stream: Stream) -> None:
        """A stream was closed."""
        with self._lock:
            self._streams.discard(stream)

    def missed(self, stream: Stream) -> Iterator[News]:
        """What a stream that comes back has missed."""
        if not 0 <= stream.until - stream.after <= MAX_BEHIND:
            yield resync(stream.until)
            return
        while stream.after < stream.until:
            with self._reader.reading() as db:
                events = [e for e in events_after(db, stream.after, _BATCH) if e.id <= stream.until]
            if not events:
                return
            stream.after = events[-1].id
            yield from (news for news in map(_of_move, events) if stream.wants(news))

    def messages(self, stream: Stream, every_s: float = COMMENT_EVERY_S) -> Iterator[str]:
        """Everything a stream sends, for as long as it is open."""
        yield "retry: 2000\n\n"
        for news in self.missed(stream):
            yield news.text
        while True:
            try:
                yield stream.waiting.get(timeout=every_s).text
            except queue.Empty:
                yield ": still here\n\n"

    # ------------------------------------------------------------ the one thread
    def _run(self) -> None:
        pause = threading.Event()
        watch: Watch | None = None
        while True:
            with self._lock:
                if not self._streams:
                    self._thread = None
                    self._watched.clear()
                    break
            try:
                watch = watch or Watch(self._reader)
                if watch.changed() or self._new_watchers():
                    self._look()
            except Unreadable as error:
                logger.warning("live: %s", error)
                self._watched.clear()
                if watch is not None:
                    watch.close()
                watch = None
            pause.wait(LOOK_EVERY_S)
        if watch is not None:
            watch.close()

    def _wanted_jobs(self) -> set[str]:
        return {stream.job for stream in self._streams if stream.job is not None}

    def _new_watchers(self) -> bool:
        with self._lock:
            return self._wanted_jobs() != set(self._watched)

    def _look(self) -> None:
        """Read what is new and hand it out; in one lock, so that nobody joins between the reading and the handing."""
        with self._lock:
            with self._reader.reading() as db:
                news, last = self._of_watched(db), self._last
                while events := events_after(db, last, _BATCH):
                    news += map(_of_move, events)
                    last = events[-1].id
            self._last = last
            for stream in self._streams:
                for one in news:
                    if stream.wants(one):
                        stream.offer(one, self._last)

    def _of_watched(self, db: Connection) -> list[News]:
        """Blocks and logs of the jobs that somebody watches."""
        wanted = self._wanted_jobs()
        for gone in set(self._watched) - wanted:
            del self._watched[gone]
        news: list[News] = []
        for uid in wanted:
            watch = self._watched.get(uid)
            if watch is None:
                begun = JobWatch.begin(db, uid)
                if begun is not None:
                    self._watched[uid] = begun
                continue
            runs, logs = watch.news(db)
            news += [_of_job("block", uid, run) for run in runs] + [_of_job("log", uid, row) for row in logs]
        return news
