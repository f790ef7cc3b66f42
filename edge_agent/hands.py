"""The attempts in hand: taken on, kept going, stopped, ended, and taken up again after a restart."""

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from edge_agent.attempt import CANCEL, CANNOT_STOP, LEASE, TIME_LIMIT, FlowDesk, InHand, Wall
from edge_agent.effects import Effect
from edge_agent.flow.debug import Try
from edge_agent.flow.run import REAL_WORLD, BadFlow, FlowRun, RobotFacts
from edge_agent.journal import Journal
from edge_agent.operations import Driver, FlowEnd, OperationEvent, PastRun
from edge_agent.profile import Timing
from edge_agent.records import Ended, Held
from edge_agent.rows import attempt_row
from schemas.messages import Assign
from schemas.reading import BadMessage, read

MOST_AGAIN = 15
"""So many decisions of persons are kept; those that led to a further run are known by that run."""
BLOCK_FAILED = "a block has failed in debug mode: it can be run again, or everything undone"

_LOG = logging.getLogger(__name__)

Past = Mapping[tuple[str, int], PastRun]
"""Remembered block runs by path and try."""


class NotWaiting(Exception):
    """No failed block waits for a person, or not this one."""


class Hands:
    """Everything about attempts that needs no message: flows, leases, limits, pauses and ends."""

    def __init__(self, robot: RobotFacts, journal: Journal, driver: Driver, timing: Timing, wall: Wall) -> None:
        self._robot, self._journal, self._driver, self._timing, self._wall = robot, journal, driver, timing, wall
        self.calls: list[Effect] = []
        """Driver calls that wait for the commit."""
        self.before_end: Callable[[Ended], None] = lambda _: None
        """Told of each end before it is said."""
        self._world = replace(REAL_WORLD, standing=self._standing)
        self._held: dict[int, InHand] = {}
        self._over: list[Ended] = []
        """Attempts that a restart ended, said once nothing that was ever started still moves."""
        self._asleep_until = float("inf")
        self.proven = False
        """Nothing moves that is not accounted for."""

    def __iter__(self) -> Iterator[InHand]:
        return iter(tuple(self._held.values()))

    def __len__(self) -> int:
        return len(self._held)

    def get(self, attempt: int) -> InHand | None:
        """The attempt of this number, if it is in hand."""
        return self._held.get(attempt)

    # -------------------------------------------------------------- begin
    def take_on(self, assign: Assign, payload: bytes, now: float) -> InHand:
        """A new attempt; raises `BadFlow` and leaves nothing behind."""
        hand = self._open(Held(assign.attempt, assign.job, payload), assign, now)
        self._journal.hold(hand.held)
        return hand

    def boot(self, now: float) -> None:
        """Take up what an earlier boot had in hand; nothing goes on without a new grant."""
        for held in self._journal.held():
            self._take_up(held, now)
        self.prove()

    def _take_up(self, held: Held, now: float) -> None:
        if not held.started:
            self._over.append(Ended(held.attempt, held.job, "rejected", "restart"))
            return
        try:
            assign = read("assign", held.assign)
            if not isinstance(assign, Assign):
                raise BadMessage("fields", "not an assign")
            hand = self._open(held, assign, now)
        except (BadMessage, BadFlow) as bad:
            _LOG.error("attempt %s of job %s cannot be taken up: %s", held.attempt, held.job, bad)
            self._over.append(Ended(held.attempt, held.job, "interrupted", bad.reason))
            return
        self.settle(hand, now)
        if held.stop is not None and not hand.stopping:
            self._tell_flow(hand, now)

    def _open(self, held: Held, assign: Assign, now: float) -> InHand:
        hand = InHand(held, assign, now)
        hand.desk = FlowDesk(self._journal, held, self._wall, self.calls, self._driver)
        hand.flow = self.make_flow(hand, self._journal.past(held.attempt) if held.started else {}, now)
        if assign.debug:
            hand.flow.decide(held.again, rolling=held.rolling)
        self._held[held.attempt] = hand
        return hand

    def make_flow(self, hand: InHand, past: Past, now: float) -> FlowRun:
        """A run of the assigned flow over what is remembered of it."""
        return FlowRun(hand.assign, hand.desk, past, self._robot, now, world=self._world)

    def _standing(self) -> str | None:
        """The site at which the robot stands, if it stands at one."""
        position = self._driver.telemetry().position
        node = None if position is None else position.get("node")
        return None if node is None else str(node)

    def prove(self) -> None:
        """See whether whatever earlier boots started is accounted for; then say what a restart ended."""
        if self.proven or not self._is_at_rest():
            return
        self.proven = True
        for over in self._over:
            self._say_end(over)
        self._over.clear()

    # -------------------------------------------------------------- go on
    def feed(self, event: OperationEvent, now: float) -> bool:
        """What the driver says; False if it is about nothing in hand."""
        hand = self._held.get(event.key[0])
        if hand is None:
            return False
        hand.flow.feed(event, now)
        if hand.is_requeued and hand.lease is None and event.what in ("taken", "carried"):
            # It survived a restart, and nobody knows any more how long it may.
            self.stop(hand, LEASE, now)
        else:
            self.settle(hand, now)
        return True

    def settle(self, hand: InHand, now: float) -> None:
        """Let the flow go as far as it may, and say what that amounts to for the attempt."""
        flow, held = hand.flow, hand.held
        self._advance(hand, now)
        if flow.refused:
            self._refused(hand, now)
        if held.stop is not None and not hand.stopping and not flow.operations:
            self._tell_flow(hand, now)
        if flow.end is not None:
            self._finish(hand, flow.end)
        elif held.stop is None and not flow.operations:
            self._say_pauses(hand, now)

    def _say_pauses(self, hand: InHand, now: float) -> None:
        """Nothing moves: say so, if somebody asked for it, or if in debug mode a block has failed."""
        held, failed = hand.held, hand.flow.failed
        if held.pause is not None and not held.paused:
            held.paused = True
            self.keep(hand, now)
            hand.desk.about("paused", command=held.pause, path=hand.flow.path)
        if failed is not None and held.failed != failed.path:
            held.paused, held.failed = True, failed.path
            self.keep(hand, now)
            hand.desk.about("paused", path=failed.path, reason=failed.reason)

    def _advance(self, hand: InHand, now: float) -> None:
        hand.flow.advance(now, hand.may_go)
        while hand.desk.withdrawn:
            hand.flow.feed(OperationEvent(hand.desk.withdrawn.pop(), "stopped"), now)
            hand.flow.advance(now, hand.may_go)

    def resume(self, hand: InHand, command: int, now: float) -> None:
        """Go on after a pause, or forget one that was not reached yet; a block that failed needs more than that."""
        held, was_paused = hand.held, hand.held.paused
        held.pause = None
        if held.failed is not None:
            self.keep(hand, now)
            hand.desk.about("refused", command=command, reason=BLOCK_FAILED)
            return
        held.paused = False
        self.keep(hand, now)
        if was_paused:
            hand.desk.about("resumed", command=command, path=hand.flow.path)
        self.settle(hand, now)

    # -------------------------------------------------------------- debug mode
    def run_again(self, hand: InHand, run: Try, command: int, now: float) -> None:
        """Run the block of this failed run again; raises `NotWaiting` unless it waits for that."""
        if hand.held.failed is None or not hand.flow.waits(run):
            raise NotWaiting
        hand.held.again = (*hand.held.again[-MOST_AGAIN:], run)
        self._leave_debug_pause(hand, now)
        hand.desk.about("resumed", command=command, path=run[0])
        self.settle(hand, now)

    def roll_back(self, hand: InHand, command: int, now: float) -> None:
        """Leave debug mode and undo what has finished; raises `NotWaiting` unless a failed block waits."""
        if hand.held.failed is None:
            raise NotWaiting
        hand.held.rolling = True
        path = hand.held.failed
        self._leave_debug_pause(hand, now)
        hand.desk.about("resumed", command=command, path=path, rolled_back=True)
        self.settle(hand, now)

    def _leave_debug_pause(self, hand: InHand, now: float) -> None:
        held = hand.held
        held.pause, held.paused, held.failed = None, False, None
        hand.flow.decide(held.again, rolling=held.rolling)
        self.keep(hand, now)

    def keep(self, hand: InHand, now: float) -> None:
        """Journal an attempt as it stands."""
        hand.count(now)
        self._journal.keep(hand.held)

    # -------------------------------------------------------------- stop
    def stop(self, hand: InHand, cause: str, now: float, command: int | None = None) -> None:
        """Stop an attempt; a cause that cannot be refused stays, whatever is asked afterwards."""
        held = hand.held
        if held.stop in (None, CANCEL):
            held.stop, held.stop_command = cause, command
        self.keep(hand, now)
        if not hand.stopping:
            self._tell_flow(hand, now)
        self.settle(hand, now)

    def _tell_flow(self, hand: InHand, now: float) -> None:
        hand.stopping = True
        hand.flow.stop(now)
        self._advance(hand, now)

    def _refused(self, hand: InHand, now: float) -> None:
        """The driver cannot stop what is going on: a cancel is refused, anything else waits for its end."""
        hand.flow.clear_stop()
        hand.stopping = False
        held = hand.held
        if held.stop == CANCEL:
            command, held.stop, held.stop_command = held.stop_command, None, None
            self.keep(hand, now)
            hand.desk.about("refused", command=command, reason=CANNOT_STOP)

    def expire(self, now: float) -> None:
        """Leases and time limits; they come before anything else that happens at this moment."""
        for hand in self:
            if hand.lease is not None and now >= hand.lease:
                hand.lease, hand.granted = None, False
                self.stop(hand, LEASE, now)
            if now >= hand.limit_at and hand.held.stop is None:
                self.stop(hand, TIME_LIMIT, now)

    def _finish(self, hand: InHand, end: FlowEnd) -> None:
        if not self._is_at_rest():
            return  # asked again at the next tick
        held, end = hand.held, hand.ending(end)
        kind: str = end.kind
        if end.reason == LEASE and not held.started:
            kind = "rejected"
        del self._held[held.attempt]
        self._say_end(
            Ended(held.attempt, held.job, kind, end.reason, end.outputs, end.rolled_back),
            path=end.path,
        )

    def end_unheld(self, ended: Ended) -> None:
        """The end of an attempt that never was in hand."""
        self._say_end(ended)

    def _say_end(self, ended: Ended, path: str | None = None) -> None:
        self.before_end(ended)
        self.report(ended, path=path)
        self._journal.end(ended)

    def report(self, ended: Ended, *, counts: bool = True, **more: Any) -> None:
        """A row that says how an attempt ended; `counts`: it is the answer to a repeated assign."""
        fields = {"job": ended.job, "attempt": ended.attempt, "reason": ended.reason, "outputs": ended.outputs}
        if ended.rolled_back:
            more["rolled_back"] = True
        body = attempt_row(ended.kind, {**fields, "time": self._wall(), **more})
        self._journal.append(ended.kind, ended.attempt if counts else None, body)

    def _is_at_rest(self) -> bool:
        """What moves, if anything, belongs to operations in hand."""
        return any(hand.flow.operations for hand in self) or self._driver.idle()

    # -------------------------------------------------------------- time
    def tick(self, now: float) -> None:
        """Timers of flows, drivers that come to rest, run time that must not be lost."""
        self.prove()
        for hand in self:
            if hand.flow.end is not None or (hand.flow.wake_at is not None and now >= hand.flow.wake_at):
                self.settle(hand, now)
            elif now >= hand.keep_at + self._timing.elapsed_s:
                self.keep(hand, now)

    def wake_at(self, now: float) -> float:
        """When `tick` has something to do next."""
        times = [] if self.proven else [now + self._timing.settle_s]
        for hand in self:
            times += [hand.limit_at, hand.keep_at + self._timing.elapsed_s]
            times += [time for time in (hand.lease, hand.flow.wake_at) if time is not None]
            if hand.flow.end is not None:
                times.append(now + self._timing.settle_s)
        return min(times, default=float("inf"))
