"""How much is measured: the full benchmark, and the quick one that fits into a coffee break."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Scale:
    """Sizes of every measurement."""

    name: str
    runs: int
    throughput: dict[int, int]
    """Robots to jobs a run."""
    latency_s: float
    idle_robots: int
    idle_s: float
    history_jobs: int
    history_queued: int
    history_asks: int
    """Requests of each kind a run."""
    deep_pages: int
    restart_queued: int
    restart_ended: int
    memory_jobs: int
    """After those that warm up."""
    dashboards: int
    batch_jobs: int
    upkeep_jobs: int
    upkeep_slices: int


FULL = Scale(
    name="full",
    runs=3,
    throughput={1: 1_000, 10: 5_000, 100: 10_000},
    latency_s=30.0,
    idle_robots=1_000,
    idle_s=20.0,
    history_jobs=1_000_000,
    history_queued=10_000,
    history_asks=100,
    deep_pages=500,
    restart_queued=100_000,
    restart_ended=100_000,
    memory_jobs=100_000,
    dashboards=200,
    batch_jobs=10_000,
    upkeep_jobs=200_000,
    upkeep_slices=3_000,
)
QUICK = Scale(
    name="quick",
    runs=3,
    throughput={1: 150, 10: 600, 100: 2_000},
    latency_s=5.0,
    idle_robots=1_000,
    idle_s=5.0,
    history_jobs=50_000,
    history_queued=1_000,
    history_asks=20,
    deep_pages=50,
    restart_queued=100_000,
    restart_ended=20_000,
    memory_jobs=10_000,
    dashboards=200,
    batch_jobs=2_000,
    upkeep_jobs=50_000,
    upkeep_slices=1_000,
)


@dataclass(frozen=True)
class Plan:
    """What one call of the benchmark works with: sizes, and a folder for boxes and made-up data."""

    scale: Scale
    folder: Path
