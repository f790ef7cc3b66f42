"""Who the broker lets in, kept true: its files are written after the commit that changed them, and it is told."""

import logging
import math
import signal
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from config import issued
from config.certificates import CA, FOLDER, REVOKED, SERVER, SERVER_KEY, Authority
from config.clock import steady
from config.settings import ServeSettings, address
from controller.broker import BrokerPlan, Robots, Tls, broker_files, tell_mosquitto, write_config
from controller.desk import Desk, Door
from controller.store import credentials
from schemas.topics import Topics

log = logging.getLogger(__name__)

OWN_VARIABLE = "YARDMASTER_BROKER_OWN"
"""The hashed passwords of the box's own clients as JSON, from `yardmaster serve` to the controller."""
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


def let_in(db: sqlite3.Connection, *, locked: bool) -> Robots:
    """Who may come in: from the first robot on that was ever enrolled, only robots with credentials."""
    return credentials.good(db) if locked or credentials.were_made(db) else None


def write_revoked(plan: BrokerPlan, db: sqlite3.Connection) -> None:
    """The list of revoked certificates, where robots show any; raises `OSError` or `ValueError`."""
    if plan.tls is not None and plan.tls.certificates is not None:
        authority = Authority.load(plan.tls.ca.parent)
        known = issued.complete(authority.folder, credentials.certificates(db))
        authority.write_revoked(credentials.revoked_serials(db, known))


class Connects(Protocol):
    """What is needed of the link."""

    connection: int
    """The number of the connection to the broker: another one means that the broker may have begun anew."""


class DoorKeeper:
    """The box's own broker, if it has one; `locked`: credentials are asked for even if no robot was ever enrolled."""

    def __init__(self, plan: BrokerPlan | None, desk: Desk, link: Connects, *, locked: bool) -> None:
        self._plan, self._desk, self._link, self._locked = plan, desk, link, locked
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
            self._retry_at = steady() + RETRY_S
        else:
            self._desk.doors.clear()
            self._seen = self._link.connection
            self._tell_what_is_due()

    def _write(self, plan: BrokerPlan) -> None:
        robots = let_in(self._desk.db, locked=self._locked)
        write_revoked(plan, self._desk.db)
        changed = any(_text(plan.folder / name) != text for name, text in broker_files(plan, robots).items())
        if changed:
            write_config(plan, robots)
        if Door.RESTART in self._desk.doors:
            self._restart_at = max(steady(), self._restarted + RESTART_EVERY_S)
        if changed or Door.RESTART in self._desk.doors:
            tell_mosquitto(plan.folder, signal.SIGHUP)
            self._again_at = steady() + AGAIN_S

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
