"""The files of artifacts whose rows are gone: removed after the commit, and found again if that was cut off."""

import sqlite3
import time
from collections.abc import Iterable
from pathlib import Path

from controller.store import artifacts
from schemas.artifact import FOLDER, PARTS, place_of

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
        """Look through the next of the 256 folders; how many files went."""
        folder = self._folder / f"{self._next:02x}"
        self._next = (self._next + 1) % 256
        if not folder.is_dir():
            return 0
        now, done = time.time(), 0
        for path in folder.iterdir():
            if now - path.stat().st_mtime > YOUNG_S and artifacts.by_id(db, path.name) is None:
                path.unlink(missing_ok=True)
                done += 1
        return done
