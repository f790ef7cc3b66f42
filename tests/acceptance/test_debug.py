"""A job in debug mode outlives its agents and its controller: where it waits, what people decided, what is undone."""

import contextlib
import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from cli.client import Client, Refused
from cli.demo import ONCE
from cli.stage import Stage, all_there
from tests.rows import block, definition
from tests.waiting import wait_for

FAULT = '\n[[fault]]\nrobot = "lane-1"\nat = "weigh"\nwhat = "fail"\nevery = 2\n'


def _do(number: int, name: str, script: str) -> dict[str, Any]:
    return block(number, name, "CAgvOperationBp", scriptName=script)


FLOW = definition(
    _do(1, "lift", "tick") | {"rollback": [_do(11, "lower", "tick")]},
    _do(2, "first", "weigh"),
    _do(3, "second", "weigh"),
)


@pytest.fixture
def stage(mosquitto: str, tmp_path: Path) -> Iterator[Stage]:
    fleet = tmp_path / "fleet.toml"
    fleet.write_text((ONCE / "fleet.toml").read_text(encoding="utf-8") + FAULT, encoding="utf-8")
    with Stage(tmp_path / "box", fleet) as made, made.client() as client:
        made.wait_for(all_there(client, fleet), 60, "all robots are there")
        client.put("/flows/weigh", {"name": "Weigh twice", "definition": FLOW})
        yield made


def kill_controller(stage: Stage) -> None:
    """kill -9 of the controller; its supervisor brings it back."""

    def pid() -> int | None:
        parts = json.loads((stage.data_dir / "ready.json").read_text(encoding="utf-8"))["parts"]
        return int(parts["controller"]) if parts.get("controller") else None

    before = wait_for(pid, 60, "the controller runs")
    os.kill(before, signal.SIGKILL)
    wait_for(lambda: pid() not in (None, before), 60, "the controller is back")


def kill_agents(stage: Stage) -> None:
    """kill -9 of every agent, and they are started again."""
    process = stage._processes["simulate"]
    process.kill()
    process.wait()
    arguments = process.args[3:]  # type: ignore[index]
    stage._start("simulate", list(arguments)[1:])


def state(client: Client, job: str) -> str | None:
    """None while the box cannot say."""
    with contextlib.suppress(httpx.HTTPError, Refused):
        return str(client.get(f"/jobs/{job}")["state"])
    return None


def decide(client: Client, address: str) -> None:
    """A person insists until the box has taken it."""

    def asked() -> bool:
        with contextlib.suppress(httpx.HTTPError, Refused):
            client.post(address, {})
            return True
        return False

    wait_for(asked, 60, f"the box takes {address}")


@pytest.mark.timeout(240)
@pytest.mark.parametrize("kill", [kill_controller, kill_agents])
def test_debug_mode_outlives_kill_9(stage: Stage, kill: Callable[[Stage], None]) -> None:
    with stage.client() as client:
        body = {"flow": "weigh", "target": {"queue": "lane"}, "debug": True}
        job = str(client.post("/jobs", body)["items"][0]["id"])
        wait_for(lambda: state(client, job) == "paused", 60, "the second weighing fails")
        failed = client.get(f"/jobs/{job}")["failed_run"]
        kill(stage)
        wait_for(lambda: state(client, job) == "paused", 60, "it still waits")
        assert client.get(f"/jobs/{job}")["failed_run"] == failed
        decide(client, f"/jobs/{job}/blocks/{failed}/rerun")
        wait_for(lambda: state(client, job) == "succeeded", 60, "the third weighing is well")
        other = str(client.post("/jobs", body)["items"][0]["id"])
        wait_for(lambda: state(client, other) == "paused", 60, "one of its weighings fails")
        decide(client, f"/jobs/{other}/rollback")
        kill(stage)
        wait_for(lambda: state(client, other) == "failed", 90, "it is undone and fails")
        assert client.get(f"/jobs/{other}")["attempt_count"] == 1
        phases = {run["path"]: run["phase"] for run in client.every(f"/jobs/{other}/blocks", limit=100)}
    # The agents of simulated robots that stop with them cannot say how far a cut-off operation had come.
    assert phases["-1/1"] in ("rollback.success", "rollback.failed")
    assert phases["-1"] == phases["-1/1"]
