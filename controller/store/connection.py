"""Opens the controller's database: one factory, one writer, one transaction at a time."""

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from config.clock import instant
from config.disk import write_private
from controller.store import chain, events, findings
from controller.store.failures import is_trouble
from controller.store.mark import NAME, Mark
from controller.store.opening import leave, opened
from controller.store.pages import REMEDY, Damaged
from controller.store.pending import Pending
from controller.store.sums import Sums
from controller.store.written import to_json
from schemas.ids import INCARNATION_STEP

__all__ = ["A_BACKUP", "Store", "StoreTooNew", "connect", "migrate", "to_json"]

log = logging.getLogger(__name__)

A_BACKUP = "a backup was restored"
_SET = "insert or replace into meta values (?, ?)"


class StoreTooNew(RuntimeError):
    """The database was written by a newer version of the product."""


def connect(path: Path | str) -> sqlite3.Connection:
    """A connection for the only writer: WAL, every commit on disk before it counts."""
    connection = sqlite3.connect(path, isolation_level=None, cached_statements=512, check_same_thread=False)
    connection.row_factory = sqlite3.Row
    connection.execute("pragma journal_mode = wal")
    connection.execute("pragma synchronous = full")
    connection.execute("pragma foreign_keys = off")
    connection.execute("pragma busy_timeout = 5000")
    connection.execute("pragma wal_autocheckpoint = 4000")
    # What a savepoint or a statement may have to put back stays in memory instead of being written to a file.
    connection.execute("pragma temp_store = memory")
    connection.execute("pragma cache_size = -16000")
    return connection


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the tables up to date; raises `StoreTooNew` when the database knows migrations that we do not."""
    from sqlite_utils import Database

    from controller.store.schema import migrations

    database = Database(connection)
    applied = {m.name for m in migrations.applied(database)}
    ours = {m.name for m in migrations.pending(Database(memory=True))}
    if applied - ours:
        raise StoreTooNew(f"written by a newer version (has {', '.join(sorted(applied - ours))})")
    with database.atomic():  # else a start that is cut off between the table and its index leaves it without
        migrations.ensure_migrations_table(database)
    migrations.apply(database)


class Store:
    """The database and the one counter that numbers attempts, commands and moves."""

    def __init__(self, connection: sqlite3.Connection, folder: Path | None = None, sums: Sums | None = None) -> None:
        """`folder` is where the box remembers, beside the database, how far that had come; None: nowhere."""
        self.db = connection
        self.sums = sums
        self.pending = Pending(connection, {events.ADD: lambda rows: chain.linked(connection, "events", rows)})
        self.incarnation_file = None if folder is None else folder / "incarnation"
        self._mark = None if folder is None else Mark(folder / NAME)
        self.restored = False
        self.why = ""
        """Why the database counts as restored."""
        migrate(connection)
        self._load_numbers()

    @classmethod
    def open(cls, path: Path, check_s: float | None = None) -> "Store":
        """Open or create the database; one older than what the box remembers beside it counts as restored.

        `check_s`: look at every page before any of it is believed, for so long at most. Raises `Damaged` when the file
        is not what was written, `StoreTooNew`, `sqlite3.Error`, `OSError`.
        """
        return opened(path, connect, lambda db, sums: cls(db, path.parent, sums), check_s)

    def _load_numbers(self) -> None:
        rows = {row["key"]: row["value"] for row in self.db.execute("select key, value from meta")}
        stored, outside = int(rows.get("incarnation", 0)), self._read_incarnation()
        self.count = self._written = int(rows.get("count", 0))
        self.turns = int(rows.get("turns", 0))
        mark = self._marked()
        lost, older = mark - self.turns, outside > stored
        self.incarnation = max(stored, outside, 1) + (1 if older or lost > 0 else 0)
        if lost > 0:
            self._found_lost(lost, mark)
        elif older and stored:
            self._count_as_restored(A_BACKUP)
        else:
            self.why = A_BACKUP if rows.get("restored") == 1 else rows.get("restored", "")
            self.restored = bool(self.why)
        if self.incarnation != stored:
            self._write_incarnation()

    def _marked(self) -> int:
        """What the mark says; one that says nothing is made anew."""
        known = self._mark.read() if self._mark is not None else None
        if known is None and self._mark is not None:
            if self.turns:
                log.warning("the database came without a mark that can be read; one is made now")
            self._mark.write(self.turns)
            self._mark.sync()
        return known or 0

    def _found_lost(self, lost: int, mark: int) -> None:
        """All of it in one transaction, after the number outside: cut off anywhere, it is found again or done."""
        why = (
            f"the database lost {lost} turn{'s' if lost > 1 else ''} of acknowledged work: "
            "a write-ahead log is missing or damaged, or this is an older copy"
        )
        sound = self.db.execute("pragma quick_check(1)").fetchone()[0]
        if sound != "ok":
            raise Damaged(f"{why[0].upper()}{why[1:]}, and what is left of it is not whole ({sound}). {REMEDY}")
        log.critical("%s; it counts as restored: jobs are parked, and robots are on hold until they are heard", why)
        self._write_incarnation_file()
        self.db.execute("begin immediate")
        self._count_as_restored(why)
        self.turns = mark
        self.db.executemany(_SET, [("turns", mark), ("incarnation", self.incarnation)])
        findings.add(self.db, findings.LOST_TURNS, why, instant().utc_us)
        self.db.execute("commit")

    def _count_as_restored(self, why: str) -> None:
        """Said until it is done, also to whoever opens the database next."""
        self.db.execute(_SET, ("restored", why))
        self.restored, self.why = True, why

    def _read_incarnation(self) -> int:
        file = self.incarnation_file
        return int(file.read_text().strip() or 0) if file is not None and file.exists() else 0

    def _write_incarnation(self) -> None:
        """Outside first: a crash in between raises it once more, which harms nothing."""
        self._write_incarnation_file()
        self.db.execute(_SET, ("incarnation", self.incarnation))

    def _write_incarnation_file(self) -> None:
        if self.incarnation_file is not None:
            write_private(self.incarnation_file, f"{self.incarnation}\n")

    def raise_incarnation(self) -> None:
        """After a restore: every number from now on is above all that any robot has seen."""
        self.incarnation += 1
        self._write_incarnation()

    @property
    def newest_number(self) -> int:
        """The highest number given so far."""
        return self.incarnation * INCARNATION_STEP + self.count

    def parked(self) -> None:
        """What a restore asks for has been done, in the transaction that did it."""
        self.db.execute("delete from meta where key = 'restored'")
        self.restored, self.why = False, ""

    def number(self) -> int:
        """The next number of the one counter (docs/wire.md, numbers)."""
        self.count += 1
        return self.newest_number

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; the counter is part of it. Raises what the commit raises, after a rollback."""
        before = self.db.total_changes
        self.db.execute("begin immediate")
        try:
            yield
            self.pending.write()
            changed = self.db.total_changes != before or self.count != self._written
            if changed:
                self.db.executemany(_SET, (("count", self.count), ("turns", self.turns + 1)))
            self.db.execute("commit")
        except BaseException:
            self.pending.clear()
            if self.db.in_transaction:
                self.db.execute("rollback")
            self.count = self._written
            raise
        if changed:
            self._committed()

    def _committed(self) -> None:
        """What the next one begins with; the mark comes after the commit, so that it never says too much."""
        self._written = self.count
        self.turns += 1
        if self._mark is not None:
            self._mark.write(self.turns)

    @contextmanager
    def part(self) -> Iterator[None]:
        """A part of the transaction that is undone alone when it raises."""
        self.pending.write()  # it belongs to what came before, and stays
        self.db.execute("savepoint part")
        try:
            yield
        except BaseException:
            self.pending.clear()
            if self.db.in_transaction:
                self.db.execute("rollback to part")
                self.db.execute("release part")
            raise
        self.db.execute("release part")

    def one(self, sql: str, *args: Any) -> sqlite3.Row | None:
        """The first row, or none."""
        row: sqlite3.Row | None = self.db.execute(sql, args).fetchone()
        return row

    @property
    def waiting(self) -> int:
        """Frames of the log that a fold would copy into the database."""
        return self.sums.waiting if self.sums is not None else 0

    def fold(self, *, cut: bool = False) -> bool:
        """Fold the log back as far as readers allow; whether all of it was. An ailing disk is logged; nothing is lost.

        `cut` also cuts the log's file back.
        """
        if self.sums is None:
            return True
        if self._mark is not None:
            self._mark.sync()
        try:
            return self.sums.fold(cut=cut)
        except Exception as error:
            if not (is_trouble(error) or isinstance(error, OSError)):
                raise
            log.warning("the write-ahead log could not be folded back: %s", error)
            return False

    def close(self) -> None:
        """Fold the log into the database and let go of it."""
        if self.sums is None:
            self.db.close()
        else:
            whole = not self.db.in_transaction and self.fold(cut=True)
            self.sums.keep()
            self.db.close() if whole else leave(self.db, self.sums.database)
            self.sums.close()
        if self._mark is not None:
            self._mark.close()
