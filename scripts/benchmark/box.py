"""A fresh box with simulated robots for one measurement; nothing of it is left behind."""

import contextlib
import json
import shutil
import sqlite3
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

from cli.client import READY
from cli.stage import Stage
from scripts.benchmark.accounts import Accounts
from scripts.benchmark.watcher import Watcher, let_in
from scripts.benchmark.work import QUEUE, fleet_file, save_flow

DATABASE = "yardmaster.db"
LONG_S = 900.0
"""Nothing that is measured takes so long, unless it hangs."""


class Box:
    """`yardmaster serve` and `yardmaster simulate` over an empty data directory, or over a copy of a database."""

    def __init__(
        self, folder: Path, *, robots: int = 1, queues: Sequence[str] = (QUEUE,), database: Path | None = None
    ) -> None:
        self._folder, self._robots, self._queues, self._database = folder, robots, queues, database
        self._closing = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as opening:
            place = Path(opening.enter_context(tempfile.TemporaryDirectory(prefix="box-", dir=self._folder)))
            self.data = place / "data"
            self.data.mkdir()
            if self._database is not None:
                shutil.copyfile(self._database, self.data / DATABASE)
            fleet = place / "fleet.toml"
            fleet.write_text(fleet_file(self._queues), encoding="utf-8")
            self.stage = opening.enter_context(Stage(self.data, fleet, robots=self._robots))
            self.client = opening.enter_context(self.stage.client(60))
            self.stage.wait_for(self._all_there, 180, f"{self._robots} robots are heard")
            save_flow(self.client)
            self._closing = opening.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._closing.close()
        if self.stage.left_behind and error is None:
            raise RuntimeError(f"these had to be killed: {self.stage.left_behind}")

    # ------------------------------------------------------------ processes
    def ready(self) -> dict[str, Any]:
        """What the running box says about itself."""
        return dict(json.loads((self.data / READY).read_text(encoding="utf-8")))

    def accounts(self) -> Accounts:
        """Processes of the box and of the agents, as they are now."""
        ready = self.ready()
        found = {name: psutil.Process(pid) for name, pid in ready["parts"].items()}
        return Accounts(found | {"agents": self.stage.process("simulate")})

    def watcher(self) -> Watcher:
        """A subscriber who is let in by this box's broker, to be entered."""
        ready = self.ready()
        let_in(self.data / "broker" / "acl", ready["parts"]["broker"], ready["topic_prefix"])
        return Watcher(ready["mqtt"], ready["topic_prefix"])

    # ------------------------------------------------------------ the database
    def read(self, sql: str, *values: Any) -> Any:
        """The first row of a query beside the box."""
        with contextlib.closing(sqlite3.connect(f"file:{self.data / DATABASE}?mode=ro", uri=True)) as db:
            return db.execute(sql, values).fetchone()

    def ended(self) -> int:
        """How many jobs have succeeded so far; all that are measured do."""
        return int(self.read("select coalesce(sum(n), 0) from job_counts where state = 'succeeded'")[0])

    def wait_until_ended(self, jobs: int) -> None:
        """Wait until so many jobs have succeeded; raises `NotReady`."""
        self.stage.wait_for(lambda: self.ended() >= jobs, LONG_S, f"{jobs} jobs have ended")

    def _all_there(self) -> bool:
        """Whether every robot of the fleet is heard; over old data they may have work at once."""
        found = self.client.every("/robots", queue=self._queues[0])
        return sum(robot["state"] in ("free", "working") for robot in found) >= self._robots
