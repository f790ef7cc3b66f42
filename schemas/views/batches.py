"""What is answered about batches: the preview, how far applying has come, what became of each job."""

from typing import Any

from pydantic import Field

from schemas.batch import BatchAction, BatchState, RowResult
from schemas.status import JobState
from schemas.views.answers import Page, Reason, Time, View


class BatchGroup(View):
    """Jobs of which the same would become."""

    code: str
    message: str
    count: int


class BatchPart(View):
    """How many jobs, and of how many what would become, or why nothing."""

    count: int
    groups: list[BatchGroup]


class BatchResults(View):
    """What became of the jobs so far; `left`: still to be asked."""

    done: int
    refused: int
    changed: int = Field(description="left alone: changed since the preview")
    unchanged: int = Field(description="left as they are, as previewed")
    left: int


class Batch(View):
    """One thing asked of many jobs."""

    id: str
    action: BatchAction
    priority: int | None
    filter: dict[str, Any] | None = Field(description="what led to the jobs, if they were not named")
    state: BatchState
    reason: str | None
    total: int
    will: BatchPart
    will_not: BatchPart
    hash: str = Field(description="names exactly these rows; to be given when they are applied")
    results: BatchResults | None = Field(description="null until it is applied")
    created_by: str
    created_at: Time
    expires_at: Time
    applied_by: str | None
    applied_at: Time | None
    ended_at: Time | None


class BatchRow(View):
    """One job of a batch; null where there is no such job, or nothing has come of it yet."""

    n: int
    job: str
    name: str | None = Field(description="of the deployment, else the flow's id")
    robot: str | None
    state: JobState | None = Field(description="as it is now")
    was: JobState | None = Field(description="as it was previewed")
    priority: int | None
    had_priority: int | None
    will: bool
    outlook: Reason = Field(description="what would become of it, or why nothing would")
    result: RowResult | None
    reason: Reason | None = Field(description="why it was not carried out")
    made: str | None = Field(description="the job that was made of it")


class BatchRowPage(Page[BatchRow]):
    """A page of a batch's rows."""
