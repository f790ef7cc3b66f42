"""Parameters of a job become inputs of its flow: types, defaults, and every fault by name."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.flow_bind import MAX_INPUT_BYTES, bind_inputs
from schemas.values import PARAM_TYPES


def declared(*params: dict[str, Any]) -> dict[str, Any]:
    return {"inputParams": list(params), "rootBlock": {}}


def bind(given_: dict[str, Any], *params: dict[str, Any]) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    inputs, problems = bind_inputs(declared(*params), given_)
    return inputs, [(problem.path, problem.code) for problem in problems]


@pytest.mark.parametrize(
    ("type_", "written", "value"),
    [
        ("String", "x", "x"),
        ("String", 5, "5"),
        ("String", True, "true"),
        ("String", {"a": 1}, '{"a":1}'),
        ("Boolean", "TRUE", True),
        ("Boolean", 0, False),
        ("Long", "12", 12),
        ("Long", 12.0, 12),
        ("Double", "1.5", 1.5),
        ("Double", 1, 1.0),
        ("JSONObject", '{"a": [1]}', {"a": [1]}),
        ("JSONObject", {}, {}),
        ("JSONArray", "[1]", [1]),
        ("JSONArray", [], []),
    ],
)
def test_values_take_the_declared_type(type_: str, written: Any, value: Any) -> None:
    inputs, problems = bind({"p": written}, {"name": "p", "type": type_})
    assert problems == []
    assert inputs == {"p": value}
    assert type(inputs["p"]) is type(value)


@pytest.mark.parametrize(
    ("type_", "written"),
    [
        ("Boolean", "maybe"),
        ("Boolean", 2),
        ("Boolean", []),
        ("Long", "1.5"),
        ("Long", 1.5),
        ("Long", True),
        ("Long", 2**63),
        ("Long", [1]),
        ("Double", "x"),
        ("Double", True),
        ("Double", "nan"),
        ("Double", {}),
        ("JSONObject", "[1]"),
        ("JSONObject", "{"),
        ("JSONObject", 5),
        ("JSONArray", {}),
        ("JSONArray", "x"),
    ],
)
def test_values_that_do_not_fit_are_named(type_: str, written: Any) -> None:
    assert bind({"p": written}, {"name": "p", "type": type_}) == ({"p": None}, [("p", "bad_value")])


def test_required_defaults_and_blanks() -> None:
    required = {"name": "p", "type": "Long", "required": True}
    assert bind({}, required)[1] == [("p", "missing_parameter")]
    assert bind({"p": " "}, required)[1] == [("p", "missing_parameter")]
    assert bind({}, required | {"defaultValue": "7"}) == ({"p": 7}, [])
    assert bind({"p": None}, {"name": "p", "defaultValue": "x"}) == ({"p": "x"}, [])
    assert bind({}, {"name": "p"}) == ({"p": None}, [])
    assert bind({}, {"name": "p", "defaultValue": ""}) == ({"p": None}, [])


def test_unknown_names_are_refused_and_all_faults_are_listed() -> None:
    params: list[dict[str, Any]] = [{"name": "a", "required": True}, {"name": "b", "type": "Long"}]
    assert bind({"b": "x", "c": 1, "d": 2}, *params)[1] == [
        ("c", "unknown_parameter"),
        ("d", "unknown_parameter"),
        ("a", "missing_parameter"),
        ("b", "bad_value"),
    ]


def test_binding_again_changes_nothing() -> None:
    params = [{"name": "a", "type": type_} | {"name": f"p{place}"} for place, type_ in enumerate(sorted(PARAM_TYPES))]
    values = {"p0": "true", "p1": "1.5", "p2": "[1]", "p3": '{"a":1}', "p4": "9", "p5": "text"}
    once, problems = bind(values, *params)
    assert problems == []
    assert bind(once, *params) == (once, [])


def test_the_whole_is_bounded() -> None:
    half = "x" * (MAX_INPUT_BYTES // 2)
    assert bind({"a": half, "b": half}, {"name": "a"}, {"name": "b"})[1] == [("parameters", "bounds")]
    assert bind({"a": half + half}, {"name": "a"})[1] == [("a", "bad_value")]
    deep: Any = 1
    for _ in range(50):
        deep = [deep]
    assert bind({"a": deep}, {"name": "a", "type": "JSONArray"})[1] == [("a", "bad_value")]


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
PARAM = st.fixed_dictionaries(
    {"name": st.sampled_from(["a", "b", "1"]) | ANY},
    optional={"type": st.sampled_from(sorted(PARAM_TYPES)) | ANY, "required": ANY, "defaultValue": ANY},
)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(PARAM | ANY, max_size=4) | ANY, st.dictionaries(st.sampled_from("abc"), ANY))
def test_whatever_is_declared_and_given_it_answers(params: Any, given_: dict[str, Any]) -> None:
    inputs, problems = bind_inputs({"inputParams": params}, given_)
    assert isinstance(inputs, dict)
    assert all(problem.message for problem in problems)
