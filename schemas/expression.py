"""Expressions of flows: parsed once, allowed piece by piece, evaluated over plain data within bounds."""

import ast
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import simpleeval  # type: ignore[import-untyped, unused-ignore]

from schemas.expression_words import COMPARISONS, FUNCTIONS, OPERATORS, BadExpression
from schemas.reference import ONLY_WHOLE, is_secret
from schemas.values import BadValue, plain

__all__ = ["MAX_CHARACTERS", "BadExpression", "Blocks", "Expression", "Inputs", "Outputs", "Scope", "evaluate", "parse"]

MAX_CHARACTERS = 512
MAX_DEPTH = 64
ROOTS = ("taskInputs", "blocks", "vars", "task")
CONSTANTS = {"true": True, "false": False, "null": None}
_PIECES = (
    ast.Expression,
    ast.BoolOp,
    ast.And,
    ast.Or,
    ast.BinOp,
    ast.UnaryOp,
    ast.Compare,
    ast.IfExp,
    ast.Call,
    ast.Name,
    ast.Load,
    ast.Attribute,
    ast.Subscript,
    ast.Slice,
    ast.Constant,
    ast.List,
    ast.Tuple,
    ast.Dict,
    *OPERATORS,
    *COMPARISONS,
)


class Inputs(dict[str, Any]):
    """`taskInputs`: what is not declared is an error that names it."""

    def __missing__(self, key: str) -> Any:
        raise BadExpression(f"there is no input parameter '{key}'")


class Variables(dict[str, Any]):
    """`vars`: what was never set is null."""

    def __missing__(self, key: str) -> Any:
        return None


class Outputs(dict[str, Any]):
    """What one block left behind."""

    def __init__(self, name: str, values: Mapping[str, Any]) -> None:
        super().__init__(values)
        self.name = name

    def __missing__(self, key: str) -> Any:
        has = ", ".join(sorted(self)) or "none"
        raise BadExpression(f"block '{self.name}' has no output '{key}' (it has: {has})")


class Blocks(dict[str, Outputs]):
    """`blocks`: a block that has not run is an error that names it."""

    def __missing__(self, key: str) -> Outputs:
        raise BadExpression(f"block '{key}' has not run")


class Task(dict[str, Any]):
    """`task`: id, priority, createdOn, and the variables."""

    def __missing__(self, key: str) -> Any:
        raise BadExpression(f"there is no 'task.{key}'")


@dataclass(frozen=True)
class Scope:
    """All that an expression can see."""

    inputs: Inputs = field(default_factory=Inputs)
    blocks: Blocks = field(default_factory=Blocks)
    variables: Variables = field(default_factory=Variables)
    task: Task = field(default_factory=Task)

    def names(self) -> dict[str, Any]:
        """The scope as the names that expressions use."""
        task = Task(self.task, variables=self.variables)
        return {**CONSTANTS, "taskInputs": self.inputs, "blocks": self.blocks, "vars": self.variables, "task": task}


@dataclass(frozen=True)
class Expression:
    """A text that may be evaluated; `blocks` and `inputs` are the names it refers to."""

    text: str
    tree: ast.expr
    blocks: frozenset[str]
    inputs: frozenset[str]

    @property
    def is_path(self) -> bool:
        """It is nothing but the way to one value, which is passed on as it is."""
        piece = self.tree
        while isinstance(piece, ast.Attribute | ast.Subscript):
            if isinstance(piece, ast.Subscript) and not isinstance(piece.slice, ast.Constant):
                return False
            piece = piece.value
        return isinstance(piece, ast.Name)


@lru_cache(maxsize=4096)
def parse(text: str) -> Expression:
    """Read an expression without evaluating it; raises `BadExpression`."""
    if len(text) > MAX_CHARACTERS:
        raise BadExpression(f"longer than {MAX_CHARACTERS} characters")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", SyntaxWarning)  # Python only doubts a literal like `1if`; we refuse it
            tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, SyntaxWarning, ValueError, MemoryError, RecursionError) as error:
        raise BadExpression(f"cannot be read: {getattr(error, 'msg', None) or 'not an expression'}") from error
    pieces = _pieces(tree)
    for piece in pieces:
        _allow(piece)
    calls = {id(piece.func) for piece in pieces if isinstance(piece, ast.Call)}
    for piece in pieces:
        if isinstance(piece, ast.Name) and id(piece) not in calls:
            _known_name(piece.id)
    return Expression(text, tree.body, _members(pieces, "blocks"), _members(pieces, "taskInputs"))


def _pieces(tree: ast.AST) -> list[ast.AST]:
    todo: list[tuple[ast.AST, int]] = [(tree, 0)]
    found = []
    while todo:
        piece, depth = todo.pop()
        if depth > MAX_DEPTH:
            raise BadExpression("nested too deep")
        found.append(piece)
        todo.extend((child, depth + 1) for child in ast.iter_child_nodes(piece))
    return found


def _allow(piece: ast.AST) -> None:
    if not isinstance(piece, _PIECES):
        raise BadExpression(f"{type(piece).__name__} is not allowed")
    if isinstance(piece, ast.Call):
        _allow_call(piece)
    elif isinstance(piece, ast.Constant):
        _allow_constant(piece.value)
    elif isinstance(piece, ast.Dict) and None in piece.keys:
        raise BadExpression("** is not allowed")


def _allow_call(call: ast.Call) -> None:
    name = call.func.id if isinstance(call.func, ast.Name) else None
    if name not in FUNCTIONS:
        raise BadExpression(f"there is no function '{name or ast.unparse(call.func)[:60]}'")
    if call.keywords:
        raise BadExpression(f"{name} takes no named arguments")


def _allow_constant(value: Any) -> None:
    try:
        plain(value)
    except BadValue as error:
        raise BadExpression(str(error)) from error


def _known_name(name: str) -> None:
    if name not in ROOTS and name not in CONSTANTS:
        raise BadExpression(f"unknown name '{name}' (names are {', '.join(ROOTS)})")


def _members(pieces: list[ast.AST], root: str) -> frozenset[str]:
    found = set()
    for piece in pieces:
        if isinstance(piece, ast.Attribute) and _is_name(piece.value, root):
            found.add(piece.attr)
        elif isinstance(piece, ast.Subscript) and _is_name(piece.value, root) and isinstance(piece.slice, ast.Constant):
            found.add(str(piece.slice.value))
    return frozenset(found)


def _is_name(piece: ast.AST, name: str) -> bool:
    return isinstance(piece, ast.Name) and piece.id == name


def evaluate(expression: Expression | str, scope: Scope) -> Any:
    """The value, as plain data of bounded size; raises `BadExpression` with a sentence for people."""
    known = parse(expression) if isinstance(expression, str) else expression
    evaluator = _evaluator(scope.names(), whole=known.is_path)
    try:
        return plain(evaluator.eval(known.text, previously_parsed=known.tree))
    except BadExpression:
        raise
    except (BadValue, simpleeval.InvalidExpression) as error:
        raise BadExpression(str(error)) from error
    except (TypeError, ValueError, LookupError, ArithmeticError, RecursionError) as error:
        raise BadExpression(f"cannot be evaluated: {str(error)[:200]}") from error


def _evaluator(names: dict[str, Any], *, whole: bool) -> Any:
    evaluator = simpleeval.EvalWithCompoundTypes(operators=OPERATORS | COMPARISONS, functions={}, names=names)
    evaluator.functions = FUNCTIONS
    read = _reader(evaluator)
    keep = _as_it_is if whole else _no_secret
    evaluator.nodes[ast.Attribute] = lambda node: keep(_member(_no_secret(read(node.value)), node.attr))
    evaluator.nodes[ast.Subscript] = lambda node: keep(_item(_no_secret(read(node.value)), read(node.slice)))
    return evaluator


def _as_it_is(value: Any) -> Any:
    return value


def _no_secret(value: Any) -> Any:
    """Nothing is worked out from a secret: what it stands for is known to nobody but the robot."""
    if is_secret(value):
        raise BadExpression(ONLY_WHOLE)
    return value


def _reader(evaluator: Any) -> Callable[[ast.AST], Any]:
    # simpleeval keeps one handler for each kind of node; this is how its own handlers go down.
    def read(node: ast.AST) -> Any:
        return evaluator.nodes[type(node)](node)

    return read


def _member(base: Any, name: str) -> Any:
    """A field of plain data, never an attribute of a Python object; a field that is not there is null."""
    if base is None:
        raise BadExpression(f"null has no '{name}'")
    if not isinstance(base, dict):
        raise BadExpression(f"a {type(base).__name__} has no '{name}'")
    return base[name] if name in base or hasattr(base, "__missing__") else None


def _item(base: Any, key: Any) -> Any:
    if isinstance(base, dict):
        return _member(base, str(key))
    if isinstance(base, list | str) and (isinstance(key, slice) or type(key) is int):
        return base[key]
    raise BadExpression("only a list, a text or an object has items")
