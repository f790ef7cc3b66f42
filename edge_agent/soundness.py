"""Whether a journal is what was written: a sum of all rows in the file, and beside it how many commits there were."""

import sqlite3
import struct
from collections.abc import Callable
from contextlib import suppress
from hashlib import blake2b
from io import FileIO
from pathlib import Path
from typing import Any
from zlib import crc32

_TABLE = (
    "create table if not exists sound (one integer primary key, total blob not null, commits integer not null) strict"
)
_KEEP = "insert or replace into sound values (1, ?, ?)"
_MARK = struct.Struct(">QI")
_MODULO = 1 << 64
_REMEDY = (
    "Nobody knows any more what this robot has done, so nothing is begun. See that the robot stands still, move all of "
    "journal.db* to another folder and start the agent: it begins a new journal. Then decide about the job it had"
)


class Unsound(Exception):
    """The journal is not what was written."""

    def __init__(self, how: str) -> None:
        super().__init__(f"it is not what was written: {how}. {_REMEDY}")


class Soundness:
    """Keeps the sum of a file's rows true, whatever statement changes them, and compares it at the start.

    Rows count in any order, so that a change needs only what it changes. Bits of rows that turn over change the sum;
    a log that is gone or cut off leaves fewer commits than the mark, which is written after each.
    """

    def __init__(self, db: sqlite3.Connection, path: Path | str) -> None:
        """Compare all that is there with what was written; raises `Unsound`, `sqlite3.Error`, `OSError`."""
        self._db, self._change = db, 0
        self._mark = None if str(path) == ":memory:" else Path(f"{path}-mark")
        self._file: FileIO | None = None
        self._check()

    def _check(self) -> None:
        self._db.execute("pragma cell_size_check = on")
        said = self._db.execute("pragma quick_check(1)").fetchone()[0]
        if said != "ok":
            raise Unsound(said)
        total, commits = self._known() if "sound" in self._tables() else (None, 0)
        if total is not None and total != self._total():  # new files and those of older versions have none
            raise Unsound("rows differ")
        if (lost := self._marked() - commits) > 0:
            raise Unsound(f"the last {lost} of what was committed are gone")

    def watch(self) -> None:
        """From now on every change counts; inside the transaction that made the tables."""
        self._db.execute(_TABLE)
        total, commits = self._known()
        if total != (now := self._total()):
            self._db.execute(_KEEP, (now.to_bytes(8, "big"), commits))
        self._db.create_function("journal_changed", -1, self._changed, deterministic=False)
        for table in self._tables() - {"sound"}:
            self._watch(table)
        if self._mark is not None:
            self._mark.touch(0o600)
            self._file = FileIO(self._mark, "r+")

    def sealed(self, write: Callable[[], None]) -> int:
        """All that a transaction writes, then the sum; returns how many commits there are with this one."""
        self._change = 0  # an attempt before this one may have failed
        write()
        total, commits = self._known()
        now = ((total or 0) + self._change) % _MODULO
        self._db.execute(_KEEP, (now.to_bytes(8, "big"), commits + 1))
        return commits + 1

    def committed(self, commits: int) -> None:
        """It is on the disk. The mark comes after that and is not synced, so it never says too much."""
        if self._file is not None:
            with suppress(OSError):  # on a full disk: it says too little then, until the next commit
                self._file.seek(0)
                self._file.write(_marking(commits))

    def close(self) -> None:
        """Let go of the mark."""
        if self._file is not None:
            self._file.close()

    def _tables(self) -> set[str]:
        return {name for (name,) in self._db.execute("select name from sqlite_master where type = 'table'")}

    def _known(self) -> tuple[int | None, int]:
        found = self._db.execute("select total, commits from sound").fetchone()
        return (None, 0) if found is None else (int.from_bytes(found[0], "big"), found[1])

    def _marked(self) -> int:
        """What the mark says; nothing, if there is none or it cannot be read."""
        if self._mark is None or not self._mark.exists():
            return 0
        content = self._mark.read_bytes()
        commits = _MARK.unpack(content)[0] if len(content) == _MARK.size else 0
        return commits if content == _marking(commits) else 0

    def _total(self) -> int:
        total = sum(_sum("", row) for row in self._db.execute("select type, name, sql from sqlite_master"))
        for table in self._tables() - {"sound"}:
            total += sum(_sum(table, row) for row in self._db.execute(f'select * from "{table}"'))  # noqa: S608
        return total % _MODULO

    def _watch(self, table: str) -> None:
        names = [name for (name,) in self._db.execute("select name from pragma_table_info(?)", (table,))]
        old, new = (", ".join(f"{which}.{name}" for name in names) for which in ("old", "new"))
        for event, values in (("insert", f"0, {new}"), ("delete", f"1, {old}"), ("update", f"2, {old}, {new}")):
            self._db.execute(
                f"create temp trigger sound_{table}_{event} after {event} on main.{table} "
                f"begin select journal_changed('{table}', {values}); end"
            )

    def _changed(self, table: str, event: int, *values: Any) -> None:
        if event == 0:
            self._change += _sum(table, values)
        elif event == 1:
            self._change -= _sum(table, values)
        else:
            half = len(values) // 2
            self._change += _sum(table, values[half:]) - _sum(table, values[:half])


def _marking(commits: int) -> bytes:
    return _MARK.pack(commits, crc32(commits.to_bytes(8, "big")))


def _sum(table: str, row: tuple[Any, ...]) -> int:
    """A number for a row; bytes are not spelled out, since an assignment may have many."""
    found = blake2b(digest_size=8)
    for value in (table, *row):
        content = value if isinstance(value, bytes) else repr(value).encode("utf-8", "surrogatepass")
        found.update(len(content).to_bytes(8, "big"))
        found.update(content)
    return int.from_bytes(found.digest(), "big")
