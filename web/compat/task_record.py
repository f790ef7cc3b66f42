"""AGV task records: the seven addresses below /api/vwed-task-record, answered as their document says."""

import re
from collections.abc import Mapping
from typing import Annotated, Any

from flask import Response
from pydantic import BeforeValidator, Field, WithJsonSchema
from pydantic_core import to_json

from controller.store import queries
from controller.store.queries import records
from controller.store.queries.blocks import logs_of
from controller.store.queries.records import Ended, JobRecord
from schemas.codes import JOB_CODES
from schemas.record import SetErrorBody
from schemas.status import TERMINAL, JobState
from schemas.views.answers import View
from schemas.views.task_records import (
    BlockAnswer,
    DetailAnswer,
    RecordBlocks,
    RecordRefusal,
    RecordResults,
    RetryAnswer,
    SetErrorAnswer,
    SetErrorRefusal,
    StopAnswer,
)
from web.asked import NoQuery, Query, WholeNumber
from web.compat import task_record_shape as shape
from web.compat import task_record_words as words
from web.compat.task_record_refusals import BASE, broken, refusal, set_error_refusal
from web.compat.task_record_tree import results
from web.compat.waiting import until
from web.errors import ApiError
from web.routes import JSON_TYPE, Call, Reply, Routes

routes = Routes()
TITLE = "VWED任务运行记录"
MAX_ID = 255
ANSWER_MARGIN_S = 5.0
"""Beyond the time after which an unanswered set-error is forced, for the move itself."""
_BLOCK_ID = re.compile(r"(\d{1,15})\.(\d{1,9})\Z", re.ASCII)
NO_ANSWER = "机器人尚未响应,请求已受理并继续有效"


class AttemptQuery(Query):
    """Which attempt of the record."""

    attempt: Annotated[WholeNumber | None, Field(description="the k-th that started, from 1; absent: the last")] = None


class PassesQuery(AttemptQuery):
    """Which attempt, and whether loops show every pass."""

    iterations: Annotated[
        bool,
        BeforeValidator(lambda given: given == "1"),
        WithJsonSchema({"type": "string"}),
        Field(description="1: every pass of loops"),
    ] = False


def _answers(answer: type[View], refused: type[View] = RecordRefusal) -> Mapping[int, Any]:
    return {200: answer} | dict.fromkeys((400, 401, 403, 404, 500), refused)


def _of(path: str, answers: Mapping[int, Any], query: type[Query] = NoQuery) -> dict[str, Any]:
    return {
        "path": path, "answers": answers, "query": query, "base": BASE, "title": TITLE, "lenient": True,
        "own_answers": True,
    }  # fmt: skip


# ---------------------------------------------------------------- reading
def _record(call: Call, db: queries.Connection) -> JobRecord | None:
    uid = call.path["task_record_id"]
    return records.job_record(db, uid) if len(uid) <= MAX_ID else None


def _attempt(db: queries.Connection, record: JobRecord, k: int | None) -> tuple[int | None, bool]:
    """The number of the attempt that is shown, and whether there is what was asked for."""
    if k is None:
        return queries.shown_attempt(db, record.number), True
    found = records.nth_attempt(db, record.number, k)
    return found, found is not None


def _shown_id(call: Call, name: str = "task_record_id") -> str:
    """An id as a message repeats it."""
    return str(call.path[name])[:MAX_ID]


@routes.add("GET", role="viewer", **_of("/blocks/<task_record_id>", _answers(RecordBlocks), AttemptQuery))
def get_record_blocks(call: Call) -> Reply | Response:
    """The blocks of a record that have a run, root first, by start.

    Of loops and further tries the last run is shown.
    """
    zone, uid = call.backend.settings.zone, _shown_id(call)
    with call.backend.reader.reading() as db:
        record = _record(call, db)
        if record is None:
            return refusal(404, f"未找到任务记录 {uid}")
        attempt, there = _attempt(db, record, call.query.attempt)
        index = queries.index_of_job(db, record.number)
        runs = [] if attempt is None else records.last_runs(db, attempt, index)
    if not there:
        return refusal(404, f"未找到任务记录 {uid}")
    blocks = [index.at(run.path) if index is not None else None for run in runs]
    data = [
        shape.flat_block(run, block.definition if block else {}, zone) for run, block in zip(runs, blocks, strict=True)
    ]
    return Reply(RecordBlocks(code=200, message=f"成功获取任务记录 {uid} 的块运行情况", data=data))


@routes.add("GET", role="viewer", **_of("/block/<block_record_id>", _answers(BlockAnswer)))
def get_block_record(call: Call) -> Reply | Response:
    """One block run, whole."""
    found = _BLOCK_ID.match(call.path["block_record_id"])
    record = None
    if found is not None:
        with call.backend.reader.reading() as db:
            record = records.block_record(db, int(found[1]), int(found[2]))
    if record is None:
        return refusal(404, f"未找到ID为 {_shown_id(call, 'block_record_id')} 的块记录")
    data = shape.block_detail(record, call.backend.settings.zone)
    return Reply(BlockAnswer(code=200, message="成功获取块记录详情", data=data))


@routes.add(
    "GET", role="viewer", **_of("/execution/block/results/<task_record_id>", _answers(RecordResults), PassesQuery)
)
def get_record_results(call: Call) -> Reply | Response:
    """What became of each block, nested as in the definition, unexecuted ones included.

    Loops show their last pass, with `iterations=1` all of them. A definition that cannot be read gives a flat list
    below the root.
    """
    query: PassesQuery = call.query
    missing = refusal(404, f"未找到任务记录 {_shown_id(call)}")
    with call.backend.reader.reading() as db:
        record = _record(call, db)
        if record is None:
            return missing
        attempt, there = _attempt(db, record, query.attempt)
        found = queries.results(db, record.number, attempt, every_pass=query.iterations) if there else None
        logs = [] if attempt is None else logs_of(db, attempt)
    if found is None:
        return missing
    root = results(found, logs, call.backend.settings.zone, passes=query.iterations)
    answer = {"code": 200, "message": "成功获取任务记录嵌套执行结果", "data": root}
    return Response(to_json(answer), content_type=JSON_TYPE)


@routes.add("GET", role="viewer", **_of("/detail/<task_record_id>", _answers(DetailAnswer)))
def get_record_detail(call: Call) -> Reply | Response:
    """A record."""
    with call.backend.reader.reading() as db:
        record = _record(call, db)
    if record is None:
        return refusal(404, f"未找到ID为 {_shown_id(call)} 的任务记录")
    data = shape.detail(record, call.backend.settings.zone, _waits(call, record))
    return Reply(DetailAnswer(code=200, message="成功获取任务记录详情", data=data))


def _waits(call: Call, record: JobRecord) -> str | None:
    """Why a queued record waits, as far as the controller answers."""
    if record.job.state != JobState.QUEUED or record.job.state_message:
        return None
    try:
        found = call.backend.ask("job.waiting", {"job": record.job.id}, call.caller).ok
    except ApiError:
        return words.waits(None, ())
    return words.waits(found.get("position"), found.get("reasons") or ())


# ---------------------------------------------------------------- commands
class _No(Exception):
    """Not done, for a reason that the format has a status for; `state`: the record's, where that is the reason."""

    def __init__(self, code: int, why: str, state: JobState | None = None) -> None:
        super().__init__(why)
        self.code, self.why, self.state = code, why, state


def _ask(call: Call, command: str, **more: Any) -> dict[str, Any]:
    """Ask the controller about the record in the path; raises `_No`, or `ApiError` where something does not work."""
    uid = call.path["task_record_id"]
    if len(uid) > MAX_ID:
        raise _No(404, "")
    try:
        return call.backend.ask(command, {"job": uid} | more, call.caller).ok
    except ApiError as error:
        if error.code == "job.not_found":
            raise _No(404, "") from error
        if error.code == "job.state":
            state = JobState(error.details[0].code)
            raise _No(400, _already(call, uid, state), state) from error
        if error.code in _CODES:
            raise _No(_CODES[error.code], words.our_fault(error)) from error
        raise


_CODES = {"job.parked": 400, "flow.not_found": 500, "asset.not_found": 500}


def _already(call: Call, uid: str, state: JobState) -> str:
    """Why nothing can be asked of a record any more."""
    with call.backend.reader.reading() as db:
        found = records.standing(db, uid)
    return words.ended(state, words.FAILED) if found is None else _why(found)


def _why(found: Ended) -> str:
    """Why it was not done, although it was asked for."""
    failed = found.state in TERMINAL
    return words.ended(found.state, words.why_failed(found.code, found.why) if failed else found.why or words.UNSAID)


def _waited(call: Call, seconds: float) -> Ended | None:
    """How the record stands once it is not being cancelled any more; None if that takes too long."""

    def look(db: queries.Connection) -> Ended | None:
        found = records.standing(db, call.path["task_record_id"])
        return None if found is None or found.state == JobState.CANCELLING else found

    return until(call.backend.reader, look, seconds)


@routes.add("POST", role="operator", **_of("/stop/<task_record_id>", _answers(StopAnswer)))
def stop_record(call: Call) -> Reply | Response:
    """Stop a record, and the schedule that made it; answers once its end is certain."""
    try:
        _ask(call, "record.stop")
    except _No as no:
        return refusal(no.code, f"任务终止失败: {no.why}" if no.why else f"未找到任务记录 {_shown_id(call)}")
    found = _waited(call, call.backend.settings.answer_wait_s)
    if found is None:
        return refusal(500, broken(NO_ANSWER))
    if found.state != JobState.CANCELLED or found.ended_at is None:
        return refusal(400, f"任务终止失败: {_why(found)}")
    data = shape.stopped(_shown_id(call), found.ended_at, call.backend.settings.zone)
    return Reply(StopAnswer(code=200, message="任务终止成功", data=data))


@routes.add("POST", role="operator", **_of("/retry/<task_record_id>", _answers(RetryAnswer)))
def retry_record(call: Call) -> Reply | Response:
    """Send a failed record again, as a new one with the same definition, inputs, target and source."""
    try:
        (new,) = _ask(call, "job.retry")["jobs"]
    except _No as no:
        if no.state is not None:
            number = JOB_CODES[no.state].record
            return refusal(400, f"任务状态为 {number},只能重发失败状态(2000)的任务")
        return refusal(no.code, broken(no.why) if no.why else f"未找到任务记录 {_shown_id(call)}")
    with call.backend.reader.reading() as db:
        old, made = records.job_record(db, call.path["task_record_id"]), queries.jobs_by_uid(db, [new])
    if old is None or not made:
        raise ApiError("internal", "The job that was made is not there.")
    data = shape.retried(old, made[0], call.backend.settings.zone)
    return Reply(RetryAnswer(code=200, message="任务重发成功", data=data))


@routes.add(
    "POST",
    role="operator",
    body=SetErrorBody,
    **_of("/set-error/<task_record_id>", _answers(SetErrorAnswer, SetErrorRefusal)),
)
def set_record_error(call: Call) -> Reply | Response:
    """End a record as failed, with its blocks that have not ended; answers once its end is certain.

    A robot that holds it is told to stop first; without its answer the record fails after 30 s and the robot is held.
    """
    reason = call.body.error_reason
    try:
        _ask(call, "job.set_error", reason=reason)
    except _No as no:
        return set_error_refusal(no.code, f"请求参数错误: {no.why}" if no.why else "任务记录不存在")
    found = _waited(call, call.backend.settings.force_s + ANSWER_MARGIN_S)
    if found is None:
        return set_error_refusal(500, broken(NO_ANSWER))
    if found.state != JobState.FAILED or found.ended_at is None or found.why != reason:
        return set_error_refusal(400, f"请求参数错误: {_why(found)}")
    with call.backend.reader.reading() as db:
        runs = records.failed_with(db, call.path["task_record_id"])
    data = shape.set_to_failed(_shown_id(call), reason, found.ended_at, runs, call.backend.settings.zone)
    return Reply(SetErrorAnswer(success=True, message="任务状态设置为错误成功", data=data))
