"""From what people and editors write to the declared type of a parameter, within bounds."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from pydantic_core import from_json, to_json

from schemas.block_kind import ParamType
from schemas.reference import is_secret

MAX_VALUE_BYTES = 32_768
"""Most that one value inside a running flow may hold."""
MAX_VALUE_DEPTH = 32
_LOW, _HIGH = -(2**63), 2**63 - 1
_WORDS = {"true": True, "false": False, "1": True, "0": False}


class BadValue(ValueError):
    """The value does not fit, and the text says why."""


def is_blank(value: Any) -> bool:
    """Null, or a text of nothing but spaces: both mean that no value was given."""
    return value is None or (isinstance(value, str) and not value.strip())


def plain(value: Any, limit: int = MAX_VALUE_BYTES) -> Any:
    """A copy made of plain JSON values; raises `BadValue` if it is larger than `limit`, too deep, or not JSON."""
    left = [limit]
    return _copy(value, left, 0)


def weight(value: Any, limit: int = MAX_VALUE_BYTES) -> int:
    """What `plain` counts for a value, parts that stand in it twice counted twice; raises `BadValue` above `limit`."""
    left = [limit]
    _copy(value, left, 0)
    return limit - left[0]


def _copy(value: Any, left: list[int], depth: int) -> Any:
    left[0] -= len(value) + 2 if isinstance(value, str) else 4
    if left[0] < 0 or depth > MAX_VALUE_DEPTH:
        raise BadValue("the value is too large")
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int | float):
        return _number(value)
    if isinstance(value, Mapping):
        return {_key(key, left): _copy(item, left, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_copy(item, left, depth + 1) for item in value]
    raise BadValue(f"{type(value).__name__} is not a value")


def _key(key: Any, left: list[int]) -> str:
    if not isinstance(key, str):
        raise BadValue("the name of a field must be a text")
    left[0] -= len(key)
    return key


def _number(value: float) -> float:
    if isinstance(value, float) and not math.isfinite(value):
        raise BadValue("the number is not finite")
    if isinstance(value, int) and not _LOW <= value <= _HIGH:
        raise BadValue("the number does not fit 64 bits")
    return value


def text_of(value: Any) -> str:
    """How a value reads as a text: true and false in small letters, objects and lists as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return to_json(value).decode()


def parsed(text: str) -> Any:
    """The JSON that a text holds; raises `BadValue`."""
    try:
        return from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise BadValue("not valid JSON") from error


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    word = _WORDS.get(text_of(value).strip().lower()) if isinstance(value, str | int) else None
    if word is None:
        raise BadValue("not true or false")
    return word


def _long(value: Any) -> int:
    try:
        number = int(value) if not isinstance(value, float) else _whole(value)
    except (TypeError, ValueError) as error:
        raise BadValue("not a whole number") from error
    if isinstance(value, bool):
        raise BadValue("not a whole number")
    return int(_number(number))


def _whole(value: float) -> int:
    if not value.is_integer():
        raise ValueError("has a fraction")
    return int(value)


def _double(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise BadValue("not a number")
    try:
        return float(_number(float(value)))
    except (ValueError, OverflowError) as error:
        raise BadValue("not a number") from error


def _object(value: Any) -> dict[str, Any]:
    found = parsed(value) if isinstance(value, str) else value
    if not isinstance(found, dict):
        raise BadValue("not an object")
    return found


def _array(value: Any) -> list[Any]:
    found = parsed(value) if isinstance(value, str) else value
    if not isinstance(found, list):
        raise BadValue("not a list")
    return found


_CONVERT: dict[ParamType, Callable[[Any], Any]] = {
    "String": text_of,
    "Boolean": _boolean,
    "Long": _long,
    "Double": _double,
    "JSONObject": _object,
    "JSONArray": _array,
    "Any": lambda value: value,
}
PARAM_TYPES: frozenset[str] = frozenset(_CONVERT) - {"Any"}
"""Types that an input parameter of a flow may declare."""


def convert(value: Any, type_: ParamType) -> Any:
    """The value in its declared type (numbers and booleans may come as texts); null stays null; raises `BadValue`."""
    if type_ != "Any" and is_secret(value):
        raise BadValue("a secret cannot be used here; it can go into a variable, a sub-task or a robot's operation")
    return None if value is None else _CONVERT[type_](value)


def within(value: Any, low: float | None, high: float | None) -> None:
    """Raise `BadValue` for a number outside its bounds."""
    if value is None or isinstance(value, bool) or not isinstance(value, int | float):
        return
    if (low is not None and value < low) or (high is not None and value > high):
        raise BadValue(f"must be between {low:g} and {high:g}" if None not in (low, high) else "out of bounds")
