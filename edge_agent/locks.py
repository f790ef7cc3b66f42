"""One agent a name: a lock that the system lets go of when the process ends, however it ends."""

import sys
from pathlib import Path
from typing import BinaryIO


class Locked(Exception):
    """Another agent of this name uses the data directory."""


def lock_directory(folder: Path, name: str) -> BinaryIO:
    """Hold `NAME.lock` until the returned file is closed; raises `Locked`, or `OSError` if it cannot be written."""
    folder.mkdir(parents=True, exist_ok=True)
    file = (folder / f"{name}.lock").open("ab")
    try:
        _take(file)
    except OSError as error:
        file.close()
        raise Locked(f"another agent works as {name} with the data in {folder}") from error
    return file


if sys.platform == "win32":
    import msvcrt

    def _take(file: BinaryIO) -> None:
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _take(file: BinaryIO) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
