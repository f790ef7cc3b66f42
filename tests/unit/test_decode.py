"""Bounds are kept before anything is parsed, and say of every JSON text what a slow and simple reader says."""

import json
import random
from typing import Any, Never

import pytest
from pydantic import ValidationError

from schemas import decode
from schemas.decode import BadJson, check_bounds
from schemas.messages import MAX_ASSIGN_BYTES, MAX_MESSAGE_DEPTH, Heartbeat, Rows
from schemas.reading import MANY_VALUES, BadMessage, read

LEAVES: tuple[Any, ...] = (
    1, "a", '"', "\\", '\\"[[', "]]}", "{", "[1234567890123456789012", "NaN", 2**63, 2**63 - 1, -(2**63), -(2**63) - 1,
    1e300, 1.2345678901234567e-19, 10**19, None, True, "é\n\t",
)  # fmt: skip
KEYS = ("a", 'b"', "\\", "[", 'c\\"')
BEAT = {"v": 1, "journal": "j", "boot": "b", "beat": 1, "highest": 1, "head": 0, "first": 1, "kind": "agv"}


def value(dice: random.Random, room: int) -> Any:
    """A value of JSON, nested at most so deep."""
    pick = dice.random()
    if room <= 0 or pick < 0.35:
        return dice.choice(LEAVES)
    if pick < 0.7:
        return [value(dice, room - 1) for _ in range(dice.randrange(4))]
    return {f"{dice.choice(KEYS)}{n}": value(dice, room - 1) for n in range(dice.randrange(4))}


def depth(whole: Any) -> int:
    """How deep a value is nested."""
    if not isinstance(whole, list | dict):
        return 0
    return 1 + max((depth(one) for one in (whole.values() if isinstance(whole, dict) else whole)), default=0)


def is_too_large(whole: Any) -> bool:
    """An integer somewhere does not fit 64 bits."""
    if isinstance(whole, list | dict):
        return any(is_too_large(one) for one in (whole.values() if isinstance(whole, dict) else whole))
    return isinstance(whole, int) and not -(2**63) <= whole < 2**63


def code_of(payload: bytes, max_depth: int) -> str | None:
    """What the bounds say."""
    try:
        check_bounds(payload, MAX_ASSIGN_BYTES, max_depth)
    except BadJson as error:
        return error.code
    return None


def test_bounds_say_the_same_as_a_walk_over_the_parsed_value() -> None:
    for seed in range(4000):
        dice = random.Random(seed)
        whole, most = value(dice, dice.randrange(8)), dice.randrange(1, 6)
        text = json.dumps(whole, ensure_ascii=dice.random() < 0.5, indent=dice.choice((None, 1)))
        expected = "depth" if depth(whole) > most else "number" if is_too_large(whole) else None
        assert code_of(text.encode(), most) == expected, text


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"[" * 100_000, "depth"),
        (b'{"a":' * 100_000, "depth"),
        (b"[" + b"[]," * 80_000 + b'"' + b"[" * 99 + b'"]', None),
        (b"[" + b",".join([b"[" * 33 + b"]" * 33] * 2000) + b"]", "depth"),
        (b"[" + b",".join([b"[" * 31 + b"]" * 31] * 2000) + b"]", None),
        (b'{"a":"\\\\","b":' + b"[" * 33 + b"]" * 33 + b"}", "depth"),
        (b'{"a":"\\\\\\"' + b"[" * 40 + b'"}', None),
        (b'{"a":NaN}', "syntax"),
        (b'{"a":-Infinity}', "syntax"),
        (b'{"a":"-Infinity"}', None),
        (b"[-9223372036854775808,9223372036854775807]", None),
        (b"[-9223372036854775809]", "number"),
        (b"[9223372036854775808]", "number"),
        (b"9" * 5000, "number"),
        (b"[1e-00000000000000000000000001,1.5000000000000000000000001,12345678901234567890.5]", None),
        (b"x" * (MAX_ASSIGN_BYTES + 1), "size"),
    ],
)
def test_what_is_over_a_bound_is_refused_before_it_is_parsed(
    payload: bytes, code: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def parsed(*_: object, **__: object) -> Never:
        raise AssertionError("it was parsed")

    monkeypatch.setattr(decode, "from_json", parsed)
    assert code_of(payload, MAX_MESSAGE_DEPTH) == code


def test_a_message_of_many_values_without_its_own_fields_is_not_validated(monkeypatch: pytest.MonkeyPatch) -> None:
    def validated(*_: object, **__: object) -> Never:
        raise AssertionError("each field that is missing would copy the whole message")

    monkeypatch.setattr(Heartbeat, "model_validate_json", validated)
    with pytest.raises(BadMessage, match="fields: journal: Field required"):
        read("heartbeat", json.dumps({"v": 1, "rows": [{}] * MANY_VALUES}).encode())


def test_a_message_of_many_values_with_its_own_fields_is_read() -> None:
    load: dict[str, Any] = {"load": {"parcels": [{}] * (2 * MANY_VALUES)}}
    beat = read("heartbeat", json.dumps(BEAT | load).encode())
    assert isinstance(beat, Heartbeat)
    assert beat.load == load["load"]


@pytest.mark.parametrize("name", ["holds", "capabilities", "queues", "tags"])
def test_the_first_bad_entry_of_a_list_is_the_last_that_is_looked_at(name: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Heartbeat.model_validate_json(json.dumps(BEAT | {name: [{}] * 50_000}))
    assert {problem["loc"][:2] for problem in caught.value.errors()} == {(name, 0)}


def test_the_first_bad_row_is_the_last_that_is_looked_at() -> None:
    with pytest.raises(ValidationError) as caught:
        Rows.model_validate_json(json.dumps({"v": 1, "journal": "j", "boot": "b", "first": 1, "rows": [{}] * 20_000}))
    assert {problem["loc"][1:2] for problem in caught.value.errors()} == {(0,), ()}
