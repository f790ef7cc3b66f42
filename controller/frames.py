"""Both ends' view of the command socket: where it is, and how a frame is packed."""

import hashlib
import os
import stat
import tempfile
from pathlib import Path

from schemas.commands import MAX_FRAME

HEADER = 4
_LONGEST_PATH = 100
"""A Unix socket's address holds 108 bytes; temporary names and the closing zero need some of them."""


class FrameTooLarge(ValueError):
    """The frame would be longer than the other side takes."""


def pack(body: bytes) -> bytes:
    """A frame: four bytes of length, big-endian, and the body; raises `FrameTooLarge`."""
    if len(body) > MAX_FRAME:
        raise FrameTooLarge(f"{len(body)} bytes; at most {MAX_FRAME}")
    return len(body).to_bytes(HEADER, "big") + body


def socket_path(data_dir: Path) -> Path:
    """Where the controller of this data directory listens; long paths get a place in the runtime directory."""
    folder = data_dir.resolve()
    near = folder / "controller.sock"
    if len(os.fsencode(near)) <= _LONGEST_PATH:
        return near
    name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:24]
    return _runtime_directory() / f"yardmaster-{name}.sock"


def _runtime_directory() -> Path:
    given = os.environ.get("XDG_RUNTIME_DIR")
    if given and len(given) <= 50 and Path(given).is_dir():
        return Path(given)
    own = Path(tempfile.gettempdir()) / f"yardmaster-{os.getuid()}"
    if len(os.fsencode(own)) > 50:
        own = Path("/tmp") / own.name  # noqa: S108 - checked below to be ours alone
    own.mkdir(mode=0o700, exist_ok=True)
    found = own.lstat()
    # Anybody may make a folder of this name before us, and could then answer in the controller's place.
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise PermissionError(f"{own} must be a folder of yours that nobody else may enter; remove it and start again")
    return own
