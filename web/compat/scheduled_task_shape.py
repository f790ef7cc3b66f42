"""Records of scheduled tasks (004) as their document writes them: rows into items, refusals into its envelope."""

from collections.abc import Iterable

from flask import Response, g

from controller.store.queries.schedules import Target
from schemas.codes import JOB_CODES, SKIPPED
from schemas.status import JobState
from schemas.views.scheduled_tasks import TaskRecordDetail, TaskRecords, TaskRefusal
from web.compat.times import with_blank
from web.errors import ApiError
from web.routes import JSON_TYPE

BASE = "/v2"
_FAILED = frozenset({JobState.FAILED, JobState.CANCELLED})
_BAD, _BROKEN, _KEPT = 400, 500, frozenset({401, 403, 404, 405})


def render(record: str, zone: str, rows: Iterable[Target], total: int) -> TaskRecords:
    """A page of a firing's rows."""
    return TaskRecords(tasks_records_details=[detail(record, zone, row) for row in rows], total_count=total)


def detail(record: str, zone: str, row: Target) -> TaskRecordDetail:
    """One row; its times are in the zone that it names."""
    code, why = _outcome(row)
    return TaskRecordDetail(
        id=row.job or f"{record}.{row.n}",
        record_id=record,
        desktop_id=row.robot,
        desktop_name=row.robot_name or row.robot,
        exec_status=SKIPPED if row.state is None else JOB_CODES[row.state].scheduled,
        exec_script_id=row.flow,
        result_code=code,
        fail_reason=why,
        start_time=with_blank(row.started_at, zone),
        end_time=with_blank(row.ended_at, zone),
        time_zone=zone,
    )


def _outcome(row: Target) -> tuple[str | None, str | None]:
    """Code and sentence, where the target was left out or its job did not succeed."""
    if row.state is None:
        return row.code, row.reason
    if row.state not in _FAILED:
        return None, None
    code = row.code or row.state.value
    return code, _cancelled(row) if row.state == JobState.CANCELLED else row.reason or "The job failed."


def _cancelled(row: Target) -> str:
    """The word for a cancelled job is FAIL, so the sentence says that it was cancelled, and by whom."""
    who = row.cancelled_by
    if row.reason is None or row.reason == f"cancelled by {who}":
        return f"Cancelled by {who}." if who else "Cancelled."
    return f"Cancelled by {who}: {row.reason}" if who else f"Cancelled: {row.reason}"


def refusal(error: ApiError) -> Response:
    """Any refusal with the four keys; what is wrong with a request is 400, what is wrong with the box 500."""
    status = error.status if error.status in _KEPT else _BROKEN if error.status >= _BROKEN else _BAD
    places = [f"{problem.in_} {problem.path}: {problem.message}" for problem in error.details]
    detail = "; ".join(places) or f"request {g.get('request_id', '')}"
    text = TaskRefusal(error_code=error.code, error_msg=error.message, error_detail=detail).model_dump_json()
    return Response(text, status, headers=error.headers, content_type=JSON_TYPE)
