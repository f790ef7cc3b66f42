"""How many log lines there are of each level, for the switch above them."""

import sqlite3

from controller.store.queries.walk import SCAN_ROWS
from schemas.views import Total

LEVELS = 4


def count_logs(db: sqlite3.Connection, job: int, attempt: int | None = None) -> list[Total]:
    """How many lines of a job, or of one of its attempts, have at least each level (debug first).

    Counted among the newest `SCAN_ROWS` lines; where there are more, a total is not exact: at least so many.
    """
    arm, value = ("logs indexed by logs_job where job", job)
    if attempt is not None:
        arm, value = "logs indexed by logs_attempt where attempt", attempt
    rows = db.execute(
        f"select level, count(*) as n from (select level from {arm} = ? order by id desc limit ?) group by level",  # noqa: S608
        (value, SCAN_ROWS),
    ).fetchall()
    exact = sum(row["n"] for row in rows) < SCAN_ROWS
    return [Total(value=sum(row["n"] for row in rows if row["level"] >= level), exact=exact) for level in range(LEVELS)]
