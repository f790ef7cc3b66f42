"""The life of one block run: remembered or new, its inputs, its tries, its rows."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from edge_agent.flow.blocks import REPEATED, WORK
from edge_agent.flow.debug import ALL, NOBODY, Waiting, takes
from edge_agent.flow.engine import Engine, Step
from edge_agent.flow.flights import Flight
from edge_agent.flow.frame import Place, Run
from edge_agent.flow.plan import Given
from edge_agent.flow.recall import has_ended
from edge_agent.flow.rehearsal import arrive, rehearse
from edge_agent.flow.signals import ABORTED, INTERRUPTED, Beyond, Broke, Failed, Interrupted, Returned, Signal, Stopped
from edge_agent.flow.tasks import Wait
from edge_agent.operations import Operation, PastRun
from schemas.block_kind import BlockKind
from schemas.blocks import BLOCK_KINDS
from schemas.expression import BadExpression
from schemas.flow import SUB_TASK, Block
from schemas.flow_params import value_of
from schemas.status import PHASE_STATE, BlockState, LogLevel, Phase
from schemas.values import BadValue, plain

MAX_INPUT_BYTES = 49_152


class Runner:
    """Runs the blocks of one attempt."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._mock, self._debug = engine.mock, engine.debug
        self._safe = engine.parts.assign.safe

    async def block(self, block: Block, at: Place) -> None:
        """Run a block until it succeeds or has no further try; raises signals."""
        failures = number = 0
        while True:
            try:
                await self._once(block, at, ALL if failures < block.retry.times else NOBODY)
            except Failed as failure:
                number += 1
                failures += not failure.cut
                if not failure.fatal and (failures <= block.retry.times or failure.cut):
                    await self._again(block, at, number, failure)
                elif not await self._decided(block, at, number, failure):
                    raise
            else:
                return

    async def _decided(self, block: Block, at: Place, number: int, failure: Failed) -> bool:
        """In debug mode, wait for a person; answers whether the block is to be run again."""
        engine, debug, path = self._engine, self._debug, f"{at.path}/{block.id}"
        if debug is None or failure.fatal:
            return False
        if engine.recall.peek(path, at.until) is not None:
            return True
        if at.closed or debug.rolling or takes(at.caught, failure):
            return False
        failed = Waiting(path, engine.recall.last_try(path), debug.last_n(path), failure.reason)
        debug.wait(failed)
        task = engine.tasks.current
        await Wait(lambda: engine.live and (task.cancelled or debug.is_decided(failed.key)))
        again = not (task.cancelled or debug.rolling)
        debug.leave(failed.key, again=again)
        if task.cancelled:
            raise Stopped
        if again:
            await engine.gate(path)
            args = {"name": block.name, "try": number, "reason": failure.reason}
            engine.host.log(path, LogLevel.INFO, "block", message="again", args=args)
        return again

    async def _again(self, block: Block, at: Place, number: int, failure: Failed) -> None:
        """Come to the next try, or leave with the failure if the journal knows of none."""
        engine, path = self._engine, f"{at.path}/{block.id}"
        if engine.recall.peek(path, at.until) is not None:
            return
        if at.closed:
            raise failure
        await engine.sleep(0 if failure.cut else block.retry.interval)
        await engine.gate(path)
        args = {"name": block.name, "try": number, "reason": failure.reason}
        engine.host.log(path, 2, "block", message="retry", args=args)

    async def _once(self, block: Block, at: Place, caught: int) -> None:
        engine, path = self._engine, f"{at.path}/{block.id}"
        past = engine.recall.peek(path, at.until)
        if past is None:
            if at.closed:
                raise Beyond
            await engine.gate(path)
        engine.count_run(path)
        try_ = engine.recall.begin(path)
        run = Run(path, past.n if past else engine.recall.number(), try_, block.name, block.kind)
        inner = Place(at.frame, at.path, engine.recall.until(path, at.until), at.closed, caught or at.caught)
        if self._debug is not None:
            self._debug.begun(path, run.n)
        if at.frame.routine is engine.parts.program.main:
            engine.done.add(block.path)
        try:
            if past is not None and has_ended(past):
                await self._remembered(block, inner, run, past)
            else:
                await self._really(block, inner, run, past)
        finally:
            if self._debug is not None:
                self._debug.again.discard(path)

    # ------------------------------------------------------------ what the journal remembers
    async def _remembered(self, block: Block, at: Place, run: Run, past: PastRun) -> None:
        work = partial(self._recorded, block, at, run, past)
        if _runs_beside(block, past.inputs):
            self._engine.run_beside(work)
        else:
            await work()

    async def _recorded(self, block: Block, at: Place, run: Run, past: PastRun) -> None:
        """Answer with what was recorded, after repeating whatever the block did to the scope."""
        signal = await self._repeat(block, at, run, past)
        if past.after is Phase.DELETE_BEGIN:
            self._engine.flights.tidy(run.path, run.n, run.try_)
        state = PHASE_STATE[past.status]
        if state is BlockState.SUCCEEDED:
            at.frame.publish(block.name, dict(past.outputs or {}), run.n)
            self._finish(block, at, run, past.after)
            if self._is_mock(block):
                arrive(self._engine, past.inputs or {})
            if isinstance(signal, Broke | Returned):
                raise signal
            return
        reason = past.reason or ""
        if state is BlockState.CANCELLED and reason != ABORTED:
            raise Stopped
        if _row(block).operation:
            raise self._operation_failure(run, reason)
        inner = signal if isinstance(signal, Failed) else None
        raise Failed(reason, inner.path if inner else run.path, abort=inner is not None and inner.abort)

    def _operation_failure(self, run: Run, reason: str) -> Signal:
        if reason != INTERRUPTED:
            return Failed(reason, run.path, abort=reason == ABORTED)
        return Failed(reason, run.path, cut=True) if self._safe else Interrupted(run.path, run.name)

    async def _repeat(self, block: Block, at: Place, run: Run, past: PastRun) -> Signal | None:
        if past.inputs is None or not (_is_container(block) or block.kind in REPEATED):
            return None
        closed = Place(at.frame, at.path, at.until, closed=True)
        try:
            await WORK[block.kind](self._step(block, closed, run, dict(past.inputs)))
        except Interrupted:
            raise
        except Signal as signal:
            return signal
        return None

    # ------------------------------------------------------------ what really happens
    async def _really(self, block: Block, at: Place, run: Run, past: PastRun | None) -> None:
        engine = self._engine
        if past is None or past.inputs is None:
            await engine.replayed()
        inputs, fault = self._inputs(block, at, past)
        begun = Phase.MOCK_BEGIN if self._is_mock(block) else Phase.START_BEGIN
        engine.begin(run, past, inputs, begun)
        if inputs is None:
            engine.end(run, Phase.MOCK_FAILED if self._is_mock(block) else Phase.START_FAILED, reason=fault)
            raise Failed(fault, run.path)
        if _row(block).operation:
            await self._operation(block, at, run, past, inputs)
        elif _runs_beside(block, inputs):
            engine.run_beside(partial(self._pure, block, at, run, past, inputs))
        else:
            await self._pure(block, at, run, past, inputs)

    def _inputs(self, block: Block, at: Place, past: PastRun | None) -> tuple[dict[str, Any] | None, str]:
        """The values of the parameters: the recorded ones, else evaluated now; None and why if they cannot be."""
        if past is not None and past.inputs is not None:
            return dict(past.inputs), ""
        try:
            return plain(self._evaluate(block, at), MAX_INPUT_BYTES), ""
        except (BadExpression, BadValue) as error:
            return None, str(error)

    def _evaluate(self, block: Block, at: Place) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for given in self._engine.parts.program.given(block):
            name = given.name
            # Conditions of a loop are evaluated before each pass, a second condition only if the first does not hold.
            if name == "loopCondition" or (name == "conditionElseIf" and values.get("conditionIf")):
                continue
            value = _value(given, at)
            if value is not None or given.source is not None:
                values[name] = value
        row = _row(block)
        if row.one_of and all(values.get(name) is None for name in row.one_of):
            raise BadValue(f"one of {', '.join(row.one_of)} is required")
        return values

    def _step(self, block: Block, at: Place, run: Run, inputs: dict[str, Any]) -> Step:
        place = Place(at.frame, run.path, at.until, at.closed, at.caught)
        return Step(self._engine, block, place, run, inputs, self.block)

    async def _pure(self, block: Block, at: Place, run: Run, past: PastRun | None, inputs: dict[str, Any]) -> None:
        engine, open_place = self._engine, Place(at.frame, at.path, at.until, caught=at.caught)
        if past is not None and not _is_container(block):
            await engine.replayed()
        try:
            work = partial(WORK[block.kind], self._step(block, open_place, run, inputs))
            outputs = await (work() if block.limit_ms is None else engine.within(block.limit_ms, work))
            if _is_container(block):
                await engine.settle()
        except Signal as signal:
            self._left(block, at, run, signal)
            raise
        at.frame.publish(block.name, outputs or {}, run.n)
        engine.end(run, Phase.MONITOR_SUCCESS, outputs=outputs)
        self._finish(block, at, run)

    def _finish(self, block: Block, at: Place, run: Run, after: Phase | None = None) -> None:
        """Remember what a run has done that can be undone; only in debug mode anybody may ask for that."""
        if self._debug is not None and block.rollback:
            undone = after if after is not None and after.startswith("rollback") else None
            self._debug.finish(block, at, run.path, run.n, run.try_, undone)

    def _left(self, block: Block, at: Place, run: Run, signal: Signal) -> None:
        """The row of a block that a signal leaves."""
        engine = self._engine
        if isinstance(signal, Broke | Returned):
            engine.end(run, Phase.MONITOR_SUCCESS)
            self._finish(block, at, run)
        elif isinstance(signal, Failed):
            signal.path = signal.path or run.path
            engine.end(run, Phase.MONITOR_FAILED, reason=signal.reason)
        elif isinstance(signal, Interrupted):
            engine.end(run, Phase.MONITOR_FAILED, reason=signal.reason)
        else:
            engine.end(run, Phase.CANCEL_SUCCESS if _is_container(block) else Phase.CANCELED)

    # ------------------------------------------------------------ operations
    def _is_mock(self, block: Block) -> bool:
        return self._mock and _row(block).operation

    async def _operation(self, block: Block, at: Place, run: Run, past: PastRun | None, inputs: dict[str, Any]) -> None:
        engine = self._engine
        limit = None if block.limit_ms is None else block.limit_ms / 1000
        number = engine.parts.assign.attempt
        about = (number, run.n, run.path, run.try_, block.kind, block.name)
        operation = Operation(*about, inputs, limit, wanted=engine.parts.assign.recording)
        if self._is_mock(block):
            outputs = rehearse(engine, operation, run)
        else:
            outputs = await self._carried_out(operation, past)
        at.frame.publish(block.name, outputs, run.n)
        self._finish(block, at, run)

    async def _carried_out(self, operation: Operation, past: PastRun | None) -> dict[str, Any]:
        engine, flights = self._engine, self._engine.flights
        flight = flights.start(operation) if past is None else flights.resume(operation, past.status)
        await self._fly(flight)
        engine.open.pop(operation.n, None)
        if isinstance(flight.failure, Failed) and flight.failure.cut and not self._safe:
            raise Interrupted(operation.path, operation.name)
        if flight.failure is not None:
            raise flight.failure
        return dict(flight.outputs or {})

    async def _fly(self, flight: Flight) -> None:
        """Wait for the end of an operation; ask for it once if the task is cancelled or the time is over."""
        engine, task = self._engine, self._engine.tasks.current
        limit = flight.operation.limit_s
        until = None if limit is None else engine.now + limit

        def over() -> bool:
            return until is not None and engine.now >= until

        await Wait(lambda: flight.event is not None or task.cancelled or over(), until)
        if flight.event is None:
            flight.late = flight.late or (over() and not task.cancelled)
            engine.flights.stop(flight)
            await Wait(lambda: flight.event is not None)


def _row(block: Block) -> BlockKind:
    return BLOCK_KINDS[block.kind]


def _is_container(block: Block) -> bool:
    return bool(_row(block).branches) or block.kind == SUB_TASK


def _runs_beside(block: Block, inputs: Mapping[str, Any] | None) -> bool:
    return block.kind == SUB_TASK and bool((inputs or {}).get("ifAsync"))


def _value(given: Given, at: Place) -> Any:
    param = given.param
    value = given.value if given.fixed or given.source is None else value_of(given.source, at.frame.scope)
    if value is None and param is not None:
        value = param.default
    # An unset variable is null, and a condition on it simply does not hold.
    if value is None and param is not None and param.required:
        if param.type == "Boolean":
            return False
        raise BadValue(f"{given.name} is null")
    return value
