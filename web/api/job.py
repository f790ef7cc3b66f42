"""One job: what it is, what became of it, and commands to it."""

import re
from typing import Any

from pydantic import BaseModel

from controller.store import queries
from schemas.job import JobCommand, JobForce, JobPatch, JobRerun, Reasoned
from schemas.views import (
    AttemptPage,
    BlockRunPage,
    EventPage,
    FlatResults,
    Job,
    JobList,
    LogPage,
    ResultTree,
    Waiting,
)
from web.api.jobs import made, shown
from web.asked import BlocksQuery, LogsQuery, OrderedQuery, ResultsQuery
from web.errors import not_found
from web.routes import Call, Reply, Routes

routes = Routes()
MAX_ID = 255
RUN_ID = re.compile(r"[0-9]{1,16}\.[0-9]{1,9}", re.ASCII)


def known(call: Call, db: queries.Connection) -> int:
    """The inner id of the job in the path; raises `ApiError`."""
    uid = call.path["job"]
    number = queries.job_id(db, uid) if len(uid) <= MAX_ID else None
    if number is None:
        raise not_found("job", uid)
    return number


@routes.get("/jobs/<job>", Job)
def get_job(call: Call) -> Reply:
    """One job."""
    uid = call.path["job"]
    found = shown(call.backend, [uid])
    if uid not in found:
        raise not_found("job", uid)
    return Reply(found[uid])


def _carry_out(call: Call, command: str, **more: Any) -> Reply:
    """Ask, and show the job as it is then: 202 while the robot has not answered."""
    body: BaseModel = call.body
    uid = call.path["job"]
    if len(uid) > MAX_ID:
        raise not_found("job", uid)
    args: dict[str, Any] = {"job": uid} | body.model_dump(mode="json", exclude_unset=True) | more
    done = call.backend.ask(command, args, call.caller, call.key)
    return Reply(shown(call.backend, [uid])[uid], 202 if done.ok["recorded"] else 200, done.headers)


@routes.command("PATCH", "/jobs/<job>", Job, body=JobPatch)
def change_priority(call: Call) -> Reply:
    """Change the priority of a queued job: the queue-jump."""
    return _carry_out(call, "job.priority")


_TWO = {200: Job, 202: Job}


@routes.command("POST", "/jobs/<job>/cancel", answers=_TWO, body=JobCommand, body_optional=True)
def cancel_job(call: Call) -> Reply:
    """Cancel: a queued job at once (200), one that a robot holds once it says so (202)."""
    return _carry_out(call, "job.cancel")


@routes.command("POST", "/jobs/<job>/pause", answers=_TWO, body=JobCommand, body_optional=True)
def pause_job(call: Call) -> Reply:
    """Pause at the next block boundary, or at once where the robot can."""
    return _carry_out(call, "job.pause")


@routes.command("POST", "/jobs/<job>/resume", answers=_TWO, body=JobCommand, body_optional=True)
def resume_job(call: Call) -> Reply:
    """Resume a paused job."""
    return _carry_out(call, "job.resume")


@routes.command("POST", "/jobs/<job>/rollback", answers={202: Job}, body=JobCommand, body_optional=True)
def roll_back_job(call: Call) -> Reply:
    """Leave debug mode: the robot undoes what has finished, in reverse order, and the job fails.

    Only while a block that failed in debug mode waits for a person; `failed_run` of the job names it.
    """
    return _carry_out(call, "job.rollback")


@routes.command("POST", "/jobs/<job>/blocks/<block>/rerun", answers={202: Job}, body=JobCommand, body_optional=True)
def rerun_block(call: Call) -> Reply:
    """Run the block again that failed in debug mode: one further try, in the same attempt, on the same robot."""
    run = call.path["block"]
    if not RUN_ID.fullmatch(run):
        raise not_found("block", run)
    return _carry_out(call, "job.rerun_block", run=run)


@routes.command("POST", "/jobs/<job>/force", Job, body=JobForce)
def force_job(call: Call) -> Reply:
    """End a job whose robot does not answer, by a person's word; the robot is put on hold."""
    return _carry_out(call, "job.force")


@routes.command("POST", "/jobs/<job>/release", Job, body=Reasoned)
def release_job(call: Call) -> Reply:
    """Let a job that a restore has parked be dispatched again."""
    return _carry_out(call, "job.release")


@routes.command("POST", "/jobs/<job>/rerun", answers={201: JobList}, body=JobRerun, body_optional=True)
def rerun_job(call: Call) -> Reply:
    """Make a new job like an ended one; its `rerun_of` names it."""
    body: JobRerun = call.body
    if len(call.path["job"]) > MAX_ID:
        raise not_found("job", call.path["job"])
    args = {"job": call.path["job"]} | body.model_dump(mode="json", exclude_unset=True)
    done = call.backend.ask("job.rerun", args, call.caller, call.key)
    return made(call, done.ok["jobs"], done.headers)


@routes.command("POST", "/jobs/<job>/retry", answers={201: JobList})
def retry_job(call: Call) -> Reply:
    """Send a failed job again: a new one with its flow version, inputs, priority, target and source.

    Its `retried_from` names the old one, which does not change.
    """
    if len(call.path["job"]) > MAX_ID:
        raise not_found("job", call.path["job"])
    done = call.backend.ask("job.retry", {"job": call.path["job"]}, call.caller, call.key)
    return made(call, done.ok["jobs"], done.headers)


@routes.command("POST", "/jobs/<job>/set-error", answers=_TWO, body=Reasoned)
def set_job_error(call: Call) -> Reply:
    """End a job as failed: a queued one at once (200), one that a robot holds once it says so, or after 30 s (202).

    Its blocks that have begun and not ended fail with it.
    """
    return _carry_out(call, "job.set_error")


@routes.get("/jobs/<job>/attempts", AttemptPage, query=OrderedQuery)
def list_attempts(call: Call) -> Reply:
    """Attempts of a job, newest first."""
    query: OrderedQuery = call.query
    with call.backend.reader.reading() as db:
        job = known(call, db)
        newest = query.order == "newest"
        return Reply(queries.page_of_attempts(db, job, newest=newest, limit=query.limit, after=query.after))


@routes.get("/jobs/<job>/results", ResultTree | FlatResults, query=ResultsQuery)
def get_results(call: Call) -> Reply:
    """The flow's tree with what became of each block, unexecuted ones included.

    Loops show their last pass; `iterations=all` adds every pass. A flat list if the definition is unreadable.
    """
    query: ResultsQuery = call.query
    with call.backend.reader.reading() as db:
        job = known(call, db)
        found = queries.results(db, job, query.attempt, every_pass=query.iterations == "all")
    if found is None:
        raise not_found("attempt", str(query.attempt))
    return Reply(found)


@routes.get("/jobs/<job>/blocks", BlockRunPage, query=BlocksQuery)
def list_blocks(call: Call) -> Reply:
    """Block runs of an attempt, newest first."""
    query: BlocksQuery = call.query
    with call.backend.reader.reading() as db:
        job = known(call, db)
        attempt = _attempt(db, job, query.attempt)
        if attempt is None:
            return Reply(BlockRunPage(items=[]))
        page = queries.page_of_runs(
            db, attempt, queries.index_of_job(db, job), block=query.block, q=query.q,
            newest=query.order == "newest", limit=query.limit, after=query.after,
        )  # fmt: skip
    return Reply(page)


def _attempt(db: queries.Connection, job: int, asked: int | None) -> int | None:
    """The attempt that was asked for, which must be the job's; else the last that started."""
    if asked is None:
        return queries.shown_attempt(db, job)
    if not queries.belongs(db, job, asked):
        raise not_found("attempt", str(asked))
    return asked


@routes.get("/jobs/<job>/logs", LogPage, query=LogsQuery)
def list_logs(call: Call) -> Reply:
    """Log lines of a job or of one attempt, newest first."""
    query: LogsQuery = call.query
    with call.backend.reader.reading() as db:
        job = known(call, db)
        attempt = None if query.attempt is None else _attempt(db, job, query.attempt)
        page = queries.page_of_logs(
            db, job, attempt=attempt, level=query.level, type_=query.type_, block=query.block, q=query.q,
            newest=query.order == "newest", limit=query.limit, after=query.after,
        )  # fmt: skip
    return Reply(page)


@routes.get("/jobs/<job>/events", EventPage, query=OrderedQuery)
def list_job_events(call: Call) -> Reply:
    """Every move of a job: when, who, from what to what, why."""
    query: OrderedQuery = call.query
    with call.backend.reader.reading() as db:
        job = known(call, db)
        newest = query.order == "newest"
        return Reply(queries.page_of_job_events(db, job, newest=newest, limit=query.limit, after=query.after))


@routes.get("/jobs/<job>/waiting", Waiting, commands=True)
def get_waiting(call: Call) -> Reply:
    """Why a job waits: its place in the queue and, robot by robot, what keeps it."""
    if len(call.path["job"]) > MAX_ID:
        raise not_found("job", call.path["job"])
    done = call.backend.ask("job.waiting", {"job": call.path["job"]}, call.caller)
    return Reply(Waiting.model_validate(done.ok))
