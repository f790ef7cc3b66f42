"""Bent messages against both real cores: nothing may be raised or take long, no other robot's row change."""

import functools
import gc
import json
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from config import garbage
from schemas.topics import TO_AGENT, TO_CONTROLLER
from tests.fakes.agent_bench import TWO_BLOCKS, Bench
from tests.fakes.yard import Yard, running
from tests.faults.corpus import WORTHLESS, bent
from tests.faults.fault import Alone, Size
from tests.faults.fleet import OUTSIDER
from tests.faults.mutants.rules import RULES
from tests.faults.row import Row
from tests.faults.traces import digest

A_YARD = 200
"""Messages until everything begins anew."""
SLOW_S = 0.1
"""No message may cost a core more processor time."""


class FuzzedCores(Alone):
    """Each cycle is one payload."""

    name = "fuzzed-cores"
    quick, full = Size(4000, A_YARD), Size(200_000, A_YARD)
    mutants = ("rubbish_raises",)

    def alone(self, size: Size, folder: Path, mutant: str | None) -> Row:
        del folder
        if mutant is not None:  # in a process of its own, as every mutant
            RULES[mutant]()
        self._wrong: list[str] = []
        self._slowest = (0.0, "")
        for cycle in (self._agent, self._controller):
            cycle(random.Random("warm"), A_YARD)
        self._wrong.clear()  # what a process does once belongs to no message
        self._slowest = (0.0, "")
        with _garbage_as_in_the_box():
            for seed in range(size.cycles // size.a_box):
                dice = random.Random(seed)
                (self._controller if seed % 2 else self._agent)(dice, size.a_box)
        slowest, what = self._slowest
        note = f"slowest {slowest * 1000:.0f} ms of processor time ({what})"
        return Row(self.name, size.cycles, 0, wrong=tuple(dict.fromkeys(self._wrong))[:10], note=note)

    def _controller(self, dice: random.Random, count: int) -> None:
        yard = Yard()
        robot, _ = running(yard)
        liar = yard.robot(OUTSIDER, "elsewhere")
        before = _others(yard)
        about = {"job": robot.last("assign")["job"], "attempt": robot.last("assign")["attempt"]}
        for number in range(count):
            payload = _payload(dice, [_beat(liar.name, about), _rows(liar.name, about, number)])
            kind = dice.choice(TO_CONTROLLER)
            retained = dice.random() < 0.1
            self._try(kind, payload, functools.partial(yard.hear, OUTSIDER, kind, payload, retained=retained))
        if _others(yard) != before:
            self._wrong.append("I14 what a robot said changed another robot's job")

    def _agent(self, dice: random.Random, count: int) -> None:
        bench = Bench()
        bench.assign()
        own = {"journal": bench.journal.id, "boot": bench.core.boot_id}
        for number in range(count):
            payload = _payload(dice, _told(own, number))
            kind = dice.choice(TO_AGENT)
            self._try(kind, payload, functools.partial(bench.step, "receive", kind, payload))
            bench.settle()

    def _try(self, kind: str, payload: bytes, act: Callable[[], object]) -> None:
        began = time.thread_time()
        try:
            act()
        except Exception as error:  # noqa: BLE001 - that is what is looked for
            self._wrong.append(f"I21 {kind} {payload[:80]!r} raised {type(error).__name__}: {str(error)[:80]}")
        took = time.thread_time() - began
        if took > SLOW_S:
            self._wrong.append(f"I21 {kind} {payload[:80]!r} took {took * 1000:.0f} ms of processor time")
        if took > self._slowest[0]:
            self._slowest = (took, f"{kind}, {len(payload)} bytes")


@contextmanager
def _garbage_as_in_the_box() -> Iterator[None]:
    """A look at all objects of this process takes longer than any message, and the box makes none while it works."""
    usual = gc.get_threshold()
    garbage.rarely()
    try:
        yield
    finally:
        gc.set_threshold(*usual)
        gc.unfreeze()


def _payload(dice: random.Random, good: list[dict[str, Any]]) -> bytes:
    if dice.random() < 0.1:
        return dice.choice(WORTHLESS)
    message = dice.choice(good)
    payload = bent(message, dice)
    for _ in range(dice.choice((0, 0, 1, 3))):
        try:
            whole = json.loads(payload)
        except ValueError:
            break
        payload = bent(whole, dice) if isinstance(whole, dict) and whole else payload
    return payload


def _beat(name: str, about: dict[str, Any]) -> dict[str, Any]:
    return {
        "v": 1, "journal": f"{name}-journal", "boot": "b", "beat": 3, "highest": about["attempt"], "head": 0,
        "first": 1, "holds": [about | {"activity": "running", "path": "-1/1", "ask": 2}], "kind": "agv",
        "capabilities": ["PrintBp"], "queues": ["a"], "tags": ["t"], "accepting": True, "battery": 50.0,
        "position": {"x": 1.0, "y": 2.0},
    }  # fmt: skip


def _rows(name: str, about: dict[str, Any], number: int) -> dict[str, Any]:
    kinds: list[dict[str, Any]] = [
        {"kind": "accepted", "ask": 1}, {"kind": "succeeded", "outputs": {"a": 1}}, {"kind": "paused", "path": "-1/1"},
        {"kind": "block", "path": "-1/1", "n": 1, "try": 0, "status": "monitor.success", "inputs": {"a": [1]}},
        {"kind": "log", "level": 1, "message": "x", "args": {"b": None}},
        {"kind": "refused", "command": 1, "reason": "x"},
    ]  # fmt: skip
    rows = [{"seq": number + n + 1, "time": "", **about, **row} for n, row in enumerate(kinds)]
    return {"v": 1, "journal": f"{name}-journal", "boot": "b", "first": 1, "rows": rows}


def _told(own: dict[str, Any], number: int) -> list[dict[str, Any]]:
    flow = {"id": "f", "version": 1} | TWO_BLOCKS
    about = {"v": 1, "job": "job-1", "attempt": 1}
    return [
        {"v": 1, "job": f"job-{number}", "attempt": number + 2, "flow": flow, "inputs": {"a": 1}, "scope": {"v": {}}},
        about | {"command": number + 1, "reason": "user", "by": "li"},
        about | {"command": number + 1, "do": "pause", "path": "-1/1", "try": 0},
        {"v": 1, **own, "upto": 0, "beat": 1, "attempt": 1, "ask": 1, "verdict": "grant"},
        {"v": 1, "key": ["job-1", 1, "-1/1", 0], "child": "c", "move": 1, "state": "running"},
    ]  # fmt: skip


def _others(yard: Yard) -> str:
    """Rows of every job and attempt, none of which is the liar's."""
    return digest(yard.connection, ("jobs", "attempts", "block_runs"))
