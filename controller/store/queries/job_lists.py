"""Lists and counts of jobs: which index answers a set of filters, so that no list ever reads the whole table."""

import json
import re
import sqlite3
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal

from controller.store.queries.jobs import rows_of
from controller.store.queries.walk import SCAN_ROWS, Key, Walk, Where, bind, count_to, cursor, read_cursor, take
from schemas.views import JobCounts, JobPage, Total

Order = Literal["newest", "oldest", "ended_newest", "ended_oldest"]
Sort = Literal["id", "created", "ended"]
KEYS: dict[str, tuple[str, ...]] = {"id": ("id",), "created": ("created_at", "id"), "ended": ("ended_at", "id")}
_LENGTHS = {sort: len(key) for sort, key in KEYS.items()}
_FILTERED = ("state", "deployment", "flow", "robot", "target", "source_type", "created_at", "ended_at", "id")
_FOREVER = 2**62
_LIKE_AN_ID = re.compile(r"[0-9a-f][0-9a-f-]{7,35}\Z", re.IGNORECASE)
MAX_DEPLOYMENTS, MAX_NAMED = 50, 1000


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
    ended_from: int | None = None
    ended_to: int | None = None
    root: str | None = None


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


@dataclass(frozen=True)
class Plan:
    """How a list is read: the index, the order, and whether its part of the index is short enough to sort."""

    driver: Driver
    sort: Sort
    short: bool
    filters: tuple[Where, ...]

    def walks(self, f: JobFilter, *, descending: bool, after: Key | None) -> list[Walk]:
        """One walk for each place of the index."""
        table, key = f"jobs {self.driver.hint}", KEYS[self.sort]
        if self.sort == "id" or self.short:
            parts = 1 if self.short else len(self.driver.arms)
            return [
                Walk(table, arm, key, _FILTERED, self.filters, descending, after, self.short, parts=parts)
                for arm in self.driver.arms
            ]
        # Along an index by time the period is a pair of bounds on the key: the walk ends where the period ends.
        low, high = (f.created_from, f.created_to) if self.sort == "created" else (f.ended_from, f.ended_to)
        arm = Where(f"{key[0]} is not null")
        bounds = (None if low is None else (low, -1), None if high is None else (high, -1))
        return [Walk(table, arm, key, _FILTERED, self.filters, descending, after, low=bounds[0], high=bounds[1])]


def _equals(name: str, hint: str, column: str, values: tuple[Any, ...]) -> Driver:
    return Driver(name, hint, "id", tuple(Where(f"{column} = ?", (value,)) for value in values))


def _ids(name: str, ids: list[int]) -> Driver:
    return Driver(name, "not indexed", "id", (Where("id in (select value from json_each(?))", (json.dumps(ids),)),))


def _period(name: Sort, column: str, start: int | None, end: int | None) -> Driver:
    where = Where(f"{column} >= ? and {column} < ?", (start or 0, _FOREVER if end is None else end))
    return Driver(name, f"indexed by jobs_{name}", name, (where,))


def _tree(db: sqlite3.Connection, root: str) -> list[int]:
    """A job and everything below it."""
    rows = db.execute(
        "with recursive tree (id) as (select id from jobs where uid = ? union"
        " select j.id from tree t join jobs j indexed by jobs_parent on j.parent = t.id)"
        " select id from tree limit ?",
        (root, SCAN_ROWS),
    )
    return [row["id"] for row in rows]


def _searched(db: sqlite3.Connection, text: str) -> Driver:
    """A job whose id begins so; else the deployments whose name or id contains the text."""
    if _LIKE_AN_ID.match(text):
        low = text.lower()
        rows = db.execute("select id from jobs where uid >= ? and uid < ? limit ?", (low, low + "g", MAX_NAMED))
        if ids := [row["id"] for row in rows]:
            return _ids("q", ids)
    found = db.execute(
        "select id from deployments where instr(lower(name), ?) or instr(lower(id), ?) order by id limit ?",
        (text.lower(), text.lower(), MAX_DEPLOYMENTS),
    )
    names = tuple(row["id"] for row in found)
    return _equals("q", "indexed by jobs_deployment", "deployment", names) if names else _ids("q", [])


def drivers(db: sqlite3.Connection, f: JobFilter) -> list[Driver]:
    """Every filter that an index answers, the ones that lead to fewer rows (as a rule) first."""
    found: list[Driver] = []
    if f.root is not None:
        found.append(_ids("root", _tree(db, f.root)))
    if f.q:
        found.append(_searched(db, f.q))
    if f.created_from is not None or f.created_to is not None:
        found.append(_period("created", "created_at", f.created_from, f.created_to))
    if f.ended_from is not None or f.ended_to is not None:
        found.append(_period("ended", "ended_at", f.ended_from, f.ended_to))
    for name, index, column, value in (
        ("deployment", "deployment", "deployment", f.deployment),
        ("robot", "robot", "robot", f.robot),
        ("queue", "target", "target", None if f.queue is None else f"q:{f.queue}"),
        ("flow", "flow", "flow", f.flow),
    ):
        if value is not None:
            found.append(_equals(name, f"indexed by jobs_{index}", column, (value,)))
    if f.states:
        found.append(_equals("state", "indexed by jobs_state", "state", tuple(dict.fromkeys(f.states))))
    return found


def _length(db: sqlite3.Connection, driver: Driver) -> int:
    """How many rows a driver leads to, counted up to one more than may be sorted."""
    total = 0
    for arm in driver.arms:
        total += count_to(db, f"jobs {driver.hint}", arm, SCAN_ROWS + 1 - total)
        if total > SCAN_ROWS:
            break
    return total


_ALL = Driver("all", "not indexed", "id", (Where("id > 0"),))


def plan(db: sqlite3.Connection, f: JobFilter, order: Order, sort: str | None = None) -> Plan:
    """The way to read a list: a short part of an index if there is one, else a bounded walk in the index's order."""
    ways = drivers(db, f)
    by_end = order.startswith("ended")
    lengths = {way.name: _length(db, way) for way in ways}
    best = min(ways, key=lambda way: lengths[way.name], default=None)
    if best is not None and lengths[best.name] <= SCAN_ROWS:
        wanted: Any = sort or ("ended" if by_end else "id")
        return Plan(best, wanted, short=True, filters=_others(f, ways, best))
    may = {sort} if sort else {"ended"} if by_end else {"id", "created"}
    always = (_ALL, _period("created", "created_at", None, None), _period("ended", "ended_at", None, None))
    chosen = next(way for way in (*ways, *always) if way.sort in may)
    return Plan(chosen, chosen.sort, short=False, filters=_others(f, ways, chosen))


def _others(f: JobFilter, ways: list[Driver], chosen: Driver) -> tuple[Where, ...]:
    conditions = [way.condition for way in ways if way.name != chosen.name]
    if f.source is not None:
        conditions.append(Where("source_type = ?", (f.source,)))
    return tuple(conditions)


def page_of_jobs(
    db: sqlite3.Connection, f: JobFilter, order: Order = "newest", limit: int = 50, after: str | None = None
) -> JobPage:
    """One page of jobs; raises `BadCursor`."""
    binding = bind("jobs", vars(f), order)
    sort, key = read_cursor(after, binding, _LENGTHS) if after else (None, None)
    chosen = plan(db, f, order, sort)
    down = order.endswith("newest")
    walks = chosen.walks(f, descending=down, after=key)
    keys, stop = take(db, walks, limit)
    items = rows_of(db, [found[-1] for found in keys])
    return JobPage(items=items, next=None if stop is None else cursor(binding, chosen.sort, stop))


def count_jobs(db: sqlite3.Connection, f: JobFilter) -> JobCounts:
    """How many jobs fit: exact by state and queue (from counters) or where few rows fit; else at least so many."""
    if f == JobFilter(states=f.states, queue=f.queue):
        return _counted(db, f)
    chosen = plan(db, f, "newest")
    counts: dict[str, int] = {}
    left = max(1, SCAN_ROWS // (1 if chosen.short else max(1, len(chosen.driver.arms))))
    exact = chosen.short
    fit = " and ".join(where.sql for where in chosen.filters) or "true"
    values = tuple(chain.from_iterable(where.values for where in chosen.filters))
    for arm in chosen.driver.arms:
        rows = db.execute(
            f"select state, count(*) as n from (select {', '.join(_FILTERED)} from jobs {chosen.driver.hint}"  # noqa: S608
            f" where {arm.sql} limit {left}) where {fit} group by state",
            (*arm.values, *values),
        )
        for row in rows:
            counts[row["state"]] = counts.get(row["state"], 0) + row["n"]
    return JobCounts(by_state=counts, total=Total(value=sum(counts.values()), exact=exact))


def _counted(db: sqlite3.Connection, f: JobFilter) -> JobCounts:
    sql, values = "select state, sum(n) as n from job_counts where true", []
    if f.queue is not None:
        sql, values = sql + " and target = ?", [f"q:{f.queue}"]
    counts = {row["state"]: int(row["n"]) for row in db.execute(sql + " group by state", values)}
    counts = {state: n for state, n in counts.items() if n and (not f.states or state in f.states)}
    return JobCounts(by_state=counts, total=Total(value=sum(counts.values()), exact=True))
