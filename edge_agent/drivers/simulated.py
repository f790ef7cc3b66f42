"""The driver of a simulated robot: an agent's hold on a body that has its own memory."""

from collections.abc import Callable
from dataclasses import replace

from edge_agent.drivers.voice import Voice
from edge_agent.operations import Happening, Key, Operation, OperationEvent, Telemetry
from edge_agent.recorded import RecordedFiles
from edge_agent.simulator.actions import ACTIONS, Refused
from edge_agent.simulator.body import Body
from edge_agent.simulator.motions import Motion
from edge_agent.simulator.timers import Timers


class SimulatedDriver:
    """Drives a `Body`. One thread: the one that runs the timers; events come from there, never out of a call."""

    def __init__(self, body: Body, timers: Timers, files: RecordedFiles | None = None) -> None:
        self._body, self._timers, self._voice, self._files = body, timers, Voice(), files
        self._recorded: dict[Key, str] = {}
        """Operations after which a picture is wanted, with their names."""
        stops = () if body.robot.hands_on else ("stops_with_agent",)
        self.capabilities: tuple[str, ...] = (*ACTIONS[body.robot.kind], *stops)
        body.heard = self._heard

    @property
    def emit(self) -> Callable[[OperationEvent], None]:
        return self._voice.emit

    @emit.setter
    def emit(self, listener: Callable[[OperationEvent], None]) -> None:
        self._voice.emit = listener

    def start(self, operation: Operation) -> None:
        self._voice.open(operation.key)
        self._remember(operation)
        try:
            # A body has no use for secrets, and would write them into its file.
            self._body.begin(replace(operation, inputs=operation.mask.value(operation.inputs)))
        except Refused as refusal:
            self._say(OperationEvent(operation.key, "refused", reason=str(refusal)))
            return
        self._say(OperationEvent(operation.key, "taken"))
        self._say(OperationEvent(operation.key, "carried"))

    def stop(self, key: Key) -> None:
        if self._voice.is_over(key):
            return
        if not self._voice.is_open(key):
            self._voice.open(key)
        if self._body.moves(key):
            self._body.stop(key)
        else:
            # Its real end, where there is one, is on its way already and comes first.
            self._say(OperationEvent(key, "stopped"))

    def resume(self, operation: Operation) -> None:
        if self._voice.is_over(operation.key):
            return
        self._voice.open(operation.key)
        self._remember(operation)
        motion = self._body.find(operation.key)
        if self._body.moves(operation.key):
            self._say(OperationEvent(operation.key, "carried"))
        elif motion is None or motion.outcome is None:
            self._say(OperationEvent(operation.key, "unknown", reason="the robot has no memory of it"))
        else:
            self._heard(motion)

    def tidy(self, key: Key) -> None:
        # A simulated robot keeps nothing of what it has done.
        self._timers.call_at(self._timers.now(), lambda: self._voice.say_tidied(OperationEvent(key, "tidied")))

    def rehearse(self, operation: Operation) -> str | None:
        return self._body.objection(operation)

    def idle(self) -> bool:
        return not self._body.moves()

    def telemetry(self) -> Telemetry:
        standing = self._body.standing()
        if standing.place is None:
            return Telemetry(load=standing.load)
        x, y, theta = self._body.point()
        node = standing.place.node if standing.place.to is None else None
        position = {"x": round(x, 3), "y": round(y, 3), "theta": theta, "node": node}
        return Telemetry(standing.battery, self._body.charging(), position, standing.load)

    def close(self) -> None:
        self._voice.close()
        self._body.agent_died()

    def _heard(self, motion: Motion) -> None:
        if motion.outcome == "cut" or motion.outcome is None:
            reason = "the robot stopped when its agent died"
            self._say(OperationEvent(motion.key, "unknown", reason=reason))
            return
        self._record(motion.key)
        what: Happening = motion.outcome
        reason_ = motion.reason or ("stopped" if what == "stopped" else None)
        outputs = dict(motion.outputs) if what == "succeeded" else None
        self._say(OperationEvent(motion.key, what, outputs, reason_))

    def _remember(self, operation: Operation) -> None:
        if self._files is not None and operation.wanted != "never":
            self._recorded[operation.key] = operation.name

    def _record(self, key: Key) -> None:
        """A picture at the end of an operation; without one it has ended all the same."""
        name = self._recorded.pop(key, None)
        if name is None or self._files is None:
            return
        try:
            recording = self._files.keep(self._body.photograph(), "screenshot", f"{name}.png")
        except OSError as error:
            self._say(OperationEvent(key, "log", level=2, message="recorder_failed", args={"reason": str(error)}))
        else:
            self._say(OperationEvent(key, "recorded", recording=recording))

    def _say(self, event: OperationEvent) -> None:
        """Events come after the call that caused them, so an agent is never called back in the midst of its own."""
        self._timers.call_at(self._timers.now(), lambda: self._voice.say(event))
