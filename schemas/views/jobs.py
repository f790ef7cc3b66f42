"""What is answered about jobs and their attempts."""

from typing import Any

from pydantic import Field

from schemas.commands import Problem
from schemas.job import Source, Target
from schemas.messages import OnLost, Recording
from schemas.status import AttemptState, JobState
from schemas.views.answers import Page, Reason, Time, View


class JobRow(View):
    """A job as lists show it."""

    id: str
    run: str = Field(description="shared by the jobs of one submission")
    state: JobState
    parked: bool = Field(description="it may have run before a restore; a person releases or cancels it")
    reason: Reason | None
    deployment: str | None
    deployment_name: str | None
    flow: str
    flow_version: int | None
    target: Target
    priority: int
    max_retries: int
    attempt_count: int = Field(description="the k of k of max_retries + 1")
    robot: str | None
    attempt: int | None
    source_type: str
    debug: bool
    mock: bool
    parent: str | None
    root: str | None
    firing: str | None = Field(description="of the schedule that made it")
    rerun_of: str | None
    retried_from: str | None
    created_at: Time
    assigned_at: Time | None
    started_at: Time | None
    ended_at: Time | None
    duration_ms: int | None
    version: int


class Job(JobRow):
    """Everything about a job."""

    parameters: dict[str, Any]
    on_lost: OnLost
    safe_to_repeat: bool
    queue_timeout_s: float | None
    time_limit_s: float | None
    recording: Recording
    intention: str | None = Field(description="what has been asked of the robot and is not answered yet")
    cancelled_while: str | None
    failed_run: str | None = Field(description="debug mode: the failed block run about which a person has to decide")
    variables: dict[str, Any]
    state_message: str | None
    outputs: dict[str, Any] | None
    source: Source
    created_by: str


class JobList(View):
    """The jobs one submission made."""

    items: list[Job]


class BulkError(View):
    """Why one submission was refused."""

    code: str
    message: str
    details: tuple[Problem, ...] = ()


class BulkItem(View):
    """What became of one submission of many: its jobs, or why not."""

    index: int
    jobs: list[Job] | None = None
    error: BulkError | None = None


class BulkAnswer(View):
    """What became of each submission, in their order."""

    items: list[BulkItem]
    accepted: int
    refused: int


class Total(View):
    """A number; not exact: at least so many."""

    value: int
    exact: bool


class JobCounts(View):
    """How many jobs fit the filters."""

    by_state: dict[str, int]
    total: Total


class WaitingReason(View):
    """Why one robot does not take the job."""

    robot: str | None = None
    code: str
    message: str
    since: Time | None = None


class Waiting(View):
    """Why a job waits; position is null when it does not, or is too far back to count."""

    position: int | None
    reasons: list[WaitingReason]


class Attempt(View):
    """One execution of a job on one robot."""

    number: int
    robot: str
    state: AttemptState
    open: bool
    counted: bool = Field(description="it used up a retry")
    reason: Reason | None
    created_at: Time
    started_at: Time | None
    ended_at: Time | None
    duration_ms: int | None


class MatchedName(View):
    """A deployment that a search found."""

    id: str
    name: str


class Matched(View):
    """Which deployments a search found, the first of them by name; `similar`: none is called so, these nearly are."""

    names: list[MatchedName]
    count: int
    similar: bool


class JobPage(Page[JobRow]):
    """A page of jobs."""

    matched: Matched | None = Field(default=None, description="with `q`, unless that is how a job's id begins")


class AttemptPage(Page[Attempt]):
    """A page of attempts."""
