"""What an expression costs at most: counted by what its operators and functions take and give, not by a clock."""

from collections.abc import Callable
from typing import Any

import pytest

from schemas.expression import MAX_CHARACTERS, BadExpression, Scope, Variables, evaluate
from schemas.expression_words import COMPARISONS, FUNCTIONS, OPERATORS
from schemas.values import MAX_VALUE_BYTES

MOST = 8 * 1024 * 1024
"""Values and characters that all steps of an expression together may take and give."""
WIDE = Scope(
    variables=Variables(
        {
            "l": [0] * 8100,
            "s": "x" * 32_700,
            "q": '"' * 32_700,
            "d": {f"k{i}": i for i in range(3000)},
            "c": "\0" * 32_700,
        }
    )
)
"""Variables as large as variables may be."""


def repeated(piece: str, between: str, before: str = "", after: str = "") -> str:
    """As often as it fits."""
    room = MAX_CHARACTERS - len(before) - len(after) + len(between)
    return before + between.join([piece] * (room // (len(piece) + len(between)))) + after


def nested(function: str, inner: str) -> str:
    """As deep as it may be."""
    deep = min(60, (MAX_CHARACTERS - len(inner)) // (len(function) + 2))
    return f"{function}(" * deep + inner + ")" * deep


GROWING = (
    "'' + [[0]*4000]*4000",
    "[[[0]*4000]*4000]*4000 == [[[0]*4000]*4000]*4000",
    "[0]*4000 in [[[0]*4000]*4000]*4000",
    "join([[0]*8000]*4000)",
    "len([[[[0]*8000]*8000]*8000]*8000)",
    "'x'*30000*30000",
    "4000*[4000*[0]]",
    nested("json", "'x'"),
    nested("json", "vars.q"),
    nested("str", "[vars.c]"),
)
"""What would grow with every step."""
WIDEST = (
    *(repeated(f"{name}(vars.l)", "+") for name in ("len", "sum", "max")),
    *(repeated(f"len({name}(vars.l))", "+") for name in ("str", "json", "join", "sorted", "reversed")),
    *(nested(name, "vars.l") for name in ("sorted", "reversed", "json", "str")),
    *(nested(name, "vars.s") for name in ("upper", "trim", "json", "str")),
    *(repeated(name, ",", "join([", "])") for name in ("vars.l", "vars.c", "vars.d")),
    *(repeated(name, ",", "''+[", "]") for name in ("vars.l", "vars.c", "vars.d")),
    repeated("vars.d", ",", "[", "]==1"),
    repeated("vars.l==vars.l", " and "),
    repeated("len(split(vars.s,'x'))", "+"),
    repeated("len(replace(vars.s,'x','y'))", "+"),
    repeated("len(parse_json(str(vars.l)))", "+"),
)
"""What takes as much as it can in every step."""


class Counter:
    """Counts every value and every character that goes into a step or comes out of one."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.work = 0
        tables: tuple[dict[Any, Callable[..., Any]], ...] = (FUNCTIONS, OPERATORS, COMPARISONS)
        for table in tables:
            for name, step in list(table.items()):
                patch.setitem(table, name, self.counted(step))

    def counted(self, step: Callable[..., Any]) -> Callable[..., Any]:
        def counts(*args: Any) -> Any:
            self.add(*args)
            done = step(*args)
            self.add(done)
            return done

        return counts

    def add(self, *values: Any) -> None:
        """Before the step is done, so that one which would never end is seen as well."""
        self.work += sum(size(value, {}) for value in values)
        assert self.work <= MOST


def size(value: Any, known: dict[int, int]) -> int:
    """All that is in it; what stands in it many times is counted as often, and looked at once."""
    if isinstance(value, str):
        return 1 + len(value)
    if not isinstance(value, list | tuple | dict):
        return 1
    if id(value) not in known:
        parts = value.values() if isinstance(value, dict) else value
        known[id(value)] = 1 + sum(size(part, known) for part in parts)
    return known[id(value)]


@pytest.mark.parametrize("text", GROWING)
def test_what_would_grow_with_every_step_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    counter = Counter(monkeypatch)
    with pytest.raises(BadExpression, match="too large"):
        evaluate(text, WIDE)
    assert counter.work < 40 * MAX_VALUE_BYTES


@pytest.mark.parametrize("text", WIDEST)
def test_the_work_of_the_widest_expressions_is_bounded(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    counter = Counter(monkeypatch)
    try:
        evaluate(text, WIDE)
    except BadExpression as error:
        assert "too large" in str(error)  # noqa: PT017 - some have a result, some are refused at their end
    assert counter.work > MAX_VALUE_BYTES / 8, "it is one of the widest"


def test_what_is_within_bounds_is_worked_out() -> None:
    assert evaluate("len([[0]*70]*100)", WIDE) == 100
    assert evaluate("json(2.0) + json('a')", WIDE) == '2"a"'
    assert evaluate("[1, 2]*0", WIDE) == []
