"""One thing asked of several jobs: a stored preview by outcome, applied by its hash, then what became of each."""

from dataclasses import dataclass
from typing import Any, get_args

from flask import Blueprint, request

from controller.store.queries import batches as queries
from schemas.batch import MAX_JOBS, BatchAction, RowResult
from schemas.views.batches import Batch
from web.api.batches import matching, preview, read
from web.backend import backend
from web.compat.waiting import until
from web.console import dialogs
from web.console.batch_preview import SAYS, SHAPES, became, read_preview, why
from web.console.frame import need_role, reader
from web.console.job_actions import given_priority
from web.console.jobs_asked import read_wanted
from web.console.language import _
from web.errors import ApiError, invalid

page = Blueprint("batch", __name__)
TICKED = 200
"""So many jobs of a page can be ticked."""
SHOWN = 200
"""So many rows of a result are shown at once."""
SOON_S = 1.0
"""So long a result is waited for before it is shown as far as it has come."""


@dataclass(frozen=True)
class Wanted:
    """Which jobs: those that were ticked, or all that fit the filters of the page."""

    ids: tuple[str, ...]
    every: bool
    search: str


def _wanted() -> Wanted:
    """As the form has it; raises `ApiError`."""
    search = request.form.get("search", "")[:2000]
    if request.form.get("every") == "yes":
        return Wanted(matching(backend(), read_wanted(reader(), search)), True, search)
    ids = tuple(dict.fromkeys(request.form.getlist("id")))
    if not 0 < len(ids) <= TICKED:
        raise invalid("body", "/id", "count", _("Between 1 and %(n)s jobs at once.", n=TICKED))
    return Wanted(ids, False, search)


@page.post("/jobs/batch/<any(cancel, priority, execute):action>")
def ask_batch(action: BatchAction) -> str:
    """What would become of the ticked jobs (`id`, repeated), or of all that fit (`every`), stored as a batch."""
    need_role("operator")
    try:
        wanted = _wanted()
    except ApiError as error:
        if error.details and error.details[0].code in ("too_many", "too_wide", "nothing"):
            return dialogs.ask("console/jobs/batch_wide.html", code=error.details[0].code, most=MAX_JOBS)
        raise
    priority = given_priority()
    if action == "priority" and priority is None:
        wrong = request.form.get("priority", "").strip() != ""
        return _shown(action, wanted, None, wrong=wrong)
    batch = _previewed(action, wanted, priority)
    return _shown(action, wanted, batch)


def _previewed(action: BatchAction, wanted: Wanted, priority: int | None) -> Batch:
    if request.headers.get("HX-Request") != "true":
        raise ApiError("auth.origin", "Forms are sent by the console's own pages only.")
    args: dict[str, Any] = {"action": action, "ids": list(wanted.ids)}
    if action == "priority":
        args["priority"] = priority
    if wanted.every:
        args["filter"] = {"list": wanted.search}
    return preview(backend(), args, need_role("operator"), None)[0]


def _shown(action: BatchAction, wanted: Wanted, batch: Batch | None, *, wrong: bool = False, **more: Any) -> str:
    found = None
    if batch is not None:
        with reader().reading() as db:
            found = read_preview(db, batch)
    return dialogs.ask(
        f"console/jobs/batch_{action}.html", found=found, wanted=wanted, says=SAYS, shapes=SHAPES, wrong=wrong,
        given=request.form, **more,
    )  # fmt: skip


@page.post("/jobs/batch/<batch>/apply")
def do_batch(batch: str) -> str:
    """Carry out exactly what the preview said, then say what became of each."""
    need_role("operator")
    args: dict[str, Any] = {"batch": batch, "hash": dialogs.field("hash", 100) or ""}
    if (reason := dialogs.field("reason")) is not None:
        args["reason"] = reason
    if read(backend(), batch).action == "execute" and request.form.get("seen") != "yes":
        raise invalid("body", "/seen", "required", "Tick that the work may be done a second time.")
    dialogs.carry_out("batch.apply", args)
    until(reader(), lambda db: _ended(queries.batch(db, batch)), SOON_S)
    return _result(batch)


def _ended(batch: Batch | None) -> Batch | None:
    return batch if batch is None or batch.state == "applied" else None


@page.get("/jobs/batch/<batch>")
def show_batch(batch: str) -> str:
    """How far it has come, and what became of each."""
    need_role("viewer")
    return _result(batch)


def _result(uid: str) -> str:
    found = read(backend(), uid)
    rows = {result: _rows(uid, result) for result in get_args(RowResult)}
    done = [row.job for row in rows["done"].items] if found.state == "applied" else []
    return dialogs.ask(
        "console/jobs/batch_result.html", batch=found, rows=rows, done=done, why=why, became=became, shown=SHOWN,
    )  # fmt: skip


@page.get("/jobs/batch/<batch>/<any(done, refused, changed, unchanged):result>")
def show_more(batch: str, result: RowResult) -> str:
    """Further rows of a result."""
    need_role("viewer")
    found = read(backend(), batch)
    page_of_rows = _rows(batch, result, request.args.get("after", "")[:500] or None)
    return dialogs.ask(
        "console/jobs/batch_rows.html", batch=found, page=page_of_rows, result=result, why=why, became=became
    )


def _rows(uid: str, result: RowResult, after: str | None = None) -> Any:
    with reader().reading() as db:
        return queries.page_of_batch_rows(db, uid, result=result, limit=SHOWN, after=after)
