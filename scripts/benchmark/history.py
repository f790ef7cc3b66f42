"""Whether a long past costs anything: lists, records, pages, claim-next and reports at 1,000,000 jobs and 1,000."""

import random
import shutil
import sqlite3
import statistics
import tempfile
from contextlib import closing
from pathlib import Path

from scripts.benchmark.asking import Asker
from scripts.benchmark.box import Box
from scripts.benchmark.data import Shape
from scripts.benchmark.data_cache import database
from scripts.benchmark.figures import Figure, at_most, percentile
from scripts.benchmark.history_asks import Ask, Facts, console, deep, lists, records
from scripts.benchmark.history_formats import Beyond, formats, long_job
from scripts.benchmark.history_store import claim_us, record_us
from scripts.benchmark.scale import Plan

FEW = Shape(jobs=1_000, queued=20, held=10)
API_MS, LONG_MS, PAGE_MS = 50.0, 100.0, 200.0
Times = dict[str, list[dict[str, float]]]
"""Name of what is asked to p50 and p95 of each run."""


def measure(plan: Plan) -> list[Figure]:
    """The long past beside the short one, each in a copy of its own."""
    scale = plan.scale
    many = Shape(scale.history_jobs, scale.history_queued, held=40)
    long = _of_store(plan, database(plan.folder, many)), _of_web(plan, database(plan.folder, many))
    short = _of_store(plan, database(plan.folder, FEW)), _of_web(plan, database(plan.folder, FEW))
    few = f"with {FEW.jobs:,} jobs"
    found = [
        Figure(name, "µs", values, also={few: statistics.median(short[0][name])}) for name, values in long[0].items()
    ]
    return found + [_figure(name, runs, short[1].get(name, []), few) for name, runs in long[1].items()]


def _figure(name: str, runs: list[dict[str, float]], short: list[dict[str, float]], few: str) -> Figure:
    goal = PAGE_MS if name.startswith("page: ") else LONG_MS if name.startswith("1,000 blocks: ") else API_MS
    also = {"p50": statistics.median(run["p50"] for run in runs)}
    if short:
        also |= {f"{p} {few}": statistics.median(run[p] for run in short) for p in ("p50", "p95")}
    return Figure(f"{name}, p95", "ms", [run["p95"] for run in runs], at_most(goal), also)


# ------------------------------------------------------------ inside
def _of_store(plan: Plan, made: Path) -> dict[str, list[float]]:
    with tempfile.TemporaryDirectory(prefix="store-", dir=plan.folder) as folder:
        file = Path(folder) / "yardmaster.db"
        shutil.copyfile(made, file)
        claims = claim_us(file, plan.scale.runs)
        recorded = record_us(file, plan.scale.runs)
    return {
        "claim-next, one look": claims,
        "taking in a report, CPU": [run["cpu"] for run in recorded],
        "taking in a report, its part of a commit of 50 included": [run["wall"] for run in recorded],
    }


# ------------------------------------------------------------ over HTTP
def _of_web(plan: Plan, made: Path) -> Times:
    """Nothing is dispatched meanwhile: the box's only robot serves a queue without jobs."""
    with closing(sqlite3.connect(made)) as db:
        facts, beyond = Facts.read(db), Beyond.read(db)
    with Box(plan.folder, queues=("aside",), database=made) as box, Asker(box.stage) as asker:
        asks = [*lists(facts), *records(facts), *formats(facts, beyond), *long_job(beyond)]
        asks += [*deep(asker, plan.scale.deep_pages), *console(asker, facts)]
        found: Times = {ask.name: [] for ask in asks}
        for run in range(plan.scale.runs):
            for ask in asks:
                found[ask.name].append(_timed(asker, ask, plan.scale.history_asks, run))
    return found


def _timed(asker: Asker, ask: Ask, count: int, run: int) -> dict[str, float]:
    dice = random.Random(run)  # noqa: S311 - not for secrets
    asker.milliseconds(ask.path(dice))  # the first one may find the statement unprepared
    times = [asker.milliseconds(ask.path(dice)) for _ in range(count)]
    return {"p50": percentile(times, 50), "p95": percentile(times, 95)}
