"""One job: its state with the reason, blocks and attempts, logs, parameters, moves."""

from flask import Blueprint

from controller.store import queries
from web.console.frame import board, need_role, reader, show
from web.errors import not_found

page = Blueprint("job", __name__)


@page.get("/jobs/<job>")
def show_job(job: str) -> str:
    """The page."""
    need_role("viewer")
    with reader().reading() as db:
        found = queries.jobs_by_uid(db, [job])
    if not found:
        raise not_found("job", job)
    return show("console/job.html", "jobs", board().look(), job=found[0])
