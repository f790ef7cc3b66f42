"""The files of artifacts whose rows are gone: removed after the commit, and found again if that was cut off."""

import logging
import sqlite3
import time
from collections.abc import Iterable
from pathlib import Path

from controller.store import artifacts
from schemas.artifact import FOLDER, PARTS, place_of

log = logging.getLogger(__name__)

YOUNG_S = 86_400.0
"""Younger files may belong to an upload that is just ending."""


def remove_files(data_dir: Path, gone: Iterable[str]) -> None:
    """Remove what is left of artifacts, whole or in part; call it after the commit that forgot them.

    Raises `OSError`; files that are not there are no error, so it may be repeated.
    """
    folder = data_dir / FOLDER
    for uid in gone:
        (folder / place_of(uid)).unlink(missing_ok=True)
        (folder / PARTS / uid).unlink(missing_ok=True)


class Orphans:
    """Files that no row names: of a controller that ended between a commit and its files. One folder a look."""

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir / FOLDER
        self._next = 0

    def sweep(self, db: sqlite3.Connection) -> int:
        """Look through the next of the 256 folders; how many files went. What the disk refuses is logged and left."""
        folder = self._folder / f"{self._next:02x}"
        self._next = (self._next + 1) % 256
        try:
            found = list(folder.iterdir()) if folder.is_dir() else []
        except OSError as error:
            log.warning("%s cannot be looked through: %s", folder, error)
            return 0
        return sum(_remove_orphan(db, path) for path in found)


def _remove_orphan(db: sqlite3.Connection, path: Path) -> bool:
    try:
        old = path.is_file() and time.time() - path.stat().st_mtime > YOUNG_S
        if not old or artifacts.by_id(db, path.name) is not None:
            return False
        path.unlink(missing_ok=True)
    except OSError as error:  # it is looked at another time, and others must not wait for that
        log.warning("%s cannot be cleared away: %s", path, error)
        return False
    return True
