"""The folder of what was recorded on this robot and not uploaded yet: one file a recording, named by its id."""

import hashlib
import os
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from edge_agent.operations import Recording
from schemas.artifact import ArtifactKind
from schemas.ids import uuid7

FOLDER = "recordings"
YOUNG_S = 3600.0
"""A file that nobody knows of is left alone for so long: its driver may be about to tell."""
_PIECE = 256 * 1024


class RecordedFiles:
    """Files of one agent process; any thread may use it. Nothing is synced: a power cut may cost a picture."""

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir / FOLDER
        self._folder.mkdir(parents=True, exist_ok=True)

    def path(self, recording: str) -> Path:
        """Where a recording lies."""
        return self._folder / recording

    def take(self, file: Path, kind: ArtifactKind, name: str) -> Recording:
        """Move a finished file in here; raises `OSError`, also for an empty one."""
        made, digest, size = uuid7(), hashlib.sha256(), 0
        with file.open("rb") as data:
            while piece := data.read(_PIECE):
                digest.update(piece)
                size += len(piece)
        if not size:
            raise OSError(f"{file.name} is empty")
        os.replace(file, self.path(made))
        return Recording(made, kind, name[:200], size, digest.hexdigest())

    def keep(self, data: bytes, kind: ArtifactKind, name: str) -> Recording:
        """Write a recording that is in memory; raises `OSError`."""
        made = uuid7()
        self.path(made).write_bytes(data)
        return Recording(made, kind, name[:200], len(data), hashlib.sha256(data).hexdigest())

    def drop(self, recording: str) -> None:
        """It is not wanted any more; harmless a second time."""
        with suppress(FileNotFoundError):
            self.path(recording).unlink()

    def sweep(self, known: Collection[str]) -> None:
        """Remove old files that no journal knows of: their process died before it could say that they are there."""
        before = time.time() - YOUNG_S
        for file in self._folder.iterdir():
            with suppress(FileNotFoundError):
                if file.name not in known and file.stat().st_mtime < before:
                    file.unlink()
