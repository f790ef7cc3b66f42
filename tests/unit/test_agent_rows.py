"""Whatever drivers and flows say becomes a row that can be read, and is never longer than one may be."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.rows import attempt_row, block_row, clean, log_row, stamp
from schemas.messages import MAX_ROW_BYTES, ROW
from schemas.status import Phase

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()) | st.binary(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters()) | st.integers(), inner, max_size=4)
    ),
    max_leaves=20,
)
BLOCK = {"job": "j", "attempt": 1, "path": "-1/1", "n": 1, "try": 0, "status": Phase.MONITOR_SUCCESS, "time": ""}


def read(body: bytes) -> Any:
    assert len(body) <= MAX_ROW_BYTES - 60
    return ROW.validate_json(b'{"seq":9007199254740991,' + body[1:])


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.text(st.characters()), ANYTHING, max_size=4), st.text(st.characters()))
def test_any_value_makes_a_row(outputs: dict[str, Any], reason: str) -> None:
    row = read(block_row(BLOCK | {"outputs": outputs, "reason": reason}))
    assert row.seq == 2**53 - 1
    read(attempt_row("failed", {"job": "j", "attempt": 1, "outputs": outputs, "reason": reason}))
    read(log_row({"level": 1, "text": reason, "output": outputs}))


def test_plain_values_arrive_as_they_are() -> None:
    outputs = {"a": [1, 2.5, None, True], "b": {"ü": "…"}}
    assert read(block_row(BLOCK | {"outputs": outputs})).outputs == outputs


def test_long_values_are_cut_and_it_says_so() -> None:
    for outputs in ({"a": "x" * 100_000}, {"a": "\x00" * 100_000}, {"a": list(range(100_000))}):
        row = read(block_row(BLOCK | {"inputs": outputs, "outputs": outputs, "reason": "\x00" * 5000}))
        assert row.truncated
        assert set(row.outputs) == {"a"}
    row = read(block_row(BLOCK | {"outputs": {str(i): "y" * 50 for i in range(5000)}}))
    assert row.truncated
    assert len(row.outputs) > 50


def test_deep_values_are_flattened() -> None:
    deep: Any = 1
    for _ in range(5000):
        deep = [deep]
    assert read(block_row(BLOCK | {"outputs": {"deep": deep}}))


def test_what_json_cannot_carry() -> None:
    assert clean({1: 2**70, "x": float("nan"), "y": b"z"}) == {"1": str(2**70), "x": None, "y": "b'z'"}


def test_stamps() -> None:
    assert stamp(1_700_000_000_000_007) == "2023-11-14T22:13:20.000007Z"
    assert json.dumps(stamp(0)) == '"1970-01-01T00:00:00.000000Z"'
