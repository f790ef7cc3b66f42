"""Screenshots, recordings and files of attempts: what may be asked about them, and where their bytes lie."""

from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from schemas.ids import Number
from schemas.job import Asked

ArtifactKind = Literal["screenshot", "video", "file"]
ArtifactState = Literal["open", "complete", "refused"]
"""open: bytes are still expected; refused: what came was not what was announced."""
ArtifactId = Annotated[
    str, StringConstraints(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")
]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
MediaType = Literal["image/png", "image/jpeg", "image/gif", "video/webm", "application/octet-stream"]
SHOWN_IN_PLACE: tuple[MediaType, ...] = ("image/png", "image/jpeg", "video/webm")
"""Types that a browser may show; everything else is only ever saved."""
SUFFIXES: dict[MediaType, str] = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/gif": "gif",
    "video/webm": "webm",
    "application/octet-stream": "bin",
}
CHUNK_BYTES = 8 * 1024 * 1024
"""The most that one request may carry of an artifact."""
MAX_BYTES = 2**40
FOLDER, PARTS = "artifacts", "parts"
"""Below the box's data directory: whole artifacts, and in it those of which something is missing."""


class ArtifactOpen(Asked):
    """What will be uploaded. With an `id` of the robot's own making the same request may be repeated for ever."""

    id: Annotated[ArtifactId | None, Field(description="UUIDv7 made by the robot; absent: the box makes one")] = None
    kind: ArtifactKind
    name: Annotated[str, Field(min_length=1, max_length=200, description="for people; never a file's name here")]
    size: Annotated[int, Field(ge=1, le=MAX_BYTES, description="bytes")]
    sha256: Sha256
    path: Annotated[str | None, Field(max_length=1024, description="the block run it belongs to")] = None


class ArtifactOpenArgs(Asked):
    """artifact.open"""

    artifact: ArtifactId
    given: Annotated[bool, Field(description="the id is the robot's own")]
    attempt: Number
    kind: ArtifactKind
    name: Annotated[str, Field(min_length=1, max_length=200)]
    size: Annotated[int, Field(ge=1, le=MAX_BYTES)]
    sha256: Sha256
    path: Annotated[str | None, Field(max_length=1024)] = None


class ArtifactCompleteArgs(Asked):
    """artifact.complete; the web has checked size and hash, and the file is in its place."""

    artifact: ArtifactId
    type: MediaType


class ArtifactRefuseArgs(Asked):
    """artifact.refuse; the web has removed what came."""

    artifact: ArtifactId
    reason: Annotated[str, Field(min_length=1, max_length=500)]


def place_of(artifact: str) -> PurePosixPath:
    """Where a whole artifact lies in `FOLDER`; by the end of its id, as ids of one time begin alike."""
    return PurePosixPath(artifact[-2:]) / artifact


def sniff(head: bytes) -> MediaType:
    """The type by the first bytes (64 are enough); names and claims count for nothing."""
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if head.startswith(b"\x1a\x45\xdf\xa3") and b"\x42\x82\x84webm" in head[:64]:
        return "video/webm"
    return "application/octet-stream"
