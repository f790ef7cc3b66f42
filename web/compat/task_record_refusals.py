"""How AGV task records refuse: one shape for set-error, one for all others, the HTTP status also in the body."""

from flask import Response, g

from schemas.views.answers import View
from schemas.views.task_records import RecordRefusal, SetErrorRefusal
from web.compat import task_record_words as words
from web.errors import ApiError
from web.routes import JSON_TYPE

BASE = "/api/vwed-task-record"
SET_ERROR_PATH = f"{BASE}/set-error"
_KEPT = frozenset({401, 403, 404, 405})
BAD, BROKEN = 400, 500

FAILED: dict[str, str] = {
    "get_record_blocks": "获取任务块运行情况失败",
    "get_block_record": "获取块记录详情失败",
    "stop_record": "任务记录终止失败",
    "get_record_results": "获取任务记录执行结果失败",
    "get_record_detail": "获取任务记录详情失败",
    "retry_record": "重发任务失败",
    "set_record_error": "服务器内部错误",
}
"""Route to what stands before the reason when it does not work."""


def refusal(code: int, message: str) -> Response:
    """A refusal of endpoints 1 to 6: no key `data`."""
    return _json(RecordRefusal(code=code, message=message), code)


def set_error_refusal(code: int, message: str) -> Response:
    """A refusal of set-error."""
    return _json(SetErrorRefusal(success=False, message=message), code)


def broken(message: str) -> str:
    """Something does not work, said by the route that was asked."""
    route = g.get("route")
    prefix = FAILED.get(route.name, "") if route is not None else ""
    return f"{prefix or '服务器内部错误'}: {message}"


def of_record(error: ApiError) -> Response:
    """Any refusal as endpoints 1 to 6 write it."""
    return _with_headers(refusal(*_read(error)), error)


def of_set_error(error: ApiError) -> Response:
    """Any refusal as set-error writes it."""
    return _with_headers(set_error_refusal(*_read(error)), error)


def _read(error: ApiError) -> tuple[int, str]:
    """Status and sentence: the format knows 400, 401, 403, 404, 405 and 500."""
    said = words.at_the_door(error)
    if said is not None:
        return error.status, said
    if error.status >= BROKEN:
        return BROKEN, broken(words.our_fault(error))
    if error.status in _KEPT:
        return error.status, words.our_fault(error)
    return BAD, words.bad_request(error)


def _json(view: View, status: int) -> Response:
    return Response(view.model_dump_json(), status, content_type=JSON_TYPE)


def _with_headers(response: Response, error: ApiError) -> Response:
    response.headers.update(error.headers)
    return response
