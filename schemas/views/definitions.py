"""What is answered about flows, deployments and the box itself."""

from typing import Any, Literal

from schemas.job import Target
from schemas.messages import OnLost, Recording
from schemas.views.answers import Page, Time, View


class FlowRow(View):
    """A flow as lists show it."""

    id: str
    name: str
    version: int
    note: str | None
    created_at: Time
    created_by: str


class Flow(FlowRow):
    """A flow version with its definition; a saved version never changes."""

    latest: int
    definition: dict[str, Any]


class FlowProblem(View):
    """What is wrong with a definition, and where."""

    path: str
    code: str
    message: str


class FlowProblems(View):
    """Everything wrong with a definition; empty: it may be saved."""

    problems: list[FlowProblem]


class Deployment(View):
    """A flow made ready to run: target, priority, retries, parameters, policies."""

    id: str
    name: str
    enabled: bool
    note: str | None
    flow: str
    flow_version: int | None
    target: Target | None
    priority: int | None
    max_retries: int | None
    parameters: dict[str, Any]
    on_lost: OnLost | None
    safe_to_repeat: bool | None
    queue_timeout_s: float | None
    time_limit_s: float | None
    recording: Recording | None
    version: int
    updated_at: Time


class FlowPage(Page[FlowRow]):
    """A page of flows."""


class DeploymentPage(Page[Deployment]):
    """A page of deployments."""


class Label(View):
    """One text in both languages."""

    en: str
    zh: str


class BlockParameter(View):
    """One parameter of a kind of block."""

    name: str
    type: str
    label: Label
    required: bool
    default: Any
    minimum: float | None
    maximum: float | None


class BlockKindView(View):
    """A kind of block, for editors."""

    kind: str
    name: Label
    group: str
    operation: bool
    parameters: list[BlockParameter]
    extra: Label | None
    one_of: list[str]
    branches: list[str]
    loop: bool
    outputs: list[str]


class BlockKinds(View):
    """Every kind of block the flows may use."""

    items: list[BlockKindView]


class Drained(View):
    """Whether the box gives out work, and what of it still runs."""

    drained: bool
    since: Time | None
    by: str | None
    working: int
    """Jobs that are assigned, running or cancelling."""
    paused: int
    uncertain: int


class Health(View):
    """How the box is; down is answered 503."""

    state: Literal["ok", "degraded", "down"]
    parts: dict[str, Any]
    reasons: list[Any]
    backup: str | None = None
