"""Expressions: what they mean, what they refuse, and that nothing in them is unbounded."""

import contextlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.expression import (
    MAX_CHARACTERS,
    BadExpression,
    Blocks,
    Inputs,
    Outputs,
    Scope,
    Task,
    Variables,
    evaluate,
    parse,
)
from schemas.expression_words import FUNCTIONS
from schemas.values import MAX_VALUE_DEPTH, plain

SCOPE = Scope(
    Inputs({"a": 1, "place": "AP1", "items": [3, 1, 2], "order": {"lines": [{"sku": "x"}]}}),
    Blocks({"b1": Outputs("b1", {"item": 7, "siteId": None})}),
    Variables({"flag": True}),
    Task({"id": "job-1", "priority": 2000}),
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("taskInputs.place", "AP1"),
        ("taskInputs.order.lines[0].sku", "x"),
        ("taskInputs['place']", "AP1"),
        ("blocks.b1.item + 1", 8),
        ("blocks.b1.siteId == null", True),
        ("vars.flag == true", True),
        ("vars.never", None),
        ("task.variables.never == null", True),
        ("task.variables.flag", True),
        ("task.id", "job-1"),
        ("'AP' + 1", "AP1"),
        ("\"x\" + 'y'", "xy"),
        ("true == 1", False),
        ("1 == 1.0", True),
        ("not (1 > 2) and 'a' < 'b'", True),
        ("null or 'x'", "x"),
        ("2 in taskInputs.items", True),
        ("'x' not in 'abc'", True),
        ("'flag' in vars", True),
        ("1 if vars.flag else 2", 1),
        ("[1, 'x', null, {'a': true}]", [1, "x", None, {"a": True}]),
        ("'abc'[1]", "b"),
        ("taskInputs.items[0:2]", [3, 1]),
        ("-7 // 2 + 7 % 3", -3),
        ("'ab' * 3", "ababab"),
        ("[0] * 2 + [1]", [0, 0, 1]),
        ("len(taskInputs.items)", 3),
        ("upper(trim(' x ')) + lower('Y')", "Xy"),
        ("join(split('a,b'), '-')", "a-b"),
        ("replace('aa', 'a', 'b')", "bb"),
        ("substring('abcdef', 1, 3)", "bc"),
        ("startswith('ab', 'a') and endswith('ab', 'b') and contains('ab', 'b')", True),
        ("int('12') + int(2.9) + float('0.5')", 14.5),
        ("round(2.345, 2)", 2.35),
        ("floor(2.9) + ceil(2.1) + abs(-1)", 6),
        ("min(taskInputs.items) + max(1, 9) + sum([1, 2])", 13),
        ("first([5, 6]) + last([5, 6])", 11),
        ("sorted(taskInputs.items)", [1, 2, 3]),
        ("reversed([1, 2])", [2, 1]),
        ("keys({'a': 1}) + values({'a': 1})", ["a", 1]),
        ("has({'a': 1}, 'a')", True),
        ("get({'a': 1}, 'b', 2)", 2),
        ("json({'a': [1]})", '{"a":[1]}'),
        ("parse_json('[1]')[0]", 1),
        ("str(true) + str(null) + str(1.0)", "truenull1"),
        (" taskInputs.a ", 1),
        ("taskInputs.order", {"lines": [{"sku": "x"}]}),
        ("taskInputs.order.missing", None),
    ],
)
def test_what_it_means(text: str, value: Any) -> None:
    found = evaluate(text, SCOPE)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "cannot be read"),
        ("1 +", "cannot be read"),
        ("a && b", "cannot be read"),
        ("x = 1", "cannot be read"),
        ("1\n2", "cannot be read"),
        ("'" + "x" * MAX_CHARACTERS + "'", "longer than"),
        ("9 ** 9", "Pow"),
        ("1 << 9", "LShift"),
        ("lambda: 1", "Lambda"),
        ("[x for x in [1]]", "ListComp"),
        ("f'{1}'", "JoinedStr"),
        ("(x := 1)", "NamedExpr"),
        ("b'x'", "bytes"),
        ("1j", "complex"),
        ("...", "not a value"),
        ("99999999999999999999", "64 bits"),
        ("x", "unknown name 'x'"),
        ("__import__('os')", "no function '__import__'"),
        ("open('x')", "no function 'open'"),
        ("eval('1')", "no function 'eval'"),
        ("'a'.upper()", "no function"),
        ("len(x=1)", "named arguments"),
        ("len", "unknown name 'len'"),
        ("{**{}}", "**"),
        ("[*[1]]", "Starred"),
        ("[" * 100 + "1" + "]" * 100, "nested too deep"),
        ("-" * 300 + "1", "nested too deep"),
        ("a" + ".a" * 200, "nested too deep"),
    ],
)
def test_what_is_refused_when_saved(text: str, why: str) -> None:
    with pytest.raises(BadExpression) as caught:
        parse(text)
    assert why in str(caught.value)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("blocks.b2.item", "block 'b2' has not run"),
        ("blocks['b2']", "block 'b2' has not run"),
        ("blocks.b1.other", "block 'b1' has no output 'other' (it has: item, siteId)"),
        ("taskInputs.nope", "there is no input parameter 'nope'"),
        ("task.nope", "there is no 'task.nope'"),
        ("vars.never.x", "null has no 'x'"),
        ("taskInputs.a.real", "a int has no 'real'"),
        ("taskInputs.place.upper", "a str has no 'upper'"),
        ("taskInputs.__class__", "no input parameter '__class__'"),
        ("().__class__", "tuple"),
        ("'x' + null", "null cannot be added"),
        ("1 + true", "not two numbers"),
        ("'%99999999d' % 1", "not two numbers"),
        ("1 < 'a'", "no order"),
        ("null < 1", "no order"),
        ("1 / 0", "cannot be evaluated"),
        ("[1][5]", "cannot be evaluated"),
        ("1e308 * 10", "not finite"),
        ("9223372036854775807 + 1", "64 bits"),
        ("'x' * 99999999", "too large"),
        ("[0] * 99999", "too large"),
        ("replace('a' * 30000, 'a', 'bb')", "too large"),
        ("join(['x' * 9000, 'x' * 9000, 'x' * 9000, 'x' * 9000])", "too large"),
        ("join([0] * 8000, 'x' * 100)", "too large"),
        ("parse_json('[' * 500)", "JSON"),
        ("int('x')", "whole number"),
        ("len(1)", "no length"),
        ("len()", "cannot be evaluated"),
        ("sorted([1, 'a'])", "only numbers or only texts"),
        ("min([])", "empty"),
        ("split('a', '')", "separator"),
        ("1 in 5", "nothing is in"),
        ("-'x'", "not a number"),
    ],
)
def test_what_fails_when_it_runs(text: str, why: str) -> None:
    with pytest.raises(BadExpression) as caught:
        evaluate(text, SCOPE)
    assert why in str(caught.value)


def test_references_are_known_before_it_runs() -> None:
    known = parse("blocks.b1.x + blocks['b2'].y + taskInputs.a + taskInputs['c'] + vars.d")
    assert known.blocks == {"b1", "b2"}
    assert known.inputs == {"a", "c"}


def test_a_result_is_a_copy() -> None:
    items = evaluate("taskInputs.items", SCOPE)
    items.append(9)
    assert SCOPE.inputs["items"] == [3, 1, 2]


def test_nesting_cannot_grow_without_end() -> None:
    scope = Scope(variables=Variables({"x": "x"}))
    assert sizes(scope, "[vars.x]") == MAX_VALUE_DEPTH
    scope.variables["x"] = "x"
    assert sizes(scope, "[vars.x, vars.x]") < 15


def sizes(scope: Scope, text: str) -> int:
    """How often a variable can be put into itself."""
    for count in range(100):
        try:
            scope.variables["x"] = evaluate(text, scope)
        except BadExpression:
            return count
    return 100


WORDS = st.sampled_from(
    [
        "taskInputs",
        "blocks",
        "vars",
        "task",
        ".b1",
        ".item",
        ".a",
        "(",
        ")",
        "[",
        "]",
        "'x'",
        "1",
        "0",
        "9" * 18,
        "1e300",
    ]
    + [
        " + ",
        " * ",
        " - ",
        " / ",
        " % ",
        " == ",
        " and ",
        " if ",
        " else ",
        " in ",
        ", ",
        ":",
        "{",
        "}",
        "null",
        "true",
    ]
    + ["__class__", "\\", "\n", "💥", "-"]
    + [f"{name}(" for name in FUNCTIONS]
)


@settings(max_examples=1_500, deadline=None, derandomize=True)
@given(st.lists(WORDS, max_size=40).map("".join) | st.text(max_size=60))
def test_any_text_is_a_value_or_a_refusal(text: str) -> None:
    # Every step of it is bounded, so that it comes to an end is all there is to see.
    with contextlib.suppress(BadExpression):
        plain(evaluate(text, SCOPE))
