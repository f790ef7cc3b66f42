"""Hash chains over the books of the box (moves, audit): one a UTC day, so that whole days can be cleared away by age.

A row's hash is SHA-256 over the one before it on its day and the row itself; the first row of a day follows on what
was the newest day's last hash when the day was begun. `chain_days` keeps where each day's chain ends, also when its
rows are gone. Rows that are older than the first day have no hash (moves) or one chain through all of them (audit).
"""

import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, NamedTuple

from controller.store.written import to_json

Row = tuple[Any, ...]
DAY_US = 86_400_000_000
COLUMNS = {
    "events": "at, topic, event, job, robot, attempt, who, old, new, code, why, data",
    "audit": "at, who, role, ip, client, action, subject, before, after, why",
}
"""Books, and what of a row is under its hash: the moment (UTC microseconds) first."""

_HEAD = "select head from chain_days where book = ? and day = ?"
_NEWEST = "select head from chain_days where book = ? order by n desc limit 1"
_BEGIN = "insert into chain_days (book, day, before, head, first, rows) values (?, ?, ?, ?, ?, 0)"
_GO_ON = "update chain_days set head = ?, rows = rows + ? where book = ? and day = ?"


@dataclass
class _End:
    head: str
    rows: int = 0


def hashed(before: str, values: Sequence[Any]) -> str:
    """The hash of a row, from that of the row before it and its own values, in the order of `COLUMNS`."""
    return hashlib.sha256(f"{before}\n{to_json(list(values))}".encode()).hexdigest()


def linked(db: sqlite3.Connection, book: str, rows: Sequence[Row]) -> list[Row]:
    """Rows that are about to be added, in this order and at once, each with its hash as one value more."""
    ends: dict[int, _End] = {}
    result = []
    for place, row in enumerate(rows):
        day = row[0] // DAY_US
        end = ends.get(day) or ends.setdefault(day, _End(_head(db, book, day, place)))
        end.head = hashed(end.head, row)
        end.rows += 1
        result.append((*row, end.head))
    db.executemany(_GO_ON, [(end.head, end.rows, book, day) for day, end in ends.items()])
    return result


def _head(db: sqlite3.Connection, book: str, day: int, place: int) -> str:
    """Where the day's chain ends; the first row of a new day will be the one of this place among those to be added."""
    known = db.execute(_HEAD, (book, day)).fetchone()
    if known is not None:
        return str(known[0])
    newest = db.execute(_NEWEST, (book,)).fetchone()
    # Rows of a time without days: their last hash, if they have one.
    newest = newest or db.execute(f"select chain from {book} order by id desc limit 1").fetchone()  # noqa: S608
    before = (newest and newest[0]) or ""
    last = db.execute("select seq from sqlite_sequence where name = ?", (book,)).fetchone()
    db.execute(_BEGIN, (book, day, before, before, (last[0] if last else 0) + 1 + place))
    return str(before)


def drop(db: sqlite3.Connection, book: str, day: int, limit: int) -> int:
    """Clear away at most so many rows of a day for good, and keep its last hash; returns how many went, 0: all have."""
    db.execute("update chain_days set dropped = 1 where book = ? and day = ? and dropped = 0", (book, day))
    done = db.execute(
        f"delete from {book} where id in (select b.id from chain_days d join {book} b on b.id >= d.first"  # noqa: S608
        " where d.book = ? and d.day = ? and b.at >= ? and b.at < ? limit ?)",
        (book, day, day * DAY_US, (day + 1) * DAY_US, limit),
    )
    return done.rowcount


# ---------------------------------------------------------------- checking
class Checked(NamedTuple):
    """How many rows have a hash, and what is wrong with them: (id of the row or 0, a sentence)."""

    rows: int
    wrong: list[tuple[int, str]]


class _Day:
    def __init__(self, row: sqlite3.Row) -> None:
        self.number, self.before, self.head = row["day"], row["before"], row["head"]
        self.expected, self.dropped, self.first = row["rows"], bool(row["dropped"]), row["first"]
        self.reached, self.rows = self.before, 0
        self.seen: set[str] = set()

    @property
    def name(self) -> str:
        """The date."""
        return datetime.fromtimestamp(self.number * 86_400, UTC).date().isoformat()


def check(db: sqlite3.Connection, book: str) -> Checked:
    """Go over every row of a book; a row that is wrong is named once, and those after it are judged on their own."""
    days = [_Day(row) for row in db.execute("select * from chain_days where book = ? order by n", (book,))]
    by_number: dict[int | None, _Day] = {day.number: day for day in days}
    first = min((day.first for day in days), default=None)
    starts = {day.before for day in days}
    wrong: list[tuple[int, str]] = []
    count, old = 0, _Old(book)
    for row in db.execute(f"select id, chain, {COLUMNS[book]} from {book} order by id"):  # noqa: S608
        if first is None or row["id"] < first:
            wrong += old.judge(row)
        else:
            wrong += _judge(row, by_number.get(_day_of(row)), starts)
        count += row["chain"] is not None
    return Checked(count, wrong + [problem for day in days for problem in _ends(day)] + list(_links(days)))


def _day_of(row: sqlite3.Row) -> int | None:
    """None where a flipped bit has made something else of the moment."""
    return row["at"] // DAY_US if isinstance(row["at"], int) else None


def _follows(before: str, row: sqlite3.Row) -> bool:
    """A flipped bit may have made bytes of a text, of which there is no hash."""
    try:
        return bool(row["chain"] == hashed(before, tuple(row)[2:]))
    except (TypeError, ValueError):
        return False


def _judge(row: sqlite3.Row, day: _Day | None, starts: set[str]) -> list[tuple[int, str]]:
    if day is None:
        return [(row["id"], "its day has no chain")]
    if day.dropped:
        return []
    follows = _follows(day.reached, row)
    day.reached = row["chain"] or ""
    day.rows += 1
    if day.reached in starts:
        day.seen.add(day.reached)
    return [] if follows else [(row["id"], "it is not what was written, or the row before it is missing")]


class _Old:
    """Rows of the time before there were days."""

    def __init__(self, book: str) -> None:
        self._has_chain = book == "audit"
        self._reached: str | None = None

    def judge(self, row: sqlite3.Row) -> list[tuple[int, str]]:
        """Those before the first may have been cleared away, so it is taken as it stands, unless it is number one."""
        if not self._has_chain:
            return [] if row["chain"] is None else [(row["id"], "its day has no chain")]
        before = "" if row["id"] == 1 else self._reached
        self._reached = row["chain"]
        if before is None or _follows(before, row):
            return []
        return [(row["id"], "it is not what was written, or the row before it is missing")]


def _ends(day: _Day) -> Iterator[tuple[int, str]]:
    if day.dropped:
        return
    if day.rows != day.expected:
        yield 0, f"{day.name}: {day.rows} rows, {day.expected} were written"
    elif day.reached != day.head:
        yield 0, f"{day.name}: the last row is not the last one that was written"


def _links(days: list[_Day]) -> Iterator[tuple[int, str]]:
    """A day follows on a hash of the day before it: its last one, or the last one then, if a clock went back."""
    for earlier, day in pairwise(days):
        if day.before not in (earlier.head, earlier.before) and not earlier.dropped and day.before not in earlier.seen:
            yield 0, f"{day.name}: it does not follow on {earlier.name}"
