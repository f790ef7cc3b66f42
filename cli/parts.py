"""The processes that make up a box: each is started, watched, started again, and ended without a trace."""

import contextlib
import ctypes
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from cli.hearing import Hearing
from config.clock import steady

log = logging.getLogger(__name__)

FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 30.0
GOOD_AFTER_S = 30.0
"""A part that ran this long was healthy: its waits begin anew."""
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def _always() -> bool:
    return True


def _never() -> bool:
    return False


def _nothing() -> None:
    pass


@dataclass
class Part:
    """One process; `is_up` asks whether it does its work, `grace_s` is what it gets to end by itself.

    `prepare` runs before each start: whatever files the process needs are written again, since anybody may have
    deleted them. `is_starting`: it lives and cannot answer yet, which may take long. `hearing` asks it while it runs.
    """

    name: str
    command: list[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    is_up: Callable[[], bool] = _always
    grace_s: float = 5.0
    prepare: Callable[[], object] = _nothing
    is_starting: Callable[[], bool] = _never
    hearing: Hearing | None = None
    process: subprocess.Popen[bytes] | None = None
    start_at: float = 0.0
    _pipe: int | None = None
    _began: float = 0.0
    _failures: int = 0

    def start(self) -> None:
        """Start the process; it ends when our end of its standard input closes, or we die."""
        self.prepare()
        reading, self._pipe = os.pipe()
        supervisor = os.getpid()
        try:
            self.process = subprocess.Popen(
                self.command,
                stdin=reading,
                env=os.environ | self.environment,
                start_new_session=True,  # Ctrl-C is for us; the parts end in their order
                preexec_fn=lambda: die_with(supervisor),  # noqa: PLW1509 - this process has no threads
            )
        finally:
            os.close(reading)
        self._began = steady()
        if self.hearing is not None:
            self.hearing.begin()
        log.debug("%s is process %d", self.name, self.process.pid)

    @property
    def pid(self) -> int | None:
        """Its process, if it runs."""
        return self.process.pid if self.process is not None else None

    def has_ended(self) -> int | None:
        """The exit code of a process that has ended just now, else None."""
        return self.process.poll() if self.process is not None else None

    def put_off(self) -> None:
        """After it ended by itself: clear away what is left of it, and set when it is started again."""
        code = self.has_ended()
        self._failures = 0 if steady() - self._began > GOOD_AFTER_S else self._failures
        wait = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0**self._failures)
        self._failures += 1
        self._clear()
        self.start_at = steady() + wait
        log.warning("%s ended (%s) and is started again in %.1f s", self.name, describe(code), wait)

    def hangs(self) -> bool:
        """Whether it runs and has not answered for long; asks it when it is time to."""
        if self.process is None or self.hearing is None:
            return False
        self.hearing.ask()
        return self.hearing.hangs

    @property
    def is_silent(self) -> bool:
        """It did not answer the last time."""
        return self.process is not None and self.hearing is not None and self.hearing.silences > 0

    def asked_in(self) -> float:
        """Seconds until it is asked again."""
        return 60.0 if self.process is None or self.hearing is None else self.hearing.due_in()

    def kill(self) -> None:
        """End one that hangs; it is started again as any that has ended."""
        if self.process is not None:
            log.error("%s has not answered for minutes and is killed", self.name)
            self.process.kill()
            self.process.wait()

    def fail_to_start(self, error: OSError) -> None:
        """It could not even be started: another try follows, later each time."""
        wait = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0**self._failures)
        self._failures += 1
        self._clear()
        self.start_at = steady() + wait
        log.error("%s could not be started and is tried again in %.1f s: %s", self.name, wait, error)

    def stop(self) -> None:
        """End it: ask, wait, insist."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(self.grace_s)
        except subprocess.TimeoutExpired:
            log.warning("%s did not end within %g s and is killed", self.name, self.grace_s)
        self._clear()

    def _clear(self) -> None:
        """Its session is its own: nothing it started stays behind."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None
        if self._pipe is not None:
            os.close(self._pipe)
            self._pipe = None


def die_with(parent: int, number: int = signal.SIGTERM) -> None:
    """Have the kernel signal this process when its parent dies, however it dies."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:  # it was faster
        os.kill(os.getpid(), number)


def describe(code: int | None) -> str:
    """An exit code in words."""
    if code is None:
        return "still running"
    if code >= 0:
        return f"exit code {code}"
    return f"killed by {signal.Signals(-code).name}"
