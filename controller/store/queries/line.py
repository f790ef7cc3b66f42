"""What a waiting job may expect: who is ahead of it in line, and how long jobs like it run."""

import sqlite3
from statistics import median

from controller.store.queries.jobs import rows_of
from controller.store.queries.walk import SCAN_ROWS
from schemas.views import Total, WaitsAhead

MAX_NEEDS = 200
"""Sets of block kinds under one target; as many as there are kinds of flows, so few."""
USUAL_OF, USUAL_FROM, USUAL_SCAN = 20, 3, 200
"""The median of so many runs, not of fewer than so many, found among so many jobs."""
_CLAIM = "from jobs indexed by jobs_claim where state = 'queued' and ready = 1 and parked = 0 and target = ?"
_RUN = "state = 'succeeded' and started_at is not null and ended_at is not null and mock = 0 and debug = 0"


def waits_ahead(db: sqlite3.Connection, job: int, limit: int = 5) -> WaitsAhead:
    """The jobs that go before a queued job of the same target, the next to go first; none if it is not queued.

    Jobs that back off or are parked are in nobody's way. The total is counted up to `SCAN_ROWS`.
    """
    row = db.execute("select state, target, priority from jobs where id = ?", (job,)).fetchone()
    if row is None or row["state"] != "queued":
        return WaitsAhead(items=[], total=Total(value=0, exact=True))
    # Under each need the line is a range of the index: those of a higher priority, then older ones of the same.
    ranges = [
        (f"{_CLAIM} and need = ? and {more}", (row["target"], need, row["priority"], *last))
        for need in _needs(db, row["target"])
        for more, last in (("priority > ?", ()), ("priority = ? and id < ?", (job,)))
    ]
    ahead: list[sqlite3.Row] = []
    total = 0
    for source, values in ranges:
        ahead += db.execute(f"select id, priority {source} order by priority desc, id limit ?", (*values, limit))
        total += _count(db, source, values, SCAN_ROWS + 1 - total)
    first = sorted(ahead, key=lambda one: (-one["priority"], one["id"]))[:limit]
    return WaitsAhead(
        items=rows_of(db, [one["id"] for one in first]),
        total=Total(value=min(total, SCAN_ROWS), exact=total <= SCAN_ROWS),
    )


def _count(db: sqlite3.Connection, source: str, values: tuple[object, ...], limit: int) -> int:
    sql = f"select count(*) as n from (select 1 {source} limit ?)"  # noqa: S608
    return int(db.execute(sql, (*values, limit)).fetchone()["n"])


def _needs(db: sqlite3.Connection, target: str) -> list[int]:
    """The needs under which jobs of a target wait: one seek each."""
    found: list[int] = []
    while len(found) < MAX_NEEDS:
        row = db.execute(
            f"select need {_CLAIM} and need > ? order by need limit 1", (target, found[-1] if found else -1)
        ).fetchone()
        if row is None:
            break
        found.append(row["need"])
    return found


def usual_duration_ms(db: sqlite3.Connection, deployment: str | None, flow: str) -> int | None:
    """Median run time of the last jobs of the deployment that succeeded, of the flow if there is no deployment.

    None if fewer than three are found among its newest 200 jobs and, should those all still wait, among the 200 jobs
    of any kind that ended last.
    """
    index, column, name = ("flow", "flow", flow) if deployment is None else ("deployment", "deployment", deployment)
    newest = f"from jobs indexed by jobs_{index} where {column} = ? order by id desc limit ?"
    ended = "from jobs indexed by jobs_ended where ended_at is not null order by ended_at desc, id desc limit ?"
    found = _durations(db, newest, f"{column} = ?", (name, USUAL_SCAN, name))
    if len(found) < USUAL_FROM:
        found = _durations(db, ended, f"{column} = ?", (USUAL_SCAN, name))
    return None if len(found) < USUAL_FROM else round(median(found) / 1000)


def _durations(db: sqlite3.Connection, source: str, fits: str, values: tuple[object, ...]) -> list[int]:
    looked_at = f"select state, started_at, ended_at, deployment, flow, mock, debug {source}"
    rows = db.execute(
        f"select max(0, ended_at - started_at) as us from ({looked_at}) where {_RUN} and {fits} limit ?",  # noqa: S608
        (*values, USUAL_OF),
    )
    return [int(row["us"]) for row in rows]
