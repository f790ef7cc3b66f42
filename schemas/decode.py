"""Bounds that JSON from outside must keep before anything parses it."""

import re
from typing import Any

from pydantic_core import from_json

_BRACKETS = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_DIPS = tuple(b"]" * n + b"[" * n for n in (64, 32, 16, 8, 4, 2, 1))
_DIGITS = bytes(ord("0") if byte in b"0123456789" else ord(" ") for byte in range(256))
_LONG_NUMBER = b"0" * 19
"""So many digits in a row, each seen as a zero, may not fit 64 bits: ten times as fast as an expression."""
_LONG_INTEGER = re.compile(rb"(?<![0-9.eE+])(?<![eE]-)(-?)([0-9]{19,})(?![0-9.eE])")
_LARGEST, _SMALLEST = b"9223372036854775807", b"9223372036854775808"
_NO_NUMBERS = (b"NaN", b"Infinity")


class BadJson(ValueError):
    """The bytes are not acceptable JSON; `code` is one of size, depth, syntax, number."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def check_bounds(payload: bytes, max_bytes: int, max_depth: int) -> None:
    """Refuse bytes that are too long, too deep, or hold numbers JSON readers disagree about; raises `BadJson`.

    Nothing is parsed: every step is a pass over the bytes at nearly the speed of memory, whatever they hold. What is
    no JSON at all may go through, because the caller parses afterwards.
    """
    if len(payload) > max_bytes:
        raise BadJson("size", f"{len(payload)} bytes; at most {max_bytes}")
    nested = payload.count(b"[") + payload.count(b"{") > max_depth
    strange = any(word in payload for word in _NO_NUMBERS) or _LONG_NUMBER in payload.translate(_DIGITS)
    if not nested and not strange:
        return
    outside = _outside_of_strings(payload)
    if nested and _is_deeper(outside, max_depth):
        raise BadJson("depth", f"nested deeper than {max_depth}")
    if strange:
        _check_numbers(outside)


def _outside_of_strings(payload: bytes) -> bytes:
    """The text without what stands between quotes; of what is no JSON, at least what precedes its first mistake."""
    if b"\\" in payload:
        payload = payload.replace(b"\\\\", b"").replace(b'\\"', b"")
    return b" ".join(payload.split(b'"')[::2])


def _is_deeper(outside: bytes, max_depth: int) -> bool:
    """Whether brackets are nested deeper.

    Closing n and opening n again says nothing about the deepest place, so all such dips are taken out until what is
    left only opens and then only closes. Each round halves their number.
    """
    left = outside.translate(_BRACKETS, _NO_BRACKETS)
    opens, closes = b"[" * (max_depth + 1), b"]" * (max_depth + 1)
    while b"][" in left:
        if opens in left or closes in left:
            return True
        for dip in _DIPS:
            left = left.replace(dip, b"")
    return opens in left


def parse(payload: bytes) -> Any:
    """Parse JSON (UTF-8, no NaN, no lone surrogates); raises `BadJson`."""
    try:
        return from_json(payload, allow_inf_nan=False)
    except ValueError as error:
        raise BadJson("syntax", str(error)[:200]) from error


def _check_numbers(outside: bytes) -> None:
    for word in _NO_NUMBERS:
        if word in outside:
            raise BadJson("syntax", f"{word.decode()} is not a number of JSON")
    for sign, digits in _LONG_INTEGER.findall(outside):
        if len(digits) > len(_LARGEST) or digits > (_SMALLEST if sign else _LARGEST):
            raise BadJson("number", "an integer does not fit 64 bits")
