"""A disk that is full, ails or is slow, and a database that somebody else has locked."""

import contextlib
import sqlite3
import subprocess
import time
from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path

from config.clock import steady
from tests.faults.bench import NotReady, Plan
from tests.faults.fault import Fault, Scene, Size
from tests.faults.isolation import inside
from tests.faults.network import HASTY
from tests.faults.pauses import BLAMED
from tests.faults.reader import Reader, Reads
from tests.faults.tampering import Tampering, dealt, met, unmet

TMPFS_MB = 48
BLOCK = b"\0" * 65_536
CONNECTED, AGENT_CONNECTED = "controller: connected to the broker", ": connected to the broker at"
FULL = "store.full"
"""The box's word for a disk that takes nothing."""
REFUSED_S = 20.0
BEFORE_S = 5.0
"""How long the reader of a slow disk reads before it is slow."""
READ_MS = 50.0


class FullDisk(Fault):
    """The box's disk is filled by somebody else to the last byte, and emptied again; meanwhile everybody wants more."""

    name = "disk-full"
    mutants = ("ack_before_commit",)
    quick, full = Size(2, 2, (1, 4)), Size(50, 10, (1, 10))

    def missing(self) -> str:
        return "" if inside() else "needs root, for a small disk of its own (tmpfs in a mount namespace)"

    def plan(self, folder: Path) -> Plan:
        self._disk = folder / "box"
        self._disk.mkdir(mode=0o700)
        options = f"size={TMPFS_MB}m,mode=0700"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(self._disk)], check=True)
        self._cycles: list[tuple[int, Reads]] = []
        return Plan()

    def inject(self, scene: Scene) -> None:
        with Reader(scene.bench, scene.folder / "reads") as reader:
            with contextlib.suppress(OSError), (self._disk / "somebody-elses-file").open("wb", buffering=0) as file:
                for piece in (BLOCK, b"\0"):
                    with contextlib.suppress(OSError):
                        while file.write(piece):
                            pass
            full, before = steady(), scene.load.refused[FULL]
            scene.load.presses.set()
            time.sleep(scene.lasts())
            # Answers come late on a busy machine: the disk stays full until one was seen, or none will come.
            with contextlib.suppress(NotReady):
                scene.bench.wait_for(lambda: scene.load.refused[FULL] > before, REFUSED_S, "a refusal")
                scene.bench.wait_for(lambda: reader.within(full, steady()).good, REFUSED_S, "a good read")
            scene.load.presses.clear()
            self._cycles.append((scene.load.refused[FULL] - before, reader.within(full, steady())))

    def heal(self, scene: Scene) -> None:
        (self._disk / "somebody-elses-file").unlink()

    def judge(self, scene: Scene) -> Iterator[str]:
        yield from full_enough(self._cycles)

    def note(self, scene: Scene) -> str:
        refused, good = sum(n for n, _ in self._cycles), sum(len(reads.good) for _, reads in self._cycles)
        return f"while it was full {refused} submissions refused, {good} good reads in the last box"

    def close(self) -> None:
        subprocess.run(["umount", "-l", str(self._disk)], check=False)


def full_enough(cycles: list[tuple[int, Reads]]) -> Iterator[str]:
    """What (refusals, reads) of each cycle lack."""
    for number, (refused, reads) in enumerate(cycles, 1):
        if not refused:
            yield f"no submission was refused in cycle {number}: the disk was not full"
        if not reads.good:
            yield f"nothing could be read while the disk was full, in cycle {number}"


class Traced(Fault):
    """The controller's system calls are tampered with for a while."""

    tools = ("strace",)

    @abstractmethod
    def tampering(self, scene: Scene) -> str:
        """What strace is to inject this time."""

    def inject(self, scene: Scene) -> None:
        self._tampering = Tampering(scene.bench.pid("controller"), self.tampering(scene), scene.folder / "calls")
        time.sleep(scene.lasts())

    def heal(self, scene: Scene) -> None:
        self._tampering.end()


class ControllerDiskErrors(Traced):
    """Each cycle another of the controller's calls fails; the box goes on, or its controller is started again."""

    name = "disk-errors"
    mutants = ("ack_before_commit",)
    quick, full = Size(3, 3, (1, 3)), Size(50, 10, (1, 10))

    def plan(self, folder: Path) -> Plan:
        self._met: dict[str, list[int]] = {}
        self._turns: list[str] = []
        return super().plan(folder)

    def tampering(self, scene: Scene) -> str:
        return dealt(self._turns, scene)

    def heal(self, scene: Scene) -> None:
        super().heal(scene)
        self._met.setdefault(self._tampering.what, []).append(self._tampering.met())

    def judge(self, scene: Scene) -> Iterator[str]:
        yield from unmet(self._met)

    def note(self, scene: Scene) -> str:
        return met(self._met)


class AgentDiskErrors(Fault):
    """The same on every robot that has a process of its own, each with another call; some are killed while it fails."""

    name = "agent-disk-errors"
    mutants = ("agent_forgets_unwritten",)
    tools = ("strace",)
    quick, full = Size(2, 2, (2, 4)), Size(50, 10, (2, 10))
    _killed = 0.5

    def sharpen(self) -> None:
        """What was said and is not on the disk shows when the memory is gone, too."""
        self._killed = 1.0

    def plan(self, folder: Path) -> Plan:
        self._met: dict[str, list[int]] = {}
        self._turns: list[str] = []
        self._ended: list[str] = []
        return super().plan(folder)

    def inject(self, scene: Scene) -> None:
        own = {name: agents for name, agents in scene.bench.agents.items() if name != "shared"}
        self._tampered = [
            (agents, Tampering(agents.pid, dealt(self._turns, scene), scene.folder / f"calls-{name}"))
            for name, agents in own.items()
        ]
        time.sleep(scene.lasts())

    def heal(self, scene: Scene) -> None:
        """What has ended itself is started again, as systemd would."""
        for agents, tampering in self._tampered:
            if not agents.runs():
                agents.ended()
                self._ended.append(agents.name)
            elif scene.dice.random() < self._killed:
                agents.kill()
            tampering.end()
            self._met.setdefault(tampering.what, []).append(tampering.met())
        self._restart(scene)

    def _restart(self, scene: Scene) -> None:
        for agents in scene.bench.agents.values():
            if not agents.runs():
                agents.ended()
                agents.start()

    def person(self, scene: Scene) -> None:
        """One that was starting when its disk failed may end itself later."""
        self._restart(scene)

    def judge(self, scene: Scene) -> Iterator[str]:
        yield from unmet(self._met)

    def note(self, scene: Scene) -> str:
        return f"{met(self._met)}; {len(self._ended)} agents ended themselves in the last box"


class SlowDisk(Traced):
    """Each sync takes 300 ms: nothing expires, robots stay connected, pages are read as before."""

    name = "slow-disk"
    mutants = ("a_turn_each",)
    quick, full = Size(1, 1, (12, 12)), Size(10, 2, (60, 60))

    def tampering(self, scene: Scene) -> str:
        return "fdatasync:delay_enter=300000"

    def plan(self, folder: Path) -> Plan:
        self._reads: list[tuple[Reads, Reads]] = []
        self._connects: tuple[int, int] | None = None
        return Plan(settings={} if self.is_full else HASTY)

    def inject(self, scene: Scene) -> None:
        self._connects = self._connects or _connects(scene)
        with Reader(scene.bench, scene.folder / "reads") as reader:
            calm = steady()
            time.sleep(BEFORE_S)
            slow = steady()
            super().inject(scene)
            self._reads.append((reader.within(calm, slow), reader.within(slow, steady())))

    def judge(self, scene: Scene) -> Iterator[str]:
        for row in scene.bench.rows(BLAMED):
            yield f"I16 false expiry on a slow disk: {row['event']} ({row['code']}) of {row['robot']}"
        before, now = self._connects or (0, 0), _connects(scene)
        if now[0] != before[0]:
            yield "the controller lost its broker on a slow disk"
        if now[1] != before[1]:
            yield f"agents connected {now[1] - before[1]} times anew on a slow disk"
        if not self._tampering.met():
            yield "no sync was delayed: the disk was not slow"
        yield from slowed(self._reads, self.is_full)

    def note(self, scene: Scene) -> str:
        parts = (f"{slow} meanwhile, {calm} before" for calm, slow in self._reads)
        return f"reads: {'; '.join(parts)}"


def slowed(reads: list[tuple[Reads, Reads]], is_full: bool) -> Iterator[str]:
    """What is wrong with what was read (before, on the slow disk) in each cycle; times count at full size alone."""
    for calm, slow in reads:
        if slow.wrong:
            yield f"on a slow disk {slow.wrong}"
        elif is_full and slow.p95_ms >= (limit := max(READ_MS, 3 * calm.p95_ms if calm.good else 0.0)):
            yield f"reads on a slow disk: {slow}; it was {calm} before, and {limit:.0f} ms is the limit"


class Locked(Fault):
    """Another process holds the database for writing."""

    name = "locked-database"
    mutants = ("keys_forgotten",)
    quick, full = Size(2, 2, (2, 7)), Size(50, 10, (2, 20))

    def inject(self, scene: Scene) -> None:
        with contextlib.closing(sqlite3.connect(scene.bench.database, timeout=30, isolation_level=None)) as db:
            db.execute("begin immediate")
            time.sleep(scene.lasts())
            db.execute("rollback")

    def heal(self, scene: Scene) -> None:
        """It let go."""


def _connects(scene: Scene) -> tuple[int, int]:
    """How often the controller, and how often agents have connected to the broker, by their logs."""
    logs = [scene.folder / "logs" / "log", *(agents.folder / "log" for agents in scene.bench.agents.values())]
    box, *agents = (log.read_text(errors="replace") for log in logs)
    return box.count(CONNECTED), sum(text.count(AGENT_CONNECTED) for text in agents)


DISKS: tuple[Fault, ...] = (FullDisk(), ControllerDiskErrors(), AgentDiskErrors(), SlowDisk(), Locked())
