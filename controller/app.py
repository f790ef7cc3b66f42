"""The controller's process: puts the rooms together, runs the loop, and ends when it is told to or left alone."""

import json
import logging
import os
import selectors
import signal
import socket
import sys
from contextlib import ExitStack
from functools import partial
from typing import Any

from config import garbage
from config.clock import instant, steady
from config.logs import set_up
from config.settings import PART_VARIABLE, ServeSettings, from_supervisor
from controller import backups
from controller.artifact_files import Orphans, remove_files
from controller.ballast import NAME as BALLAST
from controller.ballast import Ballast, give_up_for
from controller.core import Core
from controller.core_settings import CoreSettings
from controller.doors import OWN_VARIABLE, DoorKeeper, broker_plan
from controller.ending import Endings, shown_by
from controller.frames import socket_path
from controller.link import Link, LinkSettings
from controller.lock import DataInUse, DataLock
from controller.loop import Loop
from controller.socket import CommandSocket
from controller.store import credentials, findings
from controller.store.connection import Store, StoreTooNew
from controller.store.failures import is_fatal, is_of_store, is_trouble
from controller.store.findings import BAD_PAGE, LOST_TURNS, UNREADABLE
from controller.store.pages import DAMAGED, Damaged
from controller.store.scrub import Looked, Scrub
from controller.store.upkeep import checkpoint
from controller.system import SystemReport
from schemas.due import Timing
from schemas.topics import Topics

log = logging.getLogger(__name__)

CHECKPOINT_S = 30.0
FOLD_AT = 1000
"""Frames that wait in the write-ahead log (4 KB each): more are folded back at once."""
FOLD_REST_S = 0.5
"""Between two folds, however much waits: a full disk refuses one after the other."""
REFUSED = 1
_CORE_OPTIONS = frozenset(CoreSettings.__dataclass_fields__) & frozenset(ServeSettings.model_fields) - {"auto_accept"}


class Controller:
    """Everything of one controller, opened in order and closed in the opposite one."""

    def __init__(self, settings: ServeSettings) -> None:
        self._closing = ExitStack()
        with ExitStack() as opening:
            self._open(settings, opening)
            self._closing = opening.pop_all()
        self._stopping = False
        self._upkeep_at, self._fold_at = steady() + CHECKPOINT_S, 0.0

    def _open(self, settings: ServeSettings, opening: ExitStack) -> None:
        data_dir, topics = settings.data_dir, Topics(settings.topic_prefix)
        opening.callback(DataLock.take(data_dir).release)
        self.database = data_dir / "yardmaster.db"
        self.store = Store.open(self.database)
        opening.callback(self.store.close)
        self.selector = selectors.DefaultSelector()
        opening.callback(self.selector.close)
        self._open_wake_up(opening)
        self._watch_over_the_file(opening)
        self.core = Core(self.store, core_settings(settings))
        with self.store.transaction():
            self.core.start(instant())
        self.door = CommandSocket(socket_path(data_dir), self.selector)
        opening.callback(self.door.close)
        self.link = Link(link_settings(settings, topics), self.selector, self.wake)
        opening.callback(self.link.close)
        self.loop = Loop(self.core, self.store, self.link, self.door, topics, self._ballast(settings))
        self.doors = door_keeper(settings, self.core, self.link)
        self.loop.after_commit = self._after_commit
        self.orphans = Orphans(data_dir)
        endings = Endings(shown_by(settings), partial(credentials.ending, self.store.db))
        report = SystemReport(
            self.core,
            self.loop,
            self.link,
            self.door,
            self.database,
            backup_timing(settings),
            settings.broker,
            quick=(self.doors.conditions,),
            slow=(endings.conditions,),
        )
        self.loop.reports = {
            "system.health": report.health, "system.metrics": report.metrics, "doors.state": self.doors.state,
        }  # fmt: skip

    def _watch_over_the_file(self, opening: ExitStack) -> None:
        self._noted: Looked | None = None

        def doubt() -> object:
            """A backup that failed may have met damage."""
            return backups.state(self.database.parent).failed_at

        self.scrub = None if self.store.sums is None else Scrub(self.store.sums, self._hurry, doubt)
        if self.scrub is not None:
            self.scrub.start()
            opening.callback(self.scrub.end)

    def _ballast(self, settings: ServeSettings) -> Ballast:
        ballast = Ballast(settings.data_dir / BALLAST, settings.ballast_mb * 2**20)
        ballast.make()
        return ballast

    def _open_wake_up(self, opening: ExitStack) -> None:
        """Signals and other threads wake the loop by a byte."""
        self._near, self._far = socket.socketpair()
        for end in (self._near, self._far):
            end.settimeout(0)
            opening.callback(end.close)
        self.selector.register(self._near, selectors.EVENT_READ, lambda _mask: self._near.recv(4096))

    def wake(self) -> None:
        """Have the loop look again; from any thread."""
        try:
            self._far.send(b"\0")
        except OSError as error:  # full: it will wake anyway; closed: there is nothing left to wake
            log.debug("not woken: %s", error)

    def _hurry(self) -> None:
        """There is something to be noted; from any thread."""
        self._upkeep_at = 0.0
        self.wake()

    def stop(self, *_: Any) -> None:
        """End after the turn that is under way; from any thread, or as a signal's handler."""
        self._stopping = True
        self.wake()

    def stop_when_closed(self, descriptor: int) -> None:
        """End when the supervisor's end of a pipe is closed, which happens however it ends."""
        self.selector.register(descriptor, selectors.EVENT_READ, lambda _mask: self._heard(descriptor))

    def _heard(self, descriptor: int) -> None:
        if not os.read(descriptor, 4096):
            log.info("the supervisor is gone")
            self.selector.unregister(descriptor)
            self.stop()

    def run(self) -> None:
        """Turn after turn, until `stop`."""
        while not self._stopping:
            self.loop.run_once(self.selector)
            self.doors.keep()
            if steady() >= self._fold_at and (steady() >= self._upkeep_at or self.store.waiting >= FOLD_AT):
                self._upkeep()

    def _after_commit(self) -> None:
        """Doors are shut before anybody is told; files go when their rows are gone for good."""
        self.doors.keep()
        if gone := self.core.take_gone():
            try:
                remove_files(self.database.parent, gone)
            except OSError as error:  # they are swept up another time
                log.warning("files of artifacts that were cleared away could not be removed: %s", error)

    def _upkeep(self) -> None:
        self._upkeep_at, self._fold_at = steady() + CHECKPOINT_S, steady() + FOLD_REST_S
        self.door.sweep()
        if self.loop.trouble is None:
            checkpoint(self.store, self.database)
            self._note_findings()
            self.orphans.sweep(self.store.db)

    def _note_findings(self) -> None:
        """Damage that the scrub has found, and lost work until people have seen to it."""
        db, us = self.store.db, instant().utc_us
        looked = self.scrub.last if self.scrub is not None else None
        now: dict[str, str | None] = {LOST_TURNS: None} if findings.is_over(db, LOST_TURNS, us) else {}
        if looked is not None and looked is not self._noted:
            now |= {UNREADABLE: looked.unreadable}
            now |= {BAD_PAGE: findings.lasting(db, looked.wrong)} if looked.unreadable is None else {}
        changed = {code: text for code, text in now.items() if findings.differs(db, code, text)}
        try:
            if changed:
                with self.store.transaction():
                    for code, text in changed.items():
                        findings.put(db, code, text, us)
        except Exception as error:
            if not is_trouble(error):
                raise
            log.warning("a finding could not be noted yet: %s", error)
        else:
            self._noted = looked

    def close(self) -> None:
        """Close everything, last opened first."""
        self._closing.close()


def core_settings(settings: ServeSettings) -> CoreSettings:
    """What the core decides by."""
    shared = {name: getattr(settings, name) for name in _CORE_OPTIONS}
    return CoreSettings(auto_accept=settings.accepts_unknown, **shared)


def door_keeper(settings: ServeSettings, core: Core, link: Link) -> DoorKeeper:
    """Who keeps the broker's doors: an idle one where the broker is not a mosquitto of our own."""
    own = json.loads(os.environ.get(OWN_VARIABLE, "{}"))
    plan = broker_plan(settings, own) if settings.broker == "mosquitto" and own else None
    return DoorKeeper(plan, core.desk, link, locked=settings.locks_mqtt)


def backup_timing(settings: ServeSettings) -> Timing | None:
    """When this box makes its backups; None: never by itself."""
    return Timing(cron=settings.backup_cron, zone=settings.time_zone) if settings.backup_cron else None


def link_settings(settings: ServeSettings, topics: Topics) -> LinkSettings:
    """How the controller is known to the broker; at our own its name is fixed and its password new at each start."""
    password = settings.broker_password.get_secret_value() if settings.broker_password is not None else None
    external = settings.broker == "external"
    return LinkSettings(
        address=settings.mqtt_at,
        topics=topics,
        user=settings.broker_user if external else "yardmaster",
        password=password,
        reconnect_first_s=settings.reconnect_first_s,
        reconnect_max_s=settings.reconnect_max_s,
    )


def _opened(settings: ServeSettings) -> Controller:
    """A full disk keeps no box from starting that has a reserve. Raises what `Controller` raises."""
    try:
        return Controller(settings)
    except Exception as error:
        if not give_up_for(error, settings.data_dir):
            raise
    return Controller(settings)


def run(settings: ServeSettings, watched: int | None = None) -> int:
    """Run a controller until SIGTERM, SIGINT or the end of the watched descriptor; 0, or 1 or 3 when it could not."""
    try:
        controller = _opened(settings)
    except Exception as error:
        expected = isinstance(error, (DataInUse, StoreTooNew, Damaged, OSError)) or is_of_store(error)
        log.critical("the controller cannot start: %s", error, exc_info=None if expected else error)
        return DAMAGED if isinstance(error, Damaged) or is_fatal(error) else REFUSED
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, controller.stop)
    if watched is not None:
        controller.stop_when_closed(watched)
    code = 0
    try:
        controller.run()
    except Exception as error:
        code = DAMAGED if is_fatal(error) else REFUSED
        log.critical("the controller ends because of a defect or a damaged database", exc_info=True)
    finally:
        closed = _close(controller)
    return code or closed


def _close(controller: Controller) -> int:
    """What made it end may keep it from closing in order, too; that must not hide the reason."""
    try:
        controller.close()
    except Exception as error:
        log.critical("the controller could not be closed in order", exc_info=True)
        return DAMAGED if is_fatal(error) else REFUSED
    return 0


def main() -> int:
    """Entry of the process that the supervisor starts."""
    if PART_VARIABLE not in os.environ:
        sys.stderr.write("The controller is started by `yardmaster serve`.\n")
        return 2
    settings = from_supervisor()
    set_up("controller", settings.log_level, settings.log_format)
    garbage.rarely()
    return run(settings, watched=sys.stdin.fileno())


if __name__ == "__main__":
    sys.exit(main())
