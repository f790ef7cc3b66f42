"""Checks a flow with all its sub-flows, and lists every problem with the block's path."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from pydantic_core import to_json

from schemas.flow import MAX_BLOCKS, MAX_FLOW_BYTES, MAX_LEVELS, SUB_TASK, Block, Flow, FlowProblem, read_flow
from schemas.flow_bind import bind_inputs
from schemas.flow_rules import SELECT, check_rules, read_sources
from schemas.values import BadValue, convert

__all__ = ["FlowCheck", "FlowProblem", "bind_inputs", "check_flow"]

Resolve = Callable[[str], dict[str, Any] | None]
OWN_PARAMS = frozenset({"flow", "ifAsync", "taskRecordId"})
"""Parameters of a sub-task that are not inputs of its flow; the last one is written by editors and means nothing."""


@dataclass(frozen=True)
class FlowCheck:
    """All problems, the block kinds that are used, and the definitions of all sub-flows by id."""

    problems: tuple[FlowProblem, ...]
    needs: frozenset[str]
    sub_flows: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class _Seen:
    flow: Flow
    height: int
    selects: bool
    beside: bool


@dataclass(frozen=True)
class _Below:
    block: Block
    height: int
    selects: bool
    beside: bool


def check_flow(definition: Any, flow_id: str, resolve: Resolve) -> FlowCheck:
    """Check a definition, whatever it holds; nothing is raised. `resolve` finds the newest version of a flow."""
    checker = _Checker(resolve)
    checker.visit(flow_id, definition, "", ())
    return FlowCheck(tuple(checker.problems), frozenset(checker.needs), checker.sub_flows)


class _Checker:
    def __init__(self, resolve: Resolve) -> None:
        self._resolve = resolve
        self._seen: dict[str, _Seen] = {}
        self._bytes = self._blocks = 0
        self.problems: list[FlowProblem] = []
        self.needs: set[str] = set()
        self.sub_flows: dict[str, dict[str, Any]] = {}

    def visit(self, flow_id: str, definition: Any, base: str, chain: tuple[str, ...]) -> _Seen | None:
        """Check one flow and, below it, those it calls; `base` is the path of the block that calls it."""
        if not self._small_enough(definition, base):
            return None
        flow = read_flow(definition)
        self._add(base, [*flow.problems, *check_rules(flow)])
        blocks = list(flow.blocks())
        self._blocks += len(blocks)
        if self._blocks > MAX_BLOCKS and base:
            self._add(base, [FlowProblem("", "bounds", f"more than {MAX_BLOCKS} blocks with this sub-flow")])
            return None
        self.needs |= {block.kind for block in blocks}
        inside = _inside_select(flow.root)
        below = [self._sub_task(block, base, (*chain, flow_id), inside) for block in blocks if block.kind == SUB_TASK]
        height = max([*(block.level for block in blocks), *(item.height for item in below)], default=1)
        selects = any(block.kind == SELECT for block in blocks) or any(item.selects for item in below)
        beside = {item.block.path for item in below if item.beside}
        self._add(base, list(_tries_around(flow.root, beside)))
        self._seen[flow_id] = seen = _Seen(flow, height, selects, bool(beside))
        return seen

    def _small_enough(self, definition: Any, base: str) -> bool:
        try:
            self._bytes += len(to_json(definition))
        except (ValueError, TypeError, RecursionError):
            self._add(base, [FlowProblem("", "malformed", "the definition is not JSON, or nested far too deep")])
            return False
        if self._bytes > MAX_FLOW_BYTES:
            self._add(base, [FlowProblem("", "bounds", f"larger than {MAX_FLOW_BYTES} bytes, sub-flows included")])
        return self._bytes <= MAX_FLOW_BYTES

    def _add(self, base: str, problems: list[FlowProblem]) -> None:
        for problem in problems:
            path = "/".join(part for part in (base, problem.path) if part)
            self.problems.append(FlowProblem(path, problem.code, problem.message))

    def _sub_task(self, block: Block, base: str, chain: tuple[str, ...], inside: set[str]) -> "_Below":
        """What a sub-task brings with it, its own level included."""
        path = "/".join(part for part in (base, block.path) if part)
        seen = self._find(block, path, chain)
        if seen is None:
            return _Below(block, block.level, selects=False, beside=_runs_beside(block))
        height = block.level + seen.height
        if height > MAX_LEVELS:
            self._add(path, [FlowProblem("", "bounds", f"nested deeper than {MAX_LEVELS} levels with this sub-flow")])
        if seen.selects and block.path in inside:
            self._add(path, [FlowProblem("", "misplaced", f"this sub-flow has {SELECT}, and is inside of one")])
        self._add(path, _sub_inputs(block, seen.flow))
        return _Below(block, height, seen.selects, seen.beside or _runs_beside(block))

    def _find(self, block: Block, path: str, chain: tuple[str, ...]) -> _Seen | None:
        sub_id = called_flow(block)
        if sub_id is None:
            return None
        if sub_id in chain:
            self._add(path, [FlowProblem("", "recursion", f"flow '{sub_id}' would run itself")])
            return None
        if sub_id in self._seen:
            return self._seen[sub_id]
        if len(chain) >= MAX_LEVELS:
            self._add(path, [FlowProblem("", "bounds", f"sub-flows nested deeper than {MAX_LEVELS} levels")])
            return None
        definition = self._resolve(sub_id)
        if definition is None:
            self._add(path, [FlowProblem("", "unknown_flow", f"there is no flow '{sub_id}'")])
            return None
        self.sub_flows[sub_id] = definition
        return self.visit(sub_id, definition, path, chain)


def called_flow(block: Block) -> str | None:
    """The id of the flow that a sub-task runs, if it is written as it should be."""
    sources, _ = read_sources(block)
    source = sources.get("flow")
    return source.literal if source is not None and isinstance(source.literal, str) else None


def _runs_beside(block: Block) -> bool:
    """It runs beside the flow, or may do so."""
    sources, _ = read_sources(block)
    source = sources.get("ifAsync")
    return source is not None and (any(source.expressions()) or bool(source.literal))


def _tries_around(root: Block | None, beside: set[str]) -> Iterator[FlowProblem]:
    """Blocks that would be tried again while a sub-task of their last try still runs beside."""
    todo = [root] if root and beside else []
    while todo:
        block = todo.pop()
        if block.retry.times and any(path == block.path or path.startswith(block.path + "/") for path in beside):
            message = "cannot be tried again: a sub-task inside runs beside the flow"
            yield FlowProblem(block.path, "misplaced", message)
        todo.extend(block.children())


def _inside_select(root: Block | None) -> set[str]:
    found: set[str] = set()
    todo = [(root, False)] if root else []
    while todo:
        block, inside = todo.pop()
        if inside:
            found.add(block.path)
        todo.extend((child, inside or block.kind == SELECT) for child in block.children())
    return found


def _sub_inputs(block: Block, flow: Flow) -> list[FlowProblem]:
    sources, _ = read_sources(block)
    given = {name: source for name, source in sources.items() if name not in OWN_PARAMS and not source.is_null()}
    declared = {param.name: param for param in flow.inputs}
    found = [
        FlowProblem("", "unknown_parameter", f"the sub-flow has no input parameter '{name}'")
        for name in given
        if name not in declared
    ]
    for name, param in declared.items():
        source = given.get(name)
        if source is not None and param.secret and source.expression is None:
            found.append(FlowProblem("", "secret", f"{name}: it is secret, so an expression has to pass it on"))
        if source is None and param.required and param.default_value in (None, ""):
            found.append(FlowProblem("", "missing_parameter", f"the sub-flow's input parameter '{name}' is required"))
        if source is not None and not any(source.expressions()) and source.pairs is None:
            try:
                convert(source.literal, param.type)
            except BadValue as error:
                found.append(FlowProblem("", "bad_value", f"{name}: {error} ({param.type} is declared)"))
    return found
