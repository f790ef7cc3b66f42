"""From just before a submission's request to its `assign` on the wire, at 50 jobs a second with robots to spare."""

from collections.abc import Mapping

from scripts.benchmark.box import Box
from scripts.benchmark.figures import Figure, at_most, percentile
from scripts.benchmark.pace import to_the_wire
from scripts.benchmark.scale import Plan
from scripts.benchmark.watcher import Watcher

RATE = 50.0
ROBOTS = 30
"""A job of three pure blocks occupies its robot for some 20 ms, so one in thirty is busy."""
P50_MS, P99_MS = 10.0, 30.0


def measure(plan: Plan) -> list[Figure]:
    """One box, a warm-up of two seconds, then the runs."""
    with Box(plan.folder, robots=ROBOTS) as box, box.watcher() as watcher:
        to_the_wire(box, watcher, RATE, 2.0)
        runs = [one_run(box, watcher, plan.scale.latency_s) for _ in range(plan.scale.runs)]
    return [*wire_figures(runs), *_others(runs)]


def one_run(box: Box, watcher: Watcher, seconds: float) -> dict[str, float]:
    """Milliseconds: `p50`, `p99` and `max` to the wire, the answers' `answer p50`, and how `late` we were at worst."""
    sent, waited = to_the_wire(box, watcher, RATE, seconds)
    ms = [one * 1e3 for one in waited]
    answers = [one * 1e3 for one in sent.answered_s]
    return {
        "p50": percentile(ms, 50),
        "p99": percentile(ms, 99),
        "max": max(ms),
        "answer p50": percentile(answers, 50),
        "answer p99": percentile(answers, 99),
        "late p99": percentile([one * 1e3 for one in sent.late_s], 99),
    }


def wire_figures(runs: list[dict[str, float]], also: Mapping[str, float] | None = None) -> list[Figure]:
    """The two figures that have a goal; `also` belongs to both by the percentile's name."""
    beside = also or {}
    return [
        Figure(
            f"submit to assign on the wire, {name}",
            "ms",
            [run[name] for run in runs],
            at_most(goal),
            {key: value for key, value in beside.items() if name in key},
        )
        for name, goal in (("p50", P50_MS), ("p99", P99_MS))
    ]


def _others(runs: list[dict[str, float]]) -> list[Figure]:
    return [
        Figure("submit to assign on the wire, slowest of a run", "ms", [run["max"] for run in runs]),
        Figure("submit to answer, p50", "ms", [run["answer p50"] for run in runs]),
        Figure("submit to answer, p99", "ms", [run["answer p99"] for run in runs]),
        Figure("requests sent later than planned, p99 (ours)", "ms", [run["late p99"] for run in runs]),
    ]
