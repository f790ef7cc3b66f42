"""The list of jobs: filtered by the address, kept true without a jump, opened row by row."""

import json
import time
from typing import Any

from flask import Blueprint, Response, render_template, request
from werkzeug.datastructures import MultiDict

from controller.store import queries
from web.console import dialogs
from web.console.frame import board, need_role, reader, show
from web.console.job_rows import FIRST, MOST, read_lines
from web.console.jobs_list import (
    MAX_NAMES,
    Tab,
    count_new,
    nearest,
    read_list,
    read_matters,
    read_tabs,
    with_doubts,
)
from web.console.jobs_search import BYS, LIMITS, ORDERS, SOURCES, Search, read_search
from web.console.jobs_times import SINCE, span, written
from web.console.language import LANGUAGES, N_, Language, speaking, spoken
from web.console.look import Look

page = Blueprint("jobs", __name__)
MAX_ROWS = 50
"""So many rows are read anew at once."""
TAB_WORDS: dict[str, str] = {
    "all": N_("All"),
    "person": N_("Need a person"),
    "queued": N_("Queued"),
    "on_robot": N_("On a robot"),
    "succeeded": N_("Succeeded"),
    "failed": N_("Failed"),
    "cancelled": N_("Cancelled"),
}
TAB_SHAPES = {"person": "hold", "on_robot": "running"}


def now_us() -> int:
    """The present to the second: further pages of a list name it in their address."""
    return int(time.time()) * 1_000_000


@page.get("/jobs")
def show_jobs() -> str:
    """The page."""
    need_role("viewer")
    now, look = now_us(), board().look()
    search = read_search(request.args, now)
    with reader().reading() as db:
        matters = read_matters(db, search, now)
        tabs = read_tabs(db, search, matters)
        listing = read_list(db, search, request.args, matters.ids)
        empty = {} if listing.jobs else _nothing(db, search, look)
        search = with_doubts(db, search, look)
    return show(
        "console/jobs.html", "jobs", look, search=search, listing=listing, chips=list(search.chips()),
        **_around(tabs, 0), orders=ORDERS, person=frozenset(matters.ids), **empty,
    )  # fmt: skip


def _around(tabs: list[Tab], fresh: int) -> dict[str, Any]:
    """What stands around the rows and changes with them."""
    here = next((tab for tab in tabs if tab.here), None)
    return {"state_tabs": tabs, "here": here, "fresh": fresh, "tab_words": TAB_WORDS, "tab_shapes": TAB_SHAPES}


def _nothing(db: queries.Connection, search: Search, look: Look) -> dict[str, Any]:
    """What helps where the list is empty."""
    every = sum(look.counts.values())
    deployments = queries.page_of_deployments(db, limit=1).items if not every else []
    first = deployments[0].id if deployments else None
    return {"every": every, "first": first, "nearest": nearest(db, search, look), "host": request.host_url}


@page.get("/jobs/rows")
def show_rows() -> Response:
    """The rows with these ids as they are now, and what stands around them, as JSON: `rows` and `around` are markup.

    `newest` is the first row's id: jobs after it are counted, not shown.
    """
    need_role("viewer")
    now = now_us()
    given = MultiDict(request.args)
    ids, newest = given.poplist("id")[:MAX_ROWS], given.pop("newest", None)
    search = read_search(given, now)
    with reader().reading() as db:
        jobs = queries.rows_by_uid(db, ids)
        matters = read_matters(db, search, now)
        tabs = read_tabs(db, search, matters)
        fresh = count_new(db, search, newest)
    with speaking(_language()):
        rows = render_template("console/jobs/rows.html", jobs=jobs, search=search, person=frozenset(matters.ids))
        around = render_template("console/jobs/around_all.html", search=search, **_around(tabs, fresh))
    return Response(json.dumps({"rows": rows, "around": around}), content_type="application/json")


@page.get("/jobs/<job>/attempts")
def show_attempts(job: str) -> str:
    """Attempts below a row: the newest three, those from the one numbered `top` on, or what comes after `skip`."""
    need_role("viewer")
    top, skip, count = (_number(name) for name in ("top", "skip", "count"))
    with reader().reading() as db:
        lines = read_lines(db, job, top=top, skip=skip or 0, count=min(count or FIRST, MOST))
    with speaking(_language()):
        return render_template("console/jobs/attempts.html", lines=lines, job=lines.job, skip=skip or 0, top=top)


def _language() -> Language:
    """That of the page whose rows are read anew, whatever was chosen on another page since."""
    given = request.args.get("in")
    return next((one for one in LANGUAGES if one == given), spoken())


def _number(name: str) -> int | None:
    text = request.args.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None


@page.get("/jobs/filter")
def ask_filter() -> str:
    """The form of all filters, filled in as the address has it."""
    need_role("viewer")
    look, now = board().look(), now_us()
    with reader().reading() as db:
        names = [one.name for one in queries.page_of_deployments(db, limit=MAX_NAMES).items]
    return dialogs.ask(
        "console/jobs/filter.html", search=read_search(request.args, now), look=look, names=names, sources=SOURCES,
        orders=ORDERS, limits=LIMITS, bys=BYS, spans=[(one, span(one)) for one in SINCE], written=written,
    )  # fmt: skip
