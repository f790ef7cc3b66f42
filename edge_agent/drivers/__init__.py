"""The table of robot types: driver name to the function that makes one for a robot."""

from collections.abc import Callable, Mapping
from typing import Any

from edge_agent.operations import Driver

Factory = Callable[[str, Mapping[str, Any]], Driver]
"""From a robot id and its settings (checked by the driver) to a driver; raises `ValueError` with a sentence."""


def _simulated(robot: str, settings: Mapping[str, Any]) -> Driver:
    from edge_agent.simulator.fleet import lone_driver

    return lone_driver(robot, settings)


def _rpa(robot: str, settings: Mapping[str, Any]) -> Driver:
    from edge_agent.drivers.rpa import RpaDriver
    from edge_agent.drivers.rpa_commands import RpaSettings

    return RpaDriver(robot, RpaSettings.model_validate(settings))


DRIVERS: dict[str, Factory] = {
    "rpa": _rpa,
    "simulated": _simulated,
}
