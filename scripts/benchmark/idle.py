"""What 1,000 robots cost that do nothing but send a heartbeat every two seconds: real agents, nothing submitted."""

import time

from scripts.benchmark.accounts import BOX, spent
from scripts.benchmark.box import Box
from scripts.benchmark.figures import Figure, at_most
from scripts.benchmark.scale import Plan

SETTLE_S = 6.0
"""Three heartbeats of each robot, so that whatever a start costs is over."""
CPU_PERCENT, MEMORY_MB = 10.0, 150.0


def measure(plan: Plan) -> list[Figure]:
    """One box; processor time over several windows, memory at the end of each."""
    with Box(plan.folder, robots=plan.scale.idle_robots) as box:
        time.sleep(SETTLE_S)
        runs = [_window(box, plan.scale.idle_s) for _ in range(plan.scale.runs)]
        accounts = box.accounts()
        shared = sum(accounts.pss_mb()[name] for name in BOX)
    return _figures(runs, shared)


def _window(box: Box, seconds: float) -> dict[str, dict[str, float]]:
    accounts = box.accounts()
    before, began = accounts.cpu_s(), time.perf_counter()
    time.sleep(seconds)
    cpu, passed = spent(before, accounts.cpu_s()), time.perf_counter() - began
    return {"cpu": {name: value / passed * 100 for name, value in cpu.items()}, "rss": accounts.rss_mb()}


def _figures(runs: list[dict[str, dict[str, float]]], shared: float) -> list[Figure]:
    found = []
    for what, unit, said, limit in (
        ("cpu", "% of a core", "CPU", CPU_PERCENT),
        ("rss", "MB", "resident memory", MEMORY_MB),
    ):
        together = [sum(run[what][name] for name in BOX) for run in runs]
        also = {"shared pages counted once": shared} if what == "rss" else {}
        found.append(Figure(f"controller + broker + web, {said}", unit, together, at_most(limit), also))
        names = (*BOX, "station", "agents")
        found += [Figure(f"{name}, {said}", unit, [run[what][name] for run in runs]) for name in names]
    return found
