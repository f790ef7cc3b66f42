"""What was found wrong with the box's own data: kept in the database until somebody has seen to it."""

import sqlite3
from typing import NamedTuple

LOST_TURNS = "store.lost"
"""Acknowledged work is missing from the database."""
BAD_PAGE = "store.damaged"
"""A part of the database's file is not what was written."""


class Finding(NamedTuple):
    """One thing that is wrong: a code for machines, a sentence for people, since when (UTC microseconds)."""

    code: str
    text: str
    since: int


def add(db: sqlite3.Connection, code: str, text: str, us: int) -> None:
    """Note a finding; of two with one code the newer sentence stands, since the older moment."""
    db.execute("insert into findings values (?, ?, ?) on conflict do update set text = excluded.text", (code, text, us))


def end(db: sqlite3.Connection, code: str) -> None:
    """Somebody has seen to it."""
    db.execute("delete from findings where code = ?", (code,))


def findings(db: sqlite3.Connection) -> list[Finding]:
    """Everything that stands, oldest first."""
    return [Finding(*row) for row in db.execute("select code, text, since from findings order by since, code")]
