"""A job as it stands, for asking what is to be done with it: facts, titles, and what the buttons are called."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from controller.store import queries
from schemas.status import JobState
from schemas.views import Job
from web.console.frame import board, reader
from web.console.job_outlook import Action, Case, Outlook, case_of, outlook
from web.console.language import N_
from web.errors import not_found

MAX_MOVES = 200
"""So many of a job's newest moves are looked at for when it came into its state."""


@dataclass(frozen=True)
class Asked:
    """A job as it is now, with what one action would do.

    `name`: what people call it; `since`: when it came into its state, if that is known.
    """

    action: Action
    job: Job
    case: Case
    outlook: Outlook
    since: datetime | None
    name: str
    more: Mapping[str, Any]


def now() -> datetime:
    """The present, as the records name it."""
    return datetime.now(UTC)


def read(uid: str, action: Action) -> Asked:
    """The job and what the action would do now; raises `ApiError`."""
    robots = board().look().by_id
    with reader().reading() as db:
        found = queries.jobs_by_uid(db, [uid])
        number = queries.job_id(db, uid)
        if not found or number is None:
            raise not_found("job", uid)
        job = found[0]
        moves = queries.page_of_job_events(db, number, limit=MAX_MOVES).items
        more = _line(db, job, number) if action == "priority" else _again(db, job) if action == "rerun" else {}
        flow = None if job.deployment_name else queries.flow(db, job.flow, None)
        failed, undoes = _debugged(db, job, number) if action in ("again", "undo") else ("–", ())
    since = next((datetime.fromisoformat(move.at) for move in moves if move.new == job.state), None)
    cancelling = job.state == JobState.CANCELLING and since is not None
    waited = (now() - since).total_seconds() if cancelling and since is not None else None
    case = case_of(job, robots, waited)
    case = replace(case, failed=failed, undoes=undoes)
    name = job.deployment_name or job.deployment or (flow.name if flow else job.flow)
    return Asked(action, job, case, outlook(case, action), since, name, more)


def _line(db: queries.Connection, job: Job, number: int) -> dict[str, Any]:
    if job.state != JobState.QUEUED:
        return {}
    total = queries.waits_ahead(db, number, limit=1).total
    return {"place": total.value + 1, "exact": total.exact}


def _debugged(db: queries.Connection, job: Job, number: int) -> tuple[str, tuple[str, ...]]:
    """Name of the block that failed in debug mode, and of those that would be undone, the last first."""
    index = queries.index_of_job(db, number)
    path = queries.failed_path(db, number)
    block = index.at(path) if index is not None and path is not None else None
    undoes = queries.to_undo(db, job.attempt, index) if index is not None and job.attempt is not None else ()
    return block.name if block else path or "–", undoes


def _again(db: queries.Connection, job: Job) -> dict[str, Any]:
    """The version that a run of the deployment would take now, if there still is one."""
    deployment = queries.deployment(db, job.deployment) if job.deployment else None
    if deployment is None:
        return {"newer": None}
    wanted = queries.flow(db, deployment.flow, deployment.flow_version)
    changed = wanted is not None and (wanted.id, wanted.version) != (job.flow, job.flow_version)
    return {"newer": wanted.version if changed and wanted is not None else None}


TITLES: dict[Action, str] = {
    "cancel": N_("Cancel this job?"),
    "pause": N_("Pause this job?"),
    "resume": N_("Let this job go on?"),
    "again": N_("Run this block again?"),
    "undo": N_("Leave debug mode and undo?"),
    "priority": N_("Change its priority?"),
    "decide": N_("Decide about this job"),
    "release": N_("Release this job?"),
    "rerun": N_("Execute it again?"),
    "retry": N_("Send it again?"),
    "set_error": N_("End this job as failed?"),
}
KEEP: dict[Action, str] = {
    "cancel": N_("Keep the job"),
    "pause": N_("Let it run"),
    "resume": N_("Leave it paused"),
    "again": N_("Leave it paused"),
    "undo": N_("Leave it paused"),
    "priority": N_("Leave it"),
    "decide": N_("Go back"),
    "release": N_("Leave it"),
    "rerun": N_("Go back"),
    "retry": N_("Go back"),
    "set_error": N_("Keep the job"),
}
"""The safe answer."""
DO: dict[Action, str] = {
    "cancel": N_("Cancel the job"),
    "pause": N_("Pause the job"),
    "resume": N_("Let it go on"),
    "again": N_("Run the block again"),
    "undo": N_("Undo and end as failed"),
    "priority": N_("Change the priority"),
    "decide": N_("Decide"),
    "release": N_("Release the job"),
    "rerun": N_("Make a new job"),
    "retry": N_("Make a new job"),
    "set_error": N_("End it as failed"),
}
