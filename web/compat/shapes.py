"""How each format says that it refuses: the shape of a refusal follows from the address that was asked."""

from collections.abc import Callable

from flask import Response

from web.compat import process_task_shape as process_tasks
from web.compat import scheduled_task_shape as scheduled_tasks
from web.compat import task_record_refusals as task_records
from web.errors import ApiError

Shape = Callable[[ApiError], Response]

FORMATS: list[tuple[str, Shape]] = [
    (process_tasks.BASE, process_tasks.refusal),
    (scheduled_tasks.BASE, scheduled_tasks.refusal),
    (task_records.BASE, task_records.of_record),
    (task_records.SET_ERROR_PATH, task_records.of_set_error),
]
"""Beginning of an address to the shape of its refusals.

Of several that fit the last one holds.
"""
