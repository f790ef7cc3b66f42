"""What is on disk of each process that was started: who it is while it lives, how it ended, what it put out."""

import json
import logging
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_agent.operations import Key

logger = logging.getLogger(__name__)

KEPT_RUNS = 20
_NAME = re.compile(r"(\d+)-(\d+)\Z")


@dataclass(frozen=True)
class Leftover:
    """A process that may still live: its launcher, and the mark that all its descendants carry."""

    folder: "RunFolder"
    pid: int
    created: float
    mark: str


@dataclass(frozen=True)
class RunFolder:
    """The files of one run: `process.json` as long as anything of it may live, `output.json`, `result.json`."""

    path: Path
    key: Key

    @property
    def output(self) -> Path:
        return self.path / "output.json"

    @property
    def result(self) -> Path:
        return self.path / "result.json"

    @property
    def work(self) -> Path:
        return self.path / "work"

    @property
    def process(self) -> Path:
        return self.path / "process.json"

    def create(self) -> None:
        self.work.mkdir(parents=True)

    def write_process(self, pid: int, created: float, mark: str) -> None:
        """Before the command starts, so that no boot can miss it."""
        write_json(self.process, {"pid": pid, "created": created, "mark": mark})

    def all_gone(self) -> None:
        """Nothing of it lives any more."""
        self.process.unlink(missing_ok=True)

    def remove_work(self) -> str | None:
        """Remove the folder in which the command worked, if it had one of its own; answers why that failed."""
        try:
            shutil.rmtree(self.work)
        except FileNotFoundError:
            return None
        except OSError as error:
            return f"{self.work} cannot be removed: {error.strerror or error}"
        return None

    def read_result(self) -> dict[str, Any] | None:
        """How it ended as its launcher saw it; None: the launcher did not live to write it down."""
        return _read_object(self.result)

    def leftover(self) -> Leftover | None:
        """Who may still live of it; an unreadable file belongs to a launcher that was never told to begin."""
        found = _read_object(self.process)
        if found is None:
            return None
        return Leftover(self, int(found["pid"]), float(found["created"]), str(found["mark"]))


class Runs:
    """The folders of one robot, `DATA/rpa/ATTEMPT-N`; the newest few are kept for questions after a restart."""

    def __init__(self, data_dir: Path) -> None:
        self._root = data_dir.resolve() / "rpa"  # launchers and commands work in folders of their own
        self._root.mkdir(parents=True, exist_ok=True)

    def of(self, key: Key) -> RunFolder:
        return RunFolder(self._root / f"{key[0]}-{key[1]}", key)

    def leftovers(self) -> tuple[Leftover, ...]:
        """Runs of earlier boots that may still live."""
        found = (folder.leftover() for folder in self._all())
        return tuple(leftover for leftover in found if leftover is not None)

    def prune(self) -> None:
        """Keep the newest runs, and any that may still live."""
        for folder in self._all()[:-KEPT_RUNS]:
            if folder.process.exists():
                continue
            try:
                shutil.rmtree(folder.path)
            except OSError as error:
                logger.warning("%s cannot be removed yet: %s", folder.path, error)

    def _all(self) -> list[RunFolder]:
        names = (_NAME.match(entry.name) for entry in self._root.iterdir())
        keys = sorted((int(name[1]), int(name[2])) for name in names if name)
        return [self.of(key) for key in keys]


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a small file so that readers see it whole or not at all, also after a power cut."""
    new = path.with_name(path.name + ".new")
    with new.open("w", encoding="utf-8") as file:
        json.dump(value, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(new, path)


def _read_object(path: Path) -> dict[str, Any] | None:
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError:
        return None  # it is written whole, so this one was never finished
    return value if isinstance(value, dict) else None
