"""The other jobs of one submission: one for each robot that was named."""

import sqlite3
from dataclasses import dataclass

from schemas.status import JobState

MOST = 100


@dataclass(frozen=True)
class Sibling:
    """Another job of the same run; `robot`: who has or had it, else who shall."""

    id: str
    robot: str | None
    state: JobState


def siblings(db: sqlite3.Connection, run: str, but: str) -> list[Sibling]:
    """Jobs of the same run but one (by its public id), in the order in which they were made; at most `MOST`."""
    rows = db.execute(
        "select uid, robot, target, state from jobs indexed by jobs_run where run = ? and uid <> ? order by id limit ?",
        (run, but, MOST),
    )
    return [Sibling(row["uid"], row["robot"] or _named(row["target"]), JobState(row["state"])) for row in rows]


def _named(target: str) -> str | None:
    return target[2:] if target.startswith("r:") else None
