"""What of a flow is the same for every attempt that runs it: checked and read once, and kept for the next one."""

import ast
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import to_json

from schemas.block_kind import Param
from schemas.blocks import BLOCK_KINDS
from schemas.expression import BadExpression, Scope
from schemas.flow import Block, Flow, FlowProblem, read_flow
from schemas.flow_check import check_flow
from schemas.flow_params import Source, sources, value_of
from schemas.values import BadValue

KEPT_BYTES = 2_000_000
"""Most that the texts of kept flows may have together; a flow that is larger is read again for each attempt."""


@dataclass(frozen=True)
class Given:
    """One parameter of a block, in the order of evaluation; without a source it was not written.

    fixed: no scope can change its value, which is `value`; whoever hands it on hands on a copy.
    """

    name: str
    param: Param | None
    source: Source | None
    fixed: bool = False
    value: Any = None


@dataclass(frozen=True)
class Routine:
    """One flow, ready to run: its tree, and its definition for binding inputs."""

    flow: Flow
    root: Block
    definition: Mapping[str, Any]


@dataclass(frozen=True)
class Plan:
    """A flow with every flow it calls, all without a fault. Nothing in it may be changed: attempts share it."""

    main: Routine
    subs: Mapping[str, Routine]
    total: int
    _given: dict[Block, tuple[Given, ...]] = field(default_factory=dict)

    def given(self, block: Block) -> tuple[Given, ...]:
        """The block's parameters, read once: those of the table first, then what else is written."""
        if block not in self._given:
            self._given[block] = tuple(_given(block))
        return self._given[block]


class Plans:
    """The plans of the flows that were assigned last, found by the flow's whole text."""

    def __init__(self) -> None:
        self._plans: OrderedDict[bytes, Plan] = OrderedDict()
        self._bytes = 0

    def of(self, flow: dict[str, Any]) -> Plan | tuple[FlowProblem, ...]:
        """The plan of a definition with its sub-flows, or what is wrong with it."""
        try:
            text = to_json(flow)
        except (ValueError, TypeError, RecursionError):
            return _read(flow)  # the check has the words for it
        if text in self._plans:
            self._plans.move_to_end(text)
            return self._plans[text]
        plan = _read(flow)
        if isinstance(plan, Plan) and len(text) <= KEPT_BYTES:
            self._keep(text, plan)
        return plan

    def _keep(self, text: bytes, plan: Plan) -> None:
        self._plans[text] = plan
        self._bytes += len(text)
        while self._bytes > KEPT_BYTES:
            oldest, _ = self._plans.popitem(last=False)
            self._bytes -= len(oldest)


def _read(flow: dict[str, Any]) -> Plan | tuple[FlowProblem, ...]:
    found = flow.get("subFlows")
    subs = found if isinstance(found, dict) else {}
    check = check_flow(flow, str(flow.get("id", "")), lambda name: _definition(subs.get(name)))
    if check.problems:
        return check.problems
    main = _routine(flow)
    if main is None:
        return (FlowProblem("", "malformed", "the flow has no root"),)
    read = {name: _routine(definition) for name, definition in check.sub_flows.items()}
    routines = {name: routine for name, routine in read.items() if routine is not None}
    return Plan(main, routines, sum(1 for _ in main.flow.blocks()))


def _definition(value: Any) -> dict[str, Any] | None:
    return value if isinstance(value, dict) else None


def _routine(definition: dict[str, Any]) -> Routine | None:
    flow = read_flow(definition)
    return None if flow.root is None else Routine(flow, flow.root, definition)


def _given(block: Block) -> list[Given]:
    row, written = BLOCK_KINDS[block.kind], sources(block)
    params = [(param.name, param) for param in row.params]
    more = [(name, None) for name in written if row.param(name) is None]
    return [_one(name, param, written.get(name)) for name, param in [*params, *more]]


def _one(name: str, param: Param | None, source: Source | None) -> Given:
    if source is None:
        return Given(name, param, None, fixed=True)
    expression = source.expression
    if source.pairs is None and (expression is None or isinstance(expression.tree, ast.Constant)):
        try:
            return Given(name, param, source, fixed=True, value=value_of(source, Scope()))
        except (BadExpression, BadValue):
            pass  # it fails when the block runs, with its name and path
    return Given(name, param, source)
