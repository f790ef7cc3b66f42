"""A robot that does what a script says, a host that keeps every row, and a bench that drives a flow through both."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from edge_agent.flow.run import FlowRun, RobotFacts, World
from edge_agent.operations import ENDED, BlockReport, FlowEnd, Key, Operation, OperationEvent, PastRun
from schemas.messages import Assign
from schemas.status import PHASE_STATE, Phase


class Crash(Exception):
    """The agent dies."""


@dataclass(frozen=True)
class Answer:
    """How one operation goes: its end after so many seconds; None: it never ends by itself."""

    what: str = "succeeded"
    outputs: Mapping[str, Any] | None = None
    reason: str | None = None
    seconds: float | None = 1.0
    stoppable: bool = True


@dataclass
class Robot:
    """What really happens; it lives on when the agent dies. `script` maps block names to the answers of their runs."""

    script: Mapping[str, list[Answer]] = field(default_factory=dict)
    now: float = 0.0
    started: list[tuple[str, int]] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    queue: list[tuple[float, OperationEvent]] = field(default_factory=list)
    known: dict[Key, tuple[Answer, float]] = field(default_factory=dict)
    over: dict[Key, OperationEvent] = field(default_factory=dict)
    forgets: bool = False
    objections: dict[str, str] = field(default_factory=dict)
    """Why it would refuse blocks of these names in a dry run."""
    holds: bool = False
    """Its operations leave something behind."""
    messy: dict[str, str] = field(default_factory=dict)
    """Why that cannot be removed, by block name."""
    tidied: list[Key] = field(default_factory=list)
    names: dict[Key, str] = field(default_factory=dict)
    _turns: dict[str, int] = field(default_factory=dict)

    def start(self, operation: Operation) -> None:
        turn = self._turns.get(operation.name, 0)
        self._turns[operation.name] = turn + 1
        answers = self.script.get(operation.name, [Answer()])
        answer = answers[min(turn, len(answers) - 1)]
        self.started.append((operation.path, operation.try_))
        self.known[operation.key] = (answer, self.now)
        self.names[operation.key] = operation.name
        if answer.what != "refused":
            self.say(operation.key, "taken")
            self.say(operation.key, "carried")
        if answer.seconds is not None:
            self.say(operation.key, answer.what, answer, after=answer.seconds)

    def say(self, key: Key, what: Any, answer: Answer | None = None, after: float = 0.0) -> None:
        outputs, reason = (answer.outputs, answer.reason) if answer else (None, None)
        holds = self.holds and what in ENDED
        self.queue.append((self.now + after, OperationEvent(key, what, outputs, reason, holds=holds)))

    def stop(self, key: Key) -> None:
        if key in self.over:
            return
        answer, _ = self.known[key]
        self.stopped.append(f"{key[1]}")
        if not answer.stoppable:
            self.say(key, "not_stoppable", Answer(reason="it cannot stop here"))
            return
        self.queue = [(at, event) for at, event in self.queue if event.key != key]
        self.say(key, "stopped")

    def resume(self, operation: Operation) -> None:
        key = operation.key
        if self.forgets or key not in self.known:
            self.say(key, "unknown")
        elif key in self.over:
            self.queue.append((self.now, self.over[key]))
        else:
            self.say(key, "carried")

    def tidy(self, key: Key) -> None:
        self.tidied.append(key)
        trouble = self.messy.get(self.names[key])
        what: Any = "tidied" if trouble is None else "not_tidied"
        self.queue.append((self.now, OperationEvent(key, what, reason=trouble)))

    def take(self) -> OperationEvent | None:
        """The next event that is due."""
        due = [pair for pair in self.queue if pair[0] <= self.now]
        if not due:
            return None
        first = min(due, key=lambda pair: pair[0])
        self.queue.remove(first)
        event = first[1]
        if event.what in ("refused", "succeeded", "failed", "stopped"):
            self.over[event.key] = event
        return event

    def next_at(self) -> float | None:
        return min((at for at, _ in self.queue), default=None)


@dataclass
class Host:
    """Keeps rows like a journal; dies when it is to write one row more than `lives`."""

    robot: Robot
    rows: list[BlockReport] = field(default_factory=list)
    logs: list[dict[str, Any]] = field(default_factory=list)
    lives: int | None = None

    def block(self, report: BlockReport) -> None:
        self._live()
        self.rows.append(report)

    def log(self, path: str | None, level: int, type_: str, **rest: Any) -> None:
        self._live()
        self.logs.append({"path": path, "level": level, "type": type_} | rest)

    def _live(self) -> None:
        if self.lives is not None:
            self.lives -= 1
            if self.lives < 0:
                raise Crash

    def start(self, operation: Operation) -> None:
        self.robot.start(operation)

    def stop(self, key: Key) -> None:
        self.robot.stop(key)

    def resume(self, operation: Operation) -> None:
        self.robot.resume(operation)

    def tidy(self, key: Key) -> None:
        self.robot.tidy(key)

    def rehearse(self, operation: Operation) -> str | None:
        return self.robot.objections.get(operation.name)


def past_of(rows: list[BlockReport]) -> dict[tuple[str, int], PastRun]:
    """What a journal remembers of those rows."""
    found: dict[tuple[str, int], PastRun] = {}
    for row in rows:
        old = found.get((row.path, row.try_))
        inputs = row.inputs if row.inputs is not None or old is None else old.inputs
        outputs = row.outputs if row.outputs is not None or old is None else old.outputs
        reason = row.reason if row.reason is not None or old is None else old.reason
        after = old.after if old else None
        if PHASE_STATE[row.status] is None and old is not None:
            found[row.path, row.try_] = replace(old, after=row.status)
            continue
        found[row.path, row.try_] = PastRun(row.n, row.status, inputs, outputs, reason, after)
    return found


def assign(flow: dict[str, Any], **fields: Any) -> Assign:
    return Assign(job="job-1", attempt=7, flow={"id": "main", "version": 1, "subFlows": {}} | flow, **fields)


ME = RobotFacts("agv-01", "agv", ("pickers",), ("fork",))


class Ids:
    """Ids and times that differ at every call."""

    def __init__(self) -> None:
        self.calls = 0
        self.here: str | None = None

    def world(self) -> World:
        return World(self.time, lambda: f"id-{self.time()}", lambda: self.here)

    def time(self) -> int:
        self.calls += 1
        return 1_000 + self.calls


@dataclass
class Bench:
    """An agent that drives one flow; `crash` makes a new one over the same journal and robot."""

    order: Assign
    robot: Robot = field(default_factory=Robot)
    facts: RobotFacts = ME
    make: Callable[..., FlowRun] = FlowRun

    def __post_init__(self) -> None:
        self.host = Host(self.robot)
        self.ids = Ids()
        self.run: FlowRun = self._new()

    @property
    def now(self) -> float:
        return self.robot.now

    def _new(self) -> FlowRun:
        past = past_of(self.host.rows)
        return self.make(self.order, self.host, past, self.facts, self.robot.now, world=self.ids.world())

    def crash(self) -> None:
        """The agent dies and starts again; events on their way to it are lost, ends are asked for again."""
        self.host.lives = None
        while self.robot.take() is not None:
            pass
        self.run = self._new()

    def turn(self, go: bool = True) -> bool:
        """Deliver what is due; answers whether anything was."""
        self.run.advance(self.now, go)
        event = self.robot.take()
        if event is None:
            return False
        self.run.feed(event, self.now)
        self.run.advance(self.now, go)
        return True

    def quiet(self, go: bool = True) -> None:
        """Deliver all that is due without time passing."""
        while self.turn(go):
            pass

    def wait(self) -> bool:
        """Let time pass until something may happen; answers whether there is such a time."""
        times = [at for at in (self.robot.next_at(), self.run.wake_at) if at is not None]
        if not times:
            return False
        self.robot.now = max(self.now, min(times))
        return True

    def finish(self, go: bool = True) -> FlowEnd:
        """Run to the end."""
        for _ in range(200_000):
            self.quiet(go)
            if self.run.end is not None:
                return self.run.end
            assert self.wait(), f"stuck: {self.run.path} {self.words()}"
        raise AssertionError("no end")

    # ------------------------------------------------------------ what came of it
    def words(self) -> list[str]:
        """Every row as one short text."""
        return [f"{row.path}.{row.try_} {row.status}" for row in self.host.rows]

    def final(self) -> dict[tuple[str, int], PastRun]:
        return past_of(self.host.rows)

    def outputs(self, path: str, try_: int = 0) -> Mapping[str, Any] | None:
        return self.final()[path, try_].outputs

    def phases(self, path: str, try_: int = 0) -> list[Phase]:
        return [row.status for row in self.host.rows if (row.path, row.try_) == (path, try_)]


def block(id_: int, kind: str, *children: dict[str, Any], name: str = "", **rest: Any) -> dict[str, Any]:
    """A block as it is written: `p_x=` a literal, `e_x=` an expression, `b_x=` a branch, `o_x=` an option."""
    made: dict[str, Any] = {"id": id_, "name": name or f"b{id_}", "blockType": kind, "inputParams": {}, "children": {}}
    if children:
        made["children"]["default"] = list(children)
    for key, value in rest.items():
        what, _, word = key.partition("_")
        if what == "b":
            made["children"][word] = value
        elif what == "o":
            made[word] = value
        else:
            made["inputParams"][word] = {"type": {"p": "Simple", "e": "Expression"}[what], "value": value}
    return made


def flow(*blocks: dict[str, Any], inputs: list[dict[str, Any]] | None = None, **rest: Any) -> dict[str, Any]:
    root = {"id": -1, "name": "-1", "blockType": "RootBp", "inputParams": {}, "children": {"default": list(blocks)}}
    return {"inputParams": inputs or [], "outputParams": [], "rootBlock": root} | rest
