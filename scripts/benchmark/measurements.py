"""All measurements by name, in the order in which they run."""

from collections.abc import Callable

from scripts.benchmark import batch, dashboards, history, idle, latency, memory, restart, throughput, upkeep
from scripts.benchmark.figures import Figure
from scripts.benchmark.scale import Plan

MEASUREMENTS: dict[str, Callable[[Plan], list[Figure]]] = {
    "throughput": throughput.measure,
    "latency": latency.measure,
    "idle": idle.measure,
    "history": history.measure,
    "restart": restart.measure,
    "memory": memory.measure,
    "dashboards": dashboards.measure,
    "batch": batch.measure,
    "upkeep": upkeep.measure,
}
