"""The demonstration as people start it: the scripted scenario comes out, and no process stays behind."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from controller.store.queries import Reader, floor_plan
from schemas.views import FloorPlan
from tests.waiting import wait_for

ROOT = Path(__file__).parent.parent.parent
pytestmark = pytest.mark.usefixtures("mosquitto")


def start(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "cli.demo", *arguments]
    return subprocess.Popen(
        command, cwd=ROOT, text=True, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def family(data_dir: Path) -> list[psutil.Process]:
    """Every process that was told of this data directory, by its arguments or its environment."""
    found = []
    for process in psutil.process_iter():
        try:
            told = " ".join([*process.cmdline(), *process.environ().values()])
        except psutil.Error:
            continue
        if str(data_dir) in told and process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found


def run_until_busy(data_dir: Path) -> subprocess.Popen[str]:
    process = start("--data-dir", str(data_dir), "--speed", "20")
    assert process.stdout is not None
    for line in process.stdout:
        if re.search(r"open +http://127\.0\.0\.1:\d+", line):
            return process
    raise AssertionError(f"the demonstration ended with {process.wait()}")


def saved_plan(data_dir: Path) -> FloorPlan | None:
    with Reader(data_dir / "yardmaster.db").reading() as db:
        return floor_plan(db)


def test_the_scripted_scenario_comes_out(tmp_path: Path) -> None:
    process = start("--once", "--data-dir", str(tmp_path / "data"))
    said, _ = process.communicate(timeout=110)
    plan = saved_plan(tmp_path / "data")
    assert plan is not None
    assert plan.name == "Corner"
    assert process.returncode == 0, said
    assert "all as they must" in said
    assert "WRONG" not in said
    assert family(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_stays_behind_however_it_ends(tmp_path: Path, number: signal.Signals) -> None:
    process = run_until_busy(tmp_path / "data")
    try:
        plan = saved_plan(tmp_path / "data")
        assert plan is not None
        assert plan.name == "Hall 2, ground floor"
        assert len(family(tmp_path)) >= 6, "demo, serve, simulate, broker, controller, web"
        process.send_signal(number)
        said, _ = process.communicate(timeout=60)
    finally:
        process.kill()  # a failed test leaves nothing running either
    assert process.returncode == (-9 if number == signal.SIGKILL else 0), said
    wait_for(lambda: not family(tmp_path), 30, "no process of the demonstration is left")
