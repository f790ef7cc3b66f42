"""What the loop needs of its neighbours, so that each can be another one in a test."""

from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from config.clock import Instant
from controller.desk import Outgoing
from controller.link import Received
from controller.socket import Request
from schemas.commands import Answer, Frame


class Decides(Protocol):
    """What the loop needs of the core."""

    tight: bool
    """The disk is full: nothing new may begin."""

    @property
    def wake_at(self) -> float:
        """Steady seconds of the next tick that is needed."""

    @property
    def counters(self) -> Counter[tuple[str, ...]]:
        """What happened."""

    def start(self, now: Instant) -> None:
        """Once, in a transaction."""

    def broker(self, connected: bool, now: Instant) -> None:
        """The connection came or went."""

    def paused(self, now: Instant) -> None:
        """This process did not run for a while."""

    def receive(self, now: Instant, robot: str, kind: str, payload: bytes, retained: bool) -> None:
        """A message arrived."""

    def foreign(self, topic: str) -> None:
        """A message on no topic of ours."""

    def command(self, now: Instant, frame: Frame) -> Answer:
        """Carry out a command."""

    def tick(self, now: Instant) -> None:
        """Decide what happens by itself."""

    def take(self) -> Sequence[Outgoing]:
        """What may leave, after commit."""

    def unsent(self, out: Outgoing) -> None:
        """There was no room for this one."""

    def undo(self) -> None:
        """Read the store again, after a rollback."""


class Keeps(Protocol):
    """What the loop needs of the store."""

    def transaction(self) -> AbstractContextManager[None]:
        """All or nothing."""


class Carries(Protocol):
    """What the loop needs of the link."""

    connected: bool
    connection: int

    @property
    def wake_at(self) -> float:
        """Steady seconds of the next `drive` that is needed."""

    def drive(self) -> None:
        """Connect, keep alive."""

    def receive(self, limit: int, until: float) -> list[Received]:
        """What arrived."""

    def ack(self, message: Received) -> None:
        """It is safe."""

    def publish(self, topic: str, payload: bytes, qos: int) -> bool:
        """Hand over, if there is room."""

    def flush(self) -> None:
        """Send what was handed over."""


class Asks(Protocol):
    """What the loop needs of the command socket."""

    def take(self) -> list[Request]:
        """What was asked."""

    def answer(self, request: Request, answer: Answer) -> None:
        """What came of it."""

    def sweep(self) -> None:
        """Close clients that do not finish."""
