"""Random fault histories over the real cores, then healing, and what must be true in the end."""

import random
import sqlite3
from functools import cached_property
from typing import Any, ClassVar

from controller.store.connection import Store
from edge_agent.operations import Operation
from schemas.status import TERMINAL, JobState
from tests.model.world import BLOCKS, UNDOES, Machine, Violation, World, message

FORCE_S = 30


class Walk(World):
    """One history; every seed has its own mix of acts."""

    ACTS = (
        ("submit", 5), ("deliver", 70), ("lose", 4), ("step", 24), ("agent_crash", 2), ("agent_boot", 6), ("flip", 3),
        ("tick_controller", 10), ("cancel", 2), ("operate", 6), ("force", 2), ("again", 3), ("tick", 9),
        ("controller_crash", 1), ("boot_controller", 4), ("take_backup", 1), ("restore", 0.2), ("agent_disk", 0.2),
        ("chat", 2), ("toggle", 0.5), ("round", 12), ("long_silence", 2), ("rubbish", 1),
    )  # fmt: skip

    FOCI: tuple[dict[str, float], ...] = (
        {},
        {"again": 3, "agent_boot": 2, "boot_controller": 2},
        {"long_silence": 5, "submit": 2, "boot_controller": 2},
        {"operate": 5, "cancel": 3, "lose": 3, "tick_controller": 2},
    )
    """Some histories are about restores, some about silence, some about commands; `seed % 4` says which."""

    PATIENT: ClassVar[dict[str, float]] = {"operate": 4, "round": 4, "cancel": 0.3, "agent_disk": 0, "rubbish": 0.2}
    """What debugging takes."""

    def run(self, steps: int = 200) -> None:
        """Walk, heal, judge."""
        focus = self.FOCI[self.seed % 4]
        names = [name for name, _ in self.ACTS]
        weights = [
            weight * focus.get(name, 1) * self.random.choice((0.1, 0.5, 1, 1, 3, 6)) for name, weight in self.ACTS
        ]
        old = self.random.choice((9, 30, 60) if self.seed % 4 == 1 else (0, 0, 0, 9, 60, 120))
        if self.seed % 4 == 2:
            self.safe_share = 0.97
        if self.is_debugging:
            old = old if self.luck.random() < 0.2 else 0
            weights = [weight * self.PATIENT.get(name, 1) for name, weight in zip(names, weights, strict=True)]
        for i in range(steps):
            if old and i in (old, old + 60):  # in some histories yesterday's backup comes back
                self.take_backup() if i == old else self.restore()
            if old and i < 4:
                self.submit()
            getattr(self, self.random.choices(names, weights)[0])()
        self.heal()

    @property
    def is_debugging(self) -> bool:
        """In one history of five most jobs are debugged; the dice for that are their own, so that others stay."""
        return self.seed % 5 == 4

    def slips(self, operation: Operation) -> bool:
        """Where blocks are debugged the last one often fails, also when all else is calm."""
        if not self.is_debugging:
            return super().slips(operation)
        often = operation.path == BLOCKS[-1] and operation.try_ < 3
        return self.luck.random() < (0.7 if often else 0.15 if self.chaos else 0)

    @cached_property
    def commands(self) -> list[tuple[str, str, str, bytes]]:
        """Commands to robots that were delivered."""
        return []

    @cached_property
    def luck(self) -> random.Random:
        """What decides about debug mode."""
        return random.Random(f"debug {self.seed}")

    # ------------------------------------------------------------ acts
    def machine(self) -> Machine:
        """Some machine."""
        return self.random.choice(list(self.machines.values()))

    def submit(self) -> None:
        """A new job, as long as few are open."""
        if len(self.open_jobs()) < 4 and len(self.jobs()) < 8:
            safe = self.random.random() < self.safe_share
            requeue = safe and self.random.random() < self.safe_share
            self.ask(
                "job.submit", flow="f", target={"queue": "all"}, priority=self.random.choice((1, 2, 3)),
                max_retries=self.random.choice((0, 1, 3)), safe_to_repeat=safe,
                on_lost="requeue" if requeue else "hold",
                debug=self.is_debugging and self.luck.random() < 0.7,
            )  # fmt: skip

    def lose(self) -> None:
        """A message is lost, or the broker with all of them."""
        if self.net and self.random.random() < 0.1:
            self.net.clear()
        elif self.net:
            self.net.pop(self.random.randrange(len(self.net)))

    def step(self) -> None:
        """Some machine goes on."""
        self.machine().step()

    def agent_crash(self) -> None:
        """An agent dies between two turns."""
        machine = self.machine()
        if machine.up:
            machine.crash()

    def agent_boot(self) -> None:
        """An agent starts again."""
        machine = self.machine()
        if not machine.up:
            machine.boot()

    def agent_disk(self) -> None:
        """A disk is replaced."""
        machine = self.machine()
        machine.crash()
        self.lost_disk.add(machine.robot)
        machine.new_disk()

    def flip(self) -> None:
        """A machine's radio goes or comes, one way or both."""
        machine = self.machine()
        way = self.random.choice((("up_link",), ("down_link",), ("up_link", "down_link")))
        value = not getattr(machine, way[0])
        for link in way:
            setattr(machine, link, value)

    def tick_controller(self) -> None:
        """The controller looks at its clocks."""
        self.turn(lambda core: core.tick(self.instant()))

    def tick(self, seconds: float | None = None) -> None:
        """Time passes; leases end on time, whatever else an agent does."""
        self.now += self.random.choice((1, 1, 2, 3, 5, 9)) if seconds is None else seconds
        for machine in self.machines.values():
            machine.turn(lambda core: core.fence(self.now))

    def controller_crash(self) -> None:
        """The controller dies between two turns."""
        self.up = False

    def chat(self) -> None:
        """Logs fill a journal, so that it is thinned."""
        machine = self.machine()
        hand = next(iter(machine.core.hands), None)
        if machine.up and hand is not None:
            for _ in range(30):
                machine.turn(lambda _core: hand.desk.log("-1/2", 1, "print", text="still here"))

    def toggle(self) -> None:
        """A person disables or enables a robot."""
        robot = self.random.choice("ab")
        self.ask(f"robot.{self.random.choice(('enable', 'drain', 'disable'))}", robot=robot)

    def rubbish(self) -> None:
        """Something unreadable arrives in a robot's name."""
        kind = self.random.choice(("heartbeat", "block-status", "log"))
        self.net.append(("controller", self.random.choice("ab"), kind, self.random.choice((b"{", b"[[", b'{"v":1}'))))

    def again(self) -> None:
        """A machine's connection comes back, so it sends everything that is open."""
        machine = self.machine()
        machine.turn(lambda core: core.disconnected(self.now), lambda core: core.connected(self.now))

    def round(self) -> None:
        """A calm second: without it few histories get far."""
        for machine in self.machines.values():
            machine.step()
        self.tick_controller()
        for _ in range(len(self.net)):
            if self.net and self.random.random() < 0.95:
                self.deliver(None if self.linger else 0)
        self.tick(1)

    def long_silence(self) -> None:
        """A machine that moves drives through a hole in the radio for half a minute."""
        moving = [m for m in self.machines.values() if m.body.moving]
        machine = self.random.choice(moving or list(self.machines.values()))
        machine.up_link, machine.down_link = False, self.random.random() < 0.6
        for key in machine.body.until:
            machine.body.until[key] += self.random.choice((0, 90))  # a long way
        for _ in range(20):
            self.tick(1)
            self.tick_controller()
            self.round()

    def deliver(self, i: int | None = None) -> None:
        """Where blocks are debugged, commands may arrive once more at any later time."""
        if self.is_debugging and self.net and self.luck.random() < 0.05 and self.commands:
            self.net.append(self.luck.choice(self.commands))
        before = [message for message in self.net if message[2] == "control"] if self.is_debugging else []
        super().deliver(i)
        self.commands += [message for message in before if message not in self.net]

    # ------------------------------------------------------------ persons
    def cancel(self) -> None:
        """A person cancels some job."""
        jobs = self.jobs()
        if jobs:
            uid = self.random.choice(jobs)["uid"]
            if self.is_debugging:
                self.wanted.pop(uid, None)
            self.ask("job.cancel", job=uid)

    def operate(self) -> None:
        """Pause and resume; decide about blocks that failed in debug mode."""
        for row in self.open_jobs():
            if row["failed_path"] is not None and row["state"] == "paused" and self.luck.random() < 0.6:
                self.decide(row)
                return
            if self.is_debugging and self.luck.random() < 0.8:
                continue  # who debugs seldom pauses
            if row["state"] in ("running", "paused") and self.random.random() < 0.5:
                what = "pause" if row["state"] == "running" else "resume"
                if what == "resume" or self.chaos:
                    answer = self.ask(f"job.{what}", job=row["uid"])
                    if answer is not None and answer.ok is not None:
                        self.wanted[row["uid"]] = what
                return

    def decide(self, row: sqlite3.Row) -> None:
        """The failed block is run again, or everything undone; sometimes the person presses twice."""
        rerun = self.luck.random() < 0.6
        run = self.connection.execute(
            "select n, try from block_runs where attempt = ? and path = ? order by n desc",
            (row["attempt"], row["failed_path"]),
        ).fetchone()
        if rerun:
            self.to_run_again.add((row["attempt"], row["failed_path"], run["try"]))
        for _ in range(self.luck.choice((1, 1, 2))):
            self.wanted.pop(row["uid"], None)
            if rerun:
                answer = self.ask("job.rerun_block", job=row["uid"], run=f"{row['attempt']}.{run['n']}")
            else:
                answer = self.ask("job.rollback", job=row["uid"])
            if answer is not None and answer.ok is not None:
                self.wanted[row["uid"]] = f"{row['attempt']} {row['failed_path']} {run['try']}"

    def force(self) -> None:
        """A person's word where no robot answers."""
        for row in self.open_jobs():
            if row["state"] in ("uncertain", "cancelling") and self.random.random() < 0.4:
                outcome = self.random.choice(("cancelled", "failed"))
                self.forced.add(row["uid"])
                answer = self.ask("job.force", job=row["uid"], outcome=outcome, reason="seen on site")
                if answer is not None and answer.error is not None:
                    self.forced.discard(row["uid"])
                return

    def person(self) -> None:
        """Decides what only a person may."""
        self.force()
        self.operate()
        for row in self.connection.execute("select distinct robot from holds").fetchall():
            bodies = [m for m in self.machines.values() if m.robot == row["robot"]]
            if not any(m.body.moving or len(m.core.hands) for m in bodies):
                self.ask("robot.release", robot=row["robot"], reason="looked at it")
        for job in self.open_jobs():
            if job["parked"]:
                self.by_person.add(job["uid"])
                self.ask("job.release", job=job["uid"], reason="it did not run")

    # ------------------------------------------------------------ backup
    def take_backup(self) -> None:
        """A copy of the database as it is now."""
        if self.up:
            self.backup = sqlite3.connect(":memory:", isolation_level=None)
            self.connection.backup(self.backup)

    def restore(self) -> None:
        """The old copy comes back under live robots; the incarnation is raised."""
        if self.backup is None or self.restored:
            return
        newest = self.store.incarnation
        self.up, self.restored = False, True
        if self.connection.in_transaction:
            self.connection.execute("rollback")
        self.backup.backup(self.connection)
        self.ended, self.forced = {}, set()
        self.prepare_restore(newest)
        self.boot_controller()

    def prepare_restore(self, newest: int) -> None:
        """What `restore` does before the controller starts."""
        store = Store(self.connection)
        store.incarnation = max(store.incarnation, newest)
        store.raise_incarnation()
        self.connection.execute("insert or replace into meta values ('restored', 1)")

    # ------------------------------------------------------------ healing
    def heal(self) -> None:
        """No more faults: 90 s without persons, then persons decide; all must settle."""
        self.no_lost_command()
        self.chaos = False
        twin = self.machines.pop("a2", None)
        for robot in "ab":
            self.boot_controller()
            self.ask("robot.enable", robot=robot)
        for machine in self.machines.values():
            machine.up_link = machine.down_link = True
            machine.body.until = dict.fromkeys(machine.body.until, 0.0)
        for second in range(260 if self.is_debugging else 130):
            self.calm_round(persons=second > 45)
            if second == 45:
                self.legal(twin is not None)
            if self.settled():
                break
        self.final()

    def calm_round(self, *, persons: bool) -> None:
        """Two seconds in which everything works."""
        self.boot_controller()
        for machine in self.machines.values():
            if not machine.up:
                machine.boot()
            machine.step()
        self.tick_controller()
        if persons:
            self.person()
        for _ in range(3000):
            if not self.net:
                break
            self.deliver(0)
        self.tick(2)

    def settled(self) -> bool:
        """Nothing is open anywhere."""
        outbox = self.connection.execute("select count(*) as n from outbox").fetchone()["n"]
        holds = self.connection.execute("select count(*) as n from holds").fetchone()["n"]
        rows = any(m.journal.first <= m.journal.head for m in self.machines.values())
        return not (self.open_jobs() or outbox or holds or rows)

    def no_lost_command(self) -> None:
        """A command that its robot never heard still stands in the outbox, or is on its way."""
        held = {h.attempt: h.held.command for m in self.machines.values() for h in m.core.hands}
        for row in self.open_jobs():
            if row["state"] in ("running", "paused") and row["command"] > held.get(row["attempt"], row["command"]):
                stands = self.connection.execute(
                    "select 1 from outbox where attempt = ? and topic <> 'assign'", (row["attempt"],)
                ).fetchone()
                flies = any(
                    k in ("control", "cancel") and message(p).get("attempt") == row["attempt"]
                    for _, _, k, p in self.net
                )
                if not stands and not flies and not self.restored:
                    raise Violation("C a command is lost")

    def legal(self, twin: bool) -> None:
        """90 s after the last fault: whoever still waits needs a person, and says why."""
        if self.lost_disk or twin or self.restored:
            return
        held = {h.attempt: h for m in self.machines.values() for h in m.core.hands}
        for row in self.open_jobs():
            self._legal(row, held.get(row["attempt"]))

    def _legal(self, row: sqlite3.Row, hand: Any) -> None:
        state = JobState(row["state"])
        if state in (JobState.RUNNING, JobState.ASSIGNED, JobState.CANCELLING):
            raise Violation(f"I10 a job hangs in {state} without a reason")
        if state == JobState.UNCERTAIN:
            raise Violation("I10 uncertain although its robot is back")
        failed = hand is not None and hand.held.failed is not None
        if hand is not None and not failed and state == JobState.PAUSED and self.wanted.get(row["uid"]) == "resume":
            raise Violation("C the last command (resume) is not in force")
        if hand is not None and state == JobState.PAUSED and failed:
            waits = hand.flow.failed
            if self.wanted.get(row["uid"]) == f"{hand.attempt} {waits.path} {waits.try_}":
                raise Violation("C what was decided about a failed block is not in force")
            if row["failed_path"] != hand.held.failed:
                raise Violation("D a person cannot see which block waits")
        if state == JobState.QUEUED and not row["parked"]:
            holds = {r["robot"] for r in self.connection.execute("select robot from holds")}
            busy = {r["robot"] for r in self.connection.execute("select robot from attempts where open = 1")}
            if {"a", "b"} - holds - busy:
                raise Violation("I10 queued without a reason")

    def final(self) -> None:
        """What must be true once all has healed."""
        stuck = [(row["state"], row["reason"]) for row in self.open_jobs()]
        if stuck:
            raise Violation(f"I10 stuck after healing: {stuck}")
        if any(m.journal.first <= m.journal.head for m in self.machines.values()):
            raise Violation("I3 a journalled report is never recorded")
        if self.connection.execute("select 1 from outbox").fetchone():
            raise Violation("I12 an outbox row never leaves")
        if self.connection.execute("select 1 from holds").fetchone() or self.core.desk.memory.live:
            raise Violation("I10 a robot is never freed")
        for row in self.jobs():
            self._true(row)
        self._reports_are_whole()
        self._debugged()
        self._memory_agrees()

    def _debugged(self) -> None:
        """In debug mode a failure ends nothing before a person says so; then what has finished is undone."""
        ends = self.connection.execute(
            "select r.attempt, coalesce(json_extract(r.body, '$.rolled_back'), 0) as undone from reports r"
            " join attempts a on a.number = r.attempt join jobs j on j.id = a.job"
            " where r.kind = 'failed' and j.debug = 1"
        ).fetchall()
        for end in ends:
            if not end["undone"]:
                raise Violation("D a failed block ended a job in debug mode, and nobody had decided so")
            if self.restored:
                continue  # what was said between backup and restore is a gap on record
            runs = self.connection.execute(
                "select path, status from block_runs where attempt = ? and state = 'succeeded'", (end["attempt"],)
            )
            for run in runs.fetchall():
                self._undone(end["attempt"], run["path"], run["status"])

    def _undone(self, attempt: int, path: str, status: str) -> None:
        undo = UNDOES.get(path)
        if undo is not None and status not in ("rollback.success", "rollback.failed"):
            raise Violation("D what has finished was not undone")
        if undo is not None and status == "rollback.success" and self.finished[(attempt, undo)] != 1:
            raise Violation("T undone on the screen, but it was not")

    def _reports_are_whole(self) -> None:
        """Every number up to `upto` is a report, part of a thinned span, or a gap on record."""
        for journal in self.connection.execute("select id, upto from journals").fetchall():
            rows = self.connection.execute(
                "select seq, coalesce(json_extract(body, '$.to'), seq) as last from reports where journal = ?"
                " union all select first, last from gaps where journal = ?",
                (journal["id"], journal["id"]),
            )
            found = {seq for row in rows for seq in range(row["seq"], row["last"] + 1)}
            if found != set(range(1, journal["upto"] + 1)):
                raise Violation("I3 a report was passed over")

    def _true(self, row: sqlite3.Row) -> None:
        if row["state"] == "cancelled" and row["reason_code"] != "forced" and row["attempt"]:
            ends = [m.journal.ended(row["attempt"]) for m in self.machines.values()]
            if any(end is not None and end.kind == "succeeded" for end in ends):
                raise Violation("T shown cancelled, but it had succeeded")
        if row["state"] == "succeeded":
            if any(not self.finished[(row["attempt"], path)] for path in BLOCKS):
                raise Violation("T succeeded on the screen, but it never ran")
            if not self.lost_disk and not self.restored:
                self._recorded(row)

    def _recorded(self, row: sqlite3.Row) -> None:
        runs = self.connection.execute(
            "select path, count(*) as n from block_runs where attempt = ? and state = 'succeeded' and n > 0"
            " group by path",
            (row["attempt"],),
        )
        found = {r["path"]: r["n"] for r in runs}
        if any(found.get(path) != 1 for path in BLOCKS):
            raise Violation(f"I4 an effect is recorded {found}")

    def _memory_agrees(self) -> None:
        """What the controller believes is what its store says."""
        free = {r for targets in self.core.desk.memory.free.values() for r in targets}
        heard = {name for name, robot in self.core.desk.memory.robots.items() if robot.beat is not None}
        if free != heard or any(state not in TERMINAL for state in (JobState(r["state"]) for r in self.jobs())):
            raise Violation("I10 memory and store differ")
