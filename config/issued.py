"""Every certificate that the box's authority ever gave a robot, in a file beside it, so that no restore forgets one."""

import errno
import logging
import os
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from config.disk import sync

log = logging.getLogger(__name__)

ISSUED = "issued"
_LINE = re.compile(r"([0-9a-f]{1,40}) (\S+) (\S+)")
_UNKNOWN = "-"


class Issued(NamedTuple):
    """One certificate: its number in hexadecimal digits, whose it is, its end in UTC microseconds (None: not known)."""

    serial: str
    robot: str
    ends_us: int | None = None


def note(folder: Path, new: Iterable[Issued]) -> None:
    """Add lines at the end; when this returns they are on disk. Raises `OSError`."""
    text = "".join(f"{one.serial} {one.robot} {_moment(one.ends_us)}\n" for one in new)
    path = folder / ISSUED
    is_new = not path.exists()
    cut_off = not is_new and path.read_bytes()[-1:] not in (b"", b"\n")
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        line = (("\n" if cut_off else "") + text).encode("ascii")
        if os.write(descriptor, line) != len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if is_new:
        sync(folder)


def serials(folder: Path) -> set[str]:
    """Numbers of all that were issued; a line that was cut off names none that was handed out. Raises `OSError`."""
    path = folder / ISSUED
    if not path.exists():
        return set()
    found = set[str]()
    for line in path.read_text(encoding="ascii", errors="replace").splitlines():
        fits = _LINE.fullmatch(line)
        if fits is not None:
            found.add(fits[1])
        elif line:
            log.warning("%s has a line that names no certificate: %.100s", path, line)
    return found


def complete(folder: Path, known: Iterable[Issued]) -> set[str]:
    """Add what others know of and the file does not, as on a box that had none; all numbers. Raises `OSError`."""
    there = serials(folder)
    missing = [one for one in known if one.serial not in there]
    if missing:
        note(folder, missing)
    return there | {one.serial for one in missing}


def _moment(us: int | None) -> str:
    return _UNKNOWN if us is None else f"{datetime.fromtimestamp(us // 10**6, UTC):%Y-%m-%dT%H:%M:%SZ}"
