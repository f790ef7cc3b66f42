"""When robots are free again, as far as jobs like theirs usually take."""

import time
from datetime import datetime

from controller.store import queries
from schemas.status import JobState, RobotState
from schemas.views import JobRow, Robot
from web.backend import Backend
from web.console.look import Look

KEPT_S = 5.0
"""An estimate of minutes need not be made anew twice a second."""
TOO_LATE = 2.0
"""A job that takes twice as long as usual is not like the others: nothing is said about it."""
_GOES_ON = frozenset({JobState.ASSIGNED, JobState.RUNNING})
_kept: tuple[Backend, float, dict[str, float]] | None = None


def free_in_s(look: Look, db: queries.Connection) -> dict[str, float]:
    """Seconds until each working robot is free, at least 0; robots that nothing is known about are left out.

    Free robots are not in it, and neither are those that get no new work (draining, on hold, offline). At most
    `KEPT_S` old.
    """
    global _kept  # noqa: PLW0603 - one estimate for all who look at once
    kept = _kept
    if kept is not None and kept[0] is look.backend and time.monotonic() - kept[1] < KEPT_S:
        return kept[2]
    found = _estimated(look, db)
    _kept = (look.backend, time.monotonic(), found)
    return found


def _estimated(look: Look, db: queries.Connection) -> dict[str, float]:
    working = [robot for robot in look.robots if robot.state is RobotState.WORKING]
    held = [one.job for robot in working for one in robot.held if one.job is not None]
    jobs = {job.id: job for job in queries.rows_by_uid(db, held)}
    usual: dict[tuple[str | None, str], int | None] = {}
    for job in jobs.values():
        if (kind := (job.deployment, job.flow)) not in usual:
            usual[kind] = queries.usual_duration_ms(db, *kind)
    left = {uid: _left_s(job, usual[job.deployment, job.flow], look.at) for uid, job in jobs.items()}
    found = {robot.id: _free_in_s(robot, left) for robot in working}
    return {robot: seconds for robot, seconds in found.items() if seconds is not None}


def _left_s(job: JobRow, usual_ms: int | None, at: datetime) -> float | None:
    """How long the job still takes if it is like the others."""
    if usual_ms is None or job.state not in _GOES_ON:
        return None
    run_s = 0.0 if job.started_at is None else (at - datetime.fromisoformat(job.started_at)).total_seconds()
    usual_s = usual_ms / 1000
    return None if run_s > TOO_LATE * usual_s else max(0.0, usual_s - run_s)


def _free_in_s(robot: Robot, left: dict[str, float | None]) -> float | None:
    """When its first place is free: at once if it has one left, else with the job that ends first."""
    if len(robot.held) < robot.capacity:
        return 0.0
    known = [seconds for one in robot.held if one.job is not None and (seconds := left.get(one.job)) is not None]
    return min(known, default=None)
