"""Lists and counts of jobs: which index answers a set of filters, so that no list ever reads the whole table."""

import sqlite3
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal

from controller.store.queries.job_filters import PERIODS, Driver, JobFilter, Sort, along, matched, ways
from controller.store.queries.jobs import rows_of
from controller.store.queries.walk import SCAN_ROWS, Key, Walk, Where, bind, count_to, cursor, read_cursor, take
from schemas.views import JobCounts, JobPage, Total

Order = Literal["newest", "oldest", "ended_newest", "ended_oldest"]
KEYS: dict[str, tuple[str, ...]] = {"id": ("id",)} | {sort: (column, "id") for sort, column in PERIODS.items()}
_LENGTHS = {sort: len(key) for sort, key in KEYS.items()}
_FILTERED = ("state", "deployment", "flow", "robot", "target", "source_type", "parked", *PERIODS.values(), "id")
_ALL = Driver("all", "not indexed", "id", (Where("id > 0"),))


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
                Walk(table, arm, key, _read_by(self.filters), self.filters, descending, after, self.short, parts=parts)
                for arm in self.driver.arms
            ]
        # Along an index by time the period is a pair of bounds on the key: the walk ends where the period ends.
        low, high = f.period(self.sort)
        arm = Where(f"{key[0]} is not null")
        bounds = (None if low is None else (low, -1), None if high is None else (high, -1))
        columns = _read_by(self.filters)
        return [Walk(table, arm, key, columns, self.filters, descending, after, low=bounds[0], high=bounds[1])]


def _read_by(filters: tuple[Where, ...]) -> tuple[str, ...]:
    """The columns that conditions name: with no others asked for, an index that has them is all that is read."""
    return tuple(name for name in _FILTERED if any(name in where.sql for where in filters))


def _length(db: sqlite3.Connection, driver: Driver) -> int:
    """How many rows a driver leads to, counted up to one more than may be sorted."""
    total = 0
    for arm in driver.arms:
        total += count_to(db, f"jobs {driver.hint}", arm, SCAN_ROWS + 1 - total)
        if total > SCAN_ROWS:
            break
    return total


def plan(db: sqlite3.Connection, f: JobFilter, order: Order, sort: str | None = None) -> Plan:
    """The way to read a list: a short part of an index if there is one, else a bounded walk in the index's order."""
    found = ways(db, f)
    by_end = order.startswith("ended")
    lengths = {way.name: _length(db, way) for way in found.drivers}
    best = min(found.drivers, key=lambda way: lengths[way.name], default=None)
    if best is not None and lengths[best.name] <= SCAN_ROWS:
        wanted: Any = sort or ("ended" if by_end else "id")
        return Plan(best, wanted, short=True, filters=found.but(best))
    may = {sort} if sort else {"ended"} if by_end else {"id", "created", "started"}
    chosen = next(way for way in (*found.drivers, _ALL, *map(along, PERIODS)) if way.sort in may)
    return Plan(chosen, chosen.sort, short=False, filters=found.but(chosen))


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
    more = None if stop is None else cursor(binding, chosen.sort, stop)
    return JobPage(items=items, next=more, matched=matched(db, f))


def cursor_at(db: sqlite3.Connection, f: JobFilter, order: Order, uid: str) -> str | None:
    """The place of a job in a list: a page after it goes on behind that job. None if the job has no such place."""
    chosen = plan(db, f, order)
    row = db.execute(f"select {', '.join(KEYS[chosen.sort])} from jobs where uid = ?", (uid,)).fetchone()  # noqa: S608
    if row is None or None in tuple(row):
        return None
    return cursor(bind("jobs", vars(f), order), chosen.sort, tuple(row))


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
    columns = ", ".join(dict.fromkeys(("state", *_read_by(chosen.filters))))
    for arm in chosen.driver.arms:
        rows = db.execute(
            f"select state, count(*) as n from (select {columns} from jobs {chosen.driver.hint}"  # noqa: S608
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


def newer_than(db: sqlite3.Connection, f: JobFilter, uid: str, cap: int = 100) -> int:
    """How many jobs that fit were made after a job, counted up to `cap`, among the `SCAN_ROWS` made next.

    None were made after a job that there is not.
    """
    fits = ways(db, f).but()
    row = db.execute(
        f"select count(*) as n from (select 1 from (select {', '.join(_FILTERED)} from jobs not indexed"  # noqa: S608
        " where id > (select id from jobs where uid = ?) order by id limit ?)"
        f" where {' and '.join(where.sql for where in fits) or 'true'} limit ?)",
        (uid, SCAN_ROWS, *chain.from_iterable(where.values for where in fits), cap),
    ).fetchone()
    return int(row["n"])
