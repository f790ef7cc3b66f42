"""Jobs a second from the queue to their end, with simulated robots that journal for real, and CPU by process."""

import argparse
import json
import platform
import sqlite3
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from cli.client import Client
from cli.stage import Stage

BULK = 1000
FLEET = """
name = "For measuring"
seed = 1
speed = 100

[plan]
name = "One place"
edges = []

[plan.nodes]
P = { x = 0, y = 0, station = true }

[[robot]]
id = "m"
queues = ["measure"]
start = "P"
"""


def block(number: int) -> dict[str, Any]:
    """A pure block: it costs a robot no time, so what is measured is us."""
    value = {"type": "Expression", "value": f"'block {number}'", "required": True}
    name = {"type": "Simple", "value": f"v{number}", "required": True}
    return {
        "id": number,
        "name": f"b{number}",
        "blockType": "SetTaskVariableBp",
        "children": {},
        "inputParams": {"varName": name, "varValue": value},
    }


FLOW = {
    "definition": {
        "inputParams": [],
        "outputParams": [],
        "rootBlock": {
            "id": -1,
            "name": "-1",
            "blockType": "RootBp",
            "inputParams": {},
            "children": {"default": [block(1), block(2), block(3)]},
        },
    }
}


def cpu(processes: dict[str, psutil.Process]) -> dict[str, float]:
    """Seconds of processor time of each process with its children."""
    found = {}
    for name, process in processes.items():
        family = [process, *process.children(recursive=True)] if name != "serve" else [process]
        times = [one.cpu_times() for one in family]
        found[name] = sum(t.user + t.system for t in times)
    return found


def one_run(robots: int, jobs: int) -> dict[str, float]:
    """A fresh box, so many robots, so many jobs: jobs a second, and microseconds of CPU a job by process."""
    with tempfile.TemporaryDirectory(prefix="yardmaster-measure-") as folder:
        data = Path(folder) / "box"
        fleet = Path(folder) / "fleet.toml"
        fleet.write_text(FLEET)
        stage = Stage(data, fleet, robots=robots)
        with stage, Client(stage.url) as client:
            stage.wait_for(lambda: _robots(client) >= robots, 60, "all robots are there")
            client.put("/flows/three", FLOW)
            parts = json.loads((data / "ready.json").read_text())["parts"]
            processes = {name: psutil.Process(pid) for name, pid in parts.items() if name != "station"}
            processes["agents"] = stage.process("simulate")
            before = cpu(processes)
            _submit(client, jobs)
            stage.wait_for(lambda: _ended(data) == jobs, 300, "all jobs have ended")
            after = cpu(processes)
            return {"jobs/s": _rate(data, jobs)} | {k: (after[k] - before[k]) / jobs * 1e6 for k in after}


def _robots(client: Client) -> int:
    return sum(robot["state"] == "free" and "measure" in robot["queues"] for robot in client.every("/robots"))


def _submit(client: Client, jobs: int) -> None:
    one = {"flow": "three", "target": {"queue": "measure"}}
    for first in range(0, jobs, BULK):
        client.post("/jobs/bulk", {"jobs": [one] * min(BULK, jobs - first)})


def _read(data: Path, sql: str) -> Any:
    with sqlite3.connect(f"file:{data / 'yardmaster.db'}?mode=ro", uri=True) as db:
        return db.execute(sql).fetchone()


def _ended(data: Path) -> int:
    return int(_read(data, "select coalesce(sum(n), 0) from job_counts where state = 'succeeded'")[0])


def _rate(data: Path, jobs: int) -> float:
    first, last = _read(data, "select min(created_at), max(ended_at) from jobs")
    return float(jobs / ((last - first) / 1e6))


def main() -> None:
    """Run and print a table of medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--robots", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=5000)
    parser.add_argument("--runs", type=int, default=3)
    chosen = parser.parse_args()
    began = time.monotonic()
    runs = [one_run(chosen.robots, chosen.jobs) for _ in range(chosen.runs)]
    print(f"{chosen.robots} robots, {chosen.jobs} jobs of 3 blocks, {chosen.runs} runs, {psutil.cpu_count()} cores")
    print(f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, load {psutil.getloadavg()[0]:.1f}")
    for name in runs[0]:
        values = sorted(run[name] for run in runs)
        unit = "" if name == "jobs/s" else " µs CPU a job"
        print(f"{name:12} median {statistics.median(values):8.0f}{unit}   ({values[0]:.0f} to {values[-1]:.0f})")
    print(f"{time.monotonic() - began:.0f} s in all")


if __name__ == "__main__":
    main()
