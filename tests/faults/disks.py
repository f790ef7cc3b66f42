"""A disk that is full, ails or is slow, and a database that somebody else has locked."""

import contextlib
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.faults.bench import Plan
from tests.faults.fault import Fault, Scene, Size
from tests.faults.isolation import inside
from tests.faults.network import HASTY
from tests.faults.pauses import BLAMED

TMPFS_MB = 48
BLOCK = b"\0" * 65_536
CONNECTED = "controller: connected to the broker"


class FullDisk(Fault):
    """The box's disk is filled by somebody else to the last byte, and emptied again."""

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
        return Plan()

    def inject(self, scene: Scene) -> None:
        with contextlib.suppress(OSError), (self._disk / "somebody-elses-file").open("wb", buffering=0) as file:
            for piece in (BLOCK, b"\0"):
                with contextlib.suppress(OSError):
                    while file.write(piece):
                        pass
        time.sleep(scene.lasts())

    def heal(self, scene: Scene) -> None:
        (self._disk / "somebody-elses-file").unlink()

    def judge(self, scene: Scene) -> Iterator[str]:
        if not any(seen == 503 or seen == 507 for seen in scene.load.statuses):
            yield "no request was refused: the disk was not full"

    def close(self) -> None:
        subprocess.run(["umount", "-l", str(self._disk)], check=False)


class Traced(Fault):
    """The controller's system calls are tampered with for a while."""

    tools = ("strace",)
    tampering = ""
    _strace: subprocess.Popen[bytes] | None = None

    def inject(self, scene: Scene) -> None:
        pid = scene.bench.pid("controller")
        call = self.tampering.partition(":")[0]
        command = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={self.tampering}"]
        self._strace = subprocess.Popen([*command, "-p", str(pid)], stdin=subprocess.DEVNULL)
        time.sleep(scene.lasts())

    def heal(self, scene: Scene) -> None:
        if self._strace is not None:
            self._strace.send_signal(signal.SIGTERM)
            self._strace.wait()
            self._strace = None


class SyncFails(Traced):
    name = "disk-errors"
    mutants = ("ack_before_commit",)
    quick, full = Size(2, 2, (1, 3)), Size(50, 10, (1, 10))
    tampering = "fdatasync:error=EIO"


class SlowDisk(Traced):
    """Each sync takes 300 ms: nothing expires, robots stay connected, pages are read as before."""

    name = "slow-disk"
    mutants = ("a_turn_each",)
    quick, full = Size(1, 1, (12, 12)), Size(10, 2, (60, 60))
    tampering = "fdatasync:delay_enter=300000"

    def plan(self, folder: Path) -> Plan:
        return Plan(settings={} if self.is_full else HASTY)

    def inject(self, scene: Scene) -> None:
        self._before = _connects(scene)
        self._reads = scene.load.reads
        self._reads.clear()
        super().inject(scene)
        self._slow = sorted(self._reads)

    def judge(self, scene: Scene) -> Iterator[str]:
        for row in scene.bench.rows(BLAMED):
            yield f"I16 false expiry on a slow disk: {row['event']} ({row['code']}) of {row['robot']}"
        if _connects(scene) != self._before:
            yield "the controller lost its broker on a slow disk"

    def note(self, scene: Scene) -> str:
        if not self._slow:
            return ""
        p95 = self._slow[int(len(self._slow) * 0.95)] * 1000
        return f"reads meanwhile: p95 {p95:.0f} ms of {len(self._slow)}"


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


def _connects(scene: Scene) -> int:
    return (scene.folder / "logs" / "log").read_text(errors="replace").count(CONNECTED)


DISKS: tuple[Fault, ...] = (FullDisk(), SyncFails(), SlowDisk(), Locked())
