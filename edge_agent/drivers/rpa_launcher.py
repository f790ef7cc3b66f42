"""A process around one command: it ends the command's whole tree when told to, or when its agent is gone.

It reads one line of JSON {argv, cwd, result, output} and starts the command; whatever comes next on its standard
input, the end above all, means *stop*. It is the parent of every descendant (Linux: also of orphaned ones), so
nothing that the command starts outlives it.
"""

import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from edge_agent.drivers.rpa_runs import write_json

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36


def main() -> None:
    line = sys.stdin.buffer.readline()
    if line.endswith(b"\n"):  # else the agent was gone before it said what to do
        _run(json.loads(line))


def _run(task: dict[str, Any]) -> None:
    die_with_launcher = _contain()
    try:
        command = subprocess.Popen(
            task["argv"],
            cwd=task["cwd"],
            stdin=subprocess.DEVNULL,
            preexec_fn=die_with_launcher,  # noqa: PLW1509 - this process has one thread so far
        )
    except (OSError, ValueError) as error:
        write_json(Path(task["result"]), {"problem": str(error)})
        return
    stop = _Stop()
    stop.listen()
    code = command.wait()
    # Asked to stop or not: a command that had ended by itself before is not called stopped.
    stopped = stop.asked and (sys.platform == "win32" or code == -signal.SIGKILL)
    end_descendants()
    _sync(Path(task["output"]))
    write_json(Path(task["result"]), {"exit_code": code, "stopped": stopped})


class _Stop:
    """The order to stop, from the standard input or as a signal."""

    def __init__(self) -> None:
        self.asked = False

    def listen(self) -> None:
        signal.signal(signal.SIGTERM, lambda *_: self.order())
        threading.Thread(target=self._read, daemon=True).start()

    def order(self) -> None:
        self.asked = True
        end_descendants()

    def _read(self) -> None:
        os.read(sys.stdin.fileno(), 1)  # not through the buffer: its lock would still be held at exit
        self.order()


def end_descendants() -> None:
    """Kill everything below this process; returns when nothing of it lives."""
    me = psutil.Process()
    while living := [child for child in me.children(recursive=True) if _lives(child)]:
        for child in living:
            try:
                child.kill()
            except psutil.Error:
                continue  # gone meanwhile, or not killable yet: the next look tells
        time.sleep(0.01)


def _lives(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _contain() -> Callable[[], None] | None:
    """Linux: orphans come back to this process, and the command dies with it; elsewhere the agent's job object does."""
    if sys.platform != "linux":
        return None
    libc, launcher = ctypes.CDLL(None, use_errno=True), os.getpid()
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def die_with_launcher() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != launcher:  # it died before the line above
            os._exit(1)

    return die_with_launcher


def _sync(path: Path) -> None:
    """The result must not outlive the output after a power cut."""
    if path.exists():
        with path.open("rb+") as file:
            os.fsync(file.fileno())


if __name__ == "__main__":
    main()
