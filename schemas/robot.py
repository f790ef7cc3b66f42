"""What may be asked of robots and queues."""

from typing import Annotated, Literal

from pydantic import Field

from schemas.ids import Slug, Text
from schemas.job import Asked

KindOfRobot = Annotated[str, Field(min_length=1, max_length=64, description="agv, rpa, station …")]
Tag = Annotated[str, Field(min_length=1, max_length=64)]


class RobotPut(Asked):
    """A robot as an administrator declares it."""

    name: Annotated[str, Field(max_length=200)] = ""
    kind: KindOfRobot = "agv"
    queues: Annotated[tuple[Slug, ...], Field(strict=False, max_length=32)] = ()
    tags: Annotated[tuple[Tag, ...], Field(strict=False, max_length=32)] = ()


class RobotNote(Asked):
    """Enable, drain or disable, with the reason people will read."""

    reason: Text | None = None


class Enrol(Asked):
    """What a robot shall show to the broker."""

    kind: Annotated[
        Literal["password", "certificate"],
        Field(description="certificate: one signed by the box, for the address `mqtts_certificates`"),
    ] = "password"


class QueuePut(Asked):
    """A named group of robots."""

    name: Annotated[str, Field(max_length=200)] = ""
    wait_limit_s: Annotated[float | None, Field(gt=0, description="waiting longer is shown as a warning")] = None
