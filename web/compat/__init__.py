"""Records in the formats that factories' systems already speak: one store, one renderer a format."""

from web.compat import process_task, scheduled_task, task_record
from web.compat.shapes import FORMATS
from web.routes import Route

__all__ = ["FORMATS", "ROUTES"]

ROUTES: list[Route] = [*task_record.routes.rows, *scheduled_task.routes.rows, *process_task.routes.rows]
"""The routes of all formats, beside those of version 1."""
