"""Flow definitions: a tree of blocks, read tolerantly and without recursion, every fault with its path."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from schemas.block_kind import BlockKind
from schemas.blocks import BLOCK_KINDS, DAY_MS
from schemas.values import is_blank

MAX_BLOCKS, MAX_LEVELS, MAX_FLOW_BYTES = 2_000, 24, 786_432
MAX_INPUTS = 200
ROOT_ID = "-1"
SUB_TASK, SUB_TASK_PREFIX = "SubTaskBp", "SubTask::"
ROLLBACK = "rollback"


@dataclass(frozen=True)
class FlowProblem:
    """What is wrong, where: `path` is the block's, or the name of an input parameter."""

    path: str
    code: str
    message: str


def _blank_to_none(value: Any) -> Any:
    return None if is_blank(value) else value


def _id_text(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Milliseconds = Annotated[Annotated[int, Field(ge=0, le=DAY_MS)] | None, BeforeValidator(_blank_to_none)]
_EMPTY_MAP, _EMPTY_LIST = BeforeValidator(lambda value: value or {}), BeforeValidator(lambda value: value or [])


class Noisy(BaseModel):
    """What editors write: fields that mean nothing here are ignored, numbers may come as texts."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False, alias_generator=to_camel)


class ParamValue(Noisy):
    """How a block's parameter gets its value."""

    type: Literal["Simple", "Expression", "JSON", "Key-Value"] = "Simple"
    value: Any = None


class Retry(Noisy):
    """Further tries of a block after a failure; `interval` in milliseconds."""

    times: Annotated[int, Field(ge=0, le=100)] = 0
    interval: Milliseconds = 0


class BlockFields(Noisy):
    """One block as it is written, its children unread."""

    id: Annotated[str, BeforeValidator(_id_text), Field(pattern=r"^-?[A-Za-z0-9_.-]{1,32}$")]
    name: Annotated[str, Field(min_length=1, max_length=64)]
    block_type: Annotated[str, Field(min_length=1, max_length=128)]
    input_params: Annotated[dict[str, ParamValue], _EMPTY_MAP] = {}
    children: Annotated[dict[str, list[Any] | None], _EMPTY_MAP] = {}
    max_time_out: Milliseconds = None
    rollback: Annotated[list[Any], _EMPTY_LIST] = []
    retry: Annotated[Retry, _EMPTY_MAP] = Retry()


class FlowFields(Noisy):
    """A whole definition as it is written."""

    input_params: Annotated[list[Any], _EMPTY_LIST] = []
    output_params: Annotated[list[Any], _EMPTY_LIST] = []
    root_block: dict[str, Any]


class InputParam(Noisy):
    """A declared input (or output) of a flow."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")]
    type: Literal["String", "Boolean", "Long", "Double", "JSONObject", "JSONArray"] = "String"
    label: str | None = None
    required: bool = False
    default_value: Any = None
    secret: bool = False
    """What is given for it is sealed before it is stored, and only robots get to know it."""


@dataclass(eq=False)
class Block:
    """A block that was read; `branches` holds its children in the order in which they are written."""

    id: str
    name: str
    kind: str
    path: str
    level: int
    params: Mapping[str, ParamValue]
    limit_ms: int | None = None
    retry: Retry = field(default_factory=Retry)
    branches: dict[str, list["Block"]] = field(default_factory=dict)
    rollback: list["Block"] = field(default_factory=list)

    @property
    def row(self) -> BlockKind | None:
        """The kind's row in the table, if there is one."""
        return BLOCK_KINDS.get(self.kind)

    def children(self) -> Iterator["Block"]:
        """All children, branch by branch."""
        for branch in self.branches.values():
            yield from branch


@dataclass(frozen=True)
class Flow:
    """A definition that was read; `problems` says what could not be."""

    root: Block | None
    inputs: tuple[InputParam, ...]
    outputs: tuple[InputParam, ...]
    problems: tuple[FlowProblem, ...]

    def blocks(self) -> Iterator[Block]:
        """Every block, rollback blocks included, parents first."""
        todo = [self.root] if self.root else []
        while todo:
            block = todo.pop()
            yield block
            todo.extend([*block.children(), *block.rollback][::-1])


@dataclass(frozen=True)
class _Unread:
    raw: Any
    path: str
    level: int
    home: list[Block]


def read_flow(definition: Any) -> Flow:
    """Read a definition, whatever it holds; nothing is raised."""
    problems: list[FlowProblem] = []
    try:
        fields = FlowFields.model_validate(definition)
    except ValidationError as error:
        return Flow(None, (), (), tuple(_complaints("", error)))
    inputs = _read_inputs(fields.input_params, "inputParams", problems)
    outputs = _read_inputs(fields.output_params, "outputParams", problems)
    root = _read_tree(fields.root_block, problems)
    return Flow(root, inputs, outputs, tuple(problems))


def _complaints(path: str, error: ValidationError) -> Iterator[FlowProblem]:
    for item in error.errors(include_url=False, include_context=False, include_input=False)[:20]:
        where = ".".join(str(part) for part in item["loc"])
        yield FlowProblem(path, "malformed", f"{where or 'definition'}: {item['msg']}"[:300])


def read_inputs(definition: Any) -> tuple[tuple[InputParam, ...], tuple[FlowProblem, ...]]:
    """Only the declared inputs of a definition, and what is wrong with them."""
    problems: list[FlowProblem] = []
    written = definition.get("inputParams") if isinstance(definition, Mapping) else None
    if written and not isinstance(written, list):
        return (), (FlowProblem("", "malformed", "inputParams: must be a list"),)
    return _read_inputs(written or [], "inputParams", problems), tuple(problems)


def _read_inputs(raw: list[Any], what: str, problems: list[FlowProblem]) -> tuple[InputParam, ...]:
    found: dict[str, InputParam] = {}
    if len(raw) > MAX_INPUTS:
        problems.append(FlowProblem("", "bounds", f"{what}: more than {MAX_INPUTS}"))
    for place, item in enumerate(raw[:MAX_INPUTS]):
        try:
            param = InputParam.model_validate(item)
        except ValidationError as error:
            problems.extend(_complaints(f"{what}.{place}", error))
            continue
        if param.name in found:
            problems.append(FlowProblem(param.name, "duplicate", f"{what}: '{param.name}' is declared twice"))
        found.setdefault(param.name, param)
    return tuple(found.values())


def _read_tree(root: dict[str, Any], problems: list[FlowProblem]) -> Block | None:
    home: list[Block] = []
    # Editors leave the root's id and name out, or write them in several ways; its path is fixed.
    todo = [_Unread({**root, "id": -1, "name": ROOT_ID}, ROOT_ID, 1, home)]
    count = 0
    while todo:
        unread = todo.pop()
        count += 1
        if count > MAX_BLOCKS:
            problems.append(FlowProblem(unread.path, "bounds", f"more than {MAX_BLOCKS} blocks"))
            break
        fields = _read_fields(unread, problems)
        if fields is not None:
            block = _block(fields, unread)
            unread.home.append(block)
            todo.extend(reversed(_unread_children(block, fields, problems)))
    return home[0] if home else None


def _read_fields(unread: _Unread, problems: list[FlowProblem]) -> BlockFields | None:
    if unread.level > MAX_LEVELS:
        problems.append(FlowProblem(unread.path, "bounds", f"nested deeper than {MAX_LEVELS} levels"))
        return None
    try:
        return BlockFields.model_validate(unread.raw)
    except ValidationError as error:
        problems.extend(_complaints(unread.path, error))
        return None


def _block(fields: BlockFields, unread: _Unread) -> Block:
    kind, params = fields.block_type, fields.input_params
    if kind.startswith(SUB_TASK_PREFIX):
        kind, params = SUB_TASK, params | {"flow": ParamValue(value=kind.removeprefix(SUB_TASK_PREFIX))}
    limit = fields.max_time_out or None
    return Block(fields.id, fields.name, kind, unread.path, unread.level, params, limit, fields.retry)


def _unread_children(block: Block, fields: BlockFields, problems: list[FlowProblem]) -> list[_Unread]:
    found = []
    for written, items in fields.children.items():
        branch = "default" if written == "submodules" else written
        found += _below(block, items or [], block.branches.setdefault(branch, []))
        if items and block.row is not None and branch not in block.row.branches:
            has = ", ".join(block.row.branches) or "no children"
            message = f"{block.kind} has no '{branch}' (it has: {has})"
            problems.append(FlowProblem(block.path, "unknown_branch", message))
    return found + _below(block, fields.rollback, block.rollback)


def _below(block: Block, items: list[Any], home: list[Block]) -> list[_Unread]:
    return [_Unread(raw, f"{block.path}/{_id_of(raw, i)}", block.level + 1, home) for i, raw in enumerate(items)]


def _id_of(raw: Any, place: int) -> str:
    """The id for the path of a block that may turn out to be unreadable."""
    written = raw.get("id") if isinstance(raw, dict) else None
    return str(written)[:32] if isinstance(written, int | str) else f"?{place}"
