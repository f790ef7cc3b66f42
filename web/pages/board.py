"""The board: robots, queues and the latest jobs on one page that reloads itself."""

import time
from typing import Any

from flask import Blueprint, render_template, request

from controller.store import queries
from controller.store.queries import JobFilter
from schemas.commands import Caller
from schemas.views import Job, JobRow, Robot
from web.api.robots import robots_now
from web.backend import backend
from web.errors import ApiError
from web.roles import allowed

pages = Blueprint("pages", __name__)
LATEST_JOBS = 50
WORDS = {"on_hold": "on hold"}
"""States whose name is no plain word."""


def _ago(moment: str | None) -> str:
    """A moment to the second, as people read it; the box's own UTC."""
    return "" if moment is None else f"{moment[:10]} {moment[11:19]}"


def _seconds(value: float | None) -> str:
    if value is None:
        return ""
    minutes, seconds = divmod(int(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


def _why(job: JobRow | Job) -> str:
    if job.reason is None:
        return ""
    return job.reason.message or job.reason.code or ""


def _holding(robot: Robot) -> str:
    """Why it is on hold, and since when."""
    return "; ".join(f"{hold.reason.replace('_', ' ')} since {_ago(hold.since)}" for hold in robot.holds)


def board(caller: Caller) -> dict[str, Any]:
    """Everything on the board, as recorded, with what robots say where the controller answers."""
    robots, unknown, up = robots_now(backend(), caller)
    with backend().reader.reading() as db:
        found_queues = queries.queues(db, time.time_ns() // 1000)
        jobs = queries.page_of_jobs(db, JobFilter(), limit=LATEST_JOBS).items
        counts = queries.count_jobs(db, JobFilter()).by_state
    return {
        "robots": robots, "unknown": unknown, "up": up, "queues": found_queues, "jobs": jobs, "counts": counts,
    }  # fmt: skip


@pages.get("/", provide_automatic_options=False)
def show_board() -> str:
    """Robots, queues and the latest jobs."""
    caller = Caller(ip=request.remote_addr)
    if not allowed(caller, "viewer"):
        raise ApiError("auth.role", "This needs the role viewer.")
    helpers = {"moment": _ago, "seconds": _seconds, "why": _why, "holding": _holding, "words": WORDS}
    return render_template("board.html", **board(caller), **helpers)
