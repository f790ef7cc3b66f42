"""Keeps the parts of a box running: start in order, restart with growing waits, tell when ready, end in order."""

import contextlib
import json
import logging
import os
import select
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

import typer

from cli.chores import Timed
from cli.main import installed_version
from cli.notify import READY, STOPPING, Notifier
from cli.own_certificate import served
from cli.parts import Part, describe
from config.certificates import CA, FOLDER
from config.clock import steady
from config.settings import ServeSettings
from controller.frames import socket_path
from controller.store.pages import DAMAGED, REMEDY, Damaged

log = logging.getLogger(__name__)

START_S = 30.0
STARTING_S = 3600.0
"""For one that lives and is still starting: very much may have to be brought up to date, or parked after a restore."""
LOOK_S = 0.05
KEPT_RESTARTS = 10
"""Of each part the ready file names so many moments at which it was started again."""
END_ORDER = ("web", "station", "controller", "broker")


class NotStarted(RuntimeError):
    """The box did not come up; the message says which part and why."""


class Supervisor:
    """One box; `run` returns when it was told to end and everything has ended."""

    def __init__(
        self, parts: list[Part], settings: ServeSettings, ready_files: list[Path], chores: Sequence[Timed] = ()
    ) -> None:
        self._parts = parts
        self._chores = chores
        self._notifier = Notifier()
        self._restarts: dict[str, list[float]] = {}
        self._settings = settings
        self._ready_files = ready_files
        self._stopping = False
        self._written: list[Path] = []
        self._served: tuple[int | None, str | None] | None = None

    def run(self) -> None:
        """Start, watch until SIGTERM or SIGINT, end.

        Raises `NotStarted` when a part does not come up, `Damaged` when one says that the database is.
        """
        with contextlib.ExitStack() as closing:
            wake = self._listen_to_signals(closing)
            closing.callback(self._end)
            for path in self._ready_files:
                path.unlink(missing_ok=True)  # left by one that was killed
            for part in self._parts:
                self._bring_up(part, wake)
            if self._stopping:
                return
            self._tell_ready()
            while not self._stopping:
                self._wait(wake)
                self._restart_what_ended()
                self._end_what_hangs()
                for chore in self._chores:
                    chore.look()
                self._notifier.alive()

    # ------------------------------------------------------------ signals
    def _listen_to_signals(self, closing: contextlib.ExitStack) -> int:
        """A byte in a pipe for every signal, so that waiting ends at once."""
        reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        closing.callback(os.close, reading)
        closing.callback(os.close, writing)
        closing.callback(signal.set_wakeup_fd, signal.set_wakeup_fd(writing, warn_on_full_buffer=False))
        for number in (signal.SIGTERM, signal.SIGINT):
            closing.callback(signal.signal, number, signal.signal(number, self._stop))
        closing.callback(signal.signal, signal.SIGCHLD, signal.signal(signal.SIGCHLD, lambda *_: None))
        return reading

    def _stop(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - a handler's arguments
        self._stopping = True

    def _wait(self, wake: int, most_s: float = 60.0) -> None:
        due = [part.start_at - steady() for part in self._parts if part.process is None]
        due += [chore.due_in() for chore in self._chores]
        due.append(self._ask_in())
        due.append(self._notifier.due_in())
        ready, _, _ = select.select([wake], [], [], max(0.0, min([most_s, *due])))
        if ready:
            os.read(wake, 4096)

    def _ask_in(self) -> float:
        """Those behind a silent part are not asked."""
        due = 60.0
        for part in self._parts:
            due = min(due, part.asked_in())
            if part.is_silent:
                break
        return due

    # ------------------------------------------------------------ up
    def _bring_up(self, part: Part, wake: int) -> None:
        if self._stopping:
            return
        part.start()
        began = limit = steady()
        while not self._stopping and not part.is_up():
            code = part.has_ended()
            if code is not None:
                _stop_if_damaged(part, code)
                raise NotStarted(f"{part.name} did not start ({describe(code)}); what it said is above")
            if part.is_starting() and steady() < began + STARTING_S:
                limit = steady()
            if steady() > limit + START_S:
                raise NotStarted(f"{part.name} is not up after {steady() - began:.0f} s; what it said is above")
            self._wait(wake, LOOK_S)

    def _restart_what_ended(self) -> None:
        changed = False
        for part in self._parts:
            if part.process is None and steady() >= part.start_at:
                self._start_again(part)
                changed = True
            elif (code := part.has_ended()) is not None:
                _stop_if_damaged(part, code)
                part.put_off()
                changed = True
        if changed and not self._stopping:
            self._write_ready_files()

    def _end_what_hangs(self) -> None:
        """In the order of the parts: who leans on a silent one is not blamed."""
        for part in self._parts:
            if part.hangs():
                part.kill()
                return
            if part.is_silent:
                return

    def _start_again(self, part: Part) -> None:
        """What cannot be started now (a full disk, no more processes) is tried again: the other parts go on."""
        self._restarts[part.name] = [*self._restarts.get(part.name, [])[1 - KEPT_RESTARTS :], time.time()]
        try:
            part.start()
        except OSError as error:
            part.fail_to_start(error)

    # ------------------------------------------------------------ telling
    def _tell_ready(self) -> None:
        self._write_ready_files()
        self._notifier.say(READY)
        settings = self._settings
        robots = [f"mqtt {settings.mqtt}"]
        robots += [f"mqtts {where}" for where in (settings.mqtts, settings.mqtts_certificates) if where is not None]
        typer.echo(f"Yardmaster is ready: {settings.url} (robots: {', '.join(robots)}; {settings.data_dir})")

    def _write_ready_files(self) -> None:
        """By rename, so that nobody reads half of it; on a full disk the old one stays."""
        text = json.dumps(self._ready(), indent=2) + "\n"
        self._written = list(self._ready_files)
        for path in self._ready_files:
            draft = path.with_name(f"{path.name}.{os.getpid()}")
            try:
                draft.write_text(text, encoding="utf-8")
                draft.replace(path)
            except OSError as error:
                log.warning("%s could not be written: %s", path, error)
                draft.unlink(missing_ok=True)

    def _ready(self) -> dict[str, object]:
        settings = self._settings
        return {
            "http": settings.url,
            "mqtt": settings.mqtt,
            "mqtts": settings.mqtts,
            "mqtts_certificates": settings.mqtts_certificates,
            "ca_file": str(settings.data_dir / FOLDER / CA) if settings.uses_own_authority else None,
            "certificate": self._certificate(),
            "topic_prefix": settings.topic_prefix,
            "pid": os.getpid(),
            "version": installed_version(),
            "parts": {part.name: part.pid for part in self._parts if part.pid is not None},
            "restarts": self._restarts,
            "socket": str(socket_path(settings.data_dir)),
            "data_dir": str(settings.data_dir),
        }

    def _certificate(self) -> str | None:
        """What the web server read when it started; another may lie there by now."""
        web = next((part.pid for part in self._parts if part.name == "web"), None)
        if self._served is None or self._served[0] != web:
            self._served = (web, served(self._settings))
        return self._served[1]

    # ------------------------------------------------------------ down
    def _end(self) -> None:
        self._notifier.say(STOPPING)
        for path in self._written:
            path.unlink(missing_ok=True)
        for chore in self._chores:
            chore.stop()
        for part in sorted(self._parts, key=lambda part: END_ORDER.index(part.name)):
            log.debug("ending %s", part.name)
            part.stop()


def _stop_if_damaged(part: Part, code: int) -> None:
    """Starting again does not help then, and whoever watches over the box has to hear of it; raises `Damaged`."""
    if part.name == "controller" and code == DAMAGED:
        raise Damaged(f"The controller has ended, because the database is damaged; what it said is above. {REMEDY}")
