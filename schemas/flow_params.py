"""How a block's parameter gets its value: a literal, an expression, or pairs of both."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from schemas.block_kind import Param
from schemas.expression import BadExpression, Expression, Scope, evaluate, parse
from schemas.flow import Block, ParamValue
from schemas.values import BadValue, convert, is_blank, parsed, plain, within

Pair = tuple["str | Expression", "Any | Expression"]


@dataclass(frozen=True)
class Source:
    """Where one parameter's value comes from; `param` is None for a parameter that the table does not know."""

    name: str
    param: Param | None
    literal: Any = None
    expression: Expression | None = None
    pairs: tuple[Pair, ...] | None = None

    def expressions(self) -> Iterator[Expression]:
        """Everything that will be evaluated."""
        if self.expression is not None:
            yield self.expression
        for pair in self.pairs or ():
            yield from (part for part in pair if isinstance(part, Expression))

    def is_null(self) -> bool:
        """It is known beforehand that there is no value."""
        return self.expression is None and self.pairs is None and self.literal is None


def read_source(name: str, param: Param | None, written: ParamValue) -> Source:
    """Read a parameter as it is written; raises `BadExpression` or `BadValue`."""
    value = None if is_blank(written.value) else written.value
    if value is None:
        return Source(name, param)
    if written.type == "Expression" and isinstance(value, str):
        return Source(name, param, expression=parse(value))
    if written.type == "Key-Value":
        return Source(name, param, pairs=tuple(_pairs(value)))
    if written.type == "JSON" and isinstance(value, str):
        value = parsed(value)
    return Source(name, param, literal=_fit(param, _literal(param, value)))


def _literal(param: Param | None, value: Any) -> Any:
    # Without a declared type a text stays one, so that "007" reaches a driver as it was written.
    if param is None or param.type != "Any" or not isinstance(value, str):
        return value
    try:
        return parsed(value)
    except BadValue:
        return value


def _pairs(written: Any) -> Iterator[Pair]:
    items = parsed(written) if isinstance(written, str) else written
    if not isinstance(items, list) or not all(isinstance(item, Mapping) for item in items):
        raise BadValue("must be a list of {key, value, type}")
    for item in items:
        key = _part(item.get("key"), "")
        if not isinstance(key, str | Expression):
            raise BadValue("a key must be a text")
        yield key, _part(item.get("value"), item.get("type"))


def _part(value: Any, type_: Any) -> Any:
    if isinstance(value, str) and value.startswith("="):
        return parse(value[1:])
    if isinstance(value, str) and isinstance(type_, str) and type_.lower() in ("object", "jsonobject", "jsonarray"):
        return parsed(value)
    return plain(value)


def _fit(param: Param | None, value: Any) -> Any:
    """The value in its declared type and within its bounds."""
    if param is None:
        return plain(value)
    fitting = convert(value, param.type)
    within(fitting, param.low, param.high)
    return plain(fitting)


def sources(block: Block) -> dict[str, Source]:
    """All parameters of a block; raises as `read_source` does."""
    row = block.row
    return {name: read_source(name, row.param(name) if row else None, item) for name, item in block.params.items()}


def value_of(source: Source, scope: Scope) -> Any:
    """The value now, in its declared type; raises `BadExpression` or `BadValue`, naming the parameter."""
    try:
        return _fit(source.param, _raw(source, scope))
    except (BadExpression, BadValue) as error:
        raise type(error)(f"{source.name}: {error}") from error


def _raw(source: Source, scope: Scope) -> Any:
    if source.expression is not None:
        return evaluate(source.expression, scope)
    if source.pairs is not None:
        return {str(_now(key, scope)): _now(value, scope) for key, value in source.pairs}
    return source.literal


def _now(part: Any, scope: Scope) -> Any:
    return evaluate(part, scope) if isinstance(part, Expression) else part
