"""Cancelling very many jobs at once: how long it takes, and what it costs others meanwhile."""

import threading
import time
from dataclasses import dataclass
from typing import Any

from scripts.benchmark.box import LONG_S, Box
from scripts.benchmark.figures import Figure, at_most, percentile
from scripts.benchmark.latency import RATE, ROBOTS
from scripts.benchmark.pace import to_the_wire
from scripts.benchmark.scale import Plan
from scripts.benchmark.watcher import Watcher
from scripts.benchmark.work import BULK, FLOW

ASIDE = "aside"
"""A queue that nobody serves: its jobs wait until they are cancelled."""
SECONDS, HOW_MUCH = 5.0, 1.5
BEFORE_S = 1.0
"""Others are served for so long before the batch begins."""


@dataclass(frozen=True)
class Cancelled:
    """Moments of `time.perf_counter`: asked for the preview, applied, done."""

    asked: float
    applied: float
    done: float


def measure(plan: Plan) -> list[Figure]:
    """One box; each run cancels on its own, then again while others are served at a fixed rate."""
    jobs = plan.scale.batch_jobs
    with Box(plan.folder, robots=ROBOTS) as box, box.watcher() as watcher:
        box.client.put(f"/queues/{ASIDE}", {})
        to_the_wire(box, watcher, RATE, 2.0)
        runs = [one_run(box, watcher, jobs, plan.scale.latency_s) for _ in range(plan.scale.runs)]
    return _figures(jobs, runs)


def one_run(box: Box, watcher: Watcher, jobs: int, seconds: float) -> dict[str, float]:
    """Seconds of `preview`, `alone` and `beside`; milliseconds to the wire by percentile, without and with a batch."""
    _wait_aside(box, jobs)
    alone = _cancel(box, jobs)
    without = [one * 1e3 for one in to_the_wire(box, watcher, RATE, seconds)[1]]
    _wait_aside(box, jobs)
    beside, among = _beside(box, watcher, jobs, seconds)
    return {
        "preview": alone.applied - alone.asked,
        "alone": alone.done - alone.applied,
        "beside": beside.done - beside.applied,
        **{f"{name} without": percentile(without, p) for name, p in (("p50", 50), ("p99", 99))},
        **{f"{name} with": percentile(among, p) for name, p in (("p50", 50), ("p99", 99))},
        "others": float(len(among)),
    }


def _wait_aside(box: Box, jobs: int) -> None:
    body = {"flow": FLOW, "target": {"queue": ASIDE}}
    for begin in range(0, jobs, BULK):
        box.client.post("/jobs/bulk", {"jobs": [body] * min(BULK, jobs - begin)})


def _cancel(box: Box, jobs: int) -> Cancelled:
    """Every job that waits aside; raises `RuntimeError` when one is not cancelled."""
    asked = time.perf_counter()
    found = box.client.post("/job-batches", {"action": "cancel", "filter": {"queue": ASIDE, "state": ["queued"]}})
    applied = time.perf_counter()
    box.client.post(f"/job-batches/{found['id']}/apply", {"hash": found["hash"]})
    state = "select state from batches where uid = ?"
    box.stage.wait_for(lambda: box.read(state, found["id"])[0] == "applied", LONG_S, "the batch is applied")
    done = time.perf_counter()
    results: dict[str, Any] = box.client.get(f"/job-batches/{found['id']}")["results"]
    if results["done"] != jobs:
        raise RuntimeError(f"not all {jobs} were cancelled: {results}")
    return Cancelled(asked, applied, done)


def _beside(box: Box, watcher: Watcher, jobs: int, seconds: float) -> tuple[Cancelled, list[float]]:
    """A batch while others are served; milliseconds to the wire of those that were sent while it was applied."""
    found: list[Cancelled] = []
    errors: list[BaseException] = []

    def later() -> None:
        time.sleep(BEFORE_S)
        try:
            found.append(_cancel(box, jobs))
        except BaseException as error:  # noqa: BLE001 - raised again below
            errors.append(error)

    thread = threading.Thread(target=later)
    thread.start()
    sent, _waited = to_the_wire(box, watcher, RATE, seconds)
    thread.join()
    if errors:
        raise errors[0]
    seen, batch = watcher.first_by_job(), found[0]
    return batch, [(seen[job] - began) * 1e3 for job, began in sent.at.items() if batch.applied <= began <= batch.done]


def _figures(jobs: int, runs: list[dict[str, float]]) -> list[Figure]:
    def values(name: str) -> list[float]:
        return [run[name] for run in runs]

    def ratio(name: str) -> Figure:
        ratios = [run[f"{name} with"] / run[f"{name} without"] for run in runs]
        also = {f"ms {word}": percentile(values(f"{name} {word}"), 50) for word in ("without", "with")}
        goal = at_most(HOW_MUCH) if name == "p50" else None
        return Figure(f"others' way to the wire beside the batch, {name}, to without", "x", ratios, goal, also)

    many = f"{jobs:,} jobs"
    return [
        Figure(f"preview of {many}", "s", values("preview")),
        Figure(f"cancelling {many}, nothing else to do", "s", values("alone"), at_most(SECONDS)),
        Figure(
            f"cancelling {many} beside {RATE:.0f} submissions a second", "s", values("beside"), at_most(SECONDS),
            {"others meanwhile": percentile(values("others"), 50)},
        ),
        ratio("p50"),
        ratio("p99"),
    ]  # fmt: skip
