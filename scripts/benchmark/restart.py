"""kill -9 of the controller in the middle of 100,000 open jobs: how long until the first `assign` leaves again."""

import os
import signal
import time
from pathlib import Path

import psutil

from scripts.benchmark.box import Box
from scripts.benchmark.data import QUEUES, Shape
from scripts.benchmark.data_cache import database
from scripts.benchmark.figures import Figure, at_most
from scripts.benchmark.scale import Plan
from scripts.benchmark.watcher import Watcher

ROBOTS = 50
BUSY = 500
"""So many assignments before the kill, so that it comes in the middle of work."""
GOAL_S = 3.0


def measure(plan: Plan) -> list[Figure]:
    """A fresh box over the same database for each run, since a supervisor waits longer after a second death."""
    scale = plan.scale
    shape = Shape(jobs=scale.restart_queued + scale.restart_ended, queued=scale.restart_queued, held=40)
    made = database(plan.folder, shape)
    runs = [_one_run(plan, made) for _ in range(scale.runs)]
    said = f"kill -9 at {scale.restart_queued:,} open jobs to first assign"
    return [
        Figure(said, "s", [run["all"] for run in runs], at_most(GOAL_S)),
        Figure("the same from the start of the new process", "s", [run["process"] for run in runs]),
    ]


def _one_run(plan: Plan, made: Path) -> dict[str, float]:
    with Box(plan.folder, robots=ROBOTS, queues=QUEUES, database=made) as box, box.watcher() as watcher:
        box.stage.wait_for(lambda: len(watcher.seen) >= BUSY, 60, f"{BUSY} assignments")
        old = box.ready()["parts"]["controller"]
        killed = time.perf_counter()
        os.kill(old, signal.SIGKILL)
        new = box.stage.wait_for(lambda: _other_controller(box, old), 30, "another controller")
        appeared = time.perf_counter()
        began = psutil.Process(new).create_time() - (time.time() - time.perf_counter())
        first = box.stage.wait_for(lambda: _first_after(watcher, appeared), 60, "an assignment by the new controller")
    return {"all": first - killed, "process": first - began}


def _other_controller(box: Box, old: int) -> int | None:
    new = box.ready()["parts"].get("controller")
    return int(new) if new is not None and new != old else None


def _first_after(watcher: Watcher, moment: float) -> float | None:
    """What the old process sent is long delivered when the new one appears, which cannot send for a while yet."""
    return next((at for at, _ in list(watcher.seen) if at > moment), None)
