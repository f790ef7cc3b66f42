"""The real controller core and real agent cores around a hostile network, with bodies whose motion is the truth."""

import collections
import json
import random
import sqlite3
from collections.abc import Callable
from functools import partial
from typing import Any

from config.clock import Instant
from controller.core import Core
from controller.core_settings import CoreSettings
from controller.desk import Outgoing
from controller.store.connection import Store, connect
from edge_agent.effects import DriverResume, DriverStart, DriverStop, Send
from edge_agent.journal import Journal, JournalFile
from edge_agent.operations import Operation, OperationEvent
from edge_agent.profile import Profile, Timing
from edge_agent.protocol import AgentCore
from schemas.commands import Answer, Caller, Frame
from schemas.record import SET_ERROR
from schemas.status import TERMINAL
from tests.fakes.yard import blank
from tests.model.bodies import CAPABILITIES, FLOW, Body

PERSON = "li"


class Violation(Exception):
    """A promise is broken; the text begins with the invariant."""


class Crash(Exception):
    """The process is gone at this point."""


class Machine:
    """One agent with its disk; two machines may use one robot's name."""

    def __init__(self, world: "World", body: str, robot: str) -> None:
        self.world, self.name, self.robot = world, body, robot
        self.up = self.up_link = self.down_link = True
        self.events: list[OperationEvent] = []
        self.new_disk()

    def new_disk(self) -> None:
        """An empty journal with a new id."""
        world = self.world
        world.disks += 1
        self.file = JournalFile(":memory:", lambda: f"{self.name}-{world.disks}-{world.fresh()}")
        self.boot()

    def boot(self) -> None:
        """The process starts over what its disk says."""
        self.events.clear()
        self.body = Body(self.world, self)
        self.journal = Journal(self.file, self.robot, max_rows=60)
        profile = Profile(kind="agv", capabilities=CAPABILITIES, queues=("all",))
        rng = random.Random(self.world.random.random())
        self.core = AgentCore(self.robot, self.journal, self.body, profile, Timing(), rng, lambda: 0)
        self.up = True
        self.turn(lambda core: core.boot(self.world.now), lambda core: core.connected(self.world.now))

    def crash(self) -> None:
        """The process dies; its body stops moving."""
        self.up = False
        self.body.close()
        self.file.discard(self.robot)

    def turn(self, *acts: Callable[[AgentCore], None], listens: bool = True) -> None:
        """One transaction of the journal, then its effects; the process may die between any two of them."""
        if not self.up:
            return
        try:
            self.world.might_die(0.01)
            for act in acts:
                act(self.core)
            self.world.might_die(0.01)
            self.file.commit()
            self.world.check_deleted(self)
            for effect in self.core.take():
                self.world.might_die(0.01)
                self._do(effect)
        except Crash:
            self.crash()
        if self.events and listens:
            self.hear_body()

    def hear_body(self) -> None:
        """What the body said is taken in."""
        while self.up and self.events:
            self.turn(partial(self._tell, self.events.pop(0)), listens=False)

    def _tell(self, event: OperationEvent, core: AgentCore) -> None:
        core.operation(event, self.world.now)

    def _do(self, effect: object) -> None:
        if isinstance(effect, Send):
            if self.up_link:
                self.world.net.append(("controller", self.robot, effect.kind, effect.payload))
        elif isinstance(effect, DriverStart):
            self.body.start(effect.operation)
        elif isinstance(effect, DriverStop):
            self.body.stop(effect.key)
        elif isinstance(effect, DriverResume):
            self.body.resume(effect.operation)

    def step(self) -> None:
        """A little of its life: time, then the body."""
        self.turn(lambda core: core.tick(self.world.now))
        if self.up:
            self.body.step()
            self.hear_body()


class World:
    """Everything, with a clock that only the walk moves."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.random = random.Random(seed)
        self.now, self.chaos, self.disks, self._fresh = 1000.0, True, 0, 0
        self.net: list[tuple[str, str, str, bytes]] = []
        self.frailty = self.random.choice((0, 0.1, 0.1, 0.3, 1))
        self.linger = self.random.random() < 0.3
        self.connection = connect(":memory:")
        self.connection.deserialize(blank())
        self.up = False
        self.backup: sqlite3.Connection | None = None
        self.restored = False
        self.lost_disk: set[str] = set()
        self.finished: collections.Counter[tuple[int, str]] = collections.Counter()
        self.begun: collections.Counter[tuple[int, str, int]] = collections.Counter()
        self.moved: dict[str, set[int]] = collections.defaultdict(set)
        self.recorded: dict[str, int] = {}
        self.attempts: dict[int, str] = {}
        self.ended: dict[str, str] = {}
        self.wanted: dict[str, str] = {}
        self.word: dict[str, str] = {}
        """The end that persons want of a job, as far as the newest request was taken for certain."""
        self.by_person: set[str] = set()
        self.forced: set[str] = set()
        self.to_run_again: set[tuple[int, str, int]] = set()
        """(attempt, path, try) of failed runs whose block a person has asked to be run again."""
        self.machines: dict[str, Machine] = {}
        self.boot_controller()
        self.machines |= {name: Machine(self, name, name) for name in "ab"}
        if self.random.random() < 0.15:
            self.machines["a2"] = Machine(self, "a2", "a")
            self.machines["a2"].crash()
        self.ask("flow.save", flow="f", definition=FLOW)
        self.safe_share = self.random.choice((0.2, 0.6, 0.95))

    def fresh(self) -> int:
        """A number that was not used before."""
        self._fresh += 1
        return self._fresh

    def might_die(self, chance: float) -> None:
        """The process that runs now may be gone here."""
        if self.chaos and self.random.random() < chance * self.frailty:
            raise Crash

    # ------------------------------------------------------------ controller
    def boot_controller(self) -> None:
        """A fresh process over the same database."""
        if self.up:
            return
        self.up = True
        if self.connection.in_transaction:
            self.connection.execute("rollback")
        self.store = Store(self.connection)
        self.core = Core(self.store, CoreSettings(retry_first_s=0.5, refuse_first_s=2.0))
        self.turn(lambda core: core.start(self.instant()), lambda core: core.broker(True, self.instant()))

    def instant(self) -> Instant:
        """The present."""
        return Instant(self.now, 1_790_000_000_000_000 + int(self.now * 1e6))

    def turn(self, *acts: Callable[[Core], Any]) -> Any:
        """One transaction of the controller, then what leaves; it may die between any two steps.

        Returns what the first act returned, or None if the process died.
        """
        if not self.up:
            return None
        try:
            with self.store.transaction():
                answers = [act(self.core) for act in acts]
                self.might_die(0.01)
            self.committed()
            for out in self.core.take():
                self.might_die(0.004)
                self.publish(out)
        except Crash:
            self.lost_turn()
            self.up = False
            return None
        return answers[0]

    def lost_turn(self) -> None:
        """The process died; what it had not sent is gone (a mutant sends it all the same)."""

    def publish(self, out: Outgoing) -> None:
        """A message goes to a robot's name."""
        self.net.append(("robot", out.robot, out.kind, out.payload))

    def committed(self) -> None:
        """After each commit: what is recorded, and what new attempts may be."""
        for row in self.connection.execute("select journal, upto from journals"):
            self.recorded[row["journal"]] = max(self.recorded.get(row["journal"], 0), row["upto"])
        for row in self.connection.execute(
            "select a.number, a.robot, j.uid, j.safe from attempts a join jobs j on j.id = a.job where a.open = 1"
        ):
            if row["number"] not in self.attempts:
                self._new_attempt(row)
            self.attempts[row["number"]] = row["uid"]
        self._check_ends()

    def _new_attempt(self, row: sqlite3.Row) -> None:
        for machine in self.machines.values():
            if machine.robot == row["robot"] and machine.body.moving:
                raise Violation("I5 new work for a robot that moves")
        if self.word.get(row["uid"]) == "failed" and not self._was_refused(row["uid"]):
            raise Violation("E tried again, but a person wanted it to be failed")
        if self._was_undone(row["uid"], row["number"]):
            raise Violation("D a job that was undone is tried again")
        for number in self.moved[row["uid"]]:
            old = self.connection.execute("select ended_by from attempts where number = ?", (number,)).fetchone()
            failed = old is not None and old["ended_by"] == "failed"
            if not failed and not row["safe"] and row["uid"] not in self.by_person:
                raise Violation(
                    "P a new attempt by itself though something had moved and the job is not safe to repeat"
                )

    def _was_refused(self, uid: str) -> bool:
        """A robot of this job could not stop, which drops what a person wanted."""
        found = self.connection.execute(
            "select 1 from events e join jobs j on j.id = e.job where j.uid = ? and e.event = 'refused cancel'", (uid,)
        )
        return found.fetchone() is not None

    def _was_undone(self, uid: str, newest: int) -> bool:
        """The robot said of a live attempt of this job that it was undone; a person may release it all the same."""
        found = self.connection.execute(
            "select 1 from attempts a join jobs j on j.id = a.job join reports r on r.attempt = a.number"
            " where j.uid = ? and a.number < ? and a.ended_by = 'failed' and r.kind = 'failed'"
            " and json_extract(r.body, '$.rolled_back')",
            (uid, newest),
        ).fetchone()
        return found is not None and uid not in self.by_person

    def _check_ends(self) -> None:
        moving = {op.attempt for m in self.machines.values() for op in m.body.moving.values()}
        for row in self.connection.execute(
            "select uid, state, attempt, reason_code from jobs where ended_at is not null"
        ):
            if self.ended.setdefault(row["uid"], row["state"]) != row["state"]:
                raise Violation("I2 a terminal state changed")
            if row["attempt"] in moving and self.is_stopped(row):
                raise Violation(f"I9 {row['state']} while a robot runs it")
            if row["state"] == "cancelled" and self.word.get(row["uid"]) == "failed":
                raise Violation("E cancelled, but a person wanted it to be failed")

    def is_stopped(self, job: sqlite3.Row) -> bool:
        """Shown as ended because a person wanted so, with its robot's word for it."""
        if job["uid"] in self.forced or job["reason_code"] == "forced":
            return False
        return bool(job["state"] == "cancelled" or (job["state"] == "failed" and job["reason_code"] == SET_ERROR))

    def ask(self, command: str, **args: Any) -> Answer | None:
        """A person's or system's command."""
        frame = Frame(id=1, command=command, caller=Caller(name=PERSON), args=args)
        answer: Answer | None = self.turn(
            lambda core: core.command(self.instant(), frame), lambda core: core.tick(self.instant())
        )
        return answer

    def row(self, uid: str) -> sqlite3.Row | None:
        """A job."""
        found: sqlite3.Row | None = self.connection.execute("select * from jobs where uid = ?", (uid,)).fetchone()
        return found

    def jobs(self) -> list[sqlite3.Row]:
        """Every job."""
        return self.connection.execute("select * from jobs order by id").fetchall()

    def open_jobs(self) -> list[sqlite3.Row]:
        """Jobs that have not ended."""
        return [row for row in self.jobs() if row["state"] not in TERMINAL]

    # ------------------------------------------------------------ network
    def deliver(self, i: int | None = None) -> None:
        """One message arrives, in any order, perhaps again later."""
        if not self.net:
            return
        if i is None:
            i = self.random.randrange(len(self.net))
            if self.linger:  # in such histories old messages stay on their way for long
                i = max(i, self.random.randrange(len(self.net)))
        again = self.chaos and self.random.random() < 0.15
        to, robot, kind, payload = self.net[i] if again else self.net.pop(i)
        if to == "controller":
            if self.up:
                now = self.instant()
                self.turn(lambda core: core.receive(now, robot, kind, payload, False), lambda core: core.tick(now))
            elif not self.chaos:
                self.net.append((to, robot, kind, payload))
            return
        ears = [m for m in self.machines.values() if m.robot == robot and m.up and m.down_link]
        if self.random.random() >= 0.3:
            ears = ears[:1] if self.random.random() < 0.5 else ears[-1:]
        for machine in ears:
            machine.turn(lambda core: core.receive(kind, payload, self.now))

    # ------------------------------------------------------------ truth
    def is_requeued(self, attempt: int) -> bool:
        """Whether this attempt is given away when its robot is silent."""
        row = self.connection.execute("select requeue from attempts where number = ?", (attempt,)).fetchone()
        return bool(row and row["requeue"])

    def started(self, machine: Machine, operation: Operation) -> None:
        """A body begins to move: the moment most promises are about."""
        key = (operation.attempt, operation.path, operation.try_)
        self.begun[key] += 1
        uid = self.attempts.get(operation.attempt)
        if self.begun[key] > 1:
            raise Violation("I8 a block run started twice")
        if uid is None:
            return
        self.moved[uid].add(operation.attempt)
        row = self.row(uid)
        asked = (operation.attempt, operation.path, operation.try_ - 1) in self.to_run_again
        if operation.try_ and row and not row["safe"] and not asked:
            raise Violation("I8 a block ran again though nobody asked")
        for other in self.machines.values():
            if other is not machine and any(self.attempts.get(o.attempt) == uid for o in other.body.moving.values()):
                raise Violation("I7 two robots run one job")
        if row and row["attempt"] == operation.attempt and self.is_stopped(row):
            raise Violation("I9 a robot starts a job that has ended")

    def slips(self, _operation: Operation) -> bool:
        """This operation fails."""
        return self.chaos and self.random.random() < 0.08

    def check_deleted(self, machine: Machine) -> None:
        """A report leaves an agent's disk only when the controller has it."""
        if machine.journal.first - 1 > self.recorded.get(machine.journal.id, 0):
            raise Violation("I3 a journalled report was deleted before it was recorded")


def message(payload: bytes) -> dict[str, Any]:
    """A payload as JSON."""
    found: dict[str, Any] = json.loads(payload)
    return found
