"""A box and a simulated fleet as processes of this one: set up, filled with flows, ended without leaving one behind."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import psutil

from cli.client import READY, TIMEOUT_S, Client, Refused, find_token, find_trust
from cli.deployment import read_named
from cli.floor import read_floor
from cli.flow import read_flow
from cli.parts import die_with
from cli.robot_tokens import write_tokens
from config.fleet import read_fleet

Found = TypeVar("Found")
START_S = 60.0
END_S = 25.0
POLL_S = 0.05
TOKENS = "robot-tokens.json"
DEMO = {"YARDMASTER_DEMO": "true"}
"""Who sits at this machine may come in with one click: there is nothing in a stage that is worth a password."""


class NotReady(Exception):
    """Something did not come about in time, or a process ended; the message says what, and where to read more."""


class Stage:
    """`yardmaster serve` and `yardmaster simulate`; what they print goes to files beside the data."""

    def __init__(
        self,
        data_dir: Path,
        fleet: Path,
        *,
        http: str = "127.0.0.1:0",
        mqtt: str = "127.0.0.1:0",
        speed: float | None = None,
        robots: int | None = None,
    ) -> None:
        self.data_dir = data_dir
        self.settings: dict[str, str] = {}
        self.left_behind: list[str] = []
        self.url = self.mqtt = ""
        self._fleet, self._http, self._mqtt, self._speed, self._robots = fleet, http, mqtt, speed, robots
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        self.data_dir.mkdir(parents=True, exist_ok=True)
        (self.data_dir / READY).unlink(missing_ok=True)
        try:
            self._start("serve", ["--data-dir", str(self.data_dir), "--http", self._http, "--mqtt", self._mqtt])
            ready = self.wait_for(self._ready, START_S, "the box is ready")
            self.url, self.mqtt = str(ready["http"]), str(ready["mqtt"])
            speed = [] if self._speed is None else ["--speed", str(self._speed)]
            where = ["--mqtt", str(ready["mqtt"]), "--data-dir", str(self.data_dir / "fleet")]
            robots = [] if self._robots is None else ["--robots", str(self._robots)]
            self._start("simulate", [str(self._fleet), *where, *speed, *robots, *self._uploads()])
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.end()

    def _uploads(self) -> list[str]:
        """The fleet's way to the box over HTTP, with a token for each robot."""
        fleet = read_fleet(self._fleet).changed(robots=self._robots)
        with self.client() as client:
            file = write_tokens(client, (robot.id for robot in fleet.robots), self.data_dir / TOKENS)
        return [] if file is None else ["--http", self.url, "--tokens", str(file)]

    def _start(self, name: str, arguments: list[str]) -> None:
        us = os.getpid()
        with self.log_of(name).open("wb") as log:
            self._processes[name] = subprocess.Popen(
                [sys.executable, "-m", "cli.main", name, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | DEMO | self.settings,
                start_new_session=True,  # Ctrl-C is for us; the fleet ends first, then the box
                preexec_fn=lambda: die_with(us),  # noqa: PLW1509 - this process has no threads
            )

    def client(self, timeout_s: float = TIMEOUT_S) -> Client:
        """The API of the box, with the command line's own token."""
        trusts = find_trust(None, self.data_dir)
        return Client(self.url, find_token(None, None, self.data_dir), timeout_s=timeout_s, trusts=trusts)

    def headers(self) -> dict[str, str]:
        """What a request shows that is made without `client`."""
        return {"Authorization": f"Bearer {find_token(None, None, self.data_dir)}"}

    def _ready(self) -> dict[str, Any] | None:
        path = self.data_dir / READY
        return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None

    def process(self, name: str) -> psutil.Process:
        """One of the processes, to look at."""
        return psutil.Process(self._processes[name].pid)

    def log_of(self, name: str) -> Path:
        """Where a process prints to."""
        return self.data_dir / f"{name}.log"

    def wait_for(self, condition: Callable[[], Found | None], timeout_s: float, what: str) -> Found:
        """Ask until there is an answer; raises `NotReady` by the name of what is waited for."""
        end = time.monotonic() + timeout_s
        while True:
            self.check_alive()
            found = condition()
            if found:
                return found
            if time.monotonic() > end:
                raise NotReady(f"not within {timeout_s:g} s: {what} (logs: {self.data_dir}/*.log)")
            time.sleep(POLL_S)

    def check_alive(self) -> None:
        """Raises `NotReady` with the last lines of a process that has ended by itself."""
        for name, process in self._processes.items():
            if process.poll() is not None:
                said = self.log_of(name).read_text(errors="replace").splitlines()[-15:]
                lines = "\n".join(f"  {line}" for line in said)
                raise NotReady(f"yardmaster {name} ended with exit code {process.returncode}:\n{lines}")

    def end(self) -> None:
        """End the fleet, then the box; `left_behind` names what had to be killed afterwards."""
        family = [member for process in self._processes.values() for member in _family(process)]
        for name in ("simulate", "serve"):
            process = self._processes.pop(name, None)
            if process is not None:
                _end(process)
        _, alive = psutil.wait_procs(family, timeout=2)
        self.left_behind += [_describe(one) for one in alive]
        for one in alive:
            one.kill()


def _family(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    try:
        head = psutil.Process(process.pid)
        return [head, *head.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _describe(process: psutil.Process) -> str:
    try:
        return f"{process.pid} {' '.join(process.cmdline())}"
    except psutil.Error:
        return str(process.pid)


def save_flows(client: Client, folder: Path) -> int:
    """Save every flow of a folder; those that call others again until the others are there. How many were saved."""
    waiting = [read_flow(file) for file in sorted(folder.glob("*.json"))]
    count = len(waiting)
    while waiting:
        refused: list[tuple[str, dict[str, Any]]] = []
        last: Refused | None = None
        for flow, body in waiting:
            try:
                client.put(f"/flows/{flow}", body)
            except Refused as refusal:
                refused.append((flow, body))
                last = refusal
        if last is not None and len(refused) == len(waiting):
            raise last
        waiting = refused
    return count


def save_schedules(client: Client, file: Path) -> int:
    """Save every schedule of a file; how many there were."""
    found = read_named(file)
    for schedule, body in found:
        client.put(f"/schedules/{schedule}", body)
    return len(found)


def save_deployments(client: Client, file: Path) -> int:
    """Save every deployment of a file; how many there were."""
    found = read_named(file)
    for deployment, body in found:
        client.put(f"/deployments/{deployment}", body)
    return len(found)


def save_floor(client: Client, fleet: Path) -> None:
    """Save the floor plan that a fleet drives on."""
    client.put("/floor-plan", read_floor(fleet))


def all_there(client: Client, fleet: Path) -> Callable[[], bool]:
    """Whether the box knows every robot of a fleet, and can reach it."""
    names = {robot.id for robot in read_fleet(fleet).robots}

    def ask() -> bool:
        return names <= {robot["id"] for robot in client.every("/robots") if robot["state"] != "offline"}

    return ask
