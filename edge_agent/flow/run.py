"""One attempt's flow: deterministic, without clocks and threads, repeatable from what the journal remembers."""

import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from edge_agent.flow.blocks import strongest
from edge_agent.flow.debug import Try, Waiting
from edge_agent.flow.engine import RUNS_PER_TURN, Engine, Parts, RobotFacts, World
from edge_agent.flow.frame import Frame, Place, Variable
from edge_agent.flow.program import BadFlow, Program, load
from edge_agent.flow.recall import FOREVER, Recall
from edge_agent.flow.signals import ABORTED, Failed, Interrupted, Returned, Signal, Stopped
from edge_agent.flow.steps import Runner
from edge_agent.flow.tasks import Wait
from edge_agent.flow.undo import roll_back
from edge_agent.operations import FlowEnd, FlowHost, Key, Operation, OperationEvent, PastRun
from schemas.blocks import OPERATION_KINDS
from schemas.flow import ROOT_ID
from schemas.messages import Assign
from schemas.status import LogLevel, Phase

__all__ = ["REAL_WORLD", "BadFlow", "FlowRun", "RobotFacts", "World"]

REAL_WORLD = World(lambda: time.time_ns() // 1_000_000, lambda: str(uuid.uuid4()))
_NOTHING_MOVED = frozenset({Phase.MOCK_BEGIN, Phase.MOCK_SUCCESS, Phase.MOCK_PASSED, Phase.MOCK_FAILED})


class FlowRun:
    """Interprets a flow block by block.

    All calls come from one thread, inside the agent's journal transaction. `now` is in seconds on any clock that does
    not jump; waits and limits count anew after a restart. After `advance`, everything waits: for a driver's word
    (`operations`), for leave to go on, or for `wake_at`.
    """

    def __init__(
        self,
        assign: Assign,
        host: FlowHost,
        past: Mapping[tuple[str, int], PastRun],
        robot: RobotFacts,
        now: float,
        *,
        world: World = REAL_WORLD,
    ) -> None:
        """Read the flow; raises `BadFlow` if it, its kinds or its inputs do not fit."""
        program = load(assign)
        self._engine = Engine(Parts(assign, host, robot, program, Recall(past), world), now)
        self._runner = Runner(self._engine)
        self._moved = any(_started(program, path, run) for (path, _), run in past.items())
        self.end: FlowEnd | None = None
        self._engine.root = self._engine.tasks.spawn(partial(self._root, program), None)

    @property
    def operations(self) -> dict[Key, Operation]:
        """What drivers have in hand."""
        return self._engine.flights.operations

    @property
    def refused(self) -> bool:
        """The last cancel was answered by *not stoppable*, and the flow goes on."""
        return self._engine.flights.refused

    @property
    def moved(self) -> bool:
        """Some operation was started, now or before a restart."""
        return self._moved or self._engine.flights.moved

    @property
    def path(self) -> str | None:
        """The block that was begun last and has not ended."""
        runs = self._engine.open
        return runs[max(runs)].path if runs else None

    @property
    def progress(self) -> float | None:
        """Percent of the flow's own blocks that were reached at least once; rough, but it never goes back."""
        total = self._engine.parts.program.total - 1
        return round(100 * len(self._engine.done) / total, 1) if total > 0 else None

    # ------------------------------------------------------------ debug mode
    @property
    def failed(self) -> Waiting | None:
        """The failed block about which a person has to decide."""
        return None if self._engine.debug is None else self._engine.debug.failed

    def waits(self, run: Try) -> bool:
        """This run has failed and waits for a decision."""
        return self._engine.debug is not None and self._engine.debug.waits(run)

    def decide(self, again: Iterable[Try], *, rolling: bool) -> None:
        """What persons have decided so far, also before a restart; `advance` draws the consequences."""
        debug = self._engine.debug
        if debug is not None:
            debug.decided.update(again)
            debug.rolling = debug.rolling or rolling

    @property
    def wake_at(self) -> float | None:
        """When it wants `advance` although nothing happened."""
        if self.end is not None:
            return None
        engine = self._engine
        return engine.now if engine.go and engine.budget <= 0 else engine.tasks.wake_at()

    def advance(self, now: float, go: bool) -> None:
        """Run until everything waits; without `go` nothing new begins."""
        self._engine.budget = RUNS_PER_TURN
        self._turn(now, go)

    def feed(self, event: OperationEvent, now: float) -> None:
        """Take a driver's word; `advance` draws the consequences."""
        self._engine.now = max(now, self._engine.now)
        self._engine.flights.feed(event)

    def stop(self, now: float) -> None:
        """A cancel: what is in flight is asked to end, nothing new begins; `end` or `refused` tell what came of it."""
        if self.end is None:
            self._engine.flights.stop_all()
            self._turn(now, go=False)

    def clear_stop(self) -> None:
        """The refusal was reported."""
        self._engine.flights.refused = False

    def _turn(self, now: float, go: bool) -> None:
        engine = self._engine
        if self.end is not None:
            return
        engine.now, engine.go = max(now, engine.now), go
        engine.tasks.run()
        if not engine.live:
            engine.live = True
            engine.tasks.run()
        if engine.flights.stopping and not engine.flights.open and engine.root is not None:
            engine.root.cancel()
            engine.tasks.run()

    async def _root(self, program: Program) -> None:
        engine, assign = self._engine, self._engine.parts.assign
        variables = Variable(_fields(assign.scope.get("vars")))
        frame = Frame(program.main, program.inputs, variables, _fields(assign.scope.get("task")))
        signal = await self._main(Place(frame, ROOT_ID, FOREVER))
        for other in engine.beside if signal else ():
            other.cancel()
        await Wait(lambda: all(other.done for other in engine.beside))
        signal = _worst(signal, strongest(engine.beside))
        if engine.debug is not None and engine.debug.rolling:
            signal = await self._undone(signal)
        root = engine.tasks.current
        await Wait(lambda: root.cancelled or not engine.flights.stopping)
        await Wait(lambda: not engine.flights.tidying)
        end = self._ended(signal, frame)
        rolled_back = engine.debug is not None and engine.debug.rolling
        self.end = replace(end, rolled_back=True) if rolled_back else end

    async def _undone(self, signal: Signal | None) -> Signal | None:
        """Undo what has finished; the flow ends as it has failed, and says what could not be undone."""
        engine = self._engine
        if engine.debug is None or not isinstance(signal, Failed):
            return signal
        try:
            trouble = await roll_back(engine, engine.debug, self._runner)
        except Signal as other:
            return other
        return signal if trouble is None else Failed(f"{signal.reason}; {trouble}", signal.path)

    async def _main(self, place: Place) -> Signal | None:
        try:
            for block in place.frame.routine.root.branches.get("default", []):
                await self._runner.block(block, place)
        except Returned:
            return None
        except Signal as signal:
            return signal
        return None

    def _ended(self, signal: Signal | None, frame: Frame) -> FlowEnd:
        if isinstance(signal, Interrupted):
            return FlowEnd("interrupted", signal.reason, path=signal.path)
        if isinstance(signal, Stopped) and self._engine.flights.ever_refused:
            # One branch had stopped already when another refused: no cancel took place, and yet it cannot go on.
            signal = Failed(ABORTED)
        if self._engine.flights.stopping or not (signal is None or isinstance(signal, Failed)):
            return FlowEnd("cancelled")
        if signal is not None:
            args = {"reason": signal.reason}
            self._engine.host.log(signal.path or ROOT_ID, LogLevel.ERROR, "block", message="failed", args=args)
            return FlowEnd("failed", signal.reason, path=signal.path)
        done = {"executed": True, "branch": "default"}
        self._engine.host.log(
            ROOT_ID, LogLevel.INFO, "block", message="branch_done", args={"branch": "default"}, output=done
        )
        return FlowEnd("succeeded", outputs=frame.outputs())


def _fields(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, dict) else {}


def _worst(first: Signal | None, second: Signal | None) -> Signal | None:
    """An interruption counts most; then what the flow itself came to."""
    return second if first is None or isinstance(second, Interrupted) else first


def _started(program: Program, path: str, run: PastRun) -> bool:
    block = program.block_at(path)
    # Without recorded inputs the run failed over its parameters, before any driver heard of it.
    began = run.inputs is not None and run.status not in _NOTHING_MOVED
    return block is not None and block.kind in OPERATION_KINDS and began
