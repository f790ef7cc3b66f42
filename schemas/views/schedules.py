"""What is answered about schedules and their firings."""

from pydantic import Field

from schemas.job import Source
from schemas.schedule import Overlap
from schemas.views.answers import Page, Reason, Time, View


class Schedule(View):
    """When jobs of a deployment are made."""

    id: str
    name: str
    deployment: str
    deployment_name: str | None = Field(description="null when the deployment is gone: nothing is made then")
    cron: str | None
    every_s: int | None
    at: Time | None
    zone: str
    from_: Time | None = Field(alias="from")
    until: Time | None
    overlap: Overlap
    catch_up: bool
    enabled: bool
    source: Source | None
    next_fires: list[Time] = Field(description="the next five at most; none while it is disabled")
    done_until: Time = Field(description="no moment up to here fires any more, whatever the clock says")
    version: int
    updated_at: Time
    updated_by: str


class FiringRow(View):
    """What became of one target: its job with the job's state, or `skipped` and why."""

    id: str
    n: int
    robot: str | None
    flow: str | None
    job: str | None
    state: str
    reason: Reason | None
    started_at: Time | None
    ended_at: Time | None


class Firing(View):
    """One time that a schedule was due."""

    id: str
    schedule: str
    due_at: Time
    fired_at: Time
    zone: str
    reason: Reason | None = Field(description="why it was skipped or made late")
    states: dict[str, int] = Field(description="targets by the state of their jobs, `skipped` among them")


class FiringDetail(Firing):
    """A firing with a row for each target."""

    rows: list[FiringRow]


class SchedulePage(Page[Schedule]):
    """A page of schedules."""


class FiringPage(Page[Firing]):
    """A page of firings."""
