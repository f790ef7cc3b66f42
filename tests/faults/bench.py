"""A box of the bench: the real product and at least twenty simulated robots, in a folder of its own."""

import functools
import json
import os
import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from cli.client import READY, Client, Refused, find_token
from config.clock import instant, steady
from tests.faults import fleet
from tests.faults.processes import Agents
from tests.faults.product import WRAP

Found = TypeVar("Found")
START_S = 90.0
SETTINGS = {
    # Robots that fail because they are killed are no broken robots.
    "YARDMASTER_FAILURES_TO_HOLD": "1000", "YARDMASTER_REFUSALS_TO_HOLD": "1000",
    "YARDMASTER_RETRY_FIRST_S": "0.2", "YARDMASTER_RETRY_MAX_S": "1", "YARDMASTER_RECONNECT_MAX_S": "1",
    "YARDMASTER_AGENT_RECONNECT_MAX_S": "1",
}  # fmt: skip


class NotReady(Exception):
    """Something did not come about in time; the message says what."""


@dataclass
class Plan:
    """How a box is made: sizes, settings of the box, what stands around which part, and mutants."""

    shared: int = fleet.SHARED
    own: int = fleet.OWN
    settings: dict[str, str] = field(default_factory=dict)
    wrap: dict[str, dict[str, Any]] = field(default_factory=dict)
    agent_mutant: str | None = None
    long_s: float = fleet.LONG_S
    through: Callable[[str], str] | None = None
    """From the broker's address to the one that agents are told (a proxy's)."""


class Bench:
    """Starts all, knows every process, and ends all."""

    def __init__(self, folder: Path, plan: Plan | None = None) -> None:
        self.folder, self.plan = folder, plan or Plan()
        self.data = folder / "box"
        self.database = self.data / "yardmaster.db"
        self.agents: dict[str, Agents] = {}
        self.url = self.mqtt = ""
        self._box = Agents("box", self._serve(), folder / "logs", environment=self._environment())

    def _environment(self) -> dict[str, str]:
        return SETTINGS | self.plan.settings | {WRAP: str(self.folder / "wrap.json")}

    def _serve(self) -> list[str]:
        where = ["--data-dir", str(self.data), "--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0"]
        return ["tests.faults.product", "serve", *where]

    # ------------------------------------------------------------ up and down
    def __enter__(self) -> Self:
        self.data.mkdir(parents=True, exist_ok=True)
        self.wrap(self.plan.wrap)
        try:
            self.start_box()
            self._start_agents()
            self._fill()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.end()

    def start_box(self) -> None:
        """Start `yardmaster serve` and wait until it is ready."""
        (self.data / READY).unlink(missing_ok=True)
        self._box.start()
        ready = self.wait_for(self.ready, START_S, "the box is ready")
        self.url, self.mqtt = str(ready["http"]), str(ready["mqtt"])
        # The second start is at the same addresses: robots know no others.
        self._box.command = [*self._serve()[:4], "--http", self.url.removeprefix("http://"), "--mqtt", self.mqtt]

    def end_box(self) -> None:
        """End `yardmaster serve` as systemd would."""
        self._box.end()

    def end(self) -> None:
        """End agents, then the box."""
        for agents in self.agents.values():
            agents.end()
        self._box.end()

    def wrap(self, parts: dict[str, dict[str, Any]]) -> None:
        """From their next start on these parts are wrapped (`tests.faults.product`)."""
        draft = self.folder / "wrap.new"
        draft.write_text(json.dumps(parts))
        draft.replace(self.folder / "wrap.json")

    def _start_agents(self) -> None:
        shared, own = fleet.shared_robots(self.plan.shared), fleet.own_robots(self.plan.own)
        (self.folder / "shared.toml").write_text(fleet.fleet_file(shared, self.plan.long_s))
        (self.folder / "own.toml").write_text(fleet.fleet_file(own or ["none"], self.plan.long_s))
        mqtt = self.plan.through(self.mqtt) if self.plan.through else self.mqtt
        if shared:
            self._add("shared", ["simulate", str(self.folder / "shared.toml"), "--mqtt", mqtt])
        for robot in own:
            more = ["--driver", "simulated", "--fleet", str(self.folder / "own.toml"), "--queue", fleet.QUEUE]
            self._add(robot, ["agent", robot, "--mqtt", mqtt, *more])
        for agents in self.agents.values():
            agents.start()

    def _add(self, name: str, arguments: list[str]) -> None:
        where = self.folder / "agents" / name
        mutant = ["tests.faults.mutants", self.plan.agent_mutant] if self.plan.agent_mutant else []
        command = [*mutant, "cli.main", *arguments, "--data-dir", str(where)]
        self.agents[name] = Agents(name, command, where, environment=SETTINGS)

    def _fill(self) -> None:
        robots = {*fleet.shared_robots(self.plan.shared), *fleet.own_robots(self.plan.own)}
        with self.client() as client:
            self.wait_for(lambda: robots <= _there(client), START_S, "all robots are there")
            for name, definition in fleet.flows().items():
                self.wait_for(functools.partial(_saved, client, name, definition), 30, f"flow {name} is saved")

    # ------------------------------------------------------------ looking
    def ready(self) -> dict[str, Any] | None:
        """The ready file, once there is one."""
        path = self.data / READY
        return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None

    def pid(self, part: str) -> int:
        """The process of a part, once it runs."""
        return int(self.wait_for(lambda: (self.ready() or {"parts": {}})["parts"].get(part), START_S, f"{part} runs"))

    def back(self, part: str, old: int) -> int:
        """The process of a part that was killed, once its supervisor has started it again."""

        def new() -> int | None:
            found = (self.ready() or {"parts": {}})["parts"].get(part)
            return int(found) if found not in (None, old) else None

        return self.wait_for(new, START_S, f"{part} is started again")

    def decides(self) -> bool:
        """Whether the controller answers and has its broker."""
        try:
            with self.client() as client:
                return str(client.get("/health")["state"]) != "down"
        except (Refused, httpx.HTTPError):
            return False

    def client(self) -> Client:
        """The API, with the command line's own token."""
        return Client(self.url, find_token(None, None, self.data), timeout_s=15)

    def headers(self) -> dict[str, str]:
        """What a request shows; raises `ConnectionError` while the box is not there."""
        token = find_token(None, None, self.data)
        if token is None:
            raise ConnectionError("the box is not ready")
        return {"Authorization": f"Bearer {token}"}

    def rows(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        """What the database says now."""
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=10)) as db:
            db.row_factory = sqlite3.Row
            return db.execute(sql, values).fetchall()

    def journals(self) -> list[Path]:
        """Files of journals that exist."""
        return [file for agents in self.agents.values() if (file := agents.folder / "journal.db").exists()]

    def motions(self) -> list[Path]:
        """Files of what robots physically did."""
        return [agents.folder / "motions.jsonl" for agents in self.agents.values()]

    def deaths(self) -> dict[str, list[float]]:
        """When the process of each file of motions was killed, in steady seconds."""
        return {str(agents.folder / "motions.jsonl"): agents.deaths for agents in self.agents.values()}

    def wait_for(self, condition: Callable[[], Found | None], timeout_s: float, what: str) -> Found:
        """Ask until there is an answer; raises `NotReady` by the name of what is waited for."""
        end = steady() + timeout_s
        while True:
            found = condition()
            if found:
                return found
            if steady() > end:
                raise NotReady(f"not within {timeout_s:g} s: {what} ({self.folder})")
            time.sleep(0.05)


def _saved(client: Client, name: str, definition: dict[str, Any]) -> bool:
    try:
        client.put(f"/flows/{name}", {"name": name, "definition": definition})
    except Refused:
        return False
    return True


def _there(client: Client) -> set[str]:
    return {robot["id"] for robot in client.every("/robots") if robot["state"] != "offline"}


def utc_minus_steady_us() -> int:
    """What to add to steady microseconds for UTC."""
    now = instant()
    return now.utc_us - int(now.mono * 1e6)


def fresh(folder: Path) -> Path:
    """An empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    os.chmod(folder, 0o700)
    return folder
