"""A simulated fleet: one body a robot of the fleet file, all over one set of timers and one file of motions."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from config.fleet import BadFleet, Fleet, read_fleet
from edge_agent.drivers.simulated import SimulatedDriver
from edge_agent.recorded import RecordedFiles
from edge_agent.simulator.actions import World
from edge_agent.simulator.body import Body
from edge_agent.simulator.motions import MotionLog
from edge_agent.simulator.timers import LoopTimers, Timers

MOTIONS = "motions.jsonl"
"""The robots' own file, in the data directory beside the agents' journal."""


class Bodies:
    """The robots of a fleet, without their agents."""

    def __init__(self, fleet: Fleet, data_dir: Path, timers: Timers, *, record: bool = False) -> None:
        self.fleet, self.timers = fleet, timers
        self._files = RecordedFiles(data_dir) if record else None
        self.log = MotionLog(data_dir / MOTIONS)
        world = World.of(fleet)
        self._bodies = {robot.id: Body(robot, world, timers, self.log) for robot in fleet.robots}

    def of(self, robot: str) -> Body:
        """Raises `BadFleet` for a robot that the fleet file does not name."""
        if robot not in self._bodies:
            raise BadFleet((f"the fleet file has no robot {robot!r}",))
        return self._bodies[robot]

    def driver(self, robot: str) -> SimulatedDriver:
        """A fresh hold on a body, as an agent takes one at each boot."""
        return SimulatedDriver(self.of(robot), self.timers, self._files)


def lone_driver(robot: str, settings: Mapping[str, Any]) -> SimulatedDriver:
    """One robot of a fleet file in an agent of its own; settings: `fleet` (path), `data_dir`. Needs a running loop."""
    fleet = read_fleet(Path(settings["fleet"]))
    only = fleet.model_copy(update={"robots": tuple(row for row in fleet.robots if row.id == robot)})
    timers, record = LoopTimers(asyncio.get_running_loop()), bool(settings.get("record"))
    return Bodies(only, Path(settings["data_dir"]), timers, record=record).driver(robot)
