"""The bytes of artifacts on the box: what has arrived, what is whole, and where they lie."""

import errno
import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from config.disk import sync
from schemas.artifact import CHUNK_BYTES, FOLDER, PARTS, MediaType, place_of, sniff

PIECE = 256 * 1024
HEAD = 64
KEPT_FREE = 64 * 2**20
STALE_S = 36 * 3600.0
"""A part that nothing was added to for so long belongs to an upload that was forgotten long ago."""
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Busy(Exception):
    """Another request is adding to the same artifact."""


class WrongOffset(Exception):
    """Not where the last byte was; `offset` is right."""

    def __init__(self, offset: int) -> None:
        super().__init__(f"the next byte is number {offset}")
        self.offset = offset


class DiskFull(Exception):
    """The box has no room; what the request carried is not kept."""


class Mismatch(Exception):
    """All has come, and it is not what was announced; the message is a sentence."""


class Uploads:
    """The folder `artifacts` of a data directory; an artifact is named by its id, which the caller knows to be one."""

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir / FOLDER

    def whole(self, uid: str) -> Path:
        """Where a whole artifact lies."""
        return self._folder / place_of(uid)

    def arrived(self, uid: str, size: int) -> int:
        """How many bytes are here."""
        if self.whole(uid).exists():
            return size
        try:
            return self._part(uid).stat().st_size
        except FileNotFoundError:
            return 0

    def add(self, uid: str, size: int, offset: int, pieces: Iterable[bytes]) -> int:
        """Write what comes at `offset`; how many bytes are here then.

        What came before a connection broke stays. Raises `Busy`, `WrongOffset`, `DiskFull`.
        """
        with self._open(uid) as part:
            here = size if self.whole(uid).exists() else part.seek(0, os.SEEK_END)
            if offset != here:
                raise WrongOffset(here)
            self._check_room(size - offset)
            try:
                for piece in pieces:
                    _write(part, piece)
                os.fdatasync(part.fileno())
            except OSError as error:
                if error.errno not in _FULL:
                    raise
                part.truncate(offset)
                raise DiskFull(str(error)) from error
            return size if here == size else part.tell()

    def finish(self, uid: str, size: int, sha256: str) -> MediaType:
        """Check what has arrived and put it in its place; raises `Busy`, `Mismatch` (then nothing of it is left)."""
        whole = self.whole(uid)
        if whole.exists():  # it was put there, and nobody lived to say so
            with whole.open("rb") as file:
                return sniff(file.read(HEAD))
        with self._open(uid) as part:
            type_, digest = _look(part)
            if part.tell() != size or digest != sha256:
                self._part(uid).unlink()
                raise Mismatch(f"{part.tell()} bytes came, and they are not those that were announced.")
            os.fsync(part.fileno())
            self._make(whole.parent)
            os.rename(self._part(uid), whole)
            sync(whole.parent)
            return type_

    def sweep(self) -> None:
        """Remove parts that nobody adds to any more."""
        folder = self._folder / PARTS
        if not folder.is_dir():
            return
        now = time.time()
        for part in folder.iterdir():
            with suppress(FileNotFoundError):  # it has just become whole
                if now - part.stat().st_mtime > STALE_S:
                    part.unlink()

    def _check_room(self, wanted: int) -> None:
        """Uploads never take the last of the disk, which jobs need; raises `DiskFull`."""
        total, _, free = shutil.disk_usage(self._folder)
        if free - min(wanted, CHUNK_BYTES) < min(KEPT_FREE, total // 20):
            raise DiskFull("the room that is left is kept for what jobs have to record")

    @contextmanager
    def _open(self, uid: str) -> Iterator[BinaryIO]:
        """The part of an upload, held against other requests; raises `Busy`."""
        path = self._part(uid)
        self._make(path.parent)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "r+b", buffering=0) as part:
            try:
                fcntl.flock(part, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise Busy from error
            if not _is_still(path, part):
                raise Busy  # whoever held it has just put it in its place
            try:
                yield part
            finally:
                if self.whole(uid).exists() and _is_still(path, part):
                    path.unlink()  # opened after all was there already

    def _part(self, uid: str) -> Path:
        return self._folder / PARTS / uid

    def _make(self, folder: Path) -> None:
        for one in (self._folder, folder):
            one.mkdir(mode=0o700, exist_ok=True)


def _write(part: BinaryIO, piece: bytes) -> None:
    """All of it: a file without a buffer may take less at once."""
    left = memoryview(piece)
    while left:
        left = left[part.write(left) :]


def _is_still(path: Path, file: BinaryIO) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def _look(part: BinaryIO) -> tuple[MediaType, str]:
    """Type and hash of all that is there; the file then stands at its end."""
    part.seek(0)
    head = part.read(HEAD)
    digest = hashlib.sha256(head)
    while piece := part.read(PIECE):
        digest.update(piece)
    return sniff(head), digest.hexdigest()
