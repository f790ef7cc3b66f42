"""Reports as the JSON their rows carry: typed, clean, and never longer than a row may be."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from pydantic_core import PydanticSerializationError, to_json

from schemas.decode import BadJson, check_bounds
from schemas.messages import MAX_MESSAGE_DEPTH, MAX_ROW_BYTES, AttemptRow, BlockRow, LogRow, Row

MAX_REASON, MAX_PATH, MAX_TEXT = 2000, 1024, 32_768
_LIMITS = {"reason": MAX_REASON, "path": MAX_PATH, "text": MAX_TEXT}
_ROW_DEPTH = MAX_MESSAGE_DEPTH - 3
_SEQ_ROOM = 64
"""Bytes kept free for what is added at sending: seq and ask."""
_MOST_BYTES = MAX_ROW_BYTES - _SEQ_ROOM
_OBJECTS = frozenset({"inputs", "outputs", "args"})
_VALUES = _OBJECTS | {"output"}
"""Fields that flows and drivers fill as they like; all others are made, or bounded, by the agent itself."""
_LOOKED_AT = _VALUES | _LIMITS.keys()
_VALUE_DEPTH = 16
_CUT_TEXT, _CUT_TOTAL = 1000, 18_000


def stamp(utc_us: int) -> str:
    """A moment as UTC text with microseconds, for display only."""
    return f"{_second(utc_us // 1_000_000)}.{utc_us % 1_000_000:06d}Z"


@lru_cache(maxsize=4)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def attempt_row(kind: str, fields: Mapping[str, Any]) -> bytes:
    """Body of a row about an attempt (without seq)."""
    return _body(AttemptRow, {"kind": kind, **fields})


def block_row(fields: Mapping[str, Any]) -> bytes:
    """Body of a row about a block run (without seq)."""
    return _body(BlockRow, {"kind": "block", **fields})


def log_row(fields: Mapping[str, Any]) -> bytes:
    """Body of a log row (without seq)."""
    return _body(LogRow, {"kind": "log", **fields})


def clean(value: Any, depth: int = _VALUE_DEPTH) -> Any:
    """The value as every JSON reader takes it: bounded depth, 64-bit integers, no lone surrogates, string keys."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else str(value)[:100]
    if isinstance(value, float):
        return value if value - value == 0 else None
    if depth == 0:
        return "…"
    if isinstance(value, Mapping):
        return {clean(str(key), 0): clean(item, depth - 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [clean(item, depth - 1) for item in value]
    return clean(str(value), 0)


def cut(value: Any) -> Any:
    """A shortened copy: long texts are cut, and what comes after the room is used up is left out."""
    return _cut(value, [_CUT_TOTAL])


def _cut(value: Any, room: list[int]) -> Any:
    if isinstance(value, str):
        short = value if len(value) <= _CUT_TEXT else value[:_CUT_TEXT] + "…"
        room[0] -= len(to_json(short))
        return short
    room[0] -= 24
    if isinstance(value, Mapping):
        kept = {}
        for key, item in value.items():
            room[0] -= len(to_json(key))
            if room[0] <= 0:
                break
            kept[key] = _cut(item, room)
        return kept
    if isinstance(value, list):
        return [_cut(item, room) for item in value if room[0] > 0]
    return value


def _body(model: type[Row], fields: Mapping[str, Any]) -> bytes:
    bounded = {
        name: _bounded(name, value) if name in _LOOKED_AT else value
        for name, value in fields.items()
        if value is not None
    }
    try:
        return _plain(bounded)
    except (PydanticSerializationError, BadJson):
        # Values come from drivers and flows: what JSON cannot carry is made readable instead of losing the report.
        return _encode_rest(model, clean(bounded))


def _plain(fields: dict[str, Any]) -> bytes:
    """The row as it stands, which nearly always is a good one: only values have to be looked at."""
    body = to_json(fields, inf_nan_mode="null")
    if not _VALUES.isdisjoint(fields):
        check_bounds(body, _MOST_BYTES, _ROW_DEPTH)
    elif len(body) > _MOST_BYTES:
        raise BadJson("size", "only texts, and they are too long")
    return body


def _encode_rest(model: type[Row], fields: dict[str, Any]) -> bytes:
    try:
        return _encode(model, fields)
    except BadJson:
        short = {name: cut(value) if name in _VALUES else value
                 for name, value in fields.items()}  # fmt: skip
        return _encode(model, {**short, "truncated": True, **_short_texts(short)})


def _short_texts(fields: Mapping[str, Any]) -> dict[str, str]:
    """Texts whose escapes make them longer than they look."""
    return {name: fields[name][:1000] for name in ("text", "reason") if name in fields}


def _encode(model: type[Row], fields: Mapping[str, Any]) -> bytes:
    row = model(seq=1, **fields)
    body = row.model_dump_json(exclude={"seq"}, exclude_none=True, by_alias=True).encode()
    check_bounds(body, _MOST_BYTES, _ROW_DEPTH)
    return body


def _bounded(name: str, value: Any) -> Any:
    if name in _LIMITS:
        return str(value)[: _LIMITS[name]]
    return dict(value) if name in _OBJECTS and type(value) is not dict else value
