"""What the database knows of the box as a whole."""

import sqlite3

from controller.store import standing
from controller.store.queries.values import rfc3339
from schemas.status import JobState
from schemas.views import Drained

_WORKING = (JobState.ASSIGNED, JobState.RUNNING, JobState.CANCELLING)


def drained(db: sqlite3.Connection) -> Drained:
    """Whether work is given out, and what of it still runs."""
    found = standing.drained(db)
    counts = {row["state"]: int(row["n"]) for row in db.execute("select state, sum(n) as n from job_counts group by 1")}
    return Drained(
        drained=found is not None,
        since=None if found is None else rfc3339(found[0]),
        by=None if found is None else found[1],
        working=sum(counts.get(state.value, 0) for state in _WORKING),
        paused=counts.get(JobState.PAUSED.value, 0),
        uncertain=counts.get(JobState.UNCERTAIN.value, 0),
    )
