"""The files of page sums: a whole table, written anew by rename, and what changed since, appended fold by fold."""

import contextlib
import os
import struct
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from config.disk import sync

SUM = 8
UNKNOWN = bytes(SUM)
"""Of a page whose content nobody has sworn to yet."""
_MAGIC = b"YMSUMS1\n"
_TABLE = struct.Struct("<8sQI")
_BATCH = struct.Struct("<Q8sIII")
_CHANGE = struct.Struct("<I8s8s")
_SEAL = 16
_PATIENCE = 3


class Unusable(ValueError):
    """The files are damaged themselves."""


class Batch(NamedTuple):
    """What a fold will change: by page the sum before and after; the log's salts, how many frames, pages at its end."""

    number: int
    salts: bytes
    frames: int
    pages: int
    changes: dict[int, tuple[bytes, bytes]]


class Stored(NamedTuple):
    """What the files say: sums, settled but for the last batch, if there is one."""

    number: int
    sums: bytearray
    last: Batch | None


def page_sum(page: bytes) -> bytes:
    """The sum of one page."""
    return blake2b(page, digest_size=SUM).digest()


def sums_of(database: Path) -> Path:
    """The table of a database."""
    return database.with_name(database.name + "-sums")


def log_of(database: Path) -> Path:
    """What changed since its table was written."""
    return database.with_name(database.name + "-sums-log")


def load(database: Path) -> Stored | None:
    """Read both files; None without a table. Raises `Unusable`, `OSError`."""
    for _ in range(_PATIENCE):
        with contextlib.suppress(Unusable):
            return _load(database)  # else: they may have been written between one and the other
    return _load(database)


def _load(database: Path) -> Stored | None:
    try:
        raw = sums_of(database).read_bytes()
    except FileNotFoundError:
        return None
    number, sums = _table(raw)
    last: Batch | None = None
    for batch in _batches(database):
        if batch.number <= number:
            continue  # of the time before the table was written
        if last is not None:
            apply(sums, last)
        if batch.number != number + 1:
            raise Unusable("a part of the page sums is missing")
        number, last = batch.number, batch
    return Stored(number, sums, last)


def _table(raw: bytes) -> tuple[int, bytearray]:
    if len(raw) < _TABLE.size + _SEAL or raw[-_SEAL:] != _seal(raw[:-_SEAL]):
        raise Unusable("the table of page sums is damaged")
    magic, number, count = _TABLE.unpack_from(raw)
    sums = bytearray(raw[_TABLE.size : -_SEAL])
    if magic != _MAGIC or len(sums) != count * SUM:
        raise Unusable("the table of page sums is of another kind")
    return number, sums


def _batches(database: Path) -> Iterator[Batch]:
    with contextlib.suppress(FileNotFoundError):
        raw, at = log_of(database).read_bytes(), 0
        while at + _BATCH.size <= len(raw):
            number, salts, frames, pages, count = _BATCH.unpack_from(raw, at)
            end = at + _BATCH.size + count * _CHANGE.size
            if end + _SEAL > len(raw):
                return  # cut off while it was written: its fold never began
            if raw[end : end + _SEAL] != _seal(raw[at:end]):
                raise Unusable("the changes of page sums are damaged")
            changes = {page: (old, new) for page, old, new in _CHANGE.iter_unpack(raw[at + _BATCH.size : end])}
            yield Batch(number, salts, frames, pages, changes)
            at = end + _SEAL


def apply(sums: bytearray, batch: Batch) -> None:
    """The fold was carried out."""
    for page, (_, new) in batch.changes.items():
        put(sums, page, new)
    del sums[batch.pages * SUM :]


def put(sums: bytearray, page: int, value: bytes) -> None:
    """Set the sum of a page, counted from 1; pages in between are unknown."""
    missing = page * SUM - len(sums)
    if missing > 0:
        sums.extend(bytes(missing))
    sums[(page - 1) * SUM : page * SUM] = value


def get(sums: bytearray, page: int) -> bytes:
    """The sum of a page; `UNKNOWN` when there is none."""
    return bytes(sums[(page - 1) * SUM : page * SUM]) or UNKNOWN


class SumsFile:
    """The only writer of both files."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._log = os.open(log_of(database), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def append(self, batch: Batch) -> None:
        """On the disk when this returns, which is before the fold may begin. Raises `OSError`."""
        head = _BATCH.pack(batch.number, batch.salts, batch.frames, batch.pages, len(batch.changes))
        body = head + b"".join(_CHANGE.pack(page, old, new) for page, (old, new) in batch.changes.items())
        end = os.lseek(self._log, 0, os.SEEK_END)
        try:
            _write_all(self._log, body + _seal(body))
            os.fdatasync(self._log)
        except OSError:
            os.ftruncate(self._log, end)  # half a batch would hide those after it
            raise

    def write_table(self, number: int, sums: bytearray) -> None:
        """Everything settled up to a batch; what was appended before is no longer needed. Raises `OSError`."""
        body = _TABLE.pack(_MAGIC, number, len(sums) // SUM) + sums
        path = sums_of(self._database)
        draft = path.with_name(path.name + ".new")
        file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            _write_all(file, body + _seal(body))
            os.fsync(file)
        finally:
            os.close(file)
        draft.replace(path)
        sync(path.parent)
        os.ftruncate(self._log, 0)

    @property
    def log_bytes(self) -> int:
        """How much was appended since the table was written."""
        return os.fstat(self._log).st_size

    def close(self) -> None:
        """Let go of the files."""
        os.close(self._log)


def _write_all(file: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(file, view) :]


def _seal(body: bytes | bytearray) -> bytes:
    return blake2b(body, digest_size=_SEAL).digest()
