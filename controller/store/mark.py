"""How far the database had come, beside the database: a copy that is behind its mark has lost acknowledged work."""

import logging
import os
import struct
from hashlib import blake2b
from pathlib import Path

log = logging.getLogger(__name__)

NAME = "mark"
_NUMBER = struct.Struct("<Q")


class Mark:
    """A file of one number, written after each commit and synced now and then.

    So it can never say more than what was durable, and may say less after a power loss, which harms nothing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ailing = False
        self._file: int | None = None
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:  # a full disk must not keep the box from starting
            self._ail(error)

    def read(self) -> int | None:
        """The number; None if there is none, or it is damaged (which is logged)."""
        stored = b"" if self._file is None else os.pread(self._file, 16, 0)
        if not stored:
            return None
        number = stored[: _NUMBER.size]
        if stored != number + _check(number):
            log.warning("%s is damaged and is written anew; a loss before now cannot be noticed", self._path)
            return None
        return int(_NUMBER.unpack(number)[0])

    def write(self, turns: int) -> None:
        """The commit that made this number is on the disk; raises nothing, since that cannot be taken back."""
        if self._file is None:
            return
        number = _NUMBER.pack(turns)
        try:
            os.pwrite(self._file, number + _check(number), 0)
        except OSError as error:
            self._ail(error)

    def sync(self) -> None:
        """After a power loss it says at least this much; raises nothing."""
        if self._file is None:
            return
        try:
            os.fsync(self._file)
        except OSError as error:
            self._ail(error)

    def _ail(self, error: OSError) -> None:
        if not self._ailing:
            log.warning("%s cannot be written: %s", self._path, error)
        self._ailing = True

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def read_mark(folder: Path) -> int | None:
    """The number that a data directory's mark says, None without one; nothing is made."""
    if not (folder / NAME).exists():
        return None
    mark = Mark(folder / NAME)
    try:
        return mark.read()
    finally:
        mark.close()


def _check(number: bytes) -> bytes:
    return blake2b(number, digest_size=8).digest()
