"""Records of scheduled tasks (004): a task is a schedule, a record one of its firings, an item one target."""

from typing import Annotated

from pydantic import Field

from controller.store.queries import schedules
from schemas.views.scheduled_tasks import TaskRecords, TaskRefusal
from web.asked import DIGITS, Query
from web.compat.scheduled_task_shape import BASE, render
from web.errors import not_found
from web.routes import Call, Reply, Routes

routes = Routes()
MOST = 100
LAST_OFFSET = 2**31 - 1

_REFUSED = dict.fromkeys((400, 401, 403, 404, 500), TaskRefusal)


class RowsQuery(Query):
    """Which rows of the record; both are wanted."""

    offset: Annotated[int, Field(ge=0, le=LAST_OFFSET), DIGITS]
    limit: Annotated[int, Field(ge=0, le=MOST), DIGITS]


@routes.get(
    "/<project_id>/scheduled-tasks/<task_id>/records/<record_id>", TaskRecords, base=BASE, query=RowsQuery,
    lenient=True, own_answers=True, answers={200: TaskRecords, **_REFUSED},
)  # fmt: skip
def get_scheduled_task_record(call: Call) -> Reply:
    """What became of each target of one firing of a schedule."""
    project, task, record = (call.path[name] for name in ("project_id", "task_id", "record_id"))
    if call.backend.settings.project_id not in (None, project):
        raise not_found("project", project)
    query: RowsQuery = call.query
    with call.backend.reader.reading() as db:
        found = schedules.targets_of(db, task, record, query.offset, query.limit)
        if found is None:
            noun, which = ("record", record) if schedules.is_known(db, task) else ("task", task)
            raise not_found(noun, which)
    return Reply(render(record, found.zone, found.targets, found.total))
