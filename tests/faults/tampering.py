"""Disk errors that strace puts into a running process, dealt out by dice, and how many calls met them."""

import signal
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.faults.fault import Scene

ERRORS = ("fdatasync:error=EIO", "pwrite64:error=EIO", "pwrite64:error=ENOSPC")
INJECTED = "(INJECTED)"
DELAYED = "(DELAYED)"


class Tampering:
    """One process and one kind of call, from now until `end`."""

    def __init__(self, pid: int, what: str, calls: Path) -> None:
        self.what, self._calls = what, calls
        calls.unlink(missing_ok=True)
        call = what.partition(":")[0]
        command = ["strace", "-f", "-qq", "-s", "8", "-o", str(calls), "-e", f"trace={call}", "-e", f"inject={what}"]
        self._strace = subprocess.Popen([*command, "-p", str(pid)], stdin=subprocess.DEVNULL)

    def end(self) -> None:
        """Let go of the process, if it still runs."""
        self._strace.send_signal(signal.SIGTERM)
        self._strace.wait()

    def met(self) -> int:
        """How many calls met it."""
        if not self._calls.exists():
            return 0
        lines = self._calls.read_text(errors="replace").splitlines()
        return sum(INJECTED in line or DELAYED in line for line in lines)


def dealt(left: list[str], scene: Scene) -> str:
    """The next kind of error; each comes once before any comes again."""
    if not left:
        left.extend(scene.dice.sample(ERRORS, len(ERRORS)))
    return left.pop()


def unmet(counts: Mapping[str, list[int]]) -> Iterator[str]:
    """Kinds of errors that were dealt and met no call: the fault did not happen."""
    for what, met_by in counts.items():
        if not any(met_by):
            yield f"no call met {what}: the disk did not fail"


def met(counts: Mapping[str, list[int]]) -> str:
    """For the table."""
    return ", ".join(f"{what} met by {sum(met_by)}" for what, met_by in sorted(counts.items()))
