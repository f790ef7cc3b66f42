"""Runs blocks one by one: what the journal remembers answers at once, the rest really happens."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from edge_agent.flow.debug import Debug
from edge_agent.flow.flights import Flights
from edge_agent.flow.frame import Place, Run
from edge_agent.flow.program import Program
from edge_agent.flow.recall import Recall
from edge_agent.flow.signals import Failed, Interrupted, Stopped
from edge_agent.flow.tasks import Task, Tasks, Wait, Work
from edge_agent.operations import BlockReport, FlowHost, PastRun
from schemas.blocks import MAX_ITERATIONS
from schemas.flow import Block
from schemas.messages import Assign
from schemas.status import LogLevel, Phase

Outputs = dict[str, Any] | None
MAX_RUNS = 20_000
RUNS_PER_TURN = 500
"""After so many steps the agent gets its turn back, so that a busy flow cannot keep heartbeats from leaving."""


@dataclass(frozen=True)
class RobotFacts:
    """What a flow may know of the robot that runs it."""

    id: str
    kind: str
    queues: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class World:
    """What is different at every call; its answers are recorded, so a replay never asks again."""

    utc_ms: Callable[[], int]
    fresh_id: Callable[[], str]
    standing: Callable[[], str | None] = lambda: None
    """At which site the robot stands, if that is known."""


@dataclass(frozen=True)
class Parts:
    """What an engine is made of."""

    assign: Assign
    host: FlowHost
    robot: RobotFacts
    program: Program
    recall: Recall
    world: World


class Engine:
    """The state that all blocks of one attempt share, and the waits they go through."""

    def __init__(self, parts: Parts, now: float) -> None:
        self.parts = parts
        self.host = parts.host
        self.recall = parts.recall
        self.tasks = Tasks()
        self.flights = Flights(parts.host, parts.assign.attempt, safe=parts.assign.safe)
        self.root: Task | None = None
        self.beside: list[Task] = []
        self.open: dict[int, Run] = {}
        self.now = now
        self.go = False
        self.debug = Debug() if parts.assign.debug else None
        self.mock = parts.assign.mock
        self.dry_site: str | None = None
        """Where a dry run has brought the robot in thought."""
        self.live = False
        """Every remembered block run has answered; only then may anything new happen."""
        self.budget = RUNS_PER_TURN
        self.done: set[str] = set()
        self._runs = self._passes = 0

    # ------------------------------------------------------------ waits
    def cancelled(self) -> bool:
        """The task being stepped shall begin nothing further."""
        return self.tasks.current.cancelled

    async def gate(self, path: str) -> None:
        """Wait for leave to begin something new there; raises `Stopped` instead if it shall not begin."""
        task = self.tasks.current
        if not self.live or not (task.cancelled or self._may_begin(path)):
            await Wait(lambda: self.live and (task.cancelled or self._may_begin(path)))
        if task.cancelled:
            raise Stopped
        self.budget -= 1

    def _may_begin(self, path: str) -> bool:
        free = self.go and not self.flights.stopping and self.budget > 0
        return free and (self.debug is None or self.debug.lets(path))

    async def settle(self) -> None:
        """Wait, during a cancel, until it is known whether it succeeds; raises `Stopped` if it does."""
        task = self.tasks.current
        await Wait(lambda: task.cancelled or not self.flights.stopping)
        if task.cancelled:
            raise Stopped

    async def replayed(self) -> None:
        """Wait until every remembered block run has answered."""
        if not self.live:
            await Wait(lambda: self.live)

    async def sleep(self, milliseconds: int | None) -> None:
        """Wait that long, anew after a restart; raises `Stopped` on a cancel. A dry run waits for nothing."""
        await self.replayed()
        if not milliseconds or self.mock:
            return
        task, until = self.tasks.current, self.now + milliseconds / 1000
        await Wait(lambda: task.cancelled or self.now >= until, until)
        if task.cancelled:
            raise Stopped

    async def beside_all(self, works: list[Work]) -> list[Task]:
        """Run works side by side; the first that leaves with a signal makes the others end."""
        parent = self.tasks.current
        tasks = [self.tasks.spawn(work, parent) for work in works]
        await Wait(lambda: all(task.done for task in tasks) or any(task.signal for task in tasks))
        for task in tasks:
            if not task.done:
                task.cancel()
        await Wait(lambda: all(task.done for task in tasks))
        return tasks

    def run_beside(self, work: Work) -> None:
        """Run a work beside the flow, which ends only after it; an interruption in it ends the flow, too."""

        async def keep() -> None:
            try:
                await work()
            except Interrupted:
                if self.root is not None:
                    self.root.cancel()
                raise

        self.beside.append(self.tasks.spawn(keep, self.root))

    async def within(self, limit_ms: int, body: Callable[[], Coroutine[Any, Any, Outputs]]) -> Outputs:
        """Run a body that may take so long, counted anew after a restart; raises `Failed` if it takes longer."""
        result: list[Outputs] = []

        async def keep() -> None:
            result.append(await body())

        owner, until = self.tasks.current, self.now + limit_ms / 1000
        task = self.tasks.spawn(keep, owner)
        await Wait(lambda: task.done or self.now >= until, until)
        task.cancel()
        await Wait(lambda: task.done)
        if isinstance(task.signal, Stopped) and not owner.cancelled:
            raise Failed(f"it took longer than {limit_ms} ms")
        if task.signal is not None:
            raise task.signal
        return result[0]

    # ------------------------------------------------------------ bounds
    def count_run(self, path: str) -> None:
        """One more block run; raises `Failed` when there are too many."""
        self._runs += 1
        if self._runs > MAX_RUNS:
            raise Failed(f"more than {MAX_RUNS} block runs in one attempt", path, fatal=True)

    def count_pass(self, path: str) -> None:
        """One more pass of a loop; raises `Failed` when there are too many."""
        self._passes += 1
        if self._passes > MAX_ITERATIONS:
            raise Failed(f"more than {MAX_ITERATIONS} passes of loops in one attempt", path, fatal=True)

    # ------------------------------------------------------------ rows
    def begin(self, run: Run, past: PastRun | None, inputs: dict[str, Any] | None, phase: Phase) -> None:
        """A block run begins, or goes on after a restart without a second row."""
        self.open[run.n] = run
        if past is None:
            self.host.block(BlockReport(run.path, run.n, run.try_, phase, inputs=inputs))

    def end(self, run: Run, phase: Phase, outputs: dict[str, Any] | None = None, reason: str | None = None) -> None:
        """A block run ends; its notes leave just before, so that they are journalled together."""
        for note in run.notes:
            self.host.log(run.path, note.pop("level", LogLevel.INFO), note.pop("type_", "block"), **note)
        run.notes.clear()
        self.open.pop(run.n, None)
        self.host.block(BlockReport(run.path, run.n, run.try_, phase, outputs=outputs, reason=reason))


Body = Callable[["Step"], Coroutine[Any, Any, Outputs]]
"""What a kind of block does: answers its outputs, or leaves with a signal."""


@dataclass
class Step:
    """One block run as its kind sees it."""

    engine: Engine
    block: Block
    place: Place
    run: Run
    inputs: dict[str, Any]
    child: Callable[[Block, Place], Coroutine[Any, Any, None]]

    def inside(self, number: int | None = None, caught: int = 0) -> Place:
        """The place of its children, in that pass if it is a loop; `caught`: which of their failures it takes."""
        here = self.place
        path = self.run.path if number is None else f"{self.run.path}#{number}"
        return Place(here.frame, path, here.until, here.closed, caught if caught > here.caught else here.caught)

    async def branch(self, name: str = "default", number: int | None = None, caught: int = 0) -> None:
        """Run the children of a branch one after the other."""
        place = self.inside(number, caught)
        for child in self.block.branches.get(name, ()):
            await self.child(child, place)

    def publish(self, **values: Any) -> None:
        """Make values readable before the block has ended."""
        self.place.frame.publish(self.block.name, values, self.run.n)

    def note(self, **row: Any) -> None:
        """A log row that leaves together with the end of the block run."""
        self.run.notes.append(row)
