"""A file that keeps room free: it is given up when the disk is full, so that what runs can still be recorded."""

import logging
import os
import shutil
from pathlib import Path

from config.clock import steady

log = logging.getLogger(__name__)

NAME = "ballast"
AGAIN_S = 1.0
"""How often it is looked whether there is room again."""
SHARE = 20
"""It is never more than such a part of its disk."""
GROWING = frozenset(
    {
        "job.submit", "job.submit_bulk", "deployment.run", "job.rerun", "job.retry", "batch.preview", "batch.apply",
        "artifact.open", "flow.save", "deployment.put", "schedule.put", "asset.put", "floor.put",
    }
)  # fmt: skip
"""Commands that bring something new, and have to wait until there is room."""
ROOM = 2
"""Times its size must be free before it is made anew, so that it does not come and go."""


class Ballast:
    """Bytes that nobody uses until they are needed; `given_up`: they are in use, and nothing new may be begun."""

    def __init__(self, path: Path | None, size: int) -> None:
        self._path = path
        self._size = size if path is None else min(size, shutil.disk_usage(path.parent).total // SHARE)
        self.given_up = False
        self._look_at = 0.0

    def make(self) -> None:
        """At the start: as large as it should be, or given up at once when there is no room for it."""
        if self._path is None or self._size == 0:
            if self._path is not None:
                self._path.unlink(missing_ok=True)
            return
        if self._path.exists() and self._path.stat().st_size == self._size:
            return
        if not self._fill():
            self.given_up = True
            log.error("there is no room for the reserve of %d MB in %s", self._size // 2**20, self._path.parent)

    def give_up(self) -> bool:
        """The disk is full: let go of the bytes. False when they are gone already."""
        if self._path is None or self.given_up or not self._path.exists():
            return False
        self._path.unlink()
        self.given_up = True
        self._look_at = steady() + AGAIN_S
        log.error("the disk is full: the reserve is given up, nothing new is accepted until there is room")
        return True

    def look(self) -> None:
        """Once a turn: make it anew when there is room for it and as much again."""
        if not self.given_up or self._path is None or steady() < self._look_at:
            return
        self._look_at = steady() + AGAIN_S
        if shutil.disk_usage(self._path.parent).free >= ROOM * self._size and self._fill():
            self.given_up = False
            log.warning("there is room again: the reserve is back")

    def _fill(self) -> bool:
        """Really taken, not only promised; what could not be taken wholly is let go."""
        path = self._path
        if path is None:
            return True
        draft = path.with_name(f"{path.name}.new")
        try:
            with draft.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, self._size)
            draft.replace(path)
        except OSError as error:
            log.debug("the reserve cannot be made: %s", error)
            draft.unlink(missing_ok=True)
            return False
        return True


def none() -> Ballast:
    """No reserve at all, for a store that is no file."""
    return Ballast(None, 0)
