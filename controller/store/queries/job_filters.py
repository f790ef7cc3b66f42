"""What the jobs of a list have in common, and which indexes lead to them."""

import json
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal

from controller.store.queries.likeness import named
from controller.store.queries.walk import SCAN_ROWS, Where
from schemas.views.jobs import Matched, MatchedName

Sort = Literal["id", "created", "started", "ended"]
_FOREVER = 2**62
_LIKE_AN_ID = re.compile(r"[0-9a-f][0-9a-f-]{7,35}\Z", re.IGNORECASE)
MAX_DEPLOYMENTS, MAX_NAMED, MAX_MATCHED = 50, 1000, 20
"""More deployments than this are no way along an index, only a condition; a piece of an id stands for so many jobs; so
many names that a text fits are told."""


@dataclass(frozen=True)
class JobFilter:
    """What the jobs of a list have in common; instants in microseconds, from (included) to (excluded)."""

    states: tuple[str, ...] = ()
    deployment: str | None = None
    flow: str | None = None
    q: str | None = None
    robot: str | None = None
    queue: str | None = None
    source: str | None = None
    created_from: int | None = None
    created_to: int | None = None
    started_from: int | None = None
    started_to: int | None = None
    ended_from: int | None = None
    ended_to: int | None = None
    root: str | None = None
    parked: bool | None = None
    ids: tuple[str, ...] = ()

    def period(self, sort: Sort) -> tuple[int | None, int | None]:
        """From and to of a time that lists are ordered by; neither by id."""
        periods: dict[Sort, tuple[int | None, int | None]] = {
            "created": (self.created_from, self.created_to),
            "started": (self.started_from, self.started_to),
            "ended": (self.ended_from, self.ended_to),
        }
        return periods.get(sort, (None, None))


@dataclass(frozen=True)
class Driver:
    """A filter that an index answers: its rows in the order `sort`, from one or several places of the index."""

    name: str
    hint: str
    sort: Sort
    arms: tuple[Where, ...]

    @property
    def condition(self) -> Where:
        """The same filter for rows that another index leads to."""
        sql = " or ".join(f"({arm.sql})" for arm in self.arms) or "false"
        return Where(f"({sql})", tuple(chain.from_iterable(arm.values for arm in self.arms)))


def _equals(name: str, hint: str, column: str, values: tuple[Any, ...]) -> Driver:
    return Driver(name, hint, "id", tuple(Where(f"{column} = ?", (value,)) for value in values))


def _ids(name: str, ids: list[int]) -> Driver:
    return Driver(name, "not indexed", "id", (Where("id in (select value from json_each(?))", (json.dumps(ids),)),))


PERIODS: dict[Sort, str] = {"created": "created_at", "started": "started_at", "ended": "ended_at"}
"""Orders by time, each along an index of its own, and their columns."""


def along(sort: Sort, start: int | None = None, end: int | None = None) -> Driver:
    """The index of a time, or a period of it."""
    column = PERIODS[sort]
    where = Where(f"{column} >= ? and {column} < ?", (start or 0, _FOREVER if end is None else end))
    return Driver(sort, f"indexed by jobs_{sort}", sort, (where,))


def _tree(db: sqlite3.Connection, root: str) -> list[int]:
    """A job and everything below it."""
    rows = db.execute(
        "with recursive tree (id) as (select id from jobs where uid = ? union"
        " select j.id from tree t join jobs j indexed by jobs_parent on j.parent = t.id)"
        " select id from tree limit ?",
        (root, SCAN_ROWS),
    )
    return [row["id"] for row in rows]


def _named(db: sqlite3.Connection, uids: tuple[str, ...]) -> list[int]:
    rows = db.execute("select id from jobs where uid in (select value from json_each(?))", (json.dumps(uids),))
    return [row["id"] for row in rows]


def _searched(db: sqlite3.Connection, text: str) -> Driver:
    """A job whose id begins so; else the deployments that the text names."""
    if ids := _beginning(db, text):
        return _ids("q", ids)
    names = named(db, "deployment", text).ids
    if len(names) > MAX_DEPLOYMENTS:
        return Driver("q", "", "id", (Where("deployment in (select value from json_each(?))", (json.dumps(names),)),))
    return _equals("q", "indexed by jobs_deployment", "deployment", names) if names else _ids("q", [])


def _beginning(db: sqlite3.Connection, text: str) -> list[int]:
    """The jobs whose public id begins so."""
    if not _LIKE_AN_ID.match(text):
        return []
    low = text.lower()
    rows = db.execute("select id from jobs where uid >= ? and uid < ? limit ?", (low, low + "g", MAX_NAMED))
    return [row["id"] for row in rows]


def matched(db: sqlite3.Connection, f: JobFilter) -> Matched | None:
    """Which deployments the text of a filter names; None without a text, or if it is how a job's id begins."""
    if not f.q or _beginning(db, f.q):
        return None
    fit = named(db, "deployment", f.q)
    first = [MatchedName(id=one, name=name) for one, name in fit.found[:MAX_MATCHED]]
    return Matched(names=first, count=len(fit.found), similar=fit.similar)


@dataclass(frozen=True)
class Ways:
    """A filter taken apart: what an index answers, and conditions that only rows can be held against."""

    drivers: list[Driver]
    rest: tuple[Where, ...]

    def but(self, chosen: Driver | None = None) -> tuple[Where, ...]:
        """Every condition that the rows of the chosen way have to meet besides."""
        return (*(way.condition for way in self.drivers if chosen is None or way.name != chosen.name), *self.rest)


def ways(db: sqlite3.Connection, f: JobFilter) -> Ways:
    """Every filter that an index answers, the ones that lead to fewer rows (as a rule) first; and the others."""
    found = [*_few(db, f), *_periods(f), *_common(f)]
    rest = [driver.condition for driver in found if not driver.hint]
    if f.parked is False:
        rest.append(Where("parked = 0"))
    return Ways([driver for driver in found if driver.hint], tuple(rest))


def _few(db: sqlite3.Connection, f: JobFilter) -> Iterator[Driver]:
    if f.ids:
        yield _ids("ids", _named(db, f.ids))
    if f.root is not None:
        yield _ids("root", _tree(db, f.root))
    if f.parked:
        yield Driver("parked", "indexed by jobs_parked", "id", (Where("parked = 1"),))
    if f.q:
        yield _searched(db, f.q)


def _periods(f: JobFilter) -> Iterator[Driver]:
    for sort in PERIODS:
        start, end = f.period(sort)
        if start is not None or end is not None:
            yield along(sort, start, end)


def _common(f: JobFilter) -> Iterator[Driver]:
    target = None if f.queue is None else f"q:{f.queue}"
    if target is not None and set(f.states) == {"queued"}:
        where = Where("target = ? and state = 'queued'", (target,))
        yield Driver("waiting", "indexed by jobs_waiting", "id", (where,))
    for name, index, column, value in (
        ("deployment", "deployment", "deployment", f.deployment),
        ("robot", "robot", "robot", f.robot),
        ("queue", "target", "target", target),
        ("flow", "flow", "flow", f.flow),
        ("source", "source", "source_type", f.source),
    ):
        if value is not None:
            yield _equals(name, f"indexed by jobs_{index}", column, (value,))
    if f.states:
        yield _equals("state", "indexed by jobs_state", "state", tuple(dict.fromkeys(f.states)))
