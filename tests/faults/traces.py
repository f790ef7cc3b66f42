"""The same messages in any order and any number give the same rows: traces of real agents, permuted, one final hash."""

import hashlib
import json
import random
import re
import sqlite3
from dataclasses import dataclass
from pathlib import Path

import pytest

from config.clock import Instant
from controller.core import Core
from controller.core_settings import CoreSettings
from controller.store.connection import Store, connect
from edge_agent.operations import Operation
from tests.faults.fault import Alone, Size
from tests.faults.row import Row
from tests.model.bodies import FLOW
from tests.model.mutants import MUTANTS
from tests.model.world import Machine, World

ROBOTS = "abcd"
NOW = Instant(5000.0, 1_790_000_005_000_000)
TABLES = ("jobs", "attempts", "block_runs", "reports", "journals", "gaps", "logs", "holds", "outbox", "quarantine")
NUMBERED = {"id", "version", "chain"}
"""Columns that say in which order rows were written; a job's moves are compared in their own order."""
ASK = re.compile(r'"ask":[0-9]+,')
"""An agent numbers its asks at each sending; they are no part of the report."""
MOVES = "select job, event, old, new, code, why from events where topic = 'job' order by job, id"
A_TRACE = 500
"""Permutations of one recorded trace."""


@dataclass
class Trace:
    """A database as it was, and everything that agents said from then on."""

    before: sqlite3.Connection
    said: list[tuple[str, str, bytes]]
    """Robot, kind of topic, payload."""


class Recorder(World):
    """A calm world whose agents' messages are kept; one robot's operation fails, one job is cancelled."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.chaos = False
        self.said: list[tuple[str, str, bytes]] = []
        self.machines = {name: self.machines.get(name) or Machine(self, name, name) for name in ROBOTS}
        for _ in range(4):
            self.calm()

    def slips(self, _operation: Operation) -> bool:
        return self.random.random() < 0.2

    def calm(self, *, keep: bool = False) -> None:
        """Two seconds; everything is delivered in order."""
        self.now += 2
        for machine in self.machines.values():
            machine.step()
        self.turn(lambda core: core.tick(self.instant()))
        while self.net:
            to, robot, kind, payload = self.net[0]
            if keep and to == "controller":
                self.said.append((robot, kind, payload))
            self.deliver(0)


def record(seed: int) -> Trace:
    """Four robots, each with a job that was just offered; all they say until everything has ended."""
    world = Recorder(seed)
    world.ask("flow.save", flow="f", definition=FLOW)
    for _ in ROBOTS:
        world.ask("job.submit", flow="f", target={"queue": "all"}, max_retries=0)
    world.turn(lambda core: core.tick(world.instant()))
    world.ask("job.cancel", job=world.random.choice(world.jobs())["uid"])
    before = sqlite3.connect(":memory:", isolation_level=None)
    world.connection.backup(before)
    for _ in range(40):
        world.calm(keep=True)
        if not world.open_jobs() and len(world.said) > 40:
            break
    if world.open_jobs():
        raise RuntimeError(f"trace {seed}: jobs did not end in a calm world")
    return Trace(before, world.said)


def replay(trace: Trace, order: list[int]) -> str:
    """The hash of all rows after these messages came in this order."""
    connection = connect(":memory:")
    trace.before.backup(connection)
    store = Store(connection)
    core = Core(store, CoreSettings())
    with store.transaction():
        core.start(NOW)
        core.broker(connected=True, now=NOW)
    for index in order:
        robot, kind, payload = trace.said[index]
        if not _can_be_there(core, robot, payload):
            continue
        with store.transaction():
            core.receive(NOW, robot, kind, payload, False)
        core.take()
    found = digest(connection)
    connection.close()
    return found


def _can_be_there(core: Core, robot: str, payload: bytes) -> bool:
    """A message that says "older reports are recorded" is written only after they were: it cannot come before.

    Nor can one that has seen a number of the box come before the box has given it.
    """
    message = json.loads(payload)
    if message.get("highest", 0) > core.store.newest_number:
        return False
    known = core.desk.memory.journals.get((robot, message.get("journal")), (0, 0))
    return int(message.get("first", 1)) - 1 <= known[1]


def digest(db: sqlite3.Connection, tables: tuple[str, ...] = TABLES) -> str:
    """A hash over everything that was recorded, whatever the order in which rows were written."""
    db.row_factory = sqlite3.Row
    whole = hashlib.sha256()
    for table in tables:
        for text in sorted(_text(row) for row in db.execute(f"select * from {table}")):
            whole.update(f"{table} {text}\n".encode())
    for row in db.execute(MOVES):
        whole.update(f"{tuple(row)}\n".encode())
    return whole.hexdigest()


def _text(row: sqlite3.Row) -> str:
    text = repr([(name, row[name]) for name in row.keys() if name not in NUMBERED])  # noqa: SIM118 - a row is no dict
    return ASK.sub("", text)


def permuted(count: int, dice: random.Random) -> list[int]:
    """Some messages lost, some doubled, all out of order or only a little; then, as agents repeat, all in order."""
    heard = [index for index in range(count) for _ in range(dice.choice((0, 1, 1, 2, 3)))]
    if dice.random() < 0.5:
        dice.shuffle(heard)
    else:
        heard.sort(key=lambda index: index + dice.uniform(0, 8))
    return [*heard, *range(count)]


class PermutedTraces(Alone):
    """10,000 permutations over the real controller core."""

    name = "permuted-traces"
    quick, full = Size(400, 100), Size(10_000, A_TRACE)
    mutants = ("any_order", "no_dedupe")

    def alone(self, size: Size, folder: Path, mutant: str | None) -> Row:
        del folder
        wrong: list[str] = []
        jobs = cycles = 0
        for seed in range(size.cycles // size.a_box):
            trace = record(seed)
            jobs += len(ROBOTS)
            with pytest.MonkeyPatch.context() as patch:
                for rule in MUTANTS[mutant] if mutant else ():
                    rule(patch)
                wrong += _differing(trace, seed, size.a_box)
            cycles += size.a_box
        note = f"{cycles // size.a_box} traces, one final hash each" if not wrong else ""
        return Row(self.name, cycles, jobs, wrong=tuple(wrong[:10]), note=note)


def _differing(trace: Trace, seed: int, count: int) -> list[str]:
    dice = random.Random(seed)
    in_order = _hash_or_error(trace, list(range(len(trace.said))))
    wrong = []
    for number in range(count):
        order = permuted(len(trace.said), dice)
        found = _hash_or_error(trace, order)
        if found != in_order or "Error" in found:
            wrong.append(f"I15 trace {seed}, permutation {number}: {found[:100]} instead of {in_order[:12]}")
    return wrong


def _hash_or_error(trace: Trace, order: list[int]) -> str:
    try:
        return replay(trace, order)
    except Exception as error:  # noqa: BLE001 - an error is another end than the one in order
        return f"{type(error).__name__}: {error}"
