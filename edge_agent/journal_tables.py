"""The tables of a journal, and how its file is opened: commits are synced, and what was not written is not believed."""

import sqlite3
from pathlib import Path

from edge_agent.soundness import Soundness, Unsound

_SCHEMA = """
create table if not exists robots (
  robot text primary key, journal text not null, head integer not null, highest integer not null
) strict, without rowid;
create table if not exists rows (
  robot text not null, seq integer not null, kind text not null, attempt integer, span integer not null,
  body blob not null, primary key (robot, seq)
) strict, without rowid;
create table if not exists held (
  robot text not null, attempt integer not null, job text not null, assign blob not null, command integer not null,
  started integer not null, pause integer, paused integer not null, stop text,
  stop_command integer, elapsed real not null, failed text, again text, rolling integer not null default 0,
  primary key (robot, attempt)
) strict, without rowid;
create table if not exists runs (
  robot text not null, attempt integer not null, path text not null, try integer not null, n integer not null,
  status text not null, inputs blob, outputs blob, reason text, after text,
  primary key (robot, attempt, path, try)
) strict, without rowid;
create table if not exists recordings (
  robot text not null, id text not null, attempt integer not null, job text not null, path text, kind text not null,
  name text not null, size integer not null, sha256 text not null, at text not null, due integer not null,
  primary key (robot, id)
) strict, without rowid;
create table if not exists ended (
  robot text not null, attempt integer not null, job text not null, kind text not null, reason text, outputs blob,
  rolled_back integer not null default 0, primary key (robot, attempt)
) strict, without rowid;
"""
_LATER = (
    ("held", "failed", "text"), ("held", "again", "text"), ("held", "rolling", "integer not null default 0"),
    ("runs", "after", "text"), ("ended", "rolled_back", "integer not null default 0"),
)  # fmt: skip
"""Columns that files of older versions do not have yet; they come last there, too."""


class NoJournal(Exception):
    """The file cannot be opened, or is something else."""


def connect(path: str) -> sqlite3.Connection:
    """The only connection factory: every commit is on the disk before it returns."""
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    db.execute("pragma journal_mode = wal")
    db.execute("pragma synchronous = full")
    db.execute("pragma busy_timeout = 5000")
    db.execute("pragma recursive_triggers = on")  # else what is replaced goes without being counted
    return db


def _why(error: Exception) -> str:
    """A disk that fails says nothing about the file: nobody should throw it away for that."""
    if isinstance(error, Unsound):
        return f"cannot be used: {error}"
    if isinstance(error, OSError | sqlite3.OperationalError):
        return f"cannot be opened now: {error}"
    return f"is not a journal: {error}"


def _add_columns(db: sqlite3.Connection) -> None:
    for table, column, kind in _LATER:
        known = [name for (name,) in db.execute("select name from pragma_table_info(?)", (table,))]
        if column not in known:
            db.execute(f"alter table {table} add column {column} {kind}")


def opened(path: Path | str) -> tuple[sqlite3.Connection, Soundness]:
    """Open or make the file (":memory:" for tests); raises `NoJournal`."""
    try:
        db = connect(str(path))
        sound = Soundness(db, path)
        db.executescript(f"begin; {_SCHEMA}")
        _add_columns(db)
        sound.watch()
        db.execute("commit")
    except (sqlite3.Error, OSError, Unsound) as error:
        raise NoJournal(f"{path} {_why(error)}") from error
    return db, sound
