"""A whole simulated fleet in one process: an agent for each robot, and the accidents that befall agents."""

import asyncio
import functools
import logging
import random
import sys
from pathlib import Path

from config.clock import steady
from config.fleet import Fault, Fleet, Robot
from edge_agent.agent import AgentProcess, Uploading
from edge_agent.app import CannotStart, capabilities, installed_version, journal_in, uploading
from edge_agent.journal import Journal, JournalFile, NotWritten
from edge_agent.link import Link, LinkSettings
from edge_agent.operations import Driver
from edge_agent.profile import Profile, Timing
from edge_agent.protocol import AgentCore
from edge_agent.recordings import Recordings
from edge_agent.secret_driver import veiled
from edge_agent.simulator.fleet import Bodies
from edge_agent.simulator.motions import BadMotions
from edge_agent.simulator.timers import LoopTimers

_LOG = logging.getLogger(__name__)

MANY, GATHER_S = 20, 0.003
"""From so many agents on, reports wait this long for each other, so that one commit serves them all."""


class SimulatedAgents(AgentProcess):
    """Agents over the bodies of a fleet; each shares the journal file, and nothing else, with the others."""

    def __init__(
        self,
        file: JournalFile,
        bodies: Bodies,
        link: LinkSettings,
        timing: Timing | None = None,
        uploads: Uploading | None = None,
    ) -> None:
        super().__init__(file, GATHER_S if len(bodies.fleet.robots) >= MANY else 0.0, uploads)
        self._records = uploads is not None
        self._box = uploads[0] if uploads else None
        self._bodies, self._settings, self._timing = bodies, link, timing or Timing()

    def start(self, robot: Robot) -> None:
        """Boot the agent of a robot, for the first time or after a crash."""
        driver: Driver = veiled(self._bodies.driver(robot.id), self._box, robot.id)
        self._bodies.of(robot.id).accident = functools.partial(self._befall, robot)
        profile = Profile(
            kind=robot.kind,
            capabilities=capabilities(driver),
            queues=robot.queues,
            tags=robot.tags,
            name=robot.name or None,
            version=installed_version(),
        )
        journal = Journal(self._file, robot.id)
        recordings = Recordings(self._file, journal) if self._records else None
        dice = random.SystemRandom()
        core = AgentCore(robot.id, journal, driver, profile, self._timing, dice, recordings=recordings)
        self.add(core, driver, self._settings)

    def crash(self, robot: Robot, seconds: float) -> None:
        """The agent forgets all but its journal, and comes back after so many seconds."""
        if robot.id not in self:
            return
        _LOG.warning("%s: simulated crash of its agent for %g s", robot.id, seconds)
        self.counters["simulated crashes"] += 1
        self.remove(robot.id, goodbye=False)
        self._loop.call_later(seconds, self._return, robot)

    def drop_link(self, robot: str, seconds: float) -> None:
        """Cut the agent's connection without a goodbye, and keep it away for so many seconds."""
        if robot not in self:
            return
        _LOG.warning("%s: simulated loss of its connection for %g s", robot, seconds)
        self.counters["simulated losses of a connection"] += 1
        seat, link = self.seat(robot), self._links[robot]
        link.close(None)
        if link.is_up:
            seat.link_down()
        made = Link(robot, self._settings, seat, lambda: seat.core.sender.presence(online=False))
        self._links[robot] = seat.line = made
        made.start(after=seconds)

    def _befall(self, robot: Robot, fault: Fault) -> None:
        if fault.what == "crash":
            self.crash(robot, fault.seconds)
        else:
            self.drop_link(robot.id, fault.seconds)

    def _return(self, robot: Robot) -> None:
        if robot.id not in self and not self._stopped.is_set():
            self.start(robot)


def run_fleet(
    fleet: Fleet,
    data_dir: Path,
    link: LinkSettings,
    timing: Timing | None = None,
    http: str | None = None,
    token_file: Path | None = None,
) -> int:
    """Run until a signal; answers the exit code, raises `CannotStart`."""
    if sys.platform == "win32":
        # Sockets are watched with add_reader, which the loop that is the default there does not know.
        asyncio.set_event_loop_policy(asyncio.WindowsSelectorEventLoopPolicy())
    return asyncio.run(_run(fleet, data_dir, link, timing, http, token_file))


async def _run(
    fleet: Fleet,
    data_dir: Path,
    link: LinkSettings,
    timing: Timing | None,
    http: str | None,
    token_file: Path | None,
) -> int:
    began = steady()
    with journal_in(data_dir) as file:
        uploads = uploading(http, token_file, data_dir, link.tls.ca_file if link.tls is not None else None)
        try:
            timers = LoopTimers(asyncio.get_running_loop())
            bodies = Bodies(fleet, data_dir, timers, record=uploads is not None)
        except (BadMotions, OSError) as error:
            raise CannotStart(f"the robots' own memory cannot be used: {error}") from error
        agents = SimulatedAgents(file, bodies, link, timing, uploads)
        agents.stop_on_signals()
        try:
            for robot in fleet.robots:
                agents.start(robot)
        except NotWritten as error:
            raise CannotStart(f"the journal in {data_dir} cannot be written: {error}") from error
        _LOG.info(
            "%d simulated robots on %s:%s after %.1f s", len(fleet.robots), link.host, link.port, steady() - began
        )
        try:
            return await agents.run()
        finally:
            bodies.log.close()
