"""What the protocol wants done once its journal has committed: messages to send and calls to the driver."""

from dataclasses import dataclass

from edge_agent.operations import Key, Operation, Upload


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


@dataclass(frozen=True)
class StartUpload:
    """Have the box hold a recording; begun again until it does."""

    upload: Upload


@dataclass(frozen=True)
class DropRecording:
    """Remove a recording from this robot; the journal does not know of it any more."""

    id: str


Effect = Send | DriverStart | DriverStop | DriverResume | DriverTidy | StartUpload | DropRecording
