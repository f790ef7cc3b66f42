"""What must hold inside one flow: its kinds, names, parameters, places and references."""

from collections.abc import Callable, Iterator
from typing import Any

from schemas.expression import BadExpression
from schemas.flow import ROOT_ID, SUB_TASK, Block, Flow, FlowProblem, InputParam
from schemas.flow_params import Source, read_source
from schemas.reference import ASSET, ONLY_WHOLE, SECRET, replaced
from schemas.values import BadValue, convert, is_blank

Problems = Iterator[FlowProblem]
ROOT, BREAK, SELECT, PARALLEL = "RootBp", "BreakBp", "CSelectAgvBp", "ParallelFlowBp"


def check_rules(flow: Flow) -> list[FlowProblem]:
    """Every problem of one flow that was read, its sub-flows aside."""
    found = list(_input_defaults(flow))
    if flow.root is None:
        return found
    found += _unique(flow, lambda block: block.id, "id")
    found += _unique(flow, lambda block: block.name, "name")
    given = {}
    for block in flow.blocks():
        found += _kind(block)
        sources, faults = read_sources(block)
        given[block.path] = sources
        found += [*faults, *_params(block, sources)]
    found += _places(flow.root, in_loop=False, in_select=False)
    return found + list(_References(flow, given).check())


def _input_defaults(flow: Flow) -> Problems:
    for param in flow.inputs:
        yield from _secret_input(param)
        try:
            convert(None if is_blank(param.default_value) else param.default_value, param.type)
        except BadValue as error:
            yield FlowProblem(param.name, "bad_value", f"default value: {error} ({param.type} is declared)")


def _secret_input(param: InputParam) -> Problems:
    if param.secret and param.type != "String":
        yield FlowProblem(param.name, "secret", f"a secret is a text ({param.type} is declared)")
    if param.secret and not is_blank(param.default_value):
        yield FlowProblem(param.name, "secret", "a secret has no default value: everybody may read a flow")
    if _refers(param.default_value):
        yield FlowProblem(param.name, "bad_value", "default value: only jobs and deployments refer to assets")


def _refers(value: Any) -> bool:
    """Whether anything in a value is a reference."""
    found: list[str] = []
    for word in (SECRET, ASSET):
        replaced(value, word, found.append)
    return bool(found)


def _unique(flow: Flow, key: Callable[[Block], str], what: str) -> Problems:
    seen: set[str] = set()
    for block in flow.blocks():
        if key(block) in seen:
            yield FlowProblem(block.path, "duplicate", f"the {what} '{key(block)}' is used twice")
        seen.add(key(block))


def _kind(block: Block) -> Problems:
    if block.row is None:
        yield FlowProblem(block.path, "unknown_block_kind", f"there is no block kind '{block.kind}'")
    elif (block.kind == ROOT) != (block.path == ROOT_ID):
        yield FlowProblem(block.path, "misplaced", f"{ROOT} is the kind of the outermost block, and of no other")


def read_sources(block: Block) -> tuple[dict[str, Source], list[FlowProblem]]:
    """The parameters that can be read, and the problems of the others."""
    found, problems = {}, []
    for name, written in block.params.items():
        try:
            source = read_source(name, block.row.param(name) if block.row else None, written)
            if _refers(written.value) or _refers((source.literal, source.pairs)):
                raise BadValue("a secret or asset comes into a flow by an input parameter")
            found[name] = source
        except BadExpression as error:
            problems.append(FlowProblem(block.path, "bad_expression", f"{name}: {error}"))
        except BadValue as error:
            problems.append(FlowProblem(block.path, "bad_value", f"{name}: {error}"))
    return found, problems


def _params(block: Block, sources: dict[str, Source]) -> Problems:
    row = block.row
    if row is None:
        return
    absent = {name for name, source in sources.items() if source.is_null()} | {
        param.name for param in row.params if param.name not in block.params
    }
    for param in row.params:
        if param.required and param.name in absent:
            yield FlowProblem(block.path, "missing_parameter", f"{param.name} is required")
    if row.one_of and all(name in absent for name in row.one_of):
        yield FlowProblem(block.path, "missing_parameter", f"one of {', '.join(row.one_of)} is required")
    for name, source in sources.items():
        if source.param is None and row.extra is None and not source.is_null():
            yield FlowProblem(block.path, "unknown_parameter", f"{block.kind} has no parameter '{name}'")
    if block.kind == SUB_TASK and "flow" in sources and any(sources["flow"].expressions()):
        yield FlowProblem(block.path, "bad_value", "flow: must be a literal, so that it can be checked")


def _places(block: Block, *, in_loop: bool, in_select: bool) -> Problems:
    if block.kind == BREAK and not in_loop:
        yield FlowProblem(block.path, "misplaced", f"{BREAK} is not inside a loop")
    if block.kind == SELECT and in_select:
        yield FlowProblem(block.path, "misplaced", f"{SELECT} inside {SELECT}")
    loop = in_loop or (block.row is not None and block.row.loop)
    for child in block.children():
        yield from _places(child, in_loop=loop, in_select=in_select or block.kind == SELECT)
    for child in block.rollback:
        yield from _places(child, in_loop=False, in_select=False)


class _References:
    """Finds references to blocks that cannot have run when the expression is evaluated."""

    def __init__(self, flow: Flow, given: dict[str, dict[str, Source]]) -> None:
        self._root = flow.root
        self._given = given
        self._names = {block.name for block in flow.blocks()}
        self._inputs = {param.name for param in flow.inputs}
        self._secrets = {param.name for param in flow.inputs if param.secret}

    def check(self) -> Problems:
        if self._root is not None:
            yield from self._walk(self._root, set())

    def _walk(self, block: Block, before: set[str]) -> Problems:
        """`before`: names of blocks that may have run; holds the block's own subtree afterwards."""
        inside = {name for child in block.children() for name in _names(child)}
        loop = block.row is not None and block.row.loop
        # An earlier pass may have run anything in a loop's body.
        seen = before | inside if loop else before
        yield from self._expressions(block, seen)
        for branch, children in block.branches.items():
            start = seen | {block.name}
            if branch == "catch":
                start |= {name for child in block.branches.get("try", ()) for name in _names(child)}
            if block.kind == PARALLEL:
                start |= inside
            for child in children:
                yield from self._walk(child, start)
        for child in block.rollback:
            yield from self._walk(child, set(self._names))
        before |= inside | {block.name}

    def _expressions(self, block: Block, seen: set[str]) -> Problems:
        for source in self._given[block.path].values():
            for expression in source.expressions():
                for name in sorted(expression.blocks - seen):
                    yield self._bad_reference(block, source.name, name)
                for name in sorted(expression.inputs - self._inputs):
                    message = f"{source.name}: the flow declares no input parameter '{name}'"
                    yield FlowProblem(block.path, "unknown_input", message)
                if expression.inputs & self._secrets and not expression.is_path:
                    yield FlowProblem(block.path, "secret", f"{source.name}: {ONLY_WHOLE}")

    def _bad_reference(self, block: Block, param: str, name: str) -> FlowProblem:
        if name not in self._names:
            return FlowProblem(block.path, "unknown_block", f"{param}: there is no block '{name}'")
        return FlowProblem(block.path, "reference", f"{param}: block '{name}' cannot have run by then")


def _names(block: Block) -> Iterator[str]:
    yield block.name
    for child in block.children():
        yield from _names(child)
