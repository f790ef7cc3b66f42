"""Jobs a second from the queue to their end with 1, 10 and 100 robots, and processor time a job by process."""

from scripts.benchmark.accounts import spent
from scripts.benchmark.box import Box
from scripts.benchmark.figures import Figure, at_least, at_most
from scripts.benchmark.scale import Plan
from scripts.benchmark.work import submit

SHOWN = ("controller", "broker", "web", "agents")
WARM_UP = 100
MANY = 100
"""The goals hold for so many robots."""


def measure(plan: Plan) -> list[Figure]:
    """One fresh box for each number of robots; all runs in it, after a warm-up."""
    found: list[Figure] = []
    for robots, jobs in plan.scale.throughput.items():
        with Box(plan.folder, robots=robots) as box:
            one_run(box, WARM_UP)
            runs = [one_run(box, jobs) for _ in range(plan.scale.runs)]
        found += _figures(robots, runs)
    return found


def one_run(box: Box, jobs: int) -> dict[str, float]:
    """Submit so many jobs in bulk and wait for their end: `rate` in jobs a second, and µs of CPU a job by process."""
    before = box.ended()
    first = int(box.read("select coalesce(max(id), 0) from jobs")[0])
    accounts = box.accounts()
    spent_before = accounts.cpu_s()
    submit(box.client, jobs)
    box.wait_until_ended(before + jobs)
    cpu = spent(spent_before, accounts.cpu_s())
    # As recorded: the time between two looks of the waiting above must not count.
    began, ended = box.read("select min(created_at), max(ended_at) from jobs where id > ?", first)
    return {"rate": jobs / ((ended - began) / 1e6)} | {name: cpu[name] / jobs * 1e6 for name in SHOWN}


def _figures(robots: int, runs: list[dict[str, float]]) -> list[Figure]:
    many = robots == MANY
    said = "1 robot" if robots == 1 else f"{robots} robots"
    rate = Figure(f"{said}: jobs a second", "jobs/s", [run["rate"] for run in runs], at_least(500) if many else None)
    return [rate] + [
        Figure(
            f"{said}: {name}, CPU a job",
            "µs",
            [run[name] for run in runs],
            at_most(600) if many and name == "controller" else None,
        )
        for name in SHOWN
    ]
