"""A flow with its sub-flows as it was assigned, checked before anything runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from schemas.flow import ROOT_ID, Block, Flow, read_flow
from schemas.flow_check import FlowProblem, bind_inputs, called_flow, check_flow
from schemas.flow_params import Source, sources
from schemas.messages import Assign


class BadFlow(ValueError):
    """This agent cannot run the flow; `reason` is the word for the answer, the text says what is wrong."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


@dataclass(frozen=True)
class Routine:
    """One flow, ready to run: its tree, and its definition for binding inputs."""

    flow: Flow
    root: Block
    definition: Mapping[str, Any]


class Program:
    """The assigned flow and every flow it calls."""

    def __init__(self, main: Routine, subs: Mapping[str, Routine], inputs: dict[str, Any]) -> None:
        self.main = main
        self.inputs = inputs
        self._subs = subs
        self._sources: dict[int, dict[str, Source]] = {}
        self.total = sum(1 for _ in main.flow.blocks())

    def sub(self, block: Block) -> Routine:
        """The flow that a sub-task runs."""
        return self._subs[called_flow(block) or ""]

    def sources(self, block: Block) -> dict[str, Source]:
        """Where the block's parameters come from; read once."""
        if id(block) not in self._sources:
            self._sources[id(block)] = sources(block)
        return self._sources[id(block)]

    def block_at(self, path: str) -> Block | None:
        """The block that a run's path belongs to."""
        found: Block | None = None
        for part in path.split("/"):
            number = part.partition("#")[0]
            if number == ROOT_ID:
                found = self.main.root if found is None else self.sub(found).root
            elif found is not None:
                found = next((child for child in found.children() if child.id == number), None)
            if found is None:
                return None
        return found


def load(assign: Assign) -> Program:
    """Check the flow, its sub-flows and inputs; raises `BadFlow`."""
    flow = assign.flow
    given = flow.get("subFlows")
    subs = given if isinstance(given, dict) else {}
    check = check_flow(flow, str(flow.get("id", "")), lambda name: _definition(subs.get(name)))
    _refuse(check.problems)
    inputs, problems = bind_inputs(flow, assign.inputs)
    _refuse(problems)
    routines = {name: _routine(definition) for name, definition in check.sub_flows.items()}
    return Program(_routine(flow), routines, inputs)


def _definition(value: Any) -> dict[str, Any] | None:
    return value if isinstance(value, dict) else None


def _routine(definition: dict[str, Any]) -> Routine:
    flow = read_flow(definition)
    if flow.root is None:
        raise BadFlow("bad_parameters", "the flow has no root")
    return Routine(flow, flow.root, definition)


def _refuse(problems: tuple[FlowProblem, ...]) -> None:
    if not problems:
        return
    unknown = [problem for problem in problems if problem.code == "unknown_block_kind"]
    first = (unknown or list(problems))[0]
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    raise BadFlow("unknown_block_kind" if unknown else "bad_parameters", f"{first.path}: {first.message}{more}")
