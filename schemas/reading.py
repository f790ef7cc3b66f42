"""From MQTT payloads to typed messages, decoded once at the edge, with one reason for each refusal."""

from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic_core import to_json

from schemas.decode import BadJson, check_bounds, parse
from schemas.messages import (
    MAX_ASSIGN_BYTES,
    MAX_ASSIGN_DEPTH,
    MAX_MESSAGE_BYTES,
    MAX_MESSAGE_DEPTH,
    MAX_ROW_BYTES,
    MESSAGES,
    ROW,
    AnyRow,
    Message,
    Rows,
)

MANY_VALUES = 4096
"""A message with more objects and lists than this is looked at for its own fields first."""


class BadMessage(ValueError):
    """Nothing of the message can be used; `reason` is a short word to count by."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason


@dataclass(frozen=True)
class BadRow:
    """A row whose number is known and whose content is not: quarantined raw, its number counts."""

    seq: int
    reason: str
    raw: bytes


@dataclass(frozen=True)
class RowBatch:
    """An envelope whose rows were read one by one."""

    journal: str
    boot: str
    first: int
    rows: tuple[AnyRow | BadRow, ...]


def _bounds(kind: str, payload: bytes) -> None:
    size, depth = (MAX_ASSIGN_BYTES, MAX_ASSIGN_DEPTH) if kind == "assign" else (MAX_MESSAGE_BYTES, MAX_MESSAGE_DEPTH)
    try:
        check_bounds(payload, size, depth)
    except BadJson as error:
        raise BadMessage(error.code, str(error)) from error


def _has_its_fields(kind: str, payload: bytes) -> None:
    """Said before validation, which copies the whole message into each problem it finds with it."""
    try:
        value = parse(payload)
    except BadJson as error:
        raise BadMessage("fields", str(error)) from error
    if not isinstance(value, dict):
        raise BadMessage("fields", "not an object")
    for name, field in MESSAGES[kind].model_fields.items():
        if field.is_required() and (field.alias or name) not in value:
            raise BadMessage("fields", f"{name}: Field required")


def _first_problem(error: ValidationError) -> str:
    problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(str(part) for part in problem["loc"])
    return f"{where}: {problem['msg']}"[:300]


def read(kind: str, payload: bytes) -> Message:
    """Decode one payload of a topic kind; raises `BadMessage` (size, depth, syntax, number, fields)."""
    _bounds(kind, payload)
    if payload.count(b"[") + payload.count(b"{") > MANY_VALUES:
        _has_its_fields(kind, payload)
    try:
        return MESSAGES[kind].model_validate_json(payload)
    except ValidationError as error:
        raise BadMessage("fields", _first_problem(error)) from error


def read_rows(payload: bytes) -> RowBatch:
    """Decode an envelope of rows; a bad row becomes a `BadRow` as long as its number is known."""
    _bounds("block-status", payload)
    if len(payload) > MAX_ROW_BYTES:  # only then can a single row be too large
        return _row_by_row(payload, "the envelope is not readable")
    try:
        whole = Rows.model_validate_json(payload)
    except ValidationError as error:
        return _row_by_row(payload, _first_problem(error))
    return _consecutive(whole.journal, whole.boot, whole.first, whole.rows)


def _consecutive(journal: str, boot: str, first: int, rows: tuple[AnyRow | BadRow, ...]) -> RowBatch:
    start = rows[0].seq
    if any(row.seq != start + i for i, row in enumerate(rows)):
        # A `dropped` row stands for a whole span, so it may be followed by a jump.
        expected = start
        for row in rows:
            if row.seq != expected:
                raise BadMessage("sequence", "rows are not consecutive")
            expected = getattr(row, "to", row.seq) + 1
    return RowBatch(journal, boot, first, rows)


def _row_by_row(payload: bytes, problem: str) -> RowBatch:
    try:
        value: Any = parse(payload)
    except BadJson as error:
        raise BadMessage("syntax", str(error)) from error
    rows = value.get("rows") if isinstance(value, dict) else None
    if not isinstance(rows, list) or not 1 <= len(rows) <= 2000 or any(not isinstance(r, dict) for r in rows):
        raise BadMessage("fields", problem)
    seqs = [r.get("seq") for r in rows]
    if any(type(s) is not int or not 1 <= s < 2**53 for s in seqs):
        raise BadMessage("fields", problem)
    try:
        envelope = Rows.model_validate(value | {"rows": ({"seq": 1, "kind": "dropped", "to": 1},)})
    except ValidationError as error:
        raise BadMessage("fields", _first_problem(error)) from error
    read_all = tuple(_read_row(seq, raw) for seq, raw in zip(seqs, rows, strict=True))
    return _consecutive(envelope.journal, envelope.boot, envelope.first, read_all)


def _read_row(seq: int, raw: dict[str, Any]) -> AnyRow | BadRow:
    data = to_json(raw)
    if len(data) > MAX_ROW_BYTES:
        return BadRow(seq, "size", data[:MAX_ROW_BYTES])
    try:
        return ROW.validate_json(data)
    except ValidationError as error:
        return BadRow(seq, _first_problem(error), data)
