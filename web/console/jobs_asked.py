"""The jobs of a list as something is asked of all of them: every job that fits the filters of its address."""

from typing import Any
from urllib.parse import parse_qsl

from flask import Blueprint, Response, request
from werkzeug.datastructures import MultiDict

from controller.store import queries
from web.api.exports import send_jobs
from web.backend import backend
from web.console import jobs
from web.console.frame import need_role, reader
from web.console.jobs_list import read_matters
from web.console.jobs_search import Search, read_search

page = Blueprint("jobs_asked", __name__)
NOBODY = ("",)
"""The id of no job: what needs a person when nothing does."""


def _filter(db: queries.Connection, search: Search, now_us: int) -> queries.JobFilter:
    if search.tab != "person":
        return search.job_filter()
    return search.job_filter(read_matters(db, search, now_us).ids or NOBODY)


def read_wanted(source: Any, query: str) -> queries.JobFilter:
    """The filter of a list, from the query of its address as it stands there."""
    now_us = jobs.now_us()
    given = MultiDict(parse_qsl(query.lstrip("?"), keep_blank_values=True, max_num_fields=100))
    with source.reading() as db:
        return _filter(db, read_search(given, now_us), now_us)


@page.get("/jobs/export.csv")
def export_list() -> Response:
    """The jobs of a list as a file, with its filters and in its order."""
    need_role("viewer")
    now_us = jobs.now_us()
    search = read_search(request.args, now_us)
    with reader().reading() as db:
        wanted = _filter(db, search, now_us)
    return send_jobs(backend(), wanted, search.order)
