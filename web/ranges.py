"""A part of a file as a browser asks for it (RFC 9110, one range of bytes), and the answer that carries it."""

import re
from collections.abc import Iterator
from pathlib import Path

from flask import Response, request

from web.errors import ApiError

PIECE = 256 * 1024
_RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})\Z", re.ASCII)


def asked_range(size: int, etag: str) -> tuple[int, int] | None:
    """First and last byte that are wanted; None: all of it. Several ranges, and other units, count as none.

    Raises `ApiError` for a range that the file does not have.
    """
    given = _RANGE.match(request.headers.get("Range", ""))
    if given is None or request.headers.get("If-Range", etag) != etag:
        return None
    first, last = given[1], given[2]
    if first:
        start, end = int(first), min(int(last), size - 1) if last else size - 1
        if last and int(last) < int(first):
            return None  # not a range at all
    elif last:
        start, end = max(0, size - int(last)), size - 1
    else:
        return None
    if start > end or start >= size:
        headers = {"Content-Range": f"bytes */{size}"}
        raise ApiError("request.range", f"There are only {size} bytes.", headers=headers)
    return start, end


def send(path: Path, etag: str, headers: dict[str, str], kind: str) -> Response:
    """The file or the part of it that is asked for; raises `FileNotFoundError`, `ApiError`."""
    size = path.stat().st_size
    about = {"Accept-Ranges": "bytes", "ETag": etag, **headers}
    if request.headers.get("If-None-Match") == etag:
        return Response("", 304, headers=about)
    wanted = asked_range(size, etag)
    start, end = wanted or (0, size - 1)
    about["Content-Length"] = str(end - start + 1)
    if wanted is not None:
        about["Content-Range"] = f"bytes {start}-{end}/{size}"
    return Response(_pieces(path, start, end + 1), 206 if wanted else 200, headers=about, content_type=kind)


def _pieces(path: Path, start: int, end: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(start)
        while start < end and (piece := file.read(min(PIECE, end - start))):
            start += len(piece)
            yield piece
