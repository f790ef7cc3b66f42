"""Agents as processes that the bench starts, kills and starts again over their journals."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cli.parts import die_with
from config.clock import steady


@dataclass
class Agents:
    """One process of agents, shared or of one robot; its journal and its robots' own memory are in `folder`."""

    name: str
    command: Sequence[str]
    folder: Path
    before: Sequence[str] = ()
    """What to put around the command, as strace."""
    environment: dict[str, str] = field(default_factory=dict)
    deaths: list[float] = field(default_factory=list)
    """When it was killed, in steady seconds."""
    _process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it over what its folder holds."""
        us = os.getpid()
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self.before, sys.executable, "-m", *self.command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | self.environment,
                start_new_session=True,
                preexec_fn=lambda: die_with(us, signal.SIGKILL),
            )

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.kill()
            self.ended()

    def ended(self) -> None:
        """Wait for a process that was killed by somebody, and note when."""
        if self._process is not None:
            self._process.wait()
            self.deaths.append(steady())
            self._process = None

    def runs(self) -> bool:
        """Whether it is alive."""
        return self._process is not None and self._process.poll() is None

    def end(self) -> None:
        """Ask it to end, then insist."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGCONT)
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self.ended()
