"""Robot operations in flight: what a driver says becomes phases, and what the flow wants becomes requests."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from edge_agent.flow.signals import ABORTED, INTERRUPTED, Failed, Signal, Stopped
from edge_agent.operations import TIDIED, BlockReport, FlowHost, Key, Operation, OperationEvent
from schemas.status import LogLevel, Phase
from schemas.values import BadValue, plain

MAX_OUTPUT_BYTES = 49_152
MAX_OUTPUT_TEXT = 8_192
_ORDER = (Phase.START_BEGIN, Phase.START_SUCCESS, Phase.MONITOR_BEGIN)


@dataclass
class Flight:
    """One operation that a driver has in hand.

    asked: it was told to end · late: because its time limit is over · resuming: nobody knows yet whether it goes on ·
    event: its end, as the driver reported it · failure: how that end leaves the block.
    """

    operation: Operation
    phase: Phase
    asked: bool = False
    late: bool = False
    resuming: bool = False
    event: OperationEvent | None = None
    outputs: Mapping[str, Any] | None = None
    failure: Signal | None = None


class Flights:
    """All operations in flight of one attempt."""

    def __init__(self, host: FlowHost, attempt: int, *, safe: bool) -> None:
        self._host, self._attempt = host, attempt
        self._safe = safe
        self.open: dict[Key, Flight] = {}
        self.tidying: dict[Key, BlockReport] = {}
        """Operations that have ended, and of which something is being removed."""
        self.stopping = False
        self.refused = False
        self.ever_refused = False
        self.moved = False

    @property
    def operations(self) -> dict[Key, Operation]:
        """What drivers have in hand, by key."""
        return {key: flight.operation for key, flight in self.open.items()}

    def start(self, operation: Operation) -> Flight:
        """Have the driver begin; the row that says so was journalled just before."""
        flight = self._add(Flight(operation, Phase.START_BEGIN))
        self._host.start(operation)
        return flight

    def resume(self, operation: Operation, phase: Phase) -> Flight:
        """Ask what became of an operation that was going on before a restart."""
        asked = phase is Phase.CANCEL_BEGIN
        late = asked and operation.limit_s is not None
        flight = self._add(Flight(operation, phase, asked, late, resuming=True))
        self._host.resume(operation)
        return flight

    def _add(self, flight: Flight) -> Flight:
        self.moved = True
        self.open[flight.operation.key] = flight
        return flight

    def stop_all(self) -> None:
        """A cancel: everything in flight shall end."""
        self.stopping = True
        for flight in tuple(self.open.values()):
            self.stop(flight)

    def stop(self, flight: Flight) -> None:
        """Have one operation end; one whose state is not known yet is asked as soon as it is."""
        if flight.asked or flight.event is not None:
            return
        flight.asked = True
        self._report(flight, Phase.CANCEL_BEGIN)
        if not flight.resuming:
            self._host.stop(flight.operation.key)

    def feed(self, event: OperationEvent) -> None:
        """Take a driver's word; words about operations that have ended come too late and change nothing."""
        if event.what in TIDIED:
            self._tidied(event)
        flight = self.open.get(event.key)
        if flight is None:
            return
        if event.what == "log":
            self._log(flight.operation.path, event)
        elif event.what == "taken":
            self._reach(flight, Phase.START_SUCCESS)
        elif event.what == "carried":
            self._carried(flight)
        elif event.what == "not_stoppable":
            self._not_stoppable(flight, event)
        else:
            self._end(flight, event)

    def _log(self, path: str, event: OperationEvent) -> None:
        if event.message is not None:
            self._host.log(path, event.level, "driver", message=event.message, args=event.args)
        else:
            self._host.log(path, event.level, "driver", text=event.text[:32_768])

    def _reach(self, flight: Flight, phase: Phase) -> None:
        # A driver may repeat itself after a restart; a phase is reported once and never backwards.
        reached = _ORDER.index(flight.phase) if flight.phase in _ORDER else len(_ORDER)
        if _ORDER.index(phase) > reached:
            self._report(flight, phase)

    def _carried(self, flight: Flight) -> None:
        self._reach(flight, Phase.MONITOR_BEGIN)
        if flight.resuming:
            flight.resuming = False
            if flight.asked:
                self._host.stop(flight.operation.key)
            elif self.stopping:
                self.stop(flight)

    def _not_stoppable(self, flight: Flight, event: OperationEvent) -> None:
        flight.asked = False
        self._report(flight, Phase.CANCEL_FAILED, reason=_own(event.reason or "it cannot be stopped"))
        if self.stopping:
            self.stopping, self.refused, self.ever_refused = False, True, True

    def _end(self, flight: Flight, event: OperationEvent) -> None:
        phase, reason = self._verdict(flight, event)
        flight.event = event
        del self.open[event.key]
        if flight.failure is None:
            flight.outputs = self._fit(flight.operation, event.outputs)
        self._report(flight, phase, outputs=flight.outputs, reason=reason)
        if event.holds:
            self._report(flight, Phase.DELETE_BEGIN)
            self.tidy(flight.operation.path, flight.operation.n, flight.operation.try_)

    def tidy(self, path: str, n: int, try_: int) -> None:
        """Have the driver remove what an ended operation still holds; asked again after a restart."""
        key = (self._attempt, n)
        self.tidying[key] = BlockReport(path, n, try_, Phase.DELETE_SUCCESS)
        self._host.tidy(key)

    def _tidied(self, event: OperationEvent) -> None:
        report = self.tidying.pop(event.key, None)
        if report is not None and event.what == "not_tidied":
            report = replace(report, status=Phase.DELETE_FAILED, reason=event.reason or "no reason was given")
        if report is not None:
            self._host.block(report)

    def _verdict(self, flight: Flight, event: OperationEvent) -> tuple[Phase, str | None]:
        """The last phase of the run with its reason; leaves in the flight how the block ends."""
        path = flight.operation.path
        if event.what == "unknown":
            flight.failure = Failed(INTERRUPTED, path, cut=True)
            self._host.log(path, LogLevel.WARNING, "block", message="interrupted", args={"name": flight.operation.name})
            return Phase.MONITOR_FAILED, INTERRUPTED
        if flight.late:
            reason = limit_reason(flight.operation.limit_s)
            flight.failure = Failed(reason, path)
            return Phase.MONITOR_FAILED, reason
        if event.what == "succeeded":
            return Phase.MONITOR_SUCCESS, None
        if event.what == "stopped":
            return self._stopped(flight)
        reason = _own(event.reason or "no reason was given")
        flight.failure = Failed(reason, path)
        return Phase.START_FAILED if event.what == "refused" else Phase.MONITOR_FAILED, reason

    def _stopped(self, flight: Flight) -> tuple[Phase, str | None]:
        if not flight.asked:
            flight.failure = Failed(ABORTED, flight.operation.path, abort=True)
            return Phase.CANCEL_SUCCESS, ABORTED
        flight.failure = Stopped()
        return Phase.CANCELED if flight.phase is Phase.START_BEGIN else Phase.CANCEL_SUCCESS, None

    def _fit(self, operation: Operation, outputs: Mapping[str, Any] | None) -> dict[str, Any]:
        """Outputs that a row can carry whole, so that a replay reads exactly what the first run read."""
        given = dict(outputs or {})
        cut = {key: item[-MAX_OUTPUT_TEXT:] if isinstance(item, str) else item for key, item in given.items()}
        try:
            fitting: dict[str, Any] = plain(cut, MAX_OUTPUT_BYTES)
        except BadValue as error:
            args: dict[str, Any] = {"reason": str(error)}
            self._host.log(operation.path, LogLevel.WARNING, "block", message="outputs_dropped", args=args)
            return {}
        if cut != given:
            args = {"characters": MAX_OUTPUT_TEXT}
            self._host.log(operation.path, LogLevel.WARNING, "block", message="outputs_cut", args=args)
        return fitting

    def _report(
        self, flight: Flight, phase: Phase, outputs: Mapping[str, Any] | None = None, reason: str | None = None
    ) -> None:
        operation = flight.operation
        if phase in _ORDER:
            flight.phase = phase
        self._host.block(
            BlockReport(operation.path, operation.n, operation.try_, phase, outputs=outputs, reason=reason)
        )


def limit_reason(limit_s: float | None) -> str:
    """Why a block failed that took too long."""
    return f"it took longer than {round((limit_s or 0) * 1000)} ms"


def _own(reason: str) -> str:
    # These words of ours decide what a replay makes of a run; a driver must not say them by chance.
    return f"the robot says: {reason}" if reason in (INTERRUPTED, ABORTED) else reason[:2000]
