"""Random fault histories over the real cores, then healing, and what must be true in the end."""

import sqlite3
from functools import cached_property
from typing import ClassVar

from controller.store.connection import Store
from edge_agent.operations import Operation
from tests.model.bodies import BLOCKS
from tests.model.judge import Judge
from tests.model.world import Machine

FORCE_S = 30


class Walk(Judge):
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
            self.blame_somebody()
            getattr(self, self.random.choices(names, weights)[0])()
        self.heal()

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
        self.drive_on(machine, self.random.choice((0, 90)))

    def drive_on(self, machine: Machine, longer: float) -> None:
        """Half a minute passes while a machine moves on a long way."""
        for key in machine.body.until:
            machine.body.until[key] += longer
        for _ in range(20):
            self.tick(1)
            self.tick_controller()
            self.round()
            self.blame_somebody()

    def blame_somebody(self) -> None:
        """In some histories somebody now and then ends a job as failed, and its robot may not hear of it for long."""
        if self.blame.random() >= self.blames:
            return
        robot = self.set_error()
        if robot is not None and self.blame.random() < 0.2:
            machine = self.machines[robot]
            machine.down_link, often, self.blames = False, self.blames, 0.0
            self.submit()
            self.drive_on(machine, 90)
            self.blames = often

    def deliver(self, i: int | None = None) -> None:
        """Where blocks are debugged, commands may arrive once more at any later time."""
        if self.is_debugging and self.net and self.luck.random() < 0.05 and self.commands:
            self.net.append(self.luck.choice(self.commands))
        before = [message for message in self.net if message[2] == "control"] if self.is_debugging else []
        super().deliver(i)
        self.commands += [message for message in before if message not in self.net]

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
        self.word.clear()
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
