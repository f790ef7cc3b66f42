"""What 1,000 robots cost that do nothing but send a heartbeat every two seconds: real agents, nothing submitted."""

import re
import time

import httpx

from scripts.benchmark.accounts import BOX, spent
from scripts.benchmark.box import Box
from scripts.benchmark.figures import Figure, at_least, at_most
from scripts.benchmark.scale import Plan

SETTLE_S = 6.0
"""Three heartbeats of each robot, so that whatever a start costs is over."""
CPU_PERCENT, MEMORY_MB = 10.0, 150.0
BEAT_EVERY_S, MOST_OF_THEM = 2.0, 0.95
_HEARTBEATS = re.compile(r'^yardmaster_messages_total\{kind="heartbeat"\} (\S+)$', re.MULTILINE)


def measure(plan: Plan) -> list[Figure]:
    """One box; processor time over several windows, memory at the end of each."""
    with Box(plan.folder, robots=plan.scale.idle_robots) as box:
        time.sleep(SETTLE_S)
        runs = [_window(box, plan.scale.idle_s) for _ in range(plan.scale.runs)]
        accounts = box.accounts()
        shared = sum(accounts.pss_mb()[name] for name in BOX)
    wanted = plan.scale.idle_robots / BEAT_EVERY_S * MOST_OF_THEM
    beats = Figure("heartbeats taken in", "1/s", [run["beats"]["rate"] for run in runs], at_least(wanted))
    return [beats, *_figures(runs, shared)]


def _heartbeats(box: Box) -> float:
    """How many the controller has counted; asked outside of the window, since the answer costs something too."""
    answer = httpx.get(f"{box.stage.url}/metrics", headers=box.stage.headers(), timeout=30, trust_env=False)
    found = _HEARTBEATS.search(answer.raise_for_status().text)
    return float(found[1]) if found else 0.0


def _window(box: Box, seconds: float) -> dict[str, dict[str, float]]:
    accounts = box.accounts()
    beats = _heartbeats(box)
    before, began = accounts.cpu_s(), time.perf_counter()
    time.sleep(seconds)
    cpu, passed = spent(before, accounts.cpu_s()), time.perf_counter() - began
    rate = (_heartbeats(box) - beats) / passed
    return {
        "beats": {"rate": rate},
        "cpu": {name: value / passed * 100 for name, value in cpu.items()},
        "rss": accounts.rss_mb(),
    }


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
