"""Who the broker lets in, kept true: its files are written after the commit that changed them, and it is told."""

import logging
import math
import signal
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from config import issued
from config.certificates import CA, FOLDER, REVOKED, SERVER, SERVER_KEY, Authority
from config.clock import steady
from config.disk import write_private
from config.settings import ServeSettings, address
from controller.broker import BrokerPlan, Robots, Tls, broker_files, tell_mosquitto, write_config
from controller.degraded import Condition
from controller.desk import Desk, Door
from controller.store import credentials
from schemas.topics import Topics

log = logging.getLogger(__name__)

OWN_VARIABLE = "YARDMASTER_BROKER_OWN"
"""The hashed passwords of the box's own clients as JSON, from `yardmaster serve` to the controller."""
LOCKED = "locked"
"""In the data directory: there were credentials once."""
AT_START = "revoked-at-start"
RETRY_S = 1.0
AGAIN_S = 1.0
"""mosquitto forgets a signal that comes while it reads its files for an earlier one, so it is told once more."""
RESTART_EVERY_S = 15.0
"""Agents that are thrown off again and again within ten seconds take it for a second agent of their name, and stop."""


def broker_plan(settings: ServeSettings, own: Mapping[str, str]) -> BrokerPlan:
    """How the box's mosquitto is set up."""
    folder = settings.data_dir / FOLDER
    tls = Tls(
        settings.tls_certificate or folder / SERVER,
        settings.tls_key or folder / SERVER_KEY,
        folder / CA,
        folder / REVOKED,
        None if settings.mqtts is None else address(settings.mqtts),
        None if settings.mqtts_certificates is None else address(settings.mqtts_certificates),
    )
    return BrokerPlan(settings.data_dir / "broker", settings.mqtt_at, Topics(settings.topic_prefix), own, tls)


def let_in(plan: BrokerPlan, db: sqlite3.Connection, *, locked: bool) -> Robots:
    """Who may come in: from the first robot on that was ever enrolled, only robots with credentials.

    What is remembered beside the database counts, too, so that no older database opens the door.
    """
    return credentials.good(db) if locked or was_locked(plan.folder.parent, db) else None


def remember(plan: BrokerPlan, db: sqlite3.Connection) -> None:
    """Leave a mark beside the database where a robot was enrolled. Raises `OSError`."""
    mark = plan.folder.with_name(LOCKED)
    if credentials.were_made(db) and not mark.exists():
        write_private(mark, "Robots of this box have credentials: its broker lets nobody in without one.\n")


def was_locked(data_dir: Path, db: sqlite3.Connection) -> bool:
    """Whether a robot was ever enrolled here, by the database or by what was there before it."""
    return (data_dir / LOCKED).exists() or credentials.were_made(db)


def write_revoked(plan: BrokerPlan, db: sqlite3.Connection) -> set[int]:
    """The list of revoked certificates, where robots show any; its numbers. Raises `OSError` or `ValueError`."""
    if plan.tls is None or plan.tls.certificates is None:
        return set()
    authority = Authority.load(plan.tls.ca.parent)
    known = issued.complete(authority.folder, credentials.certificates(db))
    revoked = credentials.revoked_serials(db, known)
    authority.write_revoked(revoked)
    return {number for number, _ in revoked}


def note_start(plan: BrokerPlan, revoked: set[int]) -> None:
    """Before the broker is started: which certificates it refuses from its first connection on. Raises `OSError`."""
    if plan.tls is not None and plan.tls.certificates is not None:
        write_private(plan.folder / AT_START, "".join(f"{number:x}\n" for number in sorted(revoked)))


def refused_at_start(plan: BrokerPlan) -> set[int]:
    """Certificates of which the broker that runs can have no connection; a file that is not whole says nothing."""
    text = _text(plan.folder / AT_START) or ""
    try:
        return {int(line, 16) for line in text.split()}
    except ValueError:
        return set()


class Connects(Protocol):
    """What is needed of the link."""

    connection: int
    """The number of the connection to the broker: another one means that the broker may have begun anew."""


class DoorKeeper:
    """The box's own broker, if it has one; `locked`: credentials are asked for even if no robot was ever enrolled."""

    def __init__(self, plan: BrokerPlan | None, desk: Desk, link: Connects, *, locked: bool) -> None:
        self._plan, self._desk, self._link, self._locked = plan, desk, link, locked
        self._stale: str | None = None
        self._is_first = True
        self._seen = -1
        self._retry_at = 0.0
        self._again_at = self._restart_at = math.inf
        self._restarted = -math.inf

    def keep(self) -> None:
        """After a commit, and in between: what the broker reads is what the database says.

        A broker that was started meanwhile may have been given what was true a moment before, so each new connection
        counts as a change.
        """
        self._tell_what_is_due()
        if not self._desk.doors and self._seen == self._link.connection:
            return
        if self._plan is None or steady() < self._retry_at:
            return
        try:
            self._write(self._plan)
        except (OSError, ValueError, sqlite3.Error) as error:
            log.error("who may come in cannot be written for the broker, which is tried again: %s", error)
            self._stale, self._retry_at = str(error), steady() + RETRY_S
        else:
            self._stale, self._is_first = None, False
            self._desk.doors.clear()
            self._seen = self._link.connection
            self._tell_what_is_due()

    def conditions(self) -> Iterable[Condition]:
        """The broker may let in who should not come in any more."""
        if self._stale is not None:
            text = f"The broker could not be told who may come in: {self._stale}."
            yield Condition("broker", "doors.stale", text)

    def state(self) -> dict[str, Any]:
        """{broker: locked, open (asks for nothing) or foreign (not ours), stale: why it does not know, ends_later}

        `ends_later`: connections by revoked certificates end when the broker is started again, within seconds.
        """
        robots = None if self._plan is None else let_in(self._plan, self._desk.db, locked=self._locked)
        return {
            "broker": "foreign" if self._plan is None else "open" if robots is None else "locked",
            "stale": self._stale,
            "ends_later": self._restart_at < math.inf,
        }

    def _write(self, plan: BrokerPlan) -> None:
        """Rules and passwords first: they do not wait for an authority that cannot sign."""
        robots = let_in(plan, self._desk.db, locked=self._locked)
        changed = any(_text(plan.folder / name) != text for name, text in broker_files(plan, robots).items())
        if changed:
            write_config(plan, robots)
        try:
            remember(plan, self._desk.db)
            self._write_revoked(plan)
            changed = changed or Door.RESTART in self._desk.doors
        finally:
            if changed:
                tell_mosquitto(plan.folder, signal.SIGHUP)
                self._again_at = steady() + AGAIN_S

    def _write_revoked(self, plan: BrokerPlan) -> None:
        """A controller that ended before it could restart the broker leaves that to the next one."""
        revoked = write_revoked(plan, self._desk.db)
        if self._is_first and revoked - refused_at_start(plan):
            self._desk.doors.add(Door.RESTART)
        if Door.RESTART in self._desk.doors:
            self._restart_at = max(steady(), self._restarted + RESTART_EVERY_S)

    def _tell_what_is_due(self) -> None:
        if self._plan is None:
            return
        if steady() >= self._restart_at:
            log.warning("a certificate was revoked: the broker is started again, which ends its connection")
            tell_mosquitto(self._plan.folder, signal.SIGTERM)
            self._restarted, self._restart_at, self._again_at = steady(), math.inf, math.inf
        if steady() >= self._again_at:
            tell_mosquitto(self._plan.folder, signal.SIGHUP)
            self._again_at = math.inf


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
