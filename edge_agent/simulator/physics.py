"""How far a simulated robot gets, what that drains, and what a planned operation will come to: pure functions."""

from dataclasses import replace
from math import exp

from config.fleet import Fault, Robot
from edge_agent.operations import Operation
from edge_agent.simulator.actions import Action, Standing
from edge_agent.simulator.floor import Floor, Place
from edge_agent.simulator.motions import Motion, Outcome, State

TAPER = 80.0
FULL = 99.0
"""Percent from which on a robot at a charger is not called charging."""


def drive_seconds(robot: Robot, action: Action) -> float:
    """Simulated seconds on the way."""
    return sum(leg.length for leg in action.legs) / robot.speed


def standing_after(robot: Robot, floor: Floor, before: Standing, action: Action, seconds: float) -> Standing:
    """How the robot stands so many simulated seconds into an action; its load changes only with the action's end."""
    metres = min(seconds * robot.speed, sum(leg.length for leg in action.legs))
    battery = before.battery
    if battery is not None:
        battery = max(0.0, battery - metres * robot.drain)
    moved = replace(before, place=_place_after(before.place, action, metres), battery=battery)
    return charged(robot, floor, moved, seconds - metres / robot.speed)


def _place_after(place: Place | None, action: Action, metres: float) -> Place | None:
    rest = metres
    for leg in action.legs:
        if rest < leg.length:
            return leg.after(rest)
        rest -= leg.length
        place = Place(leg.goal)
    return place


def charged(robot: Robot, floor: Floor, standing: Standing, seconds: float) -> Standing:
    """The same robot after standing still so many simulated seconds."""
    if standing.place is None or standing.battery is None or not floor.charges(standing.place):
        return standing
    return replace(standing, battery=_battery_after(standing.battery, seconds * robot.charge))


def _battery_after(percent: float, charge: float) -> float:
    """As batteries charge: evenly up to TAPER percent, then slower and slower."""
    even = min(charge, max(0.0, TAPER - percent))
    rest = charge - even
    return 100.0 - (100.0 - percent - even) * exp(-rest / (100.0 - TAPER))


def motion_of(
    robot: Robot, operation: Operation, action: Action, now: float, pace: float, fault: Fault | None
) -> Motion:
    """What will become of an operation that begins now; `pace` is simulated seconds in a real one."""
    seconds = (drive_seconds(robot, action) + action.work_s) / pace
    until: float | None = now + seconds
    will: Outcome = "succeeded"
    outputs, reason = action.outputs, None
    if fault and fault.what == "fail":
        will, until, outputs = "failed", now + seconds / 2, {}
        reason = f"simulated fault at {fault.at}: failed"
    elif fault and fault.what == "hang":
        until = None
    limit = operation.limit_s
    if limit is not None and (until is None or now + limit < until):
        will, until, outputs, reason = "failed", now + limit, {}, f"took longer than {limit:g} s"
    about = (operation.attempt, operation.n, operation.path, operation.try_, operation.kind)
    return Motion(robot.id, *about, now, until, will, outputs, reason)


def state_of(standing: Standing) -> State:
    """For the motion file."""
    place = standing.place
    if place is None:
        return State()
    return State(place.node, place.to, place.metres, standing.battery, standing.load)


def standing_of(state: State) -> Standing:
    """From the motion file."""
    if state.node is None:
        return Standing(None, None)
    return Standing(Place(state.node, state.to, state.metres), state.battery, state.load)
