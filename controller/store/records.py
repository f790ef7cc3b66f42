"""What the records of jobs need beyond their moves: schedules to be stopped, definitions that are gone, who asked."""

import sqlite3

from schemas.record import SET_ERROR
from schemas.status import JobState


def disable_schedule(db: sqlite3.Connection, firing: str, who: str, now_us: int) -> str | None:
    """Let the schedule that made a firing fire no more; its id, None if it is gone or did not fire anyway."""
    row = db.execute(
        "update schedules set enabled = 0, version = version + 1, updated_at = ?, updated_by = ?"
        " where id = (select schedule from firings where uid = ?) and enabled = 1 returning id",
        (now_us, who, firing),
    ).fetchone()
    return None if row is None else str(row["id"])


def has_definition(db: sqlite3.Connection, version: int) -> bool:
    """Whether a version of a flow, by its inner id, is still there."""
    return db.execute("select 1 from flow_versions where id = ?", (version,)).fetchone() is not None


def asker(db: sqlite3.Connection, job: int, event: str) -> str | None:
    """Who asked for something last, by its event."""
    row = db.execute(
        "select who from events indexed by events_job where job = ? and event = ? order by id desc limit 1",
        (job, event),
    ).fetchone()
    return None if row is None else str(row["who"])


def ended_by_set_error(db: sqlite3.Connection, attempt: int) -> bool:
    """Whether somebody ended the job as failed while this was its attempt: its blocks stay as they are."""
    row = db.execute(
        "select 1 from attempts a join jobs j on j.id = a.job and j.attempt = a.number"
        " where a.number = ? and j.state = ? and j.intention_code = ?",
        (attempt, JobState.FAILED.value, SET_ERROR),
    ).fetchone()
    return row is not None
