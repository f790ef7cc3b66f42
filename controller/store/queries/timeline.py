"""All attempts of a job with their block runs, for one scale of time."""

import sqlite3

from controller.store.queries.blocks import block_run
from controller.store.queries.flow_index import FlowIndex
from controller.store.queries.jobs import attempt_of, index_of_job
from schemas.views import AttemptRuns


def attempt_runs(
    db: sqlite3.Connection, job: int, limit_attempts: int = 10, limit_runs: int = 2000
) -> list[AttemptRuns]:
    """The newest attempts of a job, newest last, with at most `limit_runs` block runs in all.

    The newest attempt takes its runs first; of an attempt with more than there is room for, the newest are given.
    """
    index = index_of_job(db, job)
    attempts = db.execute(
        "select * from attempts indexed by attempts_job where job = ? order by number desc limit ?",
        (job, limit_attempts),
    ).fetchall()
    found: list[AttemptRuns] = []
    for row in attempts:
        one = _runs(db, row, index, limit_runs)
        limit_runs -= len(one.runs)
        found.append(one)
    return found[::-1]


def _runs(db: sqlite3.Connection, attempt: sqlite3.Row, index: FlowIndex | None, limit: int) -> AttemptRuns:
    rows = db.execute(
        "select * from block_runs where attempt = ? order by n desc limit ?", (attempt["number"], limit + 1)
    ).fetchall()
    runs = [block_run(row, index) for row in reversed(rows[:limit])]
    return AttemptRuns.model_construct(attempt=attempt_of(attempt), runs=runs, truncated=len(rows) > limit)
