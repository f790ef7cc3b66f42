"""Operators and functions that expressions may use, each bounded in time and size."""

import ast
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

from schemas.values import MAX_VALUE_BYTES, convert, parsed, plain, text_of, weight


class BadExpression(ValueError):
    """The expression cannot be read, or not be evaluated; the text says why."""


def _bounded(length: float) -> None:
    if length > MAX_VALUE_BYTES:
        raise BadExpression("the result is too large")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _numbers(work: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def apply(left: Any, right: Any) -> Any:
        if not (_is_number(left) and _is_number(right)):
            raise BadExpression(f"{_name(left)} and {_name(right)} are not two numbers")
        return plain(work(left, right))

    return apply


def _name(value: Any) -> str:
    return "null" if value is None else type(value).__name__


def _add(left: Any, right: Any) -> Any:
    if isinstance(left, str) or isinstance(right, str):
        return _join_texts(left, right)
    if isinstance(left, list) and isinstance(right, list):
        _bounded(len(left) + len(right))
        return left + right
    return _numbers(operator.add)(left, right)


def _join_texts(left: Any, right: Any) -> str:
    if left is None or right is None:
        raise BadExpression("null cannot be added to a text")
    first, second = text_of(left), text_of(right)
    _bounded(len(first) + len(second))
    return first + second


def _times(left: Any, right: Any) -> Any:
    for base, count in ((left, right), (right, left)):
        if isinstance(base, str | list) and type(count) is int:
            # By all that is in it, not by its length: a list of lists of lists would grow with every step of nesting.
            _bounded((len(base) if isinstance(base, str) else weight(base)) * max(count, 0))
            return base * count
    return _numbers(operator.mul)(left, right)


def _ordered(work: Callable[[Any, Any], Any]) -> Callable[[Any, Any], bool]:
    def compare(left: Any, right: Any) -> bool:
        if not (_is_number(left) and _is_number(right)) and not (isinstance(left, str) and isinstance(right, str)):
            raise BadExpression(f"{_name(left)} and {_name(right)} have no order")
        return bool(work(left, right))

    return compare


def _contains(needle: Any, heap: Any) -> bool:
    if isinstance(heap, str):
        return isinstance(needle, str) and needle in heap
    if isinstance(heap, list | tuple | Mapping):
        return needle in heap
    raise BadExpression(f"nothing is in {_name(heap)}")


def _same(left: Any, right: Any) -> bool:
    # true == 1 holds in Python; in a flow a number is never a boolean.
    if isinstance(left, bool) != isinstance(right, bool):
        return False
    return bool(left == right)


def _signed(work: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def apply(value: Any) -> Any:
        if not _is_number(value):
            raise BadExpression(f"{_name(value)} is not a number")
        return plain(work(value))

    return apply


OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: _add,
    ast.Sub: _numbers(operator.sub),
    ast.Mult: _times,
    ast.Div: _numbers(operator.truediv),
    ast.FloorDiv: _numbers(operator.floordiv),
    ast.Mod: _numbers(operator.mod),
    ast.Not: operator.not_,
    ast.USub: _signed(operator.neg),
    ast.UAdd: _signed(operator.pos),
}
COMPARISONS: dict[type[ast.AST], Callable[[Any, Any], bool]] = {
    ast.Eq: _same,
    ast.NotEq: lambda left, right: not _same(left, right),
    ast.Is: _same,
    ast.IsNot: lambda left, right: not _same(left, right),
    ast.Lt: _ordered(operator.lt),
    ast.LtE: _ordered(operator.le),
    ast.Gt: _ordered(operator.gt),
    ast.GtE: _ordered(operator.ge),
    ast.In: _contains,
    ast.NotIn: lambda needle, heap: not _contains(needle, heap),
}


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise BadExpression(f"{_name(value)} is not a text")
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list | tuple):
        raise BadExpression(f"{_name(value)} is not a list")
    return list(value)


def _fields(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise BadExpression(f"{_name(value)} is not an object")
    return value


def _length(value: Any) -> int:
    if not isinstance(value, str | list | tuple | Mapping):
        raise BadExpression(f"{_name(value)} has no length")
    return len(value)


def _replace(text: Any, old: Any, new: Any) -> str:
    whole, gone, put = _text(text), _text(old), _text(new)
    _bounded(len(whole) + whole.count(gone) * max(len(put) - len(gone), 0))
    return whole.replace(gone, put)


def _join(items: Any, between: Any = "") -> str:
    texts, glue = [text_of(plain(item)) for item in _list(items)], _text(between)
    _bounded(sum(len(text) for text in texts) + len(glue) * len(texts))
    return glue.join(texts)


def _split(text: Any, at: Any = ",") -> list[str]:
    if not _text(at):
        raise BadExpression("split needs a separator")
    return _text(text).split(at)


def _substring(text: Any, start: Any, end: Any = None) -> str:
    if type(start) is not int or (end is not None and type(end) is not int):
        raise BadExpression("substring needs whole numbers")
    return _text(text)[start:end]


def _sorted(items: Any) -> list[Any]:
    found = _list(items)
    if not (all(_is_number(item) for item in found) or all(isinstance(item, str) for item in found)):
        raise BadExpression("only numbers or only texts can be sorted")
    return sorted(found)


def _round(value: Any, digits: Any = 0) -> Any:
    if not _is_number(value) or type(digits) is not int or not 0 <= digits <= 15:
        raise BadExpression("round needs a number, and 0 to 15 digits")
    return round(value, digits) if digits else round(value)


def _extreme(work: Callable[..., Any]) -> Callable[..., Any]:
    def apply(*values: Any) -> Any:
        found = _sorted(values[0] if len(values) == 1 else list(values))
        if not found:
            raise BadExpression("the list is empty")
        return work(found)

    return apply


def _sum(items: Any) -> Any:
    found = _list(items)
    if not all(_is_number(item) for item in found):
        raise BadExpression("only numbers have a sum")
    return plain(sum(found))


def _json(value: Any) -> str:
    found = text_of([value])[1:-1] if isinstance(value, str) else text_of(plain(value))
    _bounded(len(found))  # each further json() of a text doubles its quotes and backslashes
    return found


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "len": _length,
    "str": lambda value: text_of(plain(value)),
    "upper": lambda text: _text(text).upper(),
    "lower": lambda text: _text(text).lower(),
    "trim": lambda text: _text(text).strip(),
    "split": _split,
    "join": _join,
    "replace": _replace,
    "substring": _substring,
    "startswith": lambda text, start: _text(text).startswith(_text(start)),
    "endswith": lambda text, end: _text(text).endswith(_text(end)),
    "contains": lambda heap, needle: _contains(needle, heap),
    "int": lambda value: convert(math.trunc(value) if isinstance(value, float) else value, "Long"),
    "float": lambda value: convert(value, "Double"),
    "round": _round,
    "floor": _signed(math.floor),
    "ceil": _signed(math.ceil),
    "abs": _signed(abs),
    "min": _extreme(lambda found: found[0]),
    "max": _extreme(lambda found: found[-1]),
    "sum": _sum,
    "first": lambda items: next(iter(_list(items)), None),
    "last": lambda items: next(reversed(_list(items)), None),
    "sorted": _sorted,
    "reversed": lambda items: _list(items)[::-1],
    "keys": lambda fields: list(_fields(fields)),
    "values": lambda fields: list(_fields(fields).values()),
    "has": lambda fields, name: name in _fields(fields),
    "get": lambda fields, name, otherwise=None: _fields(fields).get(_text(name), otherwise),
    "json": _json,
    "parse_json": lambda text: parsed(_text(text)),
}
"""What an expression may call."""
