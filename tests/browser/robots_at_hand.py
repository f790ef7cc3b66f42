"""Robots that tests of the screen have in their hands: silent ones, working ones, and ones that nobody knows."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from cli.client import Client
from cli.demo import ONCE
from cli.stage import Stage
from tests.waiting import wait_for

SPARES = "".join(f'[[robot]]\nid = "{name}"\nqueues = ["spare"]\nstart = "X1"\n\n' for name in ("spare-1", "spare-2"))
Agents = dict[str, subprocess.Popen[bytes]]
"""Robots by their names, which can be made to stand still one by one."""


@contextmanager
def agents_of(box: Stage, folder: Path, *robots: str) -> Iterator[Agents]:
    """Robots in processes of their own, which the box has heard."""
    fleet = folder / "fleet.toml"
    ours = (ONCE / "fleet.toml").read_text(encoding="utf-8")
    fleet.write_text(ours.replace("[[robot]]", f"{SPARES}[[robot]]", 1), encoding="utf-8")
    processes = {name: _start(box, fleet, name) for name in robots}
    try:
        with box.client() as client:
            wait_for(lambda: processes.keys() <= names(client), 30, "they are there")
        yield processes
    finally:
        for process in processes.values():
            process.send_signal(signal.SIGCONT)
            process.terminate()
            process.wait()


def _start(box: Stage, fleet: Path, name: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "cli.main", "agent", name, "--driver", "simulated", "--fleet", str(fleet),
               "--mqtt", box.mqtt, "--data-dir", str(fleet.parent / name), "--queue", "spare"]  # fmt: skip
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def names(client: Client) -> set[str]:
    """Robots that the box knows."""
    return {robot["id"] for robot in client.every("/robots")}


def state(client: Client, job: str) -> str:
    """Of a job."""
    return str(client.get(f"/jobs/{job}")["state"])


def end(client: Client, job: str) -> None:
    """Cancel a job unless it has ended, and wait for that."""
    if state(client, job) not in ("succeeded", "failed", "cancelled"):
        client.post(f"/jobs/{job}/cancel", {})
    wait_for(lambda: state(client, job) in ("succeeded", "failed", "cancelled"), 60, "the job has ended")


def submit(client: Client, flow: str, robot: str) -> str:
    """One job for one robot; its id."""
    return str(client.post("/jobs", {"flow": flow, "target": {"robots": [robot]}})["items"][0]["id"])


def forget(box: Stage, client: Client, robot: str) -> None:
    """From here on the robot speaks without being known."""
    if robot in names(client):
        assert httpx.delete(f"{box.url}/api/v1/robots/{robot}", headers=box.headers()).status_code == 204
    wait_for(lambda: client.get("/robots")["unknown"], 30, "it speaks and is not known")


@contextmanager
def held(client: Client, process: subprocess.Popen[bytes]) -> Iterator[str]:
    """A robot that did not answer an assignment, and is silent as long as this lasts."""
    os.kill(process.pid, signal.SIGSTOP)
    job = submit(client, "tick", "spare-1")
    try:
        wait_for(lambda: client.get("/robots/spare-1")["holds"], 30, "it is on hold")
        yield "spare-1"
    finally:
        os.kill(process.pid, signal.SIGCONT)
        end(client, job)
        wait_for(lambda: client.get("/robots/spare-1")["state"] == "free", 60, "it is free again")


@contextmanager
def watching_one(client: Client) -> Iterator[str]:
    """A robot that works as long as this lasts."""
    job = submit(client, "watch", "guard-1")
    wait_for(lambda: state(client, job) == "running", 60, "it runs")
    yield "guard-1"
    end(client, job)
