"""One controller a data directory: two would both believe that they are the only writer."""

import fcntl
import os
import time
from pathlib import Path
from typing import IO

from config.clock import steady


class DataInUse(RuntimeError):
    """Another controller works on this data directory."""


class DataLock:
    """The lock of a data directory, held until `release` or the end of the process, however that comes."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    @classmethod
    def take(cls, data_dir: Path, patience_s: float = 5.0, holder: str = "controller") -> "DataLock":
        """Take the lock, waiting a moment for a controller that is on its way out; raises `DataInUse`."""
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = data_dir / "lock"
        file = path.open("a+", encoding="ascii")
        limit = steady() + patience_s
        while not _try(file):
            if steady() >= limit:
                file.seek(0)
                number = file.read(20).strip() or "unknown"
                file.close()
                raise DataInUse(f"{data_dir.resolve()} is in use by another {holder} (process {number})")
            time.sleep(0.05)
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        return cls(file)

    def release(self) -> None:
        """Let the next one in."""
        self._file.close()


def _try(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
