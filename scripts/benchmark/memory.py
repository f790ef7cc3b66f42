"""Whether memory stays flat over many jobs: resident memory at regular points, and the slope of a line through them."""

import statistics
from itertools import combinations

from scripts.benchmark.accounts import BOX
from scripts.benchmark.box import Box
from scripts.benchmark.figures import Figure, at_most
from scripts.benchmark.scale import Plan
from scripts.benchmark.work import submit

ROBOTS = 100
STEPS = 50
WARM_UP = 8_000
"""After so many jobs caches have filled and pools have grown."""
FLAT_KB = 20.0
"""A slope of so many KB in 1,000 jobs, 20 MB in a million, is called flat."""


def measure(plan: Plan) -> list[Figure]:
    """One long run: the longer the better, so it is not repeated."""
    jobs = WARM_UP + plan.scale.memory_jobs
    with Box(plan.folder, robots=ROBOTS) as box:
        points = _points(box, jobs, max(100, jobs // STEPS))
    steady = [point for point in points if point[0] >= WARM_UP]
    return [_figure(name, points, steady) for name in BOX]


def _points(box: Box, jobs: int, step: int) -> list[tuple[int, dict[str, float]]]:
    """Jobs ended and MB by process, at each step; the queue never runs dry and never grows."""
    accounts, points = box.accounts(), []
    submit(box.client, 2 * step)
    for ended in range(step, jobs + 1, step):
        box.wait_until_ended(ended)
        points.append((ended, accounts.rss_mb()))
        box.client.get("/jobs", limit=50)
        box.client.get("/robots")
        if ended + step < jobs:
            submit(box.client, step)
    return points


def _figure(
    name: str, points: list[tuple[int, dict[str, float]]], steady: list[tuple[int, dict[str, float]]]
) -> Figure:
    kb = slope([(jobs, mb[name]) for jobs, mb in steady]) * 1e3 * 1e3
    also = {f"MB after {jobs:,} jobs": mb[name] for jobs, mb in (points[0], steady[0], points[-1])}
    return Figure(f"{name}, growth in 1,000 jobs", "KB", [kb], at_most(FLAT_KB), also)


def slope(points: list[tuple[int, float]]) -> float:
    """The median of the slopes between all pairs of points: a step up or down in between does not tilt it."""
    return statistics.median((b[1] - a[1]) / (b[0] - a[0]) for a, b in combinations(points, 2))
