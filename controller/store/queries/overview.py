"""What the overview counts: jobs that ended by hour and outcome."""

import sqlite3

from controller.store.queries.values import rfc3339
from schemas.views import HourCount

MAX_HOURS = 24 * 62
"""So many hours are counted at once: two months."""


def jobs_per_hour(db: sqlite3.Connection, first_hour: int, last_hour: int) -> list[HourCount]:
    """Ended jobs of all deployments by hour (since 1970 began, both included) and outcome, in that order.

    Raises `ValueError` for more than `MAX_HOURS`.
    """
    _check_span(first_hour, last_hour)
    rows = db.execute(
        "select hour, outcome, sum(n) as n from job_hours where hour between ? and ?"
        " group by hour, outcome order by hour, outcome",
        (first_hour, last_hour),
    )
    return [HourCount(hour=row["hour"], outcome=row["outcome"], n=row["n"]) for row in rows]


def outcomes_since(db: sqlite3.Connection, hour: int) -> dict[str, int]:
    """Ended jobs by outcome from an hour on; raises `ValueError` if that is more than `MAX_HOURS`."""
    newest = db.execute("select max(hour) as hour from job_hours").fetchone()["hour"]
    if newest is None or newest < hour:
        return {}
    counts: dict[str, int] = {}
    for one in jobs_per_hour(db, hour, newest):
        counts[one.outcome] = counts.get(one.outcome, 0) + one.n
    return counts


def waiting_since(db: sqlite3.Connection) -> str | None:
    """When the job that waits longest was made, whatever it waits for; None: no job waits."""
    row = db.execute(
        "select created_at from jobs indexed by jobs_state where state = 'queued' order by id limit 1"
    ).fetchone()
    return None if row is None else rfc3339(row["created_at"])


def _check_span(first_hour: int, last_hour: int) -> None:
    if last_hour - first_hour >= MAX_HOURS:
        raise ValueError(f"{last_hour - first_hour + 1} hours at once; at most {MAX_HOURS}")
