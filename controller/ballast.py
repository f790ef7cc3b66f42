"""A file that keeps room free: it is given up when the disk is full, so that what runs can still be recorded."""

import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from config.clock import steady
from controller.store.failures import is_full, may_be_full

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
ALMOST_NONE = 2**20
"""Bytes: where fewer are free, a disk that fails without saying why is full."""
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
        for left in (self._path, self._draft(self._path)):  # of another setting, or cut off while it was made
            left.unlink(missing_ok=True)
        if not (self._has_room(self._path) and self._fill()):
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
        if self._has_room(self._path) and self._fill():
            self.given_up = False
            log.warning("there is room again: the reserve is back")

    def helps_against(self, error: Exception) -> bool:
        """Whether that failed because there is no room where the reserve is."""
        return self._path is not None and is_for_want_of_room(error, self._path.parent)

    def _has_room(self, path: Path) -> bool:
        """Also at a start: one that was just given up must not fill the disk again."""
        return shutil.disk_usage(path.parent).free >= ROOM * self._size

    @staticmethod
    def _draft(path: Path) -> Path:
        return path.with_name(f"{path.name}.new")

    def _fill(self) -> bool:
        """Really taken, not only promised; what could not be taken wholly is let go."""
        path = self._path
        if path is None:
            return True
        draft = self._draft(path)
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


def is_for_want_of_room(error: BaseException, folder: Path) -> bool:
    """Whether something failed because the disk of a folder is full; it need not say so where nothing is left."""
    for one in _with_causes(error):
        if is_full(one) or (may_be_full(one) and shutil.disk_usage(folder).free < ALMOST_NONE):
            return True
    return False


def _with_causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def give_up_for(error: BaseException, data_dir: Path) -> bool:
    """Let go of the reserve after a start that failed for want of room; whether it is worth another try."""
    path = data_dir / NAME
    if not path.exists() or not is_for_want_of_room(error, data_dir):
        return False
    path.unlink()
    log.error("the disk is full (%s): the reserve is given up, so that the box can start", error)
    return True
