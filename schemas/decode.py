"""Bounds that JSON from outside must keep before anything parses it."""

import re
from typing import Any

from pydantic_core import from_json

_TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*"|([\[{])|([\]}])', re.DOTALL)
_DIGITS = bytes(ord("0") if byte in b"0123456789" else ord(" ") for byte in range(256))
_LONG_NUMBER = b"0" * 19
"""So many digits in a row, each seen as a zero, may not fit 64 bits: ten times as fast as an expression."""


class BadJson(ValueError):
    """The bytes are not acceptable JSON; `code` is one of size, depth, syntax, number."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def depth_of(payload: bytes) -> int:
    """Deepest nesting of brackets outside of strings, in one pass and without recursion."""
    depth = deepest = 0
    for match in _TOKENS.finditer(payload):
        if match[1]:
            depth += 1
            deepest = max(deepest, depth)
        elif match[2]:
            depth -= 1
    return deepest


def check_bounds(payload: bytes, max_bytes: int, max_depth: int) -> None:
    """Refuse bytes that are too long, too deep, or hold numbers JSON readers disagree about; raises `BadJson`.

    The caller parses afterwards, so plain payloads cost two counts here and no parse.
    """
    if len(payload) > max_bytes:
        raise BadJson("size", f"{len(payload)} bytes; at most {max_bytes}")
    if payload.count(b"[") + payload.count(b"{") > max_depth and depth_of(payload) > max_depth:
        raise BadJson("depth", f"nested deeper than {max_depth}")
    if b"NaN" in payload or b"Infinity" in payload or _LONG_NUMBER in payload.translate(_DIGITS):
        _check_numbers(parse(payload))


def parse(payload: bytes) -> Any:
    """Parse JSON (UTF-8, no NaN, no lone surrogates); raises `BadJson`."""
    try:
        return from_json(payload, allow_inf_nan=False)
    except ValueError as error:
        raise BadJson("syntax", str(error)[:200]) from error


def _check_numbers(value: Any) -> None:
    todo = [value]
    while todo:
        item = todo.pop()
        if isinstance(item, dict):
            todo.extend(item.values())
        elif isinstance(item, list):
            todo.extend(item)
        elif isinstance(item, int) and not -(2**63) <= item < 2**63:
            raise BadJson("number", "an integer does not fit 64 bits")
