"""The words between flow, protocol and drivers inside one agent."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from edge_agent.mask import NO_MASK, Mask
from schemas.artifact import ArtifactKind
from schemas.messages import Recording as WhenToKeep
from schemas.status import Phase

Key = tuple[int, int]
"""(attempt, n): which block run."""


@dataclass(frozen=True)
class Operation:
    """One block run that needs the robot: evaluated inputs, and the time after which it has failed."""

    attempt: int
    n: int
    path: str
    try_: int
    kind: str
    name: str
    inputs: Mapping[str, Any]
    limit_s: float | None = None
    mask: Mask = field(default=NO_MASK, compare=False, repr=False)
    """What its driver hides in all that it writes down."""
    wanted: WhenToKeep = "never"
    """Which of what the robot records of it the job wants: for `never` nothing has to be recorded."""

    @property
    def key(self) -> Key:
        return (self.attempt, self.n)


Happening = Literal[
    "taken",
    "carried",
    "refused",
    "succeeded",
    "failed",
    "stopped",
    "not_stoppable",
    "unknown",
    "log",
    "tidied",
    "not_tidied",
    "recorded",
]


@dataclass(frozen=True)
class Recording:
    """A picture, a video or a file that was recorded on this robot; its id names it on the box too."""

    id: str
    kind: ArtifactKind
    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Upload:
    """A recording with what it belongs to; `due`: it is to be uploaded, whatever its attempt comes to."""

    recording: Recording
    attempt: int
    job: str
    path: str | None
    at: str
    due: bool


@dataclass(frozen=True)
class OperationEvent:
    """What a driver says about an operation.

    taken: accepted (start.success) · carried: being carried out (monitor.begin) · refused: nothing moved
    (start.failed) · succeeded, failed: its end · stopped: ended because `stop` was asked and nothing of it moves ·
    not_stoppable: `stop` is not possible, it goes on · unknown: after a restart nobody can tell what became of it ·
    recorded: `recording` lies in the agent's folder, the operation goes on · log: a line of output (a text, or the key
    of a sentence with its arguments), the operation goes on · tidied, not_tidied: what `tidy` came to.

    holds: with an end: something of it is left (a folder, a reservation) that `tidy` removes.
    """

    key: Key
    what: Happening
    outputs: Mapping[str, Any] | None = None
    reason: str | None = None
    level: int = 1
    text: str = ""
    message: str | None = None
    args: Mapping[str, Any] | None = None
    recording: Recording | None = None
    holds: bool = False


TIDIED: frozenset[str] = frozenset({"tidied", "not_tidied"})
ENDED: frozenset[str] = frozenset({"refused", "succeeded", "failed", "stopped", "unknown"})


@dataclass(frozen=True)
class Telemetry:
    """What the screen shows of a robot: percent, metres, radians."""

    battery: float | None = None
    charging: bool | None = None
    position: Mapping[str, Any] | None = None
    load: Mapping[str, Any] | None = None


class Driver(Protocol):
    """How an agent moves its robot. No method blocks; answers come through `emit`, from any thread.

    `capabilities` names the block kinds (and `stops_with_agent`) that this robot can carry out beyond pure blocks.
    """

    capabilities: tuple[str, ...]
    emit: Callable[[OperationEvent], None]

    def start(self, operation: Operation) -> None:
        """Begin; called only after the journal says so. An exception here is a defect, not an answer."""

    def stop(self, key: Key) -> None:
        """End it: answers `stopped`, or `not_stoppable`, or its real end when that came first."""

    def resume(self, operation: Operation) -> None:
        """After a restart of the agent: answers its end, `carried` if it goes on, else `unknown`."""

    def tidy(self, key: Key) -> None:
        """Remove what an ended operation still holds: answers `tidied` or `not_tidied`, also for one of an earlier
        boot, and also when it was removed before."""

    def rehearse(self, operation: Operation) -> str | None:
        """For a dry run: why it could not be carried out, as far as that can be told without moving or waiting."""

    def idle(self) -> bool:
        """Nothing that this driver ever started (earlier boots included) still moves."""

    def telemetry(self) -> Telemetry:
        """The newest values; never waits."""

    def close(self) -> None:
        """Let go of everything; running operations stop if the driver has `stops_with_agent`."""


@dataclass(frozen=True)
class BlockReport:
    """A block run reached a phase; the protocol turns it into a numbered row."""

    path: str
    n: int
    try_: int
    status: Phase
    inputs: Mapping[str, Any] | None = None
    outputs: Mapping[str, Any] | None = None
    reason: str | None = None


@dataclass(frozen=True)
class PastRun:
    """A block run that the journal remembers of the attempt in hand: its newest phase and values.

    after: the newest phase that followed its end (delete, rollback).
    """

    n: int
    status: Phase
    inputs: Mapping[str, Any] | None = None
    outputs: Mapping[str, Any] | None = None
    reason: str | None = None
    after: Phase | None = None


@dataclass(frozen=True)
class FlowEnd:
    """How a flow ended; the protocol reports it as the row that ends the attempt."""

    kind: Literal["succeeded", "failed", "cancelled", "interrupted"]
    reason: str | None = None
    outputs: Mapping[str, Any] | None = field(default=None)
    path: str | None = None
    rolled_back: bool = False


class FlowHost(Protocol):
    """What a running flow asks of its agent. All calls happen inside the agent's journal transaction; the shell
    performs driver calls only after that transaction has committed."""

    def block(self, report: BlockReport) -> None:
        """Journal a row."""

    def log(
        self,
        path: str | None,
        level: int,
        type_: str,
        *,
        text: str | None = None,
        message: str | None = None,
        args: Mapping[str, Any] | None = None,
        output: Any = None,
    ) -> None:
        """Journal a log row: a text, or the key of a sentence with its arguments."""

    def start(self, operation: Operation) -> None:
        """Have the driver begin."""

    def stop(self, key: Key) -> None:
        """Have the driver end an operation (a parallel sibling failed, a limit is over, a cancel)."""

    def resume(self, operation: Operation) -> None:
        """Have the driver say what became of an operation that was going on before a restart."""

    def tidy(self, key: Key) -> None:
        """Have the driver remove what an ended operation still holds."""

    def rehearse(self, operation: Operation) -> str | None:
        """Why the robot could not carry this out, asked in a dry run."""
