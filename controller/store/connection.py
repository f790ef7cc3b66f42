"""Opens the controller's database: one factory, one writer, one transaction at a time."""

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from controller.store.pending import Pending
from schemas.ids import INCARNATION_STEP


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
    migrations.apply(database)


class Store:
    """The database and the one counter that numbers attempts, commands and moves."""

    def __init__(self, connection: sqlite3.Connection, incarnation_file: Path | None = None) -> None:
        self.db = connection
        self.pending = Pending(connection)
        self.incarnation_file = incarnation_file
        self.restored = False
        migrate(connection)
        self._load_numbers()

    @classmethod
    def open(cls, path: Path) -> "Store":
        """Open or create the database; a database older than the box's own incarnation file counts as restored."""
        return cls(connect(path), path.parent / "incarnation")

    def _load_numbers(self) -> None:
        rows = {row["key"]: row["value"] for row in self.db.execute("select key, value from meta")}
        stored = int(rows.get("incarnation", 0))
        outside = self._read_incarnation()
        self.restored = (bool(stored) and outside > stored) or bool(rows.get("restored"))
        self.incarnation = max(stored, outside, 1) + (1 if bool(stored) and outside > stored else 0)
        self.count = int(rows.get("count", 0))
        self._written = self.count
        if self.restored:  # said until it is done, also to whoever opens the database next
            self.db.execute("insert or replace into meta values ('restored', 1)")
        if self.incarnation != stored:
            self._write_incarnation()

    def _read_incarnation(self) -> int:
        file = self.incarnation_file
        return int(file.read_text().strip() or 0) if file is not None and file.exists() else 0

    def _write_incarnation(self) -> None:
        """Outside first: a crash in between raises it once more, which harms nothing."""
        if self.incarnation_file is not None:
            draft = self.incarnation_file.with_suffix(".new")
            with draft.open("w") as file:
                file.write(f"{self.incarnation}\n")
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self.incarnation_file)
        self.db.execute("insert or replace into meta values ('incarnation', ?)", (self.incarnation,))

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
        self.restored = False

    def number(self) -> int:
        """The next number of the one counter (docs/wire.md, numbers)."""
        self.count += 1
        return self.newest_number

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; the counter is part of it. Raises what the commit raises, after a rollback."""
        self.db.execute("begin immediate")
        try:
            yield
            self.pending.write()
            if self.count != self._written:
                self.db.execute("insert or replace into meta values ('count', ?)", (self.count,))
            self.db.execute("commit")
        except BaseException:
            self.pending.clear()
            if self.db.in_transaction:
                self.db.execute("rollback")
            self.count = self._written
            raise
        self._written = self.count

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

    def close(self) -> None:
        """Fold the log into the database and let go of it."""
        self.db.close()


_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def to_json(value: Any) -> str:
    """How JSON is written in the database: compact, readable, never NaN."""
    return _JSON.encode(value)
