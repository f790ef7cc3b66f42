"""The body of a simulated robot: it moves, drains, charges and breaks, and outlives the agent that steers it."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from config.fleet import Fault, Robot
from edge_agent.operations import Key, Operation
from edge_agent.simulator.actions import ACTIONS, Action, Refused, Standing, World
from edge_agent.simulator.faults import Faults
from edge_agent.simulator.floor import Place
from edge_agent.simulator.motions import Motion, MotionLog, Outcome, State
from edge_agent.simulator.physics import FULL, charged, motion_of, standing_after, standing_of, state_of
from edge_agent.simulator.picture import picture
from edge_agent.simulator.timers import Timer, Timers

LONG_S = 1e9
Listener = Callable[[Motion], None]
Accident = Callable[[Fault], None]


@dataclass
class _Going:
    """A motion that goes on; without an action (taken over from an earlier process) only its end is known."""

    motion: Motion
    pace: float
    before: Standing
    action: Action | None = None
    timer: Timer | None = None

    @property
    def needs_body(self) -> bool:
        return self.action is None or self.action.body


class Body:
    """One robot. `heard` is told of each motion's end, after the end is on file; `accident` of faults of the agent.

    With `hands_on` a motion goes on while no agent is there, also over a restart of the process.
    """

    def __init__(self, robot: Robot, world: World, timers: Timers, log: MotionLog) -> None:
        self.robot = robot
        self.heard: Listener | None = None
        self.accident: Accident | None = None
        self._world, self._timers, self._log = world, timers, log
        self._faults = Faults(robot.id, world.fleet.faults, world.fleet.seed)
        self._going: dict[Key, _Going] = {}
        self._standing, self._since = self._at_first(), timers.now()
        for motion in log.open_of(robot.id):
            self._take_over(motion)

    def begin(self, operation: Operation) -> None:
        """Write the start, then move; raises `Refused`."""
        now, before = self._timers.now(), self.standing()
        fault = self._faults.due(_words(operation))
        action = self._action(operation, before, fault)
        pace = self._world.fleet.speed / (fault.times if fault and fault.what == "slow" else 1.0)
        going = _Going(motion_of(self.robot, operation, action, now, pace, fault), pace, before, action)
        over = self._at(going, going.motion.until, going.motion.will)
        going.motion = replace(going.motion, then=state_of(over))
        self._log.begin(going.motion)
        self._going[operation.key] = going
        self._schedule(going)
        if fault and fault.what in ("drop_link", "crash"):
            self._schedule_accident(fault, going.motion)

    def objection(self, operation: Operation) -> str | None:
        """Why it would refuse this if it stood as it does now; nothing moves, and no fault is used up."""
        plan = ACTIONS[self.robot.kind].get(operation.kind)
        if plan is None:
            return f"a robot of kind {self.robot.kind} cannot carry out {operation.kind}"
        try:
            plan(self._world, self.robot, self.standing(), operation)
        except Refused as refused:
            return str(refused)
        return None

    def stop(self, key: Key) -> None:
        """Stand still; `heard` is told before this returns."""
        self._interrupt(self._going[key], "stopped")

    def moves(self, key: Key | None = None) -> bool:
        """Whether this motion, or any, goes on."""
        return bool(self._going) if key is None else key in self._going

    def find(self, key: Key) -> Motion | None:
        """What the robot's own file says of a motion."""
        return self._log.find(self.robot.id, key)

    def agent_died(self) -> None:
        """The agent is gone: a robot that is not `hands_on` stops."""
        self.heard = None
        if not self.robot.hands_on:
            for going in tuple(self._going.values()):
                self._interrupt(going, "cut")

    def standing(self) -> Standing:
        """Place, battery and load at this moment."""
        now = self._timers.now()
        for going in self._going.values():
            if going.needs_body:
                return self._at(going, now, None)
        return charged(self.robot, self._world.floor, self._standing, (now - self._since) * self._world.fleet.speed)

    def point(self) -> tuple[float, float, float | None]:
        """x, y and heading for the map; only for a robot that has a place."""
        place = self.standing().place
        return self._world.floor.point(place) if place else (0.0, 0.0, None)

    def photograph(self) -> bytes:
        """A PNG of the floor with the robot on it."""
        x, y, _ = self.point()
        nodes = [(node.x, node.y) for node in self._world.fleet.plan.nodes.values()]
        return picture(nodes, (x, y) if self.standing().place is not None else None)

    def charging(self) -> bool:
        """Stands at a charger and is not full."""
        standing = self.standing()
        at_charger = standing.place is not None and self._world.floor.charges(standing.place)
        return at_charger and (standing.battery or 0.0) < FULL

    def _at_first(self) -> Standing:
        state, nodes = self._log.state_of(self.robot.id), self._world.fleet.plan.nodes
        if self.robot.kind != "agv":
            return Standing(None, None)
        if state is None or state.node not in nodes or (state.to is not None and state.to not in nodes):
            return Standing(Place(str(self.robot.start)), self.robot.battery)
        return standing_of(state)

    def _action(self, operation: Operation, before: Standing, fault: Fault | None) -> Action:
        plan = ACTIONS[self.robot.kind].get(operation.kind)
        if plan is None:
            raise Refused(f"a robot of kind {self.robot.kind} cannot carry out {operation.kind}")
        if fault and fault.what == "refuse":
            raise Refused(f"simulated fault at {fault.at}: refused")
        action = plan(self._world, self.robot, before, operation)
        if action.body and any(going.needs_body for going in self._going.values()):
            raise Refused("the robot is busy with another operation")
        return action

    def _schedule(self, going: _Going) -> None:
        motion = going.motion
        if motion.until is not None:
            going.timer = self._timers.call_at(motion.until, lambda: self._end(going, motion.will, motion.until))

    def _schedule_accident(self, fault: Fault, motion: Motion) -> None:
        """A link drops as the robot sets out, an agent crashes half-way."""
        half = 0.0 if motion.until is None or fault.what == "drop_link" else (motion.until - motion.start) / 2

        def strike() -> None:
            if self.accident is not None and self.moves(motion.key):
                self.accident(fault)

        self._timers.call_at(motion.start + half, strike)

    def _interrupt(self, going: _Going, outcome: Outcome) -> None:
        """What was over before this process could look has ended as it would; only what still moves is interrupted."""
        motion, now = going.motion, self._timers.now()
        if motion.until is not None and motion.until <= now:
            self._end(going, motion.will, motion.until)
        else:
            self._end(going, outcome, now)

    def _end(self, going: _Going, outcome: Outcome, end: float | None) -> None:
        if going.motion.key not in self._going:
            return
        if going.timer is not None:
            going.timer.cancel()
        if going.needs_body:
            self._standing, self._since = self._at(going, end, outcome), self._timers.now()
        del self._going[going.motion.key]
        reason = going.motion.reason if outcome == going.motion.will else None
        over = self._log.end(going.motion, outcome, end, self._state(), reason)
        if self.heard is not None:
            self.heard(over)

    def _take_over(self, motion: Motion) -> None:
        """A motion without an end on file: the process died meanwhile, or the whole machine (its clock began anew)."""
        if not self.robot.hands_on or motion.start > self._timers.now():
            self._log.end(motion, "cut", None, self._state(), None)
            return
        going = self._going[motion.key] = _Going(motion, self._world.fleet.speed, self._standing)
        self._schedule(going)

    def _at(self, going: _Going, when: float | None, outcome: Outcome | None) -> Standing:
        """How the robot stands at `when` (None: long after) of a motion; its load changes when it succeeds."""
        action, motion = going.action, going.motion
        if action is None:
            return standing_of(motion.then) if outcome == motion.will else going.before
        seconds = LONG_S if when is None else (when - motion.start) * going.pace
        after = standing_after(self.robot, self._world.floor, going.before, action, seconds)
        return replace(after, load=action.load) if outcome == "succeeded" else after

    def _state(self) -> State:
        return state_of(self.standing())


def _words(operation: Operation) -> tuple[str, ...]:
    """What a fault's `at` may name."""
    named = (operation.inputs.get(name) for name in ("targetSiteLabel", "scriptName", "command"))
    return (operation.kind, *(str(name) for name in named if name))
