"""Page sums: every change of the database's file goes through one door, so that one behind its back is noticed.

SQLite's own log guards what waits in it by checksums, but not the pages of the database itself. So nobody but `fold`
copies pages from the log into the database, and before it does, the sums of what it will write are on the disk: each
page is at any moment what it was, what it will be, or waits in the log, from where it is copied again.
"""

import logging
import os
import sqlite3
import threading
from pathlib import Path

from config.clock import steady
from controller.store import sums_file, wal
from controller.store.pages import PATIENCE, REMEDY, SLICE, Damaged, PageFile, bad_page_at_start
from controller.store.sums_file import UNKNOWN, Batch, SumsFile, get, page_sum, put

log = logging.getLogger(__name__)

_LOG_AT_MOST = 1 << 20


class Sums:
    """The sums of one database, kept by its only writer."""

    def __init__(self, database: Path, db: sqlite3.Connection) -> None:
        """Then comes `take_over`. Raises `OSError`, `sqlite3.Error`."""
        self.database, self._db = database, db
        self._lock = threading.Lock()
        self._page_size = int(db.execute("pragma page_size").fetchone()[0])
        db.execute("pragma wal_autocheckpoint = 0")
        db.execute("select count(*) from sqlite_master").fetchone()  # from now on the log's index is ours
        self.sums, self.number = bytearray(), 0
        self.folding: Batch | None = None
        self._due, self._left = True, 0
        """Whether the table must be written before anything is folded; frames that readers made the last fold leave."""
        self._index = os.open(wal.index_of(database), os.O_RDONLY | os.O_CLOEXEC)
        self._pages = PageFile(database)
        self._file = SumsFile(database)

    def take_over(self) -> None:
        """Settle what an earlier life left. Raises `Damaged`, `OSError`."""
        stored = _load(self.database)
        if stored is not None:
            self.sums, self.number = stored.sums, stored.number
        found = wal.state(self._index)
        with wal.opened(self.database, self._page_size) as frames:
            covered = frames.newest(0, found.frames)
        if stored is not None and stored.last is not None:
            self._settle(stored.last, found, covered)
        self._check_length(covered)
        for page in covered:
            if self._pages.sum(page) != get(self.sums, page):
                put(self.sums, page, UNKNOWN)  # cut off while it was copied; it is copied again from the log
        self._write_table()

    def _write_table(self) -> bool:
        """A full disk must not keep the box from starting; but nothing is folded before this is done."""
        self._due = True
        try:
            self._file.write_table(self.number, self.sums)
        except OSError as error:
            log.warning("the page sums cannot be written: %s", error)
            return False
        self._due = False
        return True

    def _check_length(self, covered: dict[int, int]) -> None:
        there, known = self._pages.pages, len(self.sums) // sums_file.SUM
        for page in range(there + 1, known + 1):
            if get(self.sums, page) != UNKNOWN and page not in covered:
                raise Damaged(f"The database has {there} pages, and {known} were written. {REMEDY}")
        del self.sums[there * sums_file.SUM :]

    def _settle(self, last: Batch, found: wal.WalState, covered: dict[int, int]) -> None:
        """How far the last fold came. Without all of its log it must not have been begun, or be done."""
        same = found.frames > 0 and found.salts == last.salts
        whole = same and found.frames >= last.frames
        done = found.frames > 0 and not same
        old: set[int] = set()
        new: set[int] = set()
        for page, (before, after) in last.changes.items():
            now = self._pages.sum(page)
            if now != after and (now != before and before != UNKNOWN) and page not in covered:
                raise Damaged(bad_page_at_start(page))
            if before != after and not (done and page in covered):
                (new if now == after else old).add(page)
            put(self.sums, page, now)
        if not old:
            del self.sums[last.pages * sums_file.SUM :]
        if not whole and ((old and new) or (same and new) or (done and old)):
            raise Damaged(
                "The write-ahead log is missing or damaged in a part that was being folded into the database. " + REMEDY
            )

    # ------------------------------------------------------------ folding
    @property
    def waiting(self) -> int:
        """Frames that came since the last fold."""
        found = wal.state(self._index)
        return max(0, found.frames - found.folded - self._left)

    def fold(self, *, cut: bool = False) -> bool:
        """Copy what waits in the log into the database, as far as readers allow; whether all of it was.

        `cut` also cuts the log's file back. Raises `sqlite3.Error` and `OSError`.
        """
        found = wal.state(self._index)
        if self.folding is not None:
            self._done(self.folding, whole=False)  # the last one failed halfway
        if found.frames > found.folded:
            self._announce(found)
        elif not cut:
            return True
        busy, frames, copied = self._checkpoint("truncate" if cut else "passive")
        whole = not busy and frames == copied
        if self.folding is not None:
            self._done(self.folding, whole=whole)
        self._left = 0 if whole else max(0, frames - copied)
        return whole

    def _checkpoint(self, mode: str) -> tuple[int, int, int]:
        self._db.execute("pragma busy_timeout = 0")  # a reader that holds on must not hold up the loop
        try:
            busy, frames, copied = self._db.execute(f"pragma wal_checkpoint({mode})").fetchone()
        finally:
            self._db.execute("pragma busy_timeout = 5000")
        return busy, frames, copied

    def _announce(self, found: wal.WalState) -> None:
        """What will be written is on the disk before any of it is."""
        with wal.opened(self.database, self._page_size) as frames:
            newest = frames.newest(found.folded, found.frames)
            after = {page: page_sum(frames.content(frame)) for page, frame in newest.items() if page <= found.pages}
        with self._lock:
            changes = {page: (get(self.sums, page), new) for page, new in after.items()}
            if self._due:
                self._file.write_table(self.number, self.sums)
                self._due = False
            batch = Batch(self.number + 1, found.salts, found.frames, found.pages, changes)
            self._file.append(batch)
            self.number, self.folding = batch.number, batch

    def _done(self, batch: Batch, *, whole: bool) -> None:
        with self._lock:
            for page, (before, after) in batch.changes.items():
                now = after if whole else self._pages.sum(page)
                put(self.sums, page, now if now in (before, after) else UNKNOWN)
            if whole:
                del self.sums[batch.pages * sums_file.SUM :]
            self.folding = None
            if self._file.log_bytes > _LOG_AT_MOST:
                self._write_table()

    # ------------------------------------------------------------ checking
    def look(self, first: int) -> tuple[int, list[int]]:
        """Compare some pages from one on, learning those that are unknown; (the next page or 0, those that are bad).

        From any thread.
        """
        found = self._pages.sums(first, SLICE)
        with self._lock:
            different = [page for page, now in enumerate(found, first) if not self._is(page, now)]
        bad = [page for page in different if not self._is_after_all(page)]
        return (first + len(found) if len(found) == SLICE else 0), bad

    def _is(self, page: int, now: bytes) -> bool:
        known = get(self.sums, page)
        if self.folding is not None and page in self.folding.changes:
            return now in self.folding.changes[page] or known == UNKNOWN
        if known == UNKNOWN:
            put(self.sums, page, now)
        return known in (now, UNKNOWN)

    def _is_after_all(self, page: int) -> bool:
        """It may have been written just then."""
        with self._lock:  # so no fold begins or ends here, but one may be copying
            return any(self._is(page, self._pages.sum(page)) for _ in range(PATIENCE))

    def keep(self) -> None:
        """Write down all that is known now."""
        with self._lock:
            if self.folding is None:
                self._write_table()

    def close(self) -> None:
        """Let go of the files, after the connection (see `wal`)."""
        os.close(self._index)
        self._pages.close()
        self._file.close()


def _load(database: Path) -> sums_file.Stored | None:
    try:
        stored = sums_file.load(database)
    except sums_file.Unusable as error:
        log.error("%s; the sums are made anew from the pages as they are now", error)
        return None
    if stored is None and database.stat().st_size > 4096:
        log.warning("there are no page sums beside %s yet; they are made from the pages as they are now", database.name)
    return stored


def check_now(sums: Sums, db: sqlite3.Connection, budget_s: float) -> tuple[str | None, bool]:
    """Pages, then the structure, as far as there is time: (what is wrong, whether it was everything)."""
    until, page = steady() + budget_s, 1
    while page and steady() < until:
        page, bad = sums.look(page)
        if bad:
            return bad_page_at_start(bad[0]), False
    if page:
        return None, False
    db.set_progress_handler(lambda: steady() >= until, 10_000)
    try:
        said = str(db.execute("pragma quick_check(1)").fetchone()[0])
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
            return None, False
        said = str(error)
    finally:
        db.set_progress_handler(None, 0)
    return (None, True) if said == "ok" else (f"The database is damaged: {said}. {REMEDY}", True)
