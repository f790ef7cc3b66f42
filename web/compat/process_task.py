"""Tasks of a process (002): a process is a job, a task one of its blocks; a failed one is tried again or undone."""

import re
from typing import Annotated, Any

from pydantic import Field

from controller.store import queries
from controller.store.queries import records, tasks
from controller.store.queries.tasks import Process, Task
from schemas.status import BlockState, JobState
from schemas.views import ErrorAnswer
from schemas.views.process_tasks import ProcessTask, ProcessTasks
from web.asked import Query, WholeNumber
from web.compat.process_task_shape import BASE, render
from web.compat.waiting import until
from web.errors import ApiError, invalid, not_found
from web.routes import Call, Reply, Routes

routes = Routes()
_NUMBER = re.compile(r"[1-9]\d{0,18}\Z", re.ASCII)
RERUN, RESUME = "reRun", "resume"
"""The document's words; `resume` leaves debug mode and undoes what has finished."""


class ProcessQuery(Query):
    """Which process, and which of its attempts."""

    processInstanceId: Annotated[str, Field(min_length=1, description="the job")]  # noqa: N815 - the document's own name
    attempt: Annotated[WholeNumber | None, Field(description="the k-th that started, from 1; absent: the last")] = None


def _answers(answer: Any, *more: int) -> dict[str, Any]:
    refused = dict.fromkeys((400, 401, 403, 404, 500, 503, *more), ErrorAnswer)
    return {"base": BASE, "lenient": True, "own_answers": True, "answers": {200: answer} | refused}


# ---------------------------------------------------------------- reading
@routes.get("", ProcessTasks, query=ProcessQuery, **_answers(ProcessTasks))
def list_process_tasks(call: Call) -> Reply:
    """The tasks of a process, by createTime: those of its last attempt, or of the one that is asked for."""
    query: ProcessQuery = call.query
    with call.backend.reader.reading() as db:
        attempt = _attempt(db, query)
        found = None if attempt is None else tasks.tasks_of(db, attempt)
    if found is None:
        return Reply(ProcessTasks([]))
    process, items = found
    percent = _progress(call, process)
    return Reply(ProcessTasks([render(one, call.backend.settings.zone, percent) for one in items]))


def _attempt(db: queries.Connection, query: ProcessQuery) -> int | None:
    """None: the process is known and has no tasks yet; raises `ApiError`."""
    job = queries.job_id(db, query.processInstanceId)
    if job is None:
        raise not_found("process", query.processInstanceId)
    if query.attempt is None:
        return tasks.last_attempt(db, job)
    found = records.nth_attempt(db, job, query.attempt)
    if found is None:
        raise not_found("attempt", str(query.attempt))
    return found


@routes.get("/<taskId>", ProcessTask, **_answers(ProcessTask))
def get_process_task(call: Call) -> Reply:
    """One task."""
    return _shown(call, *_read(call))


def _read(call: Call) -> tuple[Process, Task]:
    """The task in the path; raises `ApiError`."""
    text: str = call.path["taskId"]
    if _NUMBER.match(text):
        with call.backend.reader.reading() as db:
            found = tasks.task(db, int(text))
        if found is not None:
            return found
    raise not_found("task", text)


def _shown(call: Call, process: Process, task: Task) -> Reply:
    return Reply(render(task, call.backend.settings.zone, _progress(call, process)))


def _progress(call: Call, process: Process) -> float | None:
    """What its robot says while it runs; None where nobody knows."""
    if not process.is_open:
        return None
    said = call.backend.query("robot.live", call.caller) or {}
    held = (one for robot in said.get("robots", {}).values() for one in robot.get("holds") or ())
    return next((one.get("progress") for one in held if one.get("attempt") == process.attempt), None)


# ---------------------------------------------------------------- debugging
@routes.command("PUT", "/<taskId>/<operate>", ProcessTask, **_answers(ProcessTask, 409, 504))
def operate_process_task(call: Call) -> Reply:
    """Try a failed task again (`reRun`), or leave debug mode and undo what has finished (`resume`).

    Only where the process is in debug mode and waits at this task. The answer comes when the robot has begun, or with
    the task as it is when that takes too long; the request stands.
    """
    operate: str = call.path["operate"]
    if operate not in (RERUN, RESUME):
        raise invalid("path", "/operate", "unknown", f"{RERUN} or {RESUME} is wanted, in these letters.")
    process, task = _read(call)
    _need_waiting(process, task)
    args: dict[str, Any] = {"job": process.uid, "if_attempt": process.attempt}
    if operate == RERUN:
        call.backend.ask("job.rerun_block", args | {"run": task.run}, call.caller)
    else:
        call.backend.ask("job.rollback", args, call.caller)
    _wait(call, task, operate)
    return _shown(call, *_read(call))


def _need_waiting(process: Process, task: Task) -> None:
    if task.state != BlockState.FAILED:
        raise ApiError("task.state", f"The task is {task.phase.value}; only a failed one can be debugged.")
    if not process.debug:
        raise ApiError("job.not_debug", "The process does not run in debug mode.")
    if process.state != JobState.PAUSED or process.waits_at != task.path:
        raise ApiError("task.state", f"The process is {process.state.value} and does not wait at this task.")


def _wait(call: Call, task: Task, operate: str) -> None:
    """Until the robot has begun, or the attempt is over, or the time is."""

    def look(db: queries.Connection) -> bool | None:
        if operate == RERUN:
            begun = tasks.has_begun_again(db, task.attempt, task.path, task.n)
        else:
            begun = tasks.has_begun_undoing(db, task.attempt)
        return True if begun or tasks.is_over(db, task.attempt) else None

    until(call.backend.reader, look, call.backend.settings.answer_wait_s)
