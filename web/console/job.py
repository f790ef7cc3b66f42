"""One job: its state with the reason, blocks and attempts on one scale, logs, parameters, moves."""

from typing import Any

from flask import Blueprint, Response, render_template, request

from controller.store.queries import artifacts
from web.console import job_address
from web.console.frame import board, need_role, reader, show
from web.console.job_logs import SWITCH, TYPES
from web.console.job_view import MAX_ID, REGIONS, View, read, read_lines
from web.console.job_words import activity_word, branch_word, source_field
from web.console.language import spoken
from web.console.words import hold_sentence
from web.errors import ApiError, invalid, not_found

page = Blueprint("job", __name__)
HIGHEST = 2**62


@page.get("/jobs/<job>")
def show_job(job: str) -> str:
    """The page; its address says which attempt and which log lines are shown."""
    need_role("viewer")
    view = read(job, board().look(), job_address.read(request.args), REGIONS)
    return show("console/job.html", "jobs", view.look, **_values(view))


@page.get("/jobs/<job>/part")
def show_part(job: str) -> str:
    """Regions of the page as they are now (`only`, separated by blanks): what the browser puts in place of them."""
    need_role("viewer")
    wanted = frozenset((request.args.get("only") or " ".join(REGIONS)).split(" ")) - {""}
    if not wanted <= set(REGIONS):
        raise invalid("query", "/only", "invalid", "Regions of this page.")
    view = read(job, board().look(), job_address.read(request.args), wanted, upto=_upto())
    return render_template("console/job_part.html", lang=spoken(), look=view.look, wanted=wanted, **_values(view))


@page.get("/jobs/<job>/lines")
def show_older(job: str) -> Response:
    """Older log lines, with where the next ones are; raises `ApiError`."""
    need_role("viewer")
    address = job_address.read(request.args)
    found = read_lines(job, address, after=request.args.get("after") or None)
    html = render_template("console/job_lines.html", lang=spoken(), lines=found, address=address, uid=job)
    return Response(html, content_type="text/html")


@page.get("/jobs/<job>/artifacts/<artifact>")
def show_picture(job: str, artifact: str) -> str:
    """A picture as large as the screen allows; raises `ApiError`."""
    need_role("viewer")
    with reader().reading() as db:
        found = artifacts.artifact(db, artifact[:MAX_ID])
    if found is None or found.job != job:
        raise not_found("artifact", artifact)
    return render_template("console/job_picture.html", lang=spoken(), a=found)


def _values(view: View) -> dict[str, Any]:
    return {
        "v": view,
        "job": view.job,
        "address": view.address,
        "switch": SWITCH,
        "types": TYPES,
        "branch_word": branch_word,
        "activity_word": activity_word,
        "hold_sentence": hold_sentence,
        "source_field": source_field,
    }


def _upto() -> int | None:
    text = request.args.get("upto") or ""
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or int(text[:20]) > HIGHEST:
        raise _wrong()
    return int(text)


def _wrong() -> ApiError:
    return invalid("query", "/upto", "invalid", "The number of a log line.")
