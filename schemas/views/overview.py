"""What is answered about the box at a glance: matters for people, work by the hour, places in line, timelines."""

from typing import Literal

from pydantic import Field

from schemas.views.answers import Time, View
from schemas.views.blocks import BlockRun
from schemas.views.jobs import Attempt, JobRow, Total

MatterKind = Literal["uncertain", "parked", "paused", "cancelling"]
FoundKind = Literal["job", "robot", "deployment"]


class HourCount(View):
    """How many jobs ended in an hour with an outcome; hours without any are left out."""

    hour: int = Field(description="hours since 1970 began, UTC")
    outcome: str
    n: int


class OpenMatter(View):
    """A job that waits for a person."""

    kind: MatterKind = Field(description="parked: queued, but it may have run before a restore; else the state")
    job: JobRow
    since: Time | None = Field(description="since when it stands so; null: the move is no longer on record")
    robot: str | None = Field(description="that holds it, or held it then")
    block: BlockRun | None = Field(description="where it was: the block that runs, else the last one that began")


class OpenMatters(View):
    """Jobs that wait for a person, the one that waits longest first."""

    items: list[OpenMatter]
    counts: dict[MatterKind, int]
    total: Total


class WaitsAhead(View):
    """The jobs that go before a waiting one, the next to go first."""

    items: list[JobRow]
    total: Total


class AttemptRuns(View):
    """An attempt with its block runs in the order they were made; truncated: the first ones are left out."""

    attempt: Attempt
    runs: list[BlockRun]
    truncated: bool


class Found(View):
    """Something whose name or id fits a text; what a robot says of itself is not in its state here."""

    kind: FoundKind
    id: str
    name: str
    state: str | None
