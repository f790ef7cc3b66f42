"""What SQLite's write-ahead log holds, read beside SQLite (www.sqlite.org/walformat.html): which pages wait in it.

Who has a connection in this process must keep files of the database and of the log's index open until that is closed:
closing any file of an inode takes SQLite's locks on it away.
"""

import mmap
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

HEADER, FRAME = 32, 24
_PAGE = struct.Struct(">I")
_INDEX = struct.Struct("=16xIIII8s")
_FOLDED = struct.Struct("=96xI")


class WalState(NamedTuple):
    """As SQLite sees its log now: frames that are committed, how many of them are folded back, pages, salts."""

    frames: int
    folded: int
    pages: int
    salts: bytes


def wal_of(database: Path) -> Path:
    """The write-ahead log of a database."""
    return database.with_name(database.name + "-wal")


def index_of(database: Path) -> Path:
    """The log's index."""
    return database.with_name(database.name + "-shm")


def state(index: int) -> WalState:
    """What the log's index, an open file, says; if nobody is connected it may be of an earlier life."""
    head = os.pread(index, 136, 0)
    if len(head) < 136:
        return WalState(0, 0, 0, bytes(8))
    frames, pages, _, _, salts = _INDEX.unpack_from(head)
    return WalState(frames, min(_FOLDED.unpack_from(head)[0], frames), pages, salts)


class Frames:
    """The frames of a log, counted from 1."""

    def __init__(self, log: mmap.mmap | bytes, page_size: int) -> None:
        self._log, self._page_size = log, page_size

    def newest(self, after: int, upto: int) -> dict[int, int]:
        """Pages that frames after one up to another hold, each with its newest frame."""
        step = FRAME + self._page_size
        first = HEADER + after * step
        upto = min(upto, max(after, (len(self._log) - HEADER) // step))  # an index may be of an earlier life
        return {_PAGE.unpack_from(self._log, first + n * step)[0]: after + n + 1 for n in range(upto - after)}

    def content(self, frame: int) -> bytes:
        """The page in a frame."""
        start = HEADER + (frame - 1) * (FRAME + self._page_size) + FRAME
        return bytes(self._log[start : start + self._page_size])


@contextmanager
def opened(database: Path, page_size: int) -> Iterator[Frames]:
    """The log of a database, for reading; one that is empty or absent has no frames."""
    path = wal_of(database)
    if not path.exists() or path.stat().st_size == 0:
        yield Frames(b"", page_size)
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as log:
        yield Frames(log, page_size)


def in_any_frame(database: Path, page_size: int, page: int) -> bool:
    """Whether some frame of the log's present life names a page, valid or not."""
    path = wal_of(database)
    if not path.exists() or path.stat().st_size < HEADER + FRAME:
        return False
    step = FRAME + page_size
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as log:
        salts = log[16:24]
        starts = range(HEADER, len(log) - FRAME + 1, step)
        return any(_PAGE.unpack_from(log, at)[0] == page and log[at + 8 : at + 16] == salts for at in starts)
