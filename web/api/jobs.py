"""Making jobs, and lists of them."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import Field, SkipValidation

from controller.store import queries
from schemas.job import Asked, JobSubmit
from schemas.views import BulkAnswer, BulkError, BulkItem, Job, JobCounts, JobList, JobPage
from web.asked import JobFilters, JobsQuery
from web.backend import Backend
from web.guard import BULK_BYTES
from web.routes import Call, Reply, Routes

routes = Routes()


class BulkBody(Asked):
    """Up to 1,000 submissions; each stands alone, all in one transaction."""

    jobs: Annotated[
        tuple[Annotated[JobSubmit, SkipValidation], ...], Field(strict=False, min_length=1, max_length=1000)
    ]


def shown(backend: Backend, uids: Iterable[str]) -> dict[str, Job]:
    """Jobs as they are now."""
    with backend.reader.reading() as db:
        return {job.id: job for job in queries.jobs_by_uid(db, uids)}


def made(call: Call, uids: list[str], headers: Mapping[str, str]) -> Reply:
    """The jobs that a submission made."""
    found = shown(call.backend, uids)
    where = {"Location": f"/api/v1/jobs/{uids[0]}"} if len(uids) == 1 else {}
    return Reply(JobList(items=[found[uid] for uid in uids if uid in found]), 201, {**where, **headers})


@routes.command("POST", "/jobs", answers={201: JobList}, body=JobSubmit)
def submit_jobs(call: Call) -> Reply:
    """Make a job for a queue, or one for each named robot.

    Of a deployment, or of a flow with a target. What is not given is the deployment's, else the default.
    """
    body: JobSubmit = call.body
    done = call.backend.ask("job.submit", body.model_dump(mode="json", exclude_unset=True), call.caller, call.key)
    return made(call, done.ok["jobs"], done.headers)


@routes.command("POST", "/jobs/bulk", BulkAnswer, body=BulkBody, max_bytes=BULK_BYTES)
def submit_many(call: Call) -> Reply:
    """Make up to 1,000 submissions in one transaction; each stands alone and has its own answer."""
    body: BulkBody = call.body
    done = call.backend.ask("job.submit_bulk", {"jobs": list(body.jobs)}, call.caller, call.key)
    items: list[dict[str, Any]] = done.ok["items"]
    found = shown(call.backend, [uid for item in items for uid in item.get("jobs") or ()])
    answer = BulkAnswer(
        items=[_item(item, found) for item in items], accepted=done.ok["accepted"], refused=done.ok["refused"]
    )
    return Reply(answer, headers=done.headers)


def _item(item: dict[str, Any], found: Mapping[str, Job]) -> BulkItem:
    error = item.get("error")
    if error is not None:
        return BulkItem(index=item["index"], error=BulkError.model_validate(error))
    return BulkItem(index=item["index"], jobs=[found[uid] for uid in item["jobs"] if uid in found])


@routes.get("/jobs", JobPage, query=JobsQuery)
def list_jobs(call: Call) -> Reply:
    """Jobs, newest first, filtered."""
    query: JobsQuery = call.query
    with call.backend.reader.reading() as db:
        return Reply(queries.page_of_jobs(db, query.as_filter(), query.order, query.limit, query.after))


@routes.get("/job-counts", JobCounts, query=JobFilters)
def count_jobs(call: Call) -> Reply:
    """How many jobs fit the filters.

    Exact by state and queue, and where few rows have to be looked at; else `exact` is false: at least so many.
    """
    query: JobFilters = call.query
    with call.backend.reader.reading() as db:
        return Reply(queries.count_jobs(db, query.as_filter()))
