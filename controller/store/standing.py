"""Facts of the database that people should know about the box as a whole."""

import sqlite3
from typing import NamedTuple


class Quarantined(NamedTuple):
    """Messages that could not be read: how many are kept, and when the newest came (UTC microseconds)."""

    kept: int
    newest: int


def parked_jobs(db: sqlite3.Connection) -> int:
    """Open jobs of before a restore that nobody has decided about."""
    return int(db.execute("select count(*) from (select 1 from jobs where parked = 1 limit 1000)").fetchone()[0])


def quarantined(db: sqlite3.Connection) -> Quarantined | None:
    """What robots said and nobody could read; None when there is nothing."""
    newest = db.execute("select at from quarantine order by id desc limit 1").fetchone()
    if newest is None:
        return None
    count = db.execute("select count(*) from quarantine").fetchone()[0]
    return Quarantined(int(count), int(newest["at"]))


def drained(db: sqlite3.Connection) -> tuple[int, str] | None:
    """Since when (UTC microseconds) the box gives out no work, and who asked for that; None: it does."""
    row = db.execute("select value from meta where key = 'drained'").fetchone()
    if row is None:
        return None
    since, _, who = str(row["value"]).partition(" ")
    return int(since), who


def drain(db: sqlite3.Connection, us: int, who: str) -> None:
    """The box gives out no work until `undrain`; the first who asked stays known."""
    db.execute("insert or ignore into meta values ('drained', ?)", (f"{us} {who}",))


def undrain(db: sqlite3.Connection) -> None:
    """It gives out work again."""
    db.execute("delete from meta where key = 'drained'")
