"""A flow with its sub-flows as it was assigned, checked before anything runs."""

from typing import Any

from edge_agent.flow.plan import Given, Plan, Plans, Routine
from schemas.flow import ROOT_ID, Block
from schemas.flow_check import FlowProblem, bind_inputs, called_flow
from schemas.flow_params import Source
from schemas.messages import Assign

_PLANS = Plans()


class BadFlow(ValueError):
    """This agent cannot run the flow; `reason` is the word for the answer, the text says what is wrong."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class Program:
    """The assigned flow, every flow it calls, and the inputs of this attempt."""

    def __init__(self, plan: Plan, inputs: dict[str, Any]) -> None:
        self._plan = plan
        self.main = plan.main
        self.total = plan.total
        self.inputs = inputs

    def sub(self, block: Block) -> Routine:
        """The flow that a sub-task runs."""
        return self._plan.subs[called_flow(block) or ""]

    def given(self, block: Block) -> tuple[Given, ...]:
        """The block's parameters in the order of evaluation."""
        return self._plan.given(block)

    def source(self, block: Block, name: str) -> Source:
        """Where one parameter comes from; raises `KeyError` if it is not written."""
        found = next((given.source for given in self.given(block) if given.name == name), None)
        if found is None:
            raise KeyError(name)
        return found

    def block_at(self, path: str) -> Block | None:
        """The block that a run's path belongs to."""
        found: Block | None = None
        for part in path.split("/"):
            number = part.partition("#")[0]
            if number == ROOT_ID:
                found = self.main.root if found is None else self.sub(found).root
            elif found is not None:
                inside = (*found.children(), *found.rollback)
                found = next((child for child in inside if child.id == number), None)
            if found is None:
                return None
        return found


def load(assign: Assign) -> Program:
    """Check the flow, its sub-flows and inputs; raises `BadFlow`."""
    plan = _PLANS.of(assign.flow)
    if not isinstance(plan, Plan):
        raise _refusal(plan)
    inputs, problems = bind_inputs(plan.main.definition, assign.inputs)
    if problems:
        raise _refusal(problems)
    return Program(plan, inputs)


def _refusal(problems: tuple[FlowProblem, ...]) -> BadFlow:
    unknown = [problem for problem in problems if problem.code == "unknown_block_kind"]
    first = (unknown or list(problems))[0]
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return BadFlow("unknown_block_kind" if unknown else "bad_parameters", f"{first.path}: {first.message}{more}")
