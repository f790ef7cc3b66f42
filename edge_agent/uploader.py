"""One upload to the box: announce it, ask how much is there, send the rest; it may be cut anywhere and begun again."""

from pathlib import Path
from typing import Any, Protocol

import httpx

from edge_agent.box_http import BoxRefused, NotReachable
from edge_agent.operations import Upload

CHUNK_BYTES = 1024 * 1024
OFFSET = "Upload-Offset"
_LATER = frozenset({401, 403, 408, 425, 429})
"""Refusals of the caller, not of what it sends: a new token, or a quieter time, helps."""
_SOON = frozenset({"artifact.busy", "request.json"})
_MOST_STEPS = 1000
"""Rounds of asking where to go on, in one go; the box may change its mind, but not for ever."""


class Later(Exception):
    """Not now; begin again later. The message is a sentence."""


class GivenUp(Exception):
    """The box will never take this; the message is a sentence."""


class Box(Protocol):
    """The box, as an upload asks it; `edge_agent.box_http.BoxHttp`."""

    def ask(
        self,
        robot: str,
        method: str,
        path: str,
        *,
        body: Any = None,
        content: bytes | None = None,
        headers: Any = None,
    ) -> httpx.Response:
        """One request; raises `NotReachable`, `BoxRefused`."""


def upload(box: Box, robot: str, what: Upload, file: Path) -> None:
    """Have the box hold a recording, however much of it is there already; raises `Later`, `GivenUp`."""
    one = what.recording
    try:
        offset = _announce(box, robot, what)
        for _ in range(_MOST_STEPS + one.size // CHUNK_BYTES):
            piece = _read(file, offset)
            answer = _send(box, robot, one.id, offset, piece)
            if answer is None:
                offset = _offset(box.ask(robot, "HEAD", f"/artifacts/{one.id}"))
            elif answer.json()["state"] == "complete":
                return
            else:
                offset = _offset(answer)
    except NotReachable as error:
        raise Later(str(error)) from error
    except BoxRefused as refused:
        raise _verdict(refused) from refused
    except (KeyError, ValueError, TypeError) as error:
        raise Later("what answers there is no box") from error
    raise Later("the box does not get on with it")


def _announce(box: Box, robot: str, what: Upload) -> int:
    """How many bytes the box has; the id is ours, so that saying it again says the same."""
    one = what.recording
    body = {"id": one.id, "kind": one.kind, "name": one.name, "size": one.size, "sha256": one.sha256}
    if what.path is not None:
        body["path"] = what.path
    return _offset(box.ask(robot, "POST", f"/attempts/{what.attempt}/artifacts", body=body))


def _send(box: Box, robot: str, which: str, offset: int, piece: bytes) -> httpx.Response | None:
    """Send a piece; None if the box is somewhere else in it, or was cut short."""
    try:
        return box.ask(robot, "PATCH", f"/artifacts/{which}", content=piece, headers={OFFSET: str(offset)})
    except BoxRefused as refused:
        if refused.code == "artifact.offset":
            return None
        raise


def _read(file: Path, offset: int) -> bytes:
    """The next piece; raises `GivenUp` for a file that is gone."""
    try:
        with file.open("rb") as data:
            data.seek(offset)
            return data.read(CHUNK_BYTES)
    except OSError as error:
        raise GivenUp(f"the file cannot be read on the robot: {error.strerror or error}") from error


def _offset(answer: httpx.Response) -> int:
    return int(answer.headers[OFFSET])


def _verdict(refused: BoxRefused) -> Later | GivenUp:
    """Whether to come again; what is wrong with the artifact itself stays wrong."""
    later = refused.status >= httpx.codes.INTERNAL_SERVER_ERROR or refused.status in _LATER or refused.code in _SOON
    return Later(str(refused)) if later else GivenUp(str(refused))
