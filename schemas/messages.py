"""MQTT messages as types that cannot be wrong; the rules they follow are in docs/wire.md.

Every message is one JSON object with `"v": 1`. Unknown fields are ignored, null means absent.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from schemas.ids import Number, OpaqueId
from schemas.status import Phase

MAX_ASSIGN_BYTES, MAX_ASSIGN_DEPTH = 1_048_576, 100
MAX_MESSAGE_BYTES, MAX_MESSAGE_DEPTH = 262_144, 32
MAX_ROW_BYTES = 65_536

Positive = Annotated[int, Field(ge=1, lt=2**53)]
Path = Annotated[str, Field(max_length=1024)]
Word = Annotated[str, Field(min_length=1, max_length=64)]
Reason = Annotated[str, Field(max_length=2000)]
Object = dict[str, Any]
OnLost = Literal["hold", "requeue"]
Recording = Literal["always", "on_failure", "never"]
CancelReason = Literal["user", "parent", "revoke"]
Do = Literal["pause", "resume", "reRun", "resume_with_rollback", "report_now"]
Verdict = Literal["grant", "void", "wait"]
Activity = Literal["waiting", "running", "paused", "stopping", "rolling_back"]
End = Literal["rejected", "cancelled", "succeeded", "failed", "interrupted"]
AttemptKind = Literal[
    "accepted", "rejected", "noted", "paused", "resumed", "refused", "cancelled", "succeeded", "failed", "interrupted"
]
ENDS: frozenset[str] = frozenset({"rejected", "cancelled", "succeeded", "failed", "interrupted"})
"""Row kinds that end an attempt; such a row is its last."""


class Wire(BaseModel):
    """What all messages share: frozen, strict, tolerant of fields from newer versions."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", allow_inf_nan=False, populate_by_name=True)


class Message(Wire):
    """A whole MQTT payload."""

    v: Literal[1] = 1


# ---------------------------------------------------------------- controller to agent
class Assign(Message):
    """Do this job; `again` asks what became of a number that may have been sent before and starts nothing."""

    job: OpaqueId
    attempt: Positive
    flow: Object = Field(description="id, version, rootBlock, inputParams, subFlows {id: flow}")
    inputs: Object = Field(default_factory=dict, description="evaluated task inputs")
    scope: Object = Field(default_factory=dict, description="task {id, priority, createdOn}, vars")
    on_lost: OnLost = "hold"
    safe: bool = Field(default=False, description="blocks that were cut off may be tried again")
    lease_s: float | None = Field(default=None, gt=0, le=3600, description="required with on_lost requeue")
    time_limit_s: float | None = Field(default=None, gt=0, description="whole attempt, the agent's monotonic clock")
    debug: bool = False
    mock: bool = False
    again: bool = False
    recording: Recording = "never"
    parent: OpaqueId | None = None
    root: OpaqueId | None = None

    @model_validator(mode="after")
    def _lease(self) -> Self:
        if self.on_lost == "requeue" and self.lease_s is None:
            raise ValueError("on_lost requeue needs lease_s")
        return self


class Cancel(Message):
    """Stop this attempt; `revoke`: end at once."""

    job: OpaqueId
    attempt: Positive
    command: Positive
    reason: CancelReason
    by: Reason = ""


class Control(Message):
    """Pause, resume, debug commands; without an attempt only `report_now`."""

    do: Do
    job: OpaqueId | None = None
    attempt: Positive | None = None
    command: Positive | None = None
    path: Path | None = None
    try_: Annotated[int | None, Field(alias="try", ge=0)] = None
    life: Positive | None = None

    @model_validator(mode="after")
    def _needs_attempt(self) -> Self:
        if self.do != "report_now" and None in (self.job, self.attempt, self.command):
            raise ValueError("job, attempt and command are required")
        if self.do == "reRun" and (self.path is None or self.try_ is None):
            raise ValueError("reRun needs path and try")
        return self


class Child(Message):
    """How a child job stands (reserved for stations)."""

    key: tuple[OpaqueId, Positive, Path, int] = Field(strict=False)
    child: OpaqueId
    move: Number
    state: Word
    robot: OpaqueId | None = None
    outputs: Object | None = None
    reason: Reason | None = None


class Ack(Message):
    """Rows up to `upto` of this journal are recorded; with `ask`, leave to move or not."""

    journal: OpaqueId
    boot: OpaqueId
    upto: Number
    beat: Positive | None = None
    attempt: Positive | None = None
    ask: Positive | None = None
    verdict: Verdict | None = None

    @model_validator(mode="after")
    def _answer_is_whole(self) -> Self:
        if len({self.attempt is None, self.ask is None, self.verdict is None}) != 1:
            raise ValueError("attempt, ask and verdict come together")
        return self


# ---------------------------------------------------------------- agent to controller
class Row(Wire):
    """One journalled report; `seq` counts from 1 without gaps in its journal."""

    seq: Positive
    time: str = Field(default="", max_length=40, description="the agent's UTC, for display only")


class AttemptRow(Row):
    """About an attempt as a whole."""

    kind: AttemptKind
    job: OpaqueId
    attempt: Positive
    ask: Positive | None = Field(default=None, description="accepted: set at each sending, not journalled")
    command: Positive | None = Field(default=None, description="noted, refused, paused, resumed: what caused it")
    reason: Reason | None = None
    path: Path | None = Field(default=None, description="the block that was cut off, or where it paused")
    outputs: Object | None = None
    rolled_back: bool = False

    @model_validator(mode="after")
    def _needs(self) -> Self:
        if self.kind in ("noted", "refused") and self.command is None:
            raise ValueError(f"{self.kind} names its command")
        if self.kind in ("rejected", "refused") and not self.reason:
            raise ValueError(f"{self.kind} says its reason")
        return self


class BlockRow(Row):
    """A block run reached a `stage.phase`."""

    kind: Literal["block"] = "block"
    job: OpaqueId
    attempt: Positive
    path: Path = Field(description="block ids joined by /, a loop's id carries #pass")
    n: Number = Field(description="running number of the block run in its attempt; the root is 0")
    try_: Annotated[int, Field(alias="try", ge=0)] = 0
    status: Annotated[Phase, Field(strict=False)]
    inputs: Object | None = None
    outputs: Object | None = None
    reason: Reason | None = None
    started: str | None = Field(default=None, max_length=40)
    ended: str | None = Field(default=None, max_length=40)
    truncated: bool = False


class LogRow(Row):
    """A log line: `text`, or a `message` key with `args` for sentences in both languages."""

    kind: Literal["log"] = "log"
    job: OpaqueId | None = None
    attempt: Positive | None = None
    path: Path | None = None
    level: Annotated[int, Field(ge=0, le=3)]
    type: Word = "system"
    text: Annotated[str | None, Field(max_length=32_768)] = None
    message: Word | None = None
    args: Object | None = None
    output: Any = None
    artifact: OpaqueId | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.text is None and self.message is None:
            raise ValueError("text or message is required")
        return self


class DroppedRow(Row):
    """Rows seq…to were thinned (logs only)."""

    kind: Literal["dropped"] = "dropped"
    to: Positive

    @model_validator(mode="after")
    def _forward(self) -> Self:
        if self.to < self.seq:
            raise ValueError("to is below seq")
        return self


class SubmitRow(Row):
    """A station asks for, or after, a child job (reserved)."""

    kind: Literal["submit"] = "submit"
    job: OpaqueId
    attempt: Positive
    key: tuple[OpaqueId, Positive, Path, int] = Field(strict=False)
    flow: Object
    inputs: Object = Field(default_factory=dict)
    scope: Object = Field(default_factory=dict)
    select: Object = Field(default_factory=dict)
    priority: Annotated[int | None, Field(ge=0, le=5000)] = None


class SeenRow(Row):
    """The station has seen a child's move (reserved)."""

    kind: Literal["seen"] = "seen"
    child: OpaqueId
    move: Number


AnyRow = Annotated[AttemptRow | BlockRow | LogRow | DroppedRow | SubmitRow | SeenRow, Field(discriminator="kind")]
ROW: TypeAdapter[AnyRow] = TypeAdapter(AnyRow)


class Rows(Message):
    """Envelope of block-status, log and submit: consecutive rows of one journal."""

    journal: OpaqueId
    boot: OpaqueId
    first: Positive = Field(description="smallest seq still kept by the agent")
    rows: tuple[AnyRow, ...] = Field(strict=False, min_length=1, max_length=2000, fail_fast=True)


class FailedRun(Wire):
    """A block run that failed in debug mode and waits for a person."""

    path: Path
    n: Number | None = None
    try_: Annotated[int | None, Field(alias="try", ge=0)] = None
    reason: Reason | None = None


class Held(Wire):
    """One attempt in an agent's hand."""

    job: OpaqueId
    attempt: Positive
    activity: Activity
    path: Path | None = None
    progress: Annotated[float | None, Field(ge=0, le=100)] = None
    ask: Positive | None = None
    failed: FailedRun | None = None


class Position(Wire):
    """Where a robot stands on its floor plan, metres and radians."""

    x: float
    y: float
    theta: float | None = None
    node: OpaqueId | None = None


class Heartbeat(Message):
    """What an agent holds and where its journal stands, composed in one read of the journal."""

    journal: OpaqueId
    boot: OpaqueId
    beat: Positive
    holds: tuple[Held, ...] = Field(default=(), strict=False, max_length=64, fail_fast=True)
    highest: Number
    head: Number
    first: Positive
    life: Number | None = None
    accepting: bool = True
    version: Word = "unknown"
    kind: Word
    capabilities: tuple[Word, ...] = Field(default=(), strict=False, max_length=256, fail_fast=True)
    capacity: Annotated[int, Field(ge=1, le=64)] = 1
    queues: tuple[Word, ...] = Field(default=(), strict=False, max_length=32, fail_fast=True)
    tags: tuple[Word, ...] = Field(default=(), strict=False, max_length=32, fail_fast=True)
    name: Annotated[str | None, Field(max_length=200)] = None
    time: str | None = Field(default=None, max_length=40)
    battery: Annotated[float | None, Field(ge=0, le=100)] = None
    charging: bool | None = None
    position: Position | None = None
    load: Object | None = None


class Presence(Message):
    """Retained, also the last will: a hint for the screen, never more."""

    online: bool
    boot: OpaqueId


MESSAGES: dict[str, type[Message]] = {
    "assign": Assign,
    "cancel": Cancel,
    "control": Control,
    "child": Child,
    "ack": Ack,
    "block-status": Rows,
    "log": Rows,
    "submit": Rows,
    "heartbeat": Heartbeat,
    "presence": Presence,
}
"""Topic kind to message type."""
