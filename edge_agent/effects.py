"""What the protocol wants done once its journal has committed: messages to send and calls to the driver."""

from dataclasses import dataclass

from edge_agent.operations import Key, Operation


@dataclass(frozen=True)
class Send:
    """Publish on the robot's topic of this kind (`schemas.topics`)."""

    kind: str
    payload: bytes
    qos: int = 1
    retain: bool = False


@dataclass(frozen=True)
class DriverStart:
    """Begin to move; the journal knows of it by now."""

    operation: Operation


@dataclass(frozen=True)
class DriverStop:
    """End an operation; the only effect that may leave without a commit, since standing still needs no permission."""

    key: Key


@dataclass(frozen=True)
class DriverResume:
    """Ask what became of an operation of an earlier boot."""

    operation: Operation


@dataclass(frozen=True)
class DriverTidy:
    """Remove what an ended operation still holds; the journal knows of its end by now."""

    key: Key


Effect = Send | DriverStart | DriverStop | DriverResume | DriverTidy
