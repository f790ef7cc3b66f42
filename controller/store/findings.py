"""What was found wrong with the box's own data: kept in the database until somebody has seen to it."""

import sqlite3
from typing import NamedTuple

STANDS_US = 86_400_000_000
"""How long a loss is shown at least."""
LOST_TURNS = "store.lost"
"""Acknowledged work is missing from the database."""
BAD_PAGE = "store.damaged"
"""A part of the database's file is not what was written: stands until a backup is restored or a person accepts it."""
UNREADABLE = "store.unreadable"
"""The database's file cannot be read now, which may pass."""
NOT_SEEN = "It was not seen any more later, which proves nothing: a page that is written anew has a new checksum."
LONGEST = 1000
"""Characters that are kept of what was found."""


class Finding(NamedTuple):
    """One thing that is wrong: a code for machines, a sentence for people, since when (UTC microseconds)."""

    code: str
    text: str
    since: int


def add(db: sqlite3.Connection, code: str, text: str, us: int) -> None:
    """Note a finding; of two with one code the newer sentence stands, since the older moment."""
    db.execute("insert into findings values (?, ?, ?) on conflict do update set text = excluded.text", (code, text, us))


def put(db: sqlite3.Connection, code: str, text: str | None, us: int) -> None:
    """A finding as it is now; None: it is none any more."""
    if text is None:
        end(db, code)
    else:
        add(db, code, text, us)


def lasting(db: sqlite3.Connection, wrong: str | None) -> str | None:
    """What stands about damage after a look at everything that found this (None: nothing); None: nothing ever was.

    Work on a page that went bad writes it anew with what is wrong in it, and from then on its sum is right. So what was
    found stays, with its page.
    """
    kept = {one.code: one.text for one in findings(db)}.get(BAD_PAGE)
    before = None if kept is None else kept.removesuffix(f" {NOT_SEEN}")
    if wrong is None:
        return None if before is None else f"{before} {NOT_SEEN}"
    if before is None or wrong in before:
        return before or wrong
    return f"{wrong} Before: {before}"[:LONGEST]


def differs(db: sqlite3.Connection, code: str, text: str | None) -> bool:
    """Whether what is noted is something else."""
    return {one.code: one.text for one in findings(db)}.get(code) != text


def is_over(db: sqlite3.Connection, code: str, us: int) -> bool:
    """Whether a loss has been seen to: it stood for a day, and no job is parked any more."""
    since = {one.code: one.since for one in findings(db)}.get(code)
    parked = db.execute("select 1 from jobs where parked = 1 limit 1").fetchone()
    return since is not None and us - since > STANDS_US and parked is None


def end(db: sqlite3.Connection, code: str) -> None:
    """Somebody has seen to it."""
    db.execute("delete from findings where code = ?", (code,))


def findings(db: sqlite3.Connection) -> list[Finding]:
    """Everything that stands, oldest first."""
    return [Finding(*row) for row in db.execute("select code, text, since from findings order by since, code")]
