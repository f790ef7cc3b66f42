"""Live news for browsers and systems: one thread looks for new moves and hands them to every open stream."""

import logging
import threading
import time
from collections.abc import Iterator

from controller.store.queries import Connection, JobWatch, Reader, Unreadable, Watch, events_after, last_event
from schemas.views import Event, View
from web.news import FLEET, Bundle, News, Stream, Wanted, bundles, resync, wake

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 0.2
COMMENT_EVERY_S = 5.0
COMMENT = b": still here\n\n"
"""What a stream sends when there is no news: only in sending does the server notice that nobody reads any more."""
NUDGE_EVERY_S = 1.0
MAX_BEHIND = 10_000
"""So many moves are sent again to a stream that comes back; one that missed more is told to load anew."""
_BATCH = 500
TOPICS = {"job": "jobs", "robot": "robots", "queue": "queues"}
"""Topic of a move to the topic of streams; every other move belongs to `system`."""
_NAMES = {"jobs": "job", "robots": "robot", "queues": "queues", "system": "system"}


class TooManyStreams(RuntimeError):
    """As many streams are open as may be."""


def _of_move(event: Event) -> News:
    topic = TOPICS.get(event.topic, "system")
    return News(_NAMES[topic], topic, event.job, event.model_dump_json(), event.id)


def _of_job(name: str, job: str, view: View) -> News:
    return News(name, "jobs", job, view.model_dump_json(by_alias=True))


__all__ = ["FLEET", "Live", "News", "Stream", "TooManyStreams", "Wanted", "resync"]


class Live:
    """Reads new moves while anybody listens."""

    def __init__(self, reader: Reader, max_streams: int) -> None:
        self._reader, self.most = reader, max_streams
        self._lock = threading.Lock()
        self._streams: set[Stream] = set()
        self._watched: dict[str, JobWatch] = {}
        self._last = 0
        self._thread: threading.Thread | None = None
        self._crowded = False
        self._nudged = -NUDGE_EVERY_S

    @property
    def count(self) -> int:
        """How many streams are open."""
        return len(self._streams)

    def has_room(self) -> bool:
        """Whether one more may be opened. If not, the open ones send something, which frees the places of dead ones."""
        room = len(self._streams) < self.most
        self._crowded = self._crowded or not room
        return room

    def join(self, wanted: Wanted, after: int | None) -> Stream:
        """Open a stream that goes on after a move, or begins now. Raises `TooManyStreams`, `Unreadable`."""
        if not self.has_room():
            raise TooManyStreams
        with self._lock:
            if len(self._streams) >= self.most:
                raise TooManyStreams
            if self._thread is None:
                with self._reader.reading() as db:
                    self._last = last_event(db)
                self._thread = threading.Thread(target=self._run, name="live", daemon=True)
                self._thread.start()
            stream = Stream(wanted, self._last if after is None else after, self._last)
            self._streams.add(stream)
        return stream

    def leave(self, stream: Stream) -> None:
        """A stream was closed."""
        with self._lock:
            self._streams.discard(stream)

    def missed(self, stream: Stream) -> Iterator[list[News]]:
        """What a stream that comes back has missed, some at a time."""
        if not 0 <= stream.until - stream.after <= MAX_BEHIND:
            yield [resync(stream.until)]
            return
        while stream.after < stream.until:
            with self._reader.reading() as db:
                events = [e for e in events_after(db, stream.after, _BATCH) if e.id <= stream.until]
            if not events:
                return
            stream.after = events[-1].id
            yield [news for news in map(_of_move, events) if stream.wanted.fits(news)]

    def messages(self, stream: Stream, every_s: float = COMMENT_EVERY_S, still: bytes = COMMENT) -> Iterator[bytes]:
        """Everything a stream sends, for as long as it is open; `still` when there was nothing for `every_s`.

        Whatever waits is sent together: each piece costs a turn of the stream's thread.
        """
        yield b"retry: 2000\n\n"
        for news in self.missed(stream):
            yield from (bundle.encoded for bundle in bundles(news))
        while True:
            yield stream.take(every_s) or still

    # ------------------------------------------------------------ parts of screens
    def watched_parts(self) -> frozenset[str]:
        """Every part that an open stream shows."""
        with self._lock:
            return frozenset().union(*(stream.wanted.parts for stream in self._streams))

    def hand_part(self, name: str, news: News, *, changed: bool) -> None:
        """Hand a part to all who show it: when it changed, and to those who have not had it yet."""
        with self._lock:
            handed = [s for s in self._streams if name in s.wanted.parts and (changed or name not in s.seen)]
            for stream in handed:
                stream.offer_part(name, news, self._last)
        wake(handed)

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
                self._nudge()
            except Unreadable as error:
                logger.warning("live: %s", error)
                self._watched.clear()
                if watch is not None:
                    watch.close()
                watch = None
            pause.wait(LOOK_EVERY_S)
        if watch is not None:
            watch.close()

    def _nudge(self) -> None:
        """Somebody found no place: have every stream send something, but not all the time."""
        now = time.monotonic()
        if not self._crowded or now - self._nudged < NUDGE_EVERY_S:
            return
        self._crowded, self._nudged = False, now
        with self._lock:
            silent = [stream for stream in self._streams if not stream.waiting]
            for stream in silent:
                stream.offer([Bundle(COMMENT)], self._last)
        wake(silent)

    def _wanted_jobs(self) -> set[str]:
        return set().union(*(stream.wanted.jobs for stream in self._streams))

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
            handed = self._hand_out(news) if news else []
        wake(handed)

    def _hand_out(self, news: list[News]) -> list[Stream]:
        """The streams that got something; what several want alike is chosen and written once."""
        written: dict[tuple[frozenset[str], frozenset[str]], list[Bundle]] = {}
        handed = []
        for stream in self._streams:
            wanted = stream.wanted
            key = (wanted.topics, wanted.jobs)
            if key not in written:
                written[key] = bundles(one for one in news if wanted.fits(one))
            if written[key]:
                stream.offer(written[key], self._last)
                handed.append(stream)
        return handed

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
            news += [_of_job("artifact", uid, one) for one in watch.artifacts(db)]
        return news
