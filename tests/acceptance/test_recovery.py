"""What people need when it has gone wrong, on a real box: a backup restored under live robots, and a full disk."""

import contextlib
import itertools
import json
import logging
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from cli.client import Client, Refused
from cli.demo import FACTORY
from cli.probes import free_port
from cli.stage import all_there, save_deployments, save_flows
from cli.workload import next_submissions
from controller import backups
from tests.acceptance.test_serve import ROOT, Box, start
from tests.fakes.yard import PRINT_FLOW
from tests.waiting import wait_for

log = logging.getLogger(__name__)

__all__ = ["start"]
DRILL_S = 120.0
RECOVERS_S = 5.0
FLEET = FACTORY / "fleet.toml"
TERMINAL = {"succeeded", "failed", "cancelled"}


def yardmaster(*words: str, code: int = 0) -> str:
    """A command line on this machine, and what it said."""
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", *words], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def client_of(box: Box) -> Client:
    """As the command line of the box."""
    return Client(box.ready()["http"], box.headers()["X-Auth-Token"])


def submit(client: Client, dice: random.Random, count: int) -> list[str]:
    """So many jobs of the factory's day; their ids."""
    made: list[str] = []
    for tick in itertools.count():
        bodies = [body for body in next_submissions(dice, tick) if body["deployment"] != "shift-report"]
        made += [client.post("/jobs", body)["items"][0]["id"] for body in bodies]
        if len(made) >= count:
            break
    return made


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Callable[[str], None]]:
    """The factory's robots in a process of their own, which outlives the box."""
    running: list[subprocess.Popen[bytes]] = []

    def begin(mqtt: str) -> None:
        command = [sys.executable, "-m", "cli.main", "simulate", str(FLEET), "--mqtt", mqtt, "--speed", "20"]
        command += ["--data-dir", str(tmp_path / "fleet"), "--log-level", "warning"]
        running.append(subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL))

    yield begin
    for process in running:
        process.terminate()
        process.wait(20)


@pytest.mark.timeout(400)
def test_a_backup_is_restored_under_live_robots(
    start: Callable[..., Box], fleet: Callable[[str], None], tmp_path: Path
) -> None:
    where = ("--http", f"127.0.0.1:{free_port()}", "--mqtt", f"127.0.0.1:{free_port()}")
    box, dice, data = start(*where), random.Random(3), tmp_path / "data"
    fleet(box.up()["mqtt"])
    with client_of(box) as client:
        wait_for(all_there(client, FLEET), 60, "all robots")
        save_flows(client, FACTORY / "flows")
        save_deployments(client, FACTORY / "deployments.json")
        before = submit(client, dice, 20)
        wait_for(lambda: client.get("/jobs", state="running")["items"], 60, "work")
        assert "The key is not in it" in yardmaster("backup", "--data-dir", str(data))
        after = submit(client, dice, 8)
        wait_for(lambda: client.get("/jobs", state="running")["items"], 60, "work")
        numbers = {job["id"]: job["state"] for job in client.every("/jobs")}
    assert {*before, *after} <= set(numbers)
    incarnation = int((data / "incarnation").read_text())
    box.ends(signal.SIGKILL)
    began = time.monotonic()
    (folder,) = backups.found(data / "backups")
    wait_for(lambda: _restored(folder, data), 30, "the parts of the box are gone")
    box = start(*where)
    wait_for(lambda: box.up()["pid"] == box.process.pid, 60, "the ready file of the living")
    with client_of(box) as client:
        wait_for(lambda: _nobody_is_held(client), 90, "every robot was heard")
        seconds = time.monotonic() - began
        known = {job["id"]: job for job in client.every("/jobs")}
        assert set(before) <= set(known)
        assert not set(after) & set(known), "what came after the backup is not promised"
        assert int((data / "incarnation").read_text()) > incarnation
        health = client.get("/health")
        parked = [uid for uid, job in known.items() if job["parked"]]
        if parked:
            assert "box.restored" in [reason["code"] for reason in health["reasons"]]
        for uid in parked:
            client.post(f"/jobs/{uid}/cancel", {"reason": "looked at"})
        fresh = submit(client, dice, 4)
        wait_for(lambda: _ended(client, [*known, *fresh]), 120, "every job has ended")
        wait_for(lambda: client.get("/health")["state"] == "ok", 30, "all is well")
        _drains(client, dice, data)
    box.ends(signal.SIGTERM)
    yardmaster("verify", "--data-dir", str(data))
    assert seconds < DRILL_S
    log.warning("restore drill: from the kill to robots that may work %.1f s, %d jobs parked", seconds, len(parked))


def _drains(client: Client, dice: random.Random, data: Path) -> None:
    """As before an update: what runs goes on to its end, what comes waits."""
    submit(client, dice, 6)
    wait_for(lambda: client.get("/jobs", state="running")["items"], 60, "work")
    assert "nothing runs" in yardmaster("drain", "--wait", "--timeout", "100", "--data-dir", str(data))
    (waiting,) = submit(client, dice, 1)[:1]
    assert client.get(f"/jobs/{waiting}")["state"] == "queued"
    assert "box.drained" in {reason["code"] for reason in client.get("/health")["reasons"]}
    yardmaster("undrain", "--data-dir", str(data))
    wait_for(lambda: client.get(f"/jobs/{waiting}")["state"] != "queued", 60, "work is given out again")


def _restored(folder: Path, data: Path) -> bool:
    """The parts of a box that was killed need a moment to notice."""
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", "restore", str(folder), "--data-dir", str(data), "--yes"],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0 or "in use" in done.stderr, done.stderr
    return done.returncode == 0


def _nobody_is_held(client: Client) -> bool:
    robots = list(client.every("/robots"))
    return bool(robots) and not any(robot["holds"] for robot in robots)


def _ended(client: Client, jobs: list[str]) -> bool:
    for robot in client.every("/robots"):
        if any(hold["reason"] in ("failures", "refusals") for hold in robot["holds"]):
            with contextlib.suppress(Refused):
                client.post(f"/robots/{robot['id']}/release", {"reason": "looked at"})
    return all(client.get(f"/jobs/{uid}")["state"] in TERMINAL for uid in jobs)


# ---------------------------------------------------------------- a full disk
DISK_MB = 96
SLOW = json.loads(json.dumps(PRINT_FLOW))
SLOW["rootBlock"]["children"]["default"].append(
    {
        "id": 2, "name": "b2", "blockType": "DelayBp", "children": {},
        "inputParams": {"timeMillis": {"type": "Simple", "value": 6000, "required": True}},
    }
)  # fmt: skip


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own for the box."""
    where = tmp_path / "data"
    where.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(where)]
    if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode != 0:
        pytest.skip("a small disk cannot be mounted here (needs root): the full disk was NOT tried")
    yield where
    subprocess.run(["umount", "-l", str(where)], check=False)


def fill(disk: Path) -> Path:
    """To the last byte."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            with contextlib.suppress(OSError):
                while file.write(b"x" * size):
                    pass
    return filler


def test_a_full_disk_lets_what_runs_end_and_takes_nothing_new(small_disk: Path, start: Callable[..., Box]) -> None:
    box = start(YARDMASTER_BALLAST_MB="8")
    box.up()
    with client_of(box) as client:
        client.put("/flows/slow", {"definition": SLOW})
        job = {"flow": "slow", "target": {"queue": "station"}}
        accepted = [client.post("/jobs", job)["items"][0]["id"]]
        running = accepted[0]
        wait_for(lambda: client.get(f"/jobs/{running}")["state"] == "running", 30, "a job that runs")
        filler = fill(small_disk)
        refused = _press(client, job, accepted)
        assert refused == "store.full"
        wait_for(lambda: client.get(f"/jobs/{running}")["state"] == "succeeded", 30, "its end is recorded")
        assert not (small_disk / "ballast").exists()
        assert _codes(client) & {"store.reserve", "store.full"}
        filler.unlink()
        freed = time.monotonic()
        wait_for(lambda: _taken(client, job, accepted), 30, "jobs are taken again")
        seconds = time.monotonic() - freed
        wait_for(lambda: not _codes(client) & {"store.reserve", "store.full"}, 10, "it is over")
        assert (small_disk / "ballast").exists()
        wait_for(lambda: _ended(client, accepted), 90, "all that was accepted has ended")
        assert len(list(client.every("/jobs"))) == len(accepted), "2xx and only 2xx is there"
    log.warning("full disk: %d accepted, recovered %.1f s after there was room", len(accepted), seconds)
    assert seconds < RECOVERS_S


def _press(client: Client, job: dict[str, Any], accepted: list[str]) -> str:
    """Submit until it is refused; why."""
    for _ in range(20_000):
        try:
            accepted.append(client.post("/jobs", job)["items"][0]["id"])
        except Refused as refused:
            return refused.code
    return "never"


def _taken(client: Client, job: dict[str, Any], accepted: list[str]) -> bool:
    try:
        accepted.append(client.post("/jobs", job)["items"][0]["id"])
    except (Refused, httpx.HTTPError):
        return False
    return True


def _codes(client: Client) -> set[str]:
    return {reason["code"] for reason in client.get("/health")["reasons"]}
