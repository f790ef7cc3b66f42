"""What is answered about blocks, logs and moves."""

from typing import Any, Literal

from pydantic import Field

from schemas.status import BlockState, Phase
from schemas.views.answers import Page, Time, View


class BlockRun(View):
    """One execution of a block in an attempt."""

    id: str
    attempt: int
    block: str
    block_name: str | None
    kind: str | None
    path: str
    try_: int = Field(alias="try")
    state: BlockState
    phase: Phase
    inputs: Any
    outputs: Any
    reason: str | None
    truncated: bool
    started_at: Time | None
    ended_at: Time | None
    duration_ms: int | None


class Iteration(View):
    """One pass of a loop."""

    index: int
    children: "list[BlockNode]"


class BlockNode(View):
    """A block of the flow with what became of it; `run` is null when it was not executed."""

    block: str
    block_name: str
    kind: str
    label: str
    level: int
    branch: str | None
    path: str
    definition: dict[str, Any]
    run: BlockRun | None
    runs: int
    logs: int
    iterations: list[Iteration] | None = None
    children: "list[BlockNode]"


class ResultTree(BlockNode):
    """The flow's tree with its runs; the root block is the job."""

    flat: Literal[False] = False
    job: str
    attempt: int | None
    truncated: bool = Field(default=False, description="passes of loops were left out")


class FlatResults(View):
    """The runs of an attempt whose definition is unreadable."""

    flat: Literal[True] = True
    job: str
    attempt: int | None
    items: list[BlockRun]


class LogRow(View):
    """A log line; where the robot sent a message key with its arguments, `text` is that sentence in English."""

    id: int
    attempt: int | None
    robot: str
    block: str | None
    path: str | None
    level: int = Field(description="0 debug, 1 info, 2 warning, 3 error")
    type: str
    text: str | None
    message: str | None
    args: Any
    output: Any
    artifact: str | None
    time: str = Field(description="the robot's clock, for display only")
    recorded_at: Time


class Event(View):
    """A move: what changed, from what to what, who and why."""

    id: int
    at: Time
    topic: str
    event: str
    job: str | None
    robot: str | None
    attempt: int | None
    who: str
    old: str | None
    new: str | None
    code: str | None
    why: str | None
    data: Any


class BlockRunPage(Page[BlockRun]):
    """A page of block runs."""


class LogPage(Page[LogRow]):
    """A page of log lines."""


class EventPage(Page[Event]):
    """A page of events."""


Iteration.model_rebuild()
