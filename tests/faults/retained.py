"""Forged and stale messages that the broker keeps: hints for the screen, whoever hears them when."""

import contextlib
import functools
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from tests.faults.bench import Plan
from tests.faults.fault import Fault, Scene, Size
from tests.faults.fleet import OUTSIDER as LIAR
from tests.faults.fleet import own_robots
from tests.faults.liars import LIVE
from tests.faults.raw import TOPICS, Raw

REFUSED = "yardmaster_bad_messages_total"


class Retained(Fault):
    """Stale and forged retained messages, wills and presence; then the controller starts, and hears what was kept."""

    name = "retained-and-stale"
    mutants = ("anybody_speaks",)
    quick, full = Size(3, 3), Size(100, 50)
    replayed = 20

    def plan(self, folder: Path) -> Plan:
        self._ended: dict[tuple[str, int], tuple[Any, ...]] = {}
        self._heard, self._again = 0.0, 0
        return super().plan(folder)

    def inject(self, scene: Scene) -> None:
        self._ended |= ended(scene)
        with Raw(scene.bench.mqtt, LIAR) as raw:
            live = [dict(row) for row in scene.bench.rows(LIVE)]
            for row in live:
                old = raw.rows(forged(row))
                for robot in (LIAR, row["robot"]):
                    raw.send("block-status", old, robot=robot, retain=True)
                    raw.send("presence", {"v": 1, "online": False, "boot": "x"}, robot=robot, retain=True)
                    raw.send("heartbeat", raw.beat(), robot=robot, retain=True)
        for row in live[:2]:
            for robot in (LIAR, row["robot"]):  # the broker denies the second
                with Raw(scene.bench.mqtt, LIAR, functools.partial(_will, robot, row)) as dying:
                    dying.die()
        self._replay(scene)

    def _replay(self, scene: Scene) -> None:
        """What a robot has really said, once more in its own name, and kept by the broker."""
        robot = scene.dice.choice(own_robots())
        said = scene.bench.rows(SAID, robot, self.replayed)
        # The robot's agent comes back at once and throws this one out.
        with contextlib.suppress(TimeoutError, RuntimeError), Raw(scene.bench.mqtt, robot, returns=False) as raw:
            raw.send("presence", {"v": 1, "online": False, "boot": "old"}, retain=True)
            for row in reversed(said):
                again = {
                    "v": 1,
                    "journal": row["journal"],
                    "boot": "old",
                    "first": 1,
                    "rows": [json.loads(row["body"])],
                }
                raw.send("block-status", again, retain=True)
                self._again += 1

    def heal(self, scene: Scene) -> None:
        old = scene.bench.pid("controller")
        os.kill(old, signal.SIGKILL)
        scene.bench.back("controller", old)
        scene.bench.wait_for(lambda: _retained(scene), 30, "the controller hears what was retained")
        self._heard += _retained(scene)
        with Raw(scene.bench.mqtt, LIAR) as raw:
            raw.send("heartbeat", raw.beat())

    def judge(self, scene: Scene) -> Iterator[str]:
        for table, number in BELIEVED_FORGED:
            for row in scene.bench.rows(f"select {number} as number from {table} where {REASON[table]} = ?", FORGED):
                yield f"I14 a forged message changed {table}, number {row['number']}"
        if not self._again:
            yield "nothing was replayed: the fault did not happen"
        now = ended(scene)
        for key, before in self._ended.items():
            if now.get(key) != before:
                yield f"I14 {key[0]} number {key[1]} had ended, and was changed from {before} to {now.get(key)}"

    def note(self, scene: Scene) -> str:
        return f"{self._heard:.0f} retained messages refused, {self._again} reports replayed in the last box"


FORGED = "forged"
REASON = {"jobs": "reason", "attempts": "reason", "block_runs": "reason", "events": "why"}
BELIEVED_FORGED = (("jobs", "id"), ("attempts", "number"), ("block_runs", "attempt"), ("events", "id"))
SAID = (
    "select j.journal, r.body from reports r join journals j on j.id = r.journal"
    " where j.robot = ? and r.body is not null order by r.seq desc limit ?"
)


def forged(live: dict[str, Any]) -> dict[str, Any]:
    """The end of an attempt, as somebody else says it."""
    return {"kind": "failed", "reason": FORGED, "job": live["uid"], "attempt": live["number"]}


def _will(robot: str, live: dict[str, Any], raw: Raw) -> tuple[str, dict[str, Any]]:
    return TOPICS.of(robot, "block-status"), raw.rows(forged(live))


def ended(scene: Scene) -> dict[tuple[str, int], tuple[Any, ...]]:
    """(table, number) to the row of each job that has ended and of its attempts that are closed."""
    over = "job in (select id from jobs where ended_at is not null)"
    found = {
        ("jobs", row["id"]): tuple(row) for row in scene.bench.rows("select * from jobs where ended_at is not null")
    }
    attempts = scene.bench.rows(f"select * from attempts where open = 0 and {over}")
    return found | {("attempts", row["number"]): tuple(row) for row in attempts}


def _retained(scene: Scene) -> float:
    """How many messages the controller has refused since its start because they were retained."""
    try:
        answer = httpx.get(f"{scene.bench.url}/metrics", headers=scene.bench.headers(), timeout=10)
    except httpx.HTTPError:
        return 0.0
    lines = [line for line in answer.text.splitlines() if line.startswith(REFUSED) and 'reason="retained"' in line]
    return sum(float(line.rpartition(" ")[2]) for line in lines)
