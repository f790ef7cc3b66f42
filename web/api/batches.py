"""One thing asked of many jobs: previewed, applied by its hash, a result for each."""

from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from controller.store.queries import Connection
from controller.store.queries import batches as queries
from controller.store.queries.job_filters import JobFilter
from schemas.batch import MAX_JOBS, BatchApply, BatchWhat, RowResult
from schemas.commands import Caller
from schemas.job import JobIds
from schemas.views.batches import Batch, BatchRowPage
from web.asked import JobFilters, PageQuery
from web.backend import Backend, Done
from web.compat.waiting import until
from web.errors import ApiError, invalid, not_found
from web.guard import BULK_BYTES
from web.routes import Call, Reply, Routes

routes = Routes()
LOOKED_AT_S = 10.0
"""So long a request waits for its preview; the controller looks at 10,000 jobs in a small part of that."""


class BatchFilter(JobFilters):
    """The jobs of a list, as `GET /jobs` takes them; times from (included) to (excluded)."""

    parked: Annotated[bool | None, Field(strict=True)] = None


class BatchBody(BatchWhat):
    """What is asked, and of which jobs: `ids` (at most 10,000) or `filter`."""

    ids: JobIds | None = None
    filter: BatchFilter | None = None

    @model_validator(mode="after")
    def _which(self) -> Self:
        if (self.ids is None) == (self.filter is None):
            raise ValueError("give either ids or filter")
        return self


class BatchRowsQuery(PageQuery):
    """Which rows of a batch."""

    will: Annotated[str | None, Field(pattern="^(true|false)$", description="whether something would become")] = None
    result: Annotated[RowResult | None, Field(description="what became of it")] = None


def matching(backend: Backend, f: JobFilter) -> tuple[str, ...]:
    """The jobs that a filter leads a batch to; raises `ApiError` for none, and for more than a batch may have."""
    with backend.reader.reading() as db:
        try:
            found = queries.matching(db, f, MAX_JOBS + 1)
        except queries.TooWide as error:
            raise invalid(
                "body", "/filter", "too_wide", "Too many jobs would have to be looked at; give a time."
            ) from error
        if len(found) > MAX_JOBS:
            raise invalid("body", "/filter", "too_many", _too_many(db, f))
    if not found:
        raise invalid("body", "/filter", "nothing", "No job fits this filter.")
    return tuple(found)


def _too_many(db: Connection, f: JobFilter) -> str:
    from controller.store.queries import count_jobs

    total = count_jobs(db, f).total
    known = f"{total.value:,}" if total.value > MAX_JOBS else f"more than {MAX_JOBS:,}"
    least = "at least " if total.value > MAX_JOBS and not total.exact else ""
    return f"{least}{known} jobs fit this filter; a batch may have {MAX_JOBS:,} at most.".capitalize()


def preview(backend: Backend, args: dict[str, Any], caller: Caller, key: str | None) -> tuple[Batch, Done]:
    """Have a preview stored and wait until every job has been looked at; raises `ApiError`."""
    done = backend.ask("batch.preview", args, caller, key)

    def look(db: Connection) -> Batch | None:
        found = queries.batch(db, done.ok["batch"])
        return None if found is None or found.state == "collecting" else found

    found = until(backend.reader, look, LOOKED_AT_S)
    if found is None:
        message = "The jobs have not all been looked at in time. Ask again with the same key."
        raise ApiError("controller.no_answer", message)
    return found, done


def read(backend: Backend, uid: str) -> Batch:
    """One batch as it is now; raises `ApiError`."""
    with backend.reader.reading() as db:
        found = queries.batch(db, uid)
    if found is None:
        raise not_found("batch", uid)
    return found


@routes.command("POST", "/job-batches", answers={201: Batch}, body=BatchBody, max_bytes=BULK_BYTES)
def preview_batch(call: Call) -> Reply:
    """Preview setting the priority of many jobs, cancelling them, or executing them again.

    Nothing is changed. The answer says of how many jobs what would become, and why nothing would; it may be applied by
    its hash for ten minutes.
    """
    body: BatchBody = call.body
    given = None if body.filter is None else body.filter.model_dump(mode="json", exclude_unset=True)
    ids = body.ids if body.filter is None else matching(call.backend, body.filter.as_filter())
    args = {"action": body.action, "priority": body.priority, "ids": list(ids or ()), "filter": given}
    found, done = preview(call.backend, args, call.caller, call.key)
    return Reply(found, 201, {"Location": f"/api/v1/job-batches/{found.id}", **done.headers})


@routes.command("POST", "/job-batches/<batch>/apply", answers={202: Batch}, body=BatchApply)
def apply_batch(call: Call) -> Reply:
    """Carry out exactly what was previewed.

    Each job is left alone if it has changed since. Some hundred jobs are one transaction; what was begun goes on after
    a restart.
    """
    body: BatchApply = call.body
    args = {"batch": call.path["batch"], **body.model_dump(exclude_none=True)}
    done = call.backend.ask("batch.apply", args, call.caller, call.key)
    return Reply(read(call.backend, call.path["batch"]), 202, done.headers)


@routes.get("/job-batches/<batch>", Batch)
def show_batch(call: Call) -> Reply:
    """One batch: what was previewed, and how far applying it has come."""
    return Reply(read(call.backend, call.path["batch"]))


@routes.get("/job-batches/<batch>/rows", BatchRowPage, query=BatchRowsQuery)
def list_batch_rows(call: Call) -> Reply:
    """The jobs of a batch with what would become of each, and what did."""
    query: BatchRowsQuery = call.query
    will = None if query.will is None else query.will == "true"
    with call.backend.reader.reading() as db:
        found = queries.page_of_batch_rows(
            db, call.path["batch"], will=will, result=query.result, limit=query.limit, after=query.after
        )
    if found is None:
        raise not_found("batch", call.path["batch"])
    return Reply(found)
