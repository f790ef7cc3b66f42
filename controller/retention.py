"""What is old is cleared away: in slices that nobody feels, never what anybody still needs, and said in a move."""

import math
from collections import Counter
from collections.abc import Iterator

from controller.age import DAY_US, Age
from controller.desk import Desk
from controller.store import artifacts, batches, retention
from controller.store.retention import BEGIN

FIRST_S, EVERY_S = 60.0, 3600.0
"""After the start, and then between the ends and beginnings of sweeps."""
OWN_EVERY_S = 0.05
"""At least so long between two slices; none is in a turn where somebody waits for an answer."""
ROWS, JOBS, FILES = 200, 20, 20
"""Rows, jobs and files in a slice: each is a few milliseconds."""
FEW_FILES = 5
"""In a slice while the disk is full: the room for its commit is scarce."""
AGAIN_S = 60.0
"""How long it rests when there was no room even for that."""
LOW = 0.95
"""A database that is too large is cleared down to such a part of what it may have."""
UPLOAD_DAYS = 1


class Retention:
    """One sweep after another; where one stands is in memory only, and a restart begins anew."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.age = Age(desk)
        self.gone: list[str] = []
        """Artifacts whose rows are gone, and whose files can go when this is committed."""
        self.over_budget = False
        """The database is larger than it may be, and nothing more may go."""
        self._sweep: Iterator[None] | None = None
        self._next_at = math.inf
        self._tight = False
        self._asked_at = -math.inf
        self._counts: Counter[str] = Counter()

    @property
    def wake_at(self) -> float:
        """When a turn is wanted next, on the steady clock."""
        return self._next_at

    def start(self) -> None:
        """A fresh process."""
        self.age.start()
        self._next_at = self.desk.now.mono + FIRST_S

    def undo(self) -> None:
        """After a rollback: what was taken is there again, and is found by the next sweep."""
        self.gone.clear()
        self.age.undo()
        if self.desk.tight:  # others' commits need the room more
            self._sweep, self._next_at = None, max(self._next_at, self.desk.now.mono + AGAIN_S)

    def asked(self) -> None:
        """Somebody waits for an answer in this turn."""
        self._asked_at = self.desk.now.mono

    def turn(self) -> None:
        """Once a turn, in its transaction: at most one slice. While the disk is full only what frees it: files."""
        self.age.turn()
        now = self.desk.now.mono
        if self.desk.tight != self._tight:
            self._tight, self._sweep, self._next_at = self.desk.tight, None, now + OWN_EVERY_S
        if now < self._next_at or now == self._asked_at:
            return
        self._next_at = now + OWN_EVERY_S
        if self._sweep is None:
            self._counts.clear()
            self.age.keep()
            self._sweep = self._artifacts(FEW_FILES) if self._tight else self._all()
        if next(self._sweep, self) is self:
            self._sweep = None
            self._next_at = now + EVERY_S
            self._tell()

    def _tell(self) -> None:
        said = ", ".join(f"{n} {what}" for what, n in sorted(self._counts.items()) if n)
        if said:
            self.desk.tell("system", "cleared", why=f"by age and room: {said}")

    # ------------------------------------------------------------ one sweep, a slice at each step
    def _all(self) -> Iterator[None]:
        yield from self._jobs(self.age.before(self.desk.settings.retain_jobs_days))
        yield from self._logs()
        yield from self._artifacts()
        yield from self._reports()
        yield from self._others()
        yield from self._books()
        yield from self._budget()

    def _jobs(self, ended: int, *, until_small: bool = False) -> Iterator[None]:
        """Keys are answered with their jobs for the time that was promised, so younger jobs stay in any case."""
        place: retention.Place | None = BEGIN
        while place is not None:
            created = self.age.before(self.desk.settings.idempotency_days)
            found, place = retention.old_jobs(self.desk.db, place, ended, created, JOBS)
            for old in found:
                yield from self._job(old)
                if until_small and self._used() <= LOW:
                    return
            yield

    def _job(self, old: retention.Old) -> Iterator[None]:
        while retention.shrink_job(self.desk.db, old.id, ROWS) == ROWS:
            yield
        self.gone += retention.take_job(self.desk.db, old)
        self._counts["jobs"] += 1
        if self._counts["jobs"] % JOBS == 0:
            yield

    def _logs(self) -> Iterator[None]:
        before = self.age.before(self.desk.settings.retain_logs_days)
        place: int | None = 0
        while place is not None:
            n, place = retention.old_logs(self.desk.db, place, before, ROWS)
            self._counts["log rows"] += n
            yield

    def _artifacts(self, files: int = FILES) -> Iterator[None]:
        artifacts.forget_open(self.desk.db, self.age.before(UPLOAD_DAYS))
        place: int | None = 0
        while place is not None:
            before = self.age.before(self.desk.settings.retain_artifacts_days)
            gone, place = retention.old_artifacts(self.desk.db, place, before, files)
            self.gone += gone
            self._counts["artifacts"] += len(gone)
            yield

    def _reports(self) -> Iterator[None]:
        for index, journal in enumerate(retention.journals(self.desk.db), 1):
            before = self.age.before(self.desk.settings.retain_logs_days)
            while n := retention.old_reports(self.desk.db, journal, before, ROWS):
                self._counts["reports"] += n
                yield
            if index % JOBS == 0:
                yield

    def _others(self) -> Iterator[None]:
        before = self.age.before(self.desk.settings.retain_jobs_days)
        place: int | None = 0
        while place is not None:
            n, place = retention.old_firings(self.desk.db, place, before, ROWS)
            self._counts["firings"] += n
            yield
        promised = self.age.before(self.desk.settings.idempotency_days)
        while retention.old_keys(self.desk.db, promised, ROWS):
            yield
        while batches.forget(self.desk.db, promised, ROWS):
            yield
        while retention.old_small(self.desk.db, before, min(self.age.now_us, self.desk.now.utc_us), ROWS):
            yield

    def _books(self) -> Iterator[None]:
        """Whole days; moves of a job that has not ended stay, however old they are."""
        moves = self.age.before(self.desk.settings.retain_jobs_days)
        oldest = retention.oldest_open(self.desk.db)
        yield from self._book("events", moves if oldest is None else min(moves, oldest), "moves")
        yield from self._book("audit", self.age.before(self.desk.settings.retain_audit_days), "audit rows")

    def _book(self, book: str, before: int, name: str) -> Iterator[None]:
        while n := retention.drop_unchained(self.desk.db, book, before // DAY_US * DAY_US, ROWS):
            self._counts[name] += n
            yield
        for day in retention.old_days(self.desk.db, book, before):
            while n := retention.drop_day(self.desk.db, book, day, ROWS):
                self._counts[name] += n
                yield

    def _budget(self) -> Iterator[None]:
        """Too large: the jobs that ended first go first, with the moves of days that no job is left of."""
        self.over_budget = False
        if self._used() <= 1:
            return
        yield from self._jobs(self.age.before(self.desk.settings.idempotency_days), until_small=True)
        if self._used() > LOW:
            yield from self._book("events", retention.oldest_job(self.desk.db, self.age.now_us), "moves")
        self.over_budget = self._used() > 1

    def _used(self) -> float:
        return retention.used_bytes(self.desk.db) / (self.desk.settings.data_gb * 1e9)
