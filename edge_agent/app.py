"""One agent as a process of its own, made from its settings."""

import asyncio
import logging
import random
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from config.agent import AgentSettings
from edge_agent.agent import AgentProcess, Uploading
from edge_agent.box_http import BoxHttp
from edge_agent.dial import TlsFiles
from edge_agent.drivers import DRIVERS
from edge_agent.journal import Journal, JournalFile, NotWritten
from edge_agent.journal_tables import NoJournal
from edge_agent.link import LinkSettings
from edge_agent.locks import Locked, lock_directory
from edge_agent.no_driver import NoDriver
from edge_agent.operations import Driver
from edge_agent.profile import Profile, Timing
from edge_agent.protocol import AgentCore
from edge_agent.recorded import RecordedFiles
from edge_agent.recordings import Recordings
from edge_agent.secret_driver import veiled
from edge_agent.shown import Secrets
from schemas.blocks import PURE_KINDS
from schemas.topics import Topics

_LOG = logging.getLogger(__name__)

JOURNAL = "journal.db"


class CannotStart(Exception):
    """The agent cannot begin; the message is a sentence for people."""


def run_agent(settings: AgentSettings) -> int:
    """Run until a signal or a reason to stop; answers the exit code, raises `CannotStart`."""
    if sys.platform == "win32":
        # Sockets are watched with add_reader, which the loop that is the default there does not know.
        asyncio.set_event_loop_policy(asyncio.WindowsSelectorEventLoopPolicy())
    return asyncio.run(_run(settings))


async def _run(settings: AgentSettings) -> int:
    with journal_in(settings.folder) as file:
        uploads = uploading(settings.http, settings.token_file, settings.folder, settings.ca_file)
        driver: Driver = make_driver(settings.driver_name, settings.name, driver_settings(settings))
        driver = veiled(driver, uploads[0] if uploads else None, settings.name)
        process = AgentProcess(file, uploads=uploads)
        process.stop_on_signals()
        try:
            process.add(make_core(settings, file, driver), driver, link_settings(settings))
        except NotWritten as error:
            raise CannotStart(f"the journal in {settings.folder} cannot be written: {error}") from error
        _LOG.info("agent %s (%s, driver %s) on %s", settings.name, settings.kind, settings.driver_name, settings.mqtt)
        for secret in settings.in_clear:
            _LOG.warning("tls = false: the robot's %s goes to another machine in clear, whoever listens has it", secret)
        return await process.run()


@contextmanager
def journal_in(folder: Path) -> Iterator[JournalFile]:
    """The journal file of a folder that no other process uses meanwhile; raises `CannotStart`."""
    try:
        lock = lock_directory(folder, "agent")
    except (Locked, OSError) as error:
        raise CannotStart(str(error)) from error
    with lock:
        try:
            file = JournalFile(folder / JOURNAL)
        except NoJournal as error:
            raise CannotStart(str(error)) from error
        try:
            yield file
        finally:
            file.close()


def uploading(http: str | None, token_file: Path | None, folder: Path, ca_file: Path | None = None) -> Uploading | None:
    """The box over HTTP, and where recordings wait for it; None if this agent was told of neither box nor token.

    Raises `CannotStart`.
    """
    if http is None or token_file is None:
        return None
    try:
        return BoxHttp(http, token_file, ca_file=ca_file), RecordedFiles(folder)
    except OSError as error:
        raise CannotStart(str(error)) from error


def make_driver(name: str, robot: str, settings: Mapping[str, Any]) -> Driver:
    """A driver by its name in the table; raises `CannotStart`."""
    if name == "none":
        return NoDriver()
    if name not in DRIVERS:
        raise CannotStart(f"driver: there is no {name!r}, only {', '.join(sorted(DRIVERS))} and none")
    try:
        return DRIVERS[name](robot, settings)
    except (ValueError, OSError) as error:
        raise CannotStart(f"driver {name}: {error}") from error


def driver_settings(settings: AgentSettings) -> dict[str, Any]:
    """What a driver is told: a folder of its own, and the options that are meant for it."""
    recording = {"record": settings.uploads}
    rpa = {"commands": settings.commands, "recorder": settings.recorder, "screenshot": settings.screenshot}
    own: dict[str, dict[str, Any]] = {"rpa": rpa | recording, "simulated": {"fleet": settings.fleet} | recording}
    if settings.driver_name == "simulated" and settings.fleet is None:
        raise CannotStart("fleet: the simulated driver needs the file that describes its robot")
    return {"data_dir": settings.folder} | own.get(settings.driver_name, {})


def make_core(settings: AgentSettings, file: JournalFile, driver: Driver) -> AgentCore:
    """The core of this agent over its journal."""
    journal = Journal(file, settings.name, settings.journal_rows)
    timing = Timing(
        heartbeat_s=settings.heartbeat_s,
        grant_age_s=settings.grant_age_s,
        resend_s=settings.resend_first_s,
        resend_max_s=settings.resend_max_s,
    )
    recordings = Recordings(file, journal, settings.recordings_mb * 10**6) if settings.uploads else None
    profile, dice = make_profile(settings, driver), random.SystemRandom()
    return AgentCore(settings.name, journal, driver, profile, timing, dice, recordings=recordings)


def make_profile(settings: AgentSettings, driver: Driver) -> Profile:
    """What the robot declares: every pure kind of block, and what its driver adds."""
    return Profile(
        kind=settings.kind,
        capabilities=capabilities(driver),
        capacity=settings.capacity,
        queues=settings.queues,
        tags=settings.tags,
        name=settings.label,
        version=installed_version(),
    )


def capabilities(driver: Driver) -> tuple[str, ...]:
    """Pure kinds, which every agent runs by itself, and the driver's own."""
    return tuple(sorted({*PURE_KINDS, *driver.capabilities}))


def link_settings(settings: AgentSettings) -> LinkSettings:
    """Where the broker is."""
    where = settings.mqtt_at
    password = None if settings.password is None else settings.password.get_secret_value()
    return LinkSettings(
        where.host,
        where.port,
        Topics(settings.topic_prefix),
        Secrets(password, settings.password_file),
        TlsFiles(settings.ca_file, settings.certificate, settings.key) if settings.speaks_tls else None,
        settings.reconnect_first_s,
        settings.reconnect_max_s,
    )


def installed_version() -> str:
    """Version of this installation, `unknown` when run from files alone."""
    try:
        return version("yardmaster")
    except PackageNotFoundError:
        return "unknown"
