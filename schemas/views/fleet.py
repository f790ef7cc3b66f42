"""What is answered about robots and queues."""

from typing import Any, Literal

from schemas.status import RobotState
from schemas.views.answers import Page, Time, View


class Hold(View):
    """Why a robot gets no new work."""

    reason: str
    attempt: int | None
    since: Time
    note: str | None


class HeldAttempt(View):
    """An attempt in a robot's hand; activity and path are what it says itself."""

    job: str | None
    attempt: int
    activity: str | None
    path: str | None
    progress: float | None = None


class Robot(View):
    """A robot: what is declared, what it says, what it does."""

    id: str
    name: str
    kind: str
    queues: list[str]
    tags: list[str]
    state: RobotState
    enabled: bool
    note: str | None
    holds: list[Hold]
    held: list[HeldAttempt]
    accepting: bool | None
    battery: float | None
    charging: bool | None
    position: dict[str, Any] | None
    load: dict[str, Any] | None
    capabilities: list[str]
    capacity: int
    version: str | None
    last_seen: Time | None
    clock_offset_ms: int | None


class UnknownRobot(View):
    """Heard, but not added: it gets no work."""

    robot: str
    kind: str | None = None
    since: Time | None = None


class RobotPage(Page[Robot]):
    """A page of robots, with those that are heard but were never added."""

    unknown: tuple[UnknownRobot, ...] = ()


class NewCredential(View):
    """What a robot shows to the broker: its secret is in this answer and never shown again."""

    robot: str
    """Also its user name and client id."""
    kind: Literal["password", "certificate"]
    password: str | None = None
    certificate: str | None = None
    key: str | None = None
    mqtt: str
    """Where it connects, HOST:PORT."""
    tls: bool
    authority: str | None
    """The certificate by which it recognises the box."""
    without: list[str]
    """Robots without a credential: the broker does not let them in any more."""


class Revoked(View):
    """What a revoke has ended. The robot is disabled in any case."""

    robot: str
    credential: Literal["password", "certificate"] | None
    """What opened the broker until now; null: it had none that was still good."""
    tokens: int
    """How many of its tokens opened the API until now."""
    shut: bool
    """Neither broker nor API let it in any more; else `notes` says what is left to do."""
    notes: list[str]


class Queue(View):
    """A named group of robots and the work that waits for them."""

    id: str
    name: str
    robots: list[str]
    waiting: int
    oldest_wait_s: float | None
    wait_limit_s: float | None


class QueuePage(Page[Queue]):
    """A page of queues."""
