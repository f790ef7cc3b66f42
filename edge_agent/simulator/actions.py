"""What one operation makes a simulated robot do: one short function a block kind, and the table of them."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from config.fleet import Fleet, Robot
from edge_agent.operations import Operation
from edge_agent.simulator.floor import Floor, Leg, NoWay, Place

DEFAULT_SCRIPT_S = 3.0
SPREAD = 0.2
"""Working times vary by this share, the same way at each repetition of a seed."""


class Refused(Exception):
    """The robot will not do it; nothing moved. The message is a sentence for people."""


@dataclass(frozen=True)
class World:
    """What all robots of a simulation share."""

    fleet: Fleet
    floor: Floor

    @classmethod
    def of(cls, fleet: Fleet) -> "World":
        return cls(fleet, Floor(fleet.plan))


@dataclass(frozen=True)
class Standing:
    """How a robot stands at a moment; a robot without wheels has no place and no battery."""

    place: Place | None
    battery: float | None
    load: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Action:
    """A drive, then work, in seconds of the simulated world; `body` says that it needs the robot for itself."""

    outputs: Mapping[str, Any] = field(default_factory=dict)
    legs: tuple[Leg, ...] = ()
    work_s: float = 0.0
    body: bool = False
    load: Mapping[str, Any] | None = None


Plan = Callable[[World, Robot, Standing, Operation], Action]


def _operate(world: World, robot: Robot, standing: Standing, operation: Operation) -> Action:
    site, script = operation.inputs.get("targetSiteLabel"), operation.inputs.get("scriptName")
    if not site and not script:
        raise Refused("neither targetSiteLabel nor scriptName is given")
    legs = _drive(world, standing, str(site)) if site else ()
    seconds = _work(world, robot, operation, str(script)) if script else 0.0
    load = _load_after(standing, operation, str(script or ""))
    result = {"site": site, "script": script, "metres": round(sum(leg.length for leg in legs), 2)}
    return Action({"result": result}, legs, seconds, body=True, load=load)


def _drive(world: World, standing: Standing, site: str) -> tuple[Leg, ...]:
    if standing.place is None:
        raise Refused("this robot cannot drive")
    try:
        legs = world.floor.way(standing.place, site)
    except NoWay as error:
        raise Refused(str(error)) from error
    if legs and not standing.battery:
        raise Refused("the battery is empty")
    return legs


def _work(world: World, robot: Robot, operation: Operation, script: str) -> float:
    return _varied(world.fleet.scripts.get(script, DEFAULT_SCRIPT_S), world, robot, operation)


def _varied(seconds: float, world: World, robot: Robot, operation: Operation) -> float:
    dice = random.Random(f"{world.fleet.seed}/{robot.id}/{operation.key}")  # noqa: S311 - repeatable
    return seconds * dice.uniform(1 - SPREAD, 1 + SPREAD)


def _load_after(standing: Standing, operation: Operation, script: str) -> Mapping[str, Any] | None:
    if script == "unload":
        return None
    if script != "load":
        return standing.load
    return {"pallet": str(operation.inputs.get("pallet") or "unnamed")}


def _battery(_world: World, _robot: Robot, standing: Standing, _operation: Operation) -> Action:
    if standing.battery is None:
        raise Refused("this robot has no battery")
    return Action({"batteryLevel": round(standing.battery, 1)}, load=standing.load)


def _station(_world: World, _robot: Robot, standing: Standing, _operation: Operation) -> Action:
    if standing.place is None:
        raise Refused("this robot has no place on the floor plan")
    here = standing.place.node if standing.place.to is None else None
    return Action({"station": here, "lastStation": standing.place.node}, load=standing.load)


def _run(world: World, robot: Robot, standing: Standing, operation: Operation) -> Action:
    name = str(operation.inputs.get("command") or operation.inputs.get("package") or "")
    if name not in world.fleet.commands:
        raise Refused(f"there is no command {name!r} on this machine")
    command = world.fleet.commands[name]
    seconds = _varied(command.seconds, world, robot, operation)
    outputs = {"exitCode": 0, "stdout": "", "stderr": "", "outputs": dict(command.outputs)}
    return Action(outputs, work_s=seconds, load=standing.load)


_AGV: dict[str, Plan] = {
    "CAgvOperationBp": _operate,
    "GetBatteryLevelBp": _battery,
    "VehicleStationBp": _station,
}
ACTIONS: dict[str, dict[str, Plan]] = {"agv": _AGV, "rpa": {"RpaRunBp": _run}, "station": {}}
"""Kind of robot to block kind to what it does."""
