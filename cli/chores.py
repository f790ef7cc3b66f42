"""What the box does by the clock in a process of its own, beside its parts: started when due, and not waited for."""

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from cli.parts import describe, die_with
from config.clock import steady
from config.settings import ServeSettings
from controller import backups
from schemas.due import Timing, next_after

log = logging.getLogger(__name__)

NICE = 10
"""Whoever waits for an answer goes first."""
CATCH_UP_S = 120.0
"""A chore that was missed is made up for so long after the start."""
AGAIN_S = 60.0
"""One that could not be started is tried again after so long."""
GRACE_S = 3.0


def now_us() -> int:
    """The wall clock."""
    return time.time_ns() // 1000


class Timed(Protocol):
    """What the supervisor looks after by the clock."""

    def due_in(self) -> float:
        """Seconds until something is to be done about it."""

    def look(self) -> None:
        """Do what is due, without waiting for it."""

    def stop(self) -> None:
        """The box ends."""


@dataclass
class Chore:
    """One process, run to its end whenever its timing says so, never twice at once.

    `done_at` says in UTC microseconds when it was last done, or what counts as that (None: not known).
    """

    name: str
    command: list[str]
    timing: Timing
    done_at: Callable[[], int | None]
    process: subprocess.Popen[bytes] | None = None
    _from_us: int | None = None
    _not_before: float = 0.0

    def due_in(self) -> float:
        """Seconds until something is to be done about it."""
        if self._from_us is None or self.process is not None:
            return 60.0
        due = next_after(self.timing, self._from_us)
        wall = 86400.0 if due is None else (due - now_us()) / 1e6
        return max(0.0, wall, self._not_before - steady())

    def look(self) -> None:
        """Take note of one that has ended; start it if it is due, also after the clock has jumped back."""
        if self.process is not None and self._still_runs():
            return
        now = now_us()
        if self._from_us is None:
            self._begin(now)
        self._from_us = now if self._from_us is None else min(self._from_us, now)
        if self.due_in() <= 0 and self._begins():
            self._from_us = now

    def _begin(self, now: int) -> None:
        """After a start: what was missed while the box was down is made up for, a moment later."""
        done = self.done_at()
        due = None if done is None else next_after(self.timing, done)
        self._from_us = now
        if due is not None and due <= now:
            self._from_us = done
            self._not_before = steady() + CATCH_UP_S

    def _still_runs(self) -> bool:
        code = self.process.poll() if self.process is not None else 0
        if code is None:
            return True
        self.process = None
        (log.info if code == 0 else log.error)("%s ended (%s)", self.name, describe(code))
        return False

    def _begins(self) -> bool:
        """No memory, no more processes: it stays due, and the box goes on."""
        try:
            self._start()
        except (OSError, subprocess.SubprocessError) as error:
            log.error("%s cannot be started, which is tried again: %s", self.name, error)
            self._not_before = steady() + AGAIN_S
            return False
        return True

    def _start(self) -> None:
        supervisor = os.getpid()

        def before() -> None:
            die_with(supervisor)
            os.nice(NICE)

        self.process = subprocess.Popen(
            self.command,
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr,
            start_new_session=True,
            preexec_fn=before,  # noqa: PLW1509 - the supervisor has no threads
        )
        log.info("%s begins (process %d)", self.name, self.process.pid)

    def stop(self) -> None:
        """The box ends: what it was at is cut off, and begun anew another time."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None


def chores(settings: ServeSettings) -> list[Chore]:
    """What this box does by the clock."""
    if not settings.backup_cron:
        return []
    command = [sys.executable, "-m", "cli.main", "backup", "--data-dir", str(settings.data_dir)]
    command += ["--keep", str(settings.backup_keep)]
    command += ["--to", str(settings.backup_dir)] if settings.backup_dir else []
    timing = Timing(cron=settings.backup_cron, zone=settings.time_zone)
    return [Chore("backup", command, timing, lambda: _backed_up(settings))]


def _backed_up(settings: ServeSettings) -> int | None:
    """When the last backup was made, long ago if nobody knows; of a box that has none, when it was new."""
    said = backups.state(settings.data_dir)
    if said.good_at is not None:
        return backups.good_at(said, now_us()) or 0
    try:
        return (settings.data_dir / "key").stat().st_mtime_ns // 1000
    except OSError:
        return None
