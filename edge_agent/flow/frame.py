"""Where a block runs: the scope of its flow, the variables of the task, and its place in the journal."""

from dataclasses import dataclass, field
from typing import Any

from edge_agent.flow.plan import Routine
from schemas.expression import Blocks, Inputs, Outputs, Scope, Task, Variables

MAX_VARIABLES = 500


class TooMany(ValueError):
    """The task has as many variables as it may have."""


class Variable:
    """The variables of a task, shared by all of its flows; the setting block run with the highest number wins.

    A replay visits parallel branches one after the other, so the order of calls is not the order of events; running
    numbers are.
    """

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = Variables(values)
        self._setter: dict[str, int] = {}

    def set(self, name: str, value: Any, n: int) -> None:
        """Set one variable; raises `TooMany`."""
        if name not in self.values and len(self.values) >= MAX_VARIABLES:
            raise TooMany(f"more than {MAX_VARIABLES} variables")
        if n >= self._setter.get(name, 0):
            self._setter[name] = n
            self.values[name] = value


class Frame:
    """One run of one flow: its inputs, and what its blocks have left."""

    def __init__(self, routine: Routine, inputs: dict[str, Any], variables: Variable, task: dict[str, Any]) -> None:
        self.routine = routine
        self.variables = variables
        self.task = task
        self._blocks = Blocks()
        self._run: dict[str, int] = {}
        self._inputs = inputs
        self.scope = Scope(Inputs(inputs), self._blocks, variables.values, Task(task))

    def publish(self, name: str, values: dict[str, Any], n: int) -> None:
        """Make a block's outputs readable; those of the block run with the highest number stay."""
        if n >= self._run.get(name, 0):
            self._run[name] = n
            self._blocks[name] = Outputs(name, values)

    def as_it_is(self) -> "Frame":
        """A copy that keeps what blocks have left by now; variables stay those of the task."""
        copy = Frame(self.routine, self._inputs, self.variables, self.task)
        copy._blocks.update(self._blocks)
        copy._run.update(self._run)
        return copy

    def outputs(self) -> dict[str, Any]:
        """What the flow hands out: for each declared output the variable of that name."""
        return {param.name: self.variables.values.get(param.name) for param in self.routine.flow.outputs}


@dataclass(frozen=True)
class Place:
    """Where a block is run: below `path`. closed: its parent has ended, so only remembered runs are repeated ·
    until: block runs from this number on belong to a further try of a block around it · caught: who around it takes
    its failure (`debug.NOBODY` …), which matters in debug mode only."""

    frame: Frame
    path: str
    until: int
    closed: bool = False
    caught: int = 0


@dataclass
class Run:
    """One block run in hand; `notes` are log rows that leave together with its end."""

    path: str
    n: int
    try_: int
    name: str
    kind: str
    recorded: bool = False
    notes: list[dict[str, Any]] = field(default_factory=list)
