"""One attempt in hand: its flow, its leave to move, and what the flow says in its journal."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from edge_agent.effects import DriverResume, DriverStart, DriverStop, DriverTidy, Effect
from edge_agent.flow.run import FlowRun
from edge_agent.journal import Journal
from edge_agent.operations import BlockReport, Driver, FlowEnd, Key, Operation
from edge_agent.records import Held
from edge_agent.rows import attempt_row, block_row, log_row
from schemas.messages import Activity, Assign
from schemas.status import BLOCK_ENDED, PHASE_STATE, LogLevel, Phase

CANCEL, REVOKE, VOID, TIME_LIMIT, LEASE = "cancel", "revoke", "void", "time_limit", "lease"
"""Why an attempt is being stopped. Only a cancel may be refused: the others leave nothing to go on for."""
CANNOT_STOP = "the operation that is going on cannot be stopped"

_BEGINS = frozenset({Phase.START_BEGIN, Phase.MOCK_BEGIN})

Wall = Callable[[], str]
"""The present as UTC text, for people."""


class InHand:
    """What the agent knows of an attempt beyond its journal row; it is gone with the process."""

    def __init__(self, held: Held, assign: Assign, now: float) -> None:
        self.held, self.assign = held, assign
        self.granted = False
        self.lease: float | None = None
        """When the grant ends, for jobs that are given to others when this robot is silent."""
        self.stopping = False
        """The flow was told to stop."""
        self._counted = now
        self.desk: FlowDesk
        self.flow: FlowRun

    @property
    def attempt(self) -> int:
        return self.held.attempt

    @property
    def is_requeued(self) -> bool:
        """While it is silent its job goes to another robot."""
        return self.assign.on_lost == "requeue"

    @property
    def may_go(self) -> bool:
        """Whether the next block may begin."""
        return self.granted and self.held.stop is None and self.held.pause is None and not self.held.paused

    def count(self, now: float) -> None:
        """Add the time since the last count to the run time."""
        self.held.elapsed += max(0.0, now - self._counted)
        self._counted = now

    @property
    def limit_at(self) -> float:
        """When its time limit is over; counted only while the agent is up."""
        limit = self.assign.time_limit_s
        return float("inf") if limit is None else self._counted + limit - self.held.elapsed

    @property
    def keep_at(self) -> float:
        """When its run time was last counted, if it matters."""
        return float("inf") if self.assign.time_limit_s is None else self._counted

    @property
    def activity(self) -> Activity:
        """The word that heartbeats carry."""
        if self.held.stop is not None:
            return "stopping"
        if self.held.paused:
            return "paused"
        if not self.granted and not self.flow.operations:
            return "waiting"
        return "rolling_back" if self.held.rolling else "running"

    def ending(self, end: FlowEnd) -> FlowEnd:
        """How the attempt ended, given how its flow did: a flow that was stopped says only `cancelled`."""
        if end.kind != "cancelled" or self.held.stop in (CANCEL, REVOKE, VOID, None):
            return end
        if self.held.stop == TIME_LIMIT:
            return replace(end, kind="failed", reason=TIME_LIMIT)
        return replace(end, kind="interrupted", reason=LEASE)


class FlowDesk:
    """The `FlowHost` of one attempt: reports become rows, driver calls become effects."""

    def __init__(self, journal: Journal, held: Held, wall: Wall, effects: list[Effect], driver: Driver) -> None:
        self._journal, self._held, self._wall, self._effects, self._driver = journal, held, wall, effects, driver
        self.withdrawn: list[Key] = []
        """Operations that ended before the driver heard of them."""

    def block(self, report: BlockReport) -> None:
        if not self._held.started:
            self._held.started = True
            self._journal.keep(self._held)
        self._journal.run(self._held.attempt, report)
        time = self._wall()
        fields = {
            **self._about(time),
            "path": report.path,
            "n": report.n,
            "try": report.try_,
            "status": report.status,
            "inputs": report.inputs,
            "outputs": report.outputs,
            "reason": report.reason,
            "started": time if report.status in _BEGINS else None,
            "ended": time if PHASE_STATE[report.status] in BLOCK_ENDED else None,
        }
        self._journal.append("block", self._held.attempt, block_row(fields))

    def log(
        self,
        path: str | None,
        level: int,
        type_: str,
        *,
        text: str | None = None,
        message: str | None = None,
        args: Mapping[str, Any] | None = None,
        output: Any = None,
    ) -> None:
        fields = {
            **self._about(self._wall()),
            "path": path,
            "level": min(max(level, LogLevel.DEBUG), LogLevel.ERROR),
            "type": type_,
            "text": text,
            "message": message,
            "args": args,
            "output": output,
        }
        self._journal.append("log", self._held.attempt, log_row(fields))

    def start(self, operation: Operation) -> None:
        self._effects.append(DriverStart(operation))

    def stop(self, key: Key) -> None:
        waiting = [call for call in self._effects if isinstance(call, DriverStart) and call.operation.key == key]
        if waiting:
            # The commit that would have let it begin has not come: now it never begins.
            self._effects.remove(waiting[0])
            self.withdrawn.append(key)
        else:
            self._effects.append(DriverStop(key))

    def resume(self, operation: Operation) -> None:
        self._effects.append(DriverResume(operation))

    def tidy(self, key: Key) -> None:
        self._effects.append(DriverTidy(key))

    def rehearse(self, operation: Operation) -> str | None:
        return self._driver.rehearse(operation)

    def about(self, kind: str, **fields: Any) -> int:
        """A row about the attempt as a whole; returns its number."""
        body = attempt_row(kind, {**self._about(self._wall()), **fields})
        return self._journal.append(kind, self._held.attempt, body)

    def _about(self, time: str) -> dict[str, Any]:
        return {"job": self._held.job, "attempt": self._held.attempt, "time": time}
