"""What keeping a box in order costs those who work meanwhile: a backup, and clearing away what is old."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from config.clock import Instant, instant
from controller.age import DAY_US
from controller.core import Core
from controller.core_settings import CoreSettings
from controller.retention import FIRST_S, OWN_EVERY_S
from controller.store import retention
from controller.store.connection import Store
from scripts.benchmark.asking import Asker
from scripts.benchmark.box import Box
from scripts.benchmark.data import Shape
from scripts.benchmark.data_cache import database
from scripts.benchmark.figures import Figure, at_most, percentile
from scripts.benchmark.scale import Plan

PATH = "/api/v1/jobs?limit=20"
API_MS, ORDER_MS = 50.0, 30.0
CLEARED = CoreSettings(retain_jobs_days=1, retain_logs_days=1, idempotency_days=1)
"""Nearly the whole past of 90 days is old."""


class BackupFailed(Exception):
    """The command did not end well, so its time means nothing; the message is what it said."""


def measure(plan: Plan) -> list[Figure]:
    """Both over the same past."""
    made = database(plan.folder, Shape(plan.scale.upkeep_jobs, queued=1_000, held=40))
    return [*_backups(plan, made), *_sweeps(plan, made)]


# ------------------------------------------------------------ backups
def _backups(plan: Plan, made: Path) -> list[Figure]:
    """A box that runs, and one who reads a list without a pause: alone, then beside the command."""
    size = made.stat().st_size / 1e6
    with Box(plan.folder, queues=("aside",), database=made) as box, Asker(box.stage) as asker:
        alone = [asker.milliseconds(PATH) for _ in range(plan.scale.history_asks)]
        runs = [_one_backup(box, asker) for _ in range(plan.scale.runs)]
    said = f"while a backup of {size:,.0f} MB is made"
    return [
        Figure(f"a backup of {size:,.0f} MB", "s", [run["seconds"] for run in runs]),
        Figure("the same, CPU", "s", [run["cpu"] for run in runs]),
        Figure(
            f"a list of jobs {said}, p95", "ms", [run["p95"] for run in runs], at_most(API_MS),
            {"p95 alone": percentile(alone, 95)},
        ),
    ]  # fmt: skip


def _one_backup(box: Box, asker: Asker) -> dict[str, float]:
    command = [sys.executable, "-m", "cli.main", "backup", "--data-dir", str(box.data), "--keep", "1"]
    before, began, times = os.times(), time.perf_counter(), []
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        while process.poll() is None:
            times.append(asker.milliseconds(PATH))
        said = process.stderr.read() if process.stderr else b""
    if process.returncode or said:
        raise BackupFailed(said.decode())
    passed, after = time.perf_counter() - began, os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return {"seconds": passed, "cpu": cpu, "p95": percentile(times, 95)}


# ------------------------------------------------------------ clearing away
def _sweeps(plan: Plan, made: Path) -> list[Figure]:
    """One sweep a run, slice after slice: whoever wants something waits for the slice that has begun, no longer."""
    runs = [sweep(plan.folder, made, plan.scale.upkeep_slices) for _ in range(plan.scale.runs)]
    return [
        Figure("one slice of clearing away, p99", "ms", [run["p99"] for run in runs], at_most(ORDER_MS),
               {"p50": runs[0]["p50"], "longest": max(run["longest"] for run in runs)}),
        Figure("jobs cleared away, per second of that", "1/s", [run["rate"] for run in runs]),
    ]  # fmt: skip


def sweep(place: Path, made: Path, slices: int) -> dict[str, float]:
    """So many slices over a copy: milliseconds of one (`p50`, `p99`, `longest`), and jobs a second (`rate`)."""
    with tempfile.TemporaryDirectory(prefix="store-", dir=place) as folder:
        file = Path(folder) / "yardmaster.db"
        shutil.copyfile(made, file)
        store = Store.open(file)
        try:
            return _slices(store, slices)
        finally:
            store.close()


def _slices(store: Store, count: int) -> dict[str, float]:
    """Turns in which nothing else is due, each with its commit, as the controller's loop makes them."""
    core, times = Core(store, CLEARED), []
    before, now = _jobs(store), _later()
    with store.transaction():
        retention.set_clock(store.db, now.utc_us, None)  # as a box that has run all the time would have it
        core.start(now)
    for number in range(count):
        at = Instant(now.mono + FIRST_S + number * OWN_EVERY_S * 1.1, now.utc_us)
        began = time.perf_counter()
        with store.transaction():
            core.tick(at)
        core.take()
        times.append((time.perf_counter() - began) * 1e3)
    rate = (before - _jobs(store)) / sum(times) * 1e3
    return {"p50": percentile(times, 50), "p99": percentile(times, 99), "longest": max(times), "rate": rate}


def _later() -> Instant:
    """When even the youngest of the past is old."""
    now = instant()
    return Instant(now.mono, now.utc_us + 2 * DAY_US)


def _jobs(store: Store) -> int:
    return int(store.db.execute("select sum(n) from job_counts").fetchone()[0])
