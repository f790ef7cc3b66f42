"""Screenshots, recordings and files of attempts: robots upload them piece by piece, people look at them."""

import re
from collections.abc import Iterator

from flask import Response, request

from controller.store.queries import artifacts
from schemas.artifact import CHUNK_BYTES, SHOWN_IN_PLACE, SUFFIXES, ArtifactOpen, MediaType
from schemas.ids import uuid7
from schemas.views import Artifact, ArtifactPage
from web.api.job import known
from web.asked import OrderedQuery
from web.errors import ApiError, invalid, not_found
from web.guard import body_length
from web.ranges import send
from web.routes import Call, Reply, Routes
from web.uploads import PIECE, Busy, DiskFull, Mismatch, Uploads, WrongOffset

routes = Routes()
OFFSET = "Upload-Offset"
_NUMBER = re.compile(r"\d{1,16}\Z", re.ASCII)
_ID = re.compile(r"[0-9a-f-]{36}\Z")
_SANDBOX = "default-src 'none'; sandbox"


@routes.command(
    "POST", "/attempts/<attempt>/artifacts", role="robot", answers={201: Artifact}, body=ArtifactOpen, keyed=False
)
def open_artifact(call: Call) -> Reply:
    """Announce an upload for one of the robot's own attempts; the same again answers the same.

    Then send the bytes with PATCH, from the `Upload-Offset` that is answered on.
    """
    body: ArtifactOpen = call.body
    if not _NUMBER.match(call.path["attempt"]) or int(call.path["attempt"]) >= 2**53:
        raise not_found("attempt", call.path["attempt"])
    uploads = _uploads(call)
    uploads.sweep()
    args = body.model_dump(exclude={"id"}) | {
        "attempt": int(call.path["attempt"]), "artifact": body.id or uuid7(), "given": body.id is not None
    }  # fmt: skip
    done = call.backend.ask("artifact.open", args, call.caller)
    found = _find(call, done.ok["artifact"])
    return Reply(found, 201, {OFFSET: str(uploads.arrived(found.id, found.size))})


@routes.add("HEAD", "/artifacts/<artifact>", "robot")
def ask_offset(call: Call) -> Reply:
    """How many bytes have arrived: `Upload-Offset`, and `Upload-Length` for how many there will be."""
    found = _own(call)
    arrived = found.size if found.state == "complete" else _uploads(call).arrived(found.id, found.size)
    return Reply(headers={OFFSET: str(arrived), "Upload-Length": str(found.size)})


@routes.add("PATCH", "/artifacts/<artifact>", "robot", Artifact, upload=True, max_bytes=CHUNK_BYTES)
def add_bytes(call: Call) -> Reply:
    """Add the next bytes; the last ones complete the artifact, if they make what was announced.

    At a wrong `Upload-Offset` nothing is taken, and the refusal's header says the right one.
    """
    found, length = _own(call), body_length(CHUNK_BYTES)
    offset = request.headers.get(OFFSET, "")
    if not _NUMBER.match(offset):
        raise invalid("header", f"/{OFFSET}", "format", "How many bytes were sent before, as a number.")
    if found.state != "open":
        return _ended(found)
    if int(offset) + length > found.size:
        raise ApiError("artifact.size", f"Only {found.size} bytes were announced.")
    arrived = _add(call, found, int(offset), length)
    return Reply(_complete(call, found) if arrived == found.size else found, headers={OFFSET: str(arrived)})


@routes.get("/artifacts/<artifact>", None, answers={200: "application/octet-stream", 206: "application/octet-stream"})
def get_artifact(call: Call) -> Response:
    """The bytes, or a range of them; only PNG, JPEG and WebM are to be shown in place, anything else is to be saved."""
    found = _find(call, call.path["artifact"])
    if found.state != "complete" or found.type is None:
        raise ApiError("artifact.not_found", "This artifact is not here yet, or was refused.")
    shown = found.type in SHOWN_IN_PLACE
    name = f"{found.kind}-{found.id[-12:]}.{SUFFIXES[_type(found)]}"
    headers = {
        "Content-Disposition": f'{"inline" if shown else "attachment"}; filename="{name}"',
        "Content-Security-Policy": _SANDBOX,
    }
    try:
        kind = found.type if shown else "application/octet-stream"
        return send(_uploads(call).whole(found.id), f'"{found.sha256}"', headers, kind)
    except FileNotFoundError as error:
        raise ApiError("artifact.not_found", "The bytes of this artifact are not on the box any more.") from error


@routes.get("/jobs/<job>/artifacts", ArtifactPage, query=OrderedQuery)
def list_artifacts(call: Call) -> Reply:
    """Screenshots, recordings and files of a job, newest first."""
    query: OrderedQuery = call.query
    with call.backend.reader.reading() as db:
        job = known(call, db)
        newest = query.order == "newest"
        return Reply(artifacts.page_of_artifacts(db, job, newest=newest, limit=query.limit, after=query.after))


def _uploads(call: Call) -> Uploads:
    return Uploads(call.backend.settings.data_dir)


def _type(found: Artifact) -> MediaType:
    return found.type if found.type in SUFFIXES else "application/octet-stream"


def _find(call: Call, uid: str) -> Artifact:
    """Raises `ApiError`. Only ids that were found name files."""
    with call.backend.reader.reading() as db:
        found = artifacts.artifact(db, uid) if _ID.match(uid) else None
    if found is None:
        raise not_found("artifact", uid)
    return found


def _own(call: Call) -> Artifact:
    """An artifact of the robot that asks; raises `ApiError`."""
    found = _find(call, call.path["artifact"])
    if found.robot != call.caller.robot:
        raise ApiError("auth.role", "A robot reaches its own attempts only.")
    return found


def _ended(found: Artifact) -> Reply:
    if found.state == "refused":
        raise ApiError("artifact.state", f"This artifact was refused: {found.reason}")
    return Reply(found, headers={OFFSET: str(found.size)})


def _add(call: Call, found: Artifact, offset: int, length: int) -> int:
    """Write what the request carries; raises `ApiError`."""
    try:
        arrived = _uploads(call).add(found.id, found.size, offset, _pieces(length))
    except Busy as error:
        raise ApiError("artifact.busy", "Another request is adding to this artifact.") from error
    except WrongOffset as error:
        headers = {OFFSET: str(error.offset)}
        raise ApiError("artifact.offset", f"Go on from byte {error.offset}.", headers=headers) from error
    except DiskFull as error:
        raise ApiError("artifact.space", "The box's disk is full; nothing of this was kept.") from error
    if arrived - offset != length:
        raise ApiError("request.json", "The body ended early; what came of it is kept.", headers={OFFSET: str(arrived)})
    return arrived


def _pieces(length: int) -> Iterator[bytes]:
    while length and (piece := request.stream.read(min(PIECE, length))):
        length -= len(piece)
        yield piece


def _complete(call: Call, found: Artifact) -> Artifact:
    """All has come: check it, and have the controller know what became of it; raises `ApiError`."""
    try:
        type_ = _uploads(call).finish(found.id, found.size, found.sha256)
    except Busy as error:
        raise ApiError("artifact.busy", "Another request is adding to this artifact.") from error
    except Mismatch as error:
        call.backend.ask("artifact.refuse", {"artifact": found.id, "reason": str(error)}, call.caller)
        raise ApiError("artifact.mismatch", str(error)) from error
    call.backend.ask("artifact.complete", {"artifact": found.id, "type": type_}, call.caller)
    return _find(call, found.id)
