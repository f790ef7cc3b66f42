"""Tasks of a process (002) as their document writes them: block runs into its 13 fields, refusals with its statuses."""

import json
from typing import Any

from flask import Response

from controller.store.queries.tasks import Task
from schemas.reference import HIDDEN, SECRET, replaced
from schemas.views.process_tasks import ProcessTask
from web.compat.times import with_blank
from web.errors import ApiError, as_json

BASE = "/task"
_INVALID, _BAD = 422, 400
_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def render(task: Task, zone: str, progress: float | None = None) -> ProcessTask:
    """One task; `progress`: per cent of the whole attempt, which is shown at its root while it is open."""
    end = None if task.is_open else with_blank(task.ended_at, zone)
    return ProcessTask(
        id=task.run,
        processInstanceId=task.job,
        taskId=str(task.number),
        name=task.name,
        namespace=task.path,
        stone=task.kind,
        createTime=with_blank(task.created_at, zone),
        endTime=end,
        status=task.phase.value,
        reason=None if task.is_open else task.reason,
        params=_text({"namespace": task.path}, task.inputs, {"queue": task.kind}),
        outputs=None if task.is_open else _text({}, task.outputs, {"type": task.kind}),
        progress=_percent(progress) if task.is_open and not task.path.count("/") else None,
    )


def _text(first: dict[str, Any], values: Any, last: dict[str, Any]) -> str:
    """A block's values as JSON text between those that the format adds, which no flow can replace; secrets hidden."""
    named = values if isinstance(values, dict) else {} if values is None else {"value": values}
    own = {name: value for name, value in named.items() if name not in first and name not in last}
    text = _JSON.encode(first | own | last)
    return _JSON.encode(first | replaced(own, SECRET, lambda _: HIDDEN) | last) if SECRET in text else text


def _percent(progress: float | None) -> int | None:
    return None if progress is None else round(min(100.0, max(0.0, progress)))


def refusal(error: ApiError) -> Response:
    """As version 1 refuses, but for what is wrong with a request, which is 400 here."""
    response = as_json(error)
    if response.status_code == _INVALID:
        response.status_code = _BAD
    return response
