"""What a journal holds: reports that wait, attempts in hand, attempts that ended."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class OutRow:
    """A report that waits for its acknowledgement; `span`: how many further numbers a `dropped` row stands for."""

    seq: int
    kind: str
    attempt: int | None
    span: int
    body: bytes


@dataclass
class Held:
    """An attempt in hand, as the journal knows it."""

    attempt: int
    job: str
    assign: bytes
    command: int = 0
    started: bool = False
    """A block run was journalled, so something may have moved."""
    pause: int | None = None
    """The command that asked for a pause, as long as one is wanted."""
    paused: bool = False
    stop: str | None = None
    """Why it is being stopped; `cancel` is the only cause that a driver may refuse."""
    stop_command: int | None = None
    elapsed: float = 0.0
    """Run time in seconds, without the agent's downtime."""
    failed: str | None = None
    """The block that failed in debug mode, as long as the attempt is said to be paused for it."""
    again: tuple[tuple[str, int], ...] = ()
    """Failed runs (path, try) whose block a person has run again."""
    rolling: bool = False
    """Debug mode was left: what has finished is undone."""


@dataclass(frozen=True)
class Ended:
    """What became of an attempt."""

    attempt: int
    job: str
    kind: str
    reason: str | None = None
    outputs: Mapping[str, Any] | None = None
    rolled_back: bool = False
