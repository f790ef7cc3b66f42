"""The list of jobs."""

from flask import Blueprint

from web.console.frame import board, need_role, show

page = Blueprint("jobs", __name__)


@page.get("/jobs")
def show_jobs() -> str:
    """The page."""
    need_role("viewer")
    return show("console/jobs.html", "jobs", board().look())
