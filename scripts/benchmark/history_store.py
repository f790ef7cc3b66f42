"""What the controller itself pays over a long past, without sockets: claim-next, and taking in reports."""

import json
import statistics
import time
from pathlib import Path

from config.clock import instant
from controller.core import Core
from controller.core_settings import CoreSettings
from controller.store import jobs
from controller.store.connection import Store

CLAIMS = 2_000
GROUPS, GROUP = 100, 50
"""Reports arrive in groups, as they do under load: so many turns, each with so many rows and one commit."""


def claim_us(file: Path, runs: int) -> list[float]:
    """Microseconds of one look for the first job of a target and need, over all pairs that have one."""
    store = Store.open(file)
    try:
        pairs = list(jobs.waiting_pairs(store.db))
        return [_claims(store, pairs) for _ in range(runs)]
    finally:
        store.close()


def _claims(store: Store, pairs: list[tuple[str, int]]) -> float:
    began = time.perf_counter()
    for number in range(CLAIMS):
        target, need = pairs[number % len(pairs)]
        if jobs.head(store.db, target, need) is None:
            raise RuntimeError(f"nothing waits under {target}, {need}, but it is said to")
    return (time.perf_counter() - began) / CLAIMS * 1e6


# ------------------------------------------------------------ reports
def record_us(file: Path, runs: int) -> list[dict[str, float]]:
    """Microseconds of one report from its bytes to the disk: `wall` with its part of a commit, and `cpu`."""
    store = Store.open(file)
    try:
        core = Core(store, CoreSettings())
        with store.transaction():
            core.start(instant())
        before = _reports(store)
        found = [_groups(store, core, _Sender(store)) for _ in range(runs)]
        if _reports(store) - before != runs * GROUPS * GROUP:
            raise RuntimeError("not every report was recorded, so their time means nothing")
        return found
    finally:
        store.close()


def _reports(store: Store) -> int:
    return int(store.db.execute("select sum(upto) from journals").fetchone()[0])


class _Sender:
    """Robots that hold a job, and what each sends next: another block of its flow begins."""

    def __init__(self, store: Store) -> None:
        self.held = [
            dict(row)
            for row in store.db.execute(
                "select a.robot, a.journal, a.number, j.uid, n.upto,"
                " (select max(n) from block_runs b where b.attempt = a.number) as n from attempts a"
                " join jobs j on j.id = a.job join journals n on n.robot = a.robot and n.journal = a.journal"
                " where a.open = 1 and j.state = 'running' order by a.number"
            )
        ]

    def messages(self, rows: int) -> list[tuple[str, bytes]]:
        """So many rows, spread over the robots, a message each."""
        return [self._next(self.held[number % len(self.held)]) for number in range(rows)]

    def _next(self, one: dict[str, int | str]) -> tuple[str, bytes]:
        one["upto"], one["n"] = int(one["upto"]) + 1, int(one["n"]) + 1
        row = {
            "seq": one["upto"], "time": "2026-01-01T00:00:00.000000Z", "kind": "block", "job": one["uid"],
            "attempt": one["number"], "path": f"-1/{one['n']}", "n": one["n"], "status": "start.begin",
            "inputs": {"varName": "v", "varValue": "block"},
        }  # fmt: skip
        envelope = {"v": 1, "journal": one["journal"], "boot": "bench", "first": 1, "rows": [row]}
        return str(one["robot"]), json.dumps(envelope).encode()


def _groups(store: Store, core: Core, sender: _Sender) -> dict[str, float]:
    walls, cpus = [], []
    for _ in range(GROUPS):
        messages = sender.messages(GROUP)
        began, cpu = time.perf_counter(), time.process_time()
        with store.transaction():
            for robot, payload in messages:
                core.receive(instant(), robot, "block-status", payload, retained=False)
            core.tick(instant())
        core.take()
        walls.append((time.perf_counter() - began) / GROUP * 1e6)
        cpus.append((time.process_time() - cpu) / GROUP * 1e6)
    return {"wall": statistics.median(walls), "cpu": statistics.median(cpus)}
