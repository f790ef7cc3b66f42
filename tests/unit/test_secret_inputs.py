"""Secrets in flows: where a reference may stand, that it is only passed on whole, and what is refused beforehand."""

from typing import Any

import pytest

from schemas.expression import BadExpression, Inputs, Scope, evaluate, parse
from schemas.flow_bind import bind_inputs
from schemas.flow_check import check_flow
from schemas.values import BadValue, convert
from tests.fakes.flow_bench import Bench, Robot, assign, block, flow

REFERENCE = {"$secret": "wms"}
INPUTS: list[dict[str, Any]] = [{"name": "pw", "type": "String", "secret": True}, {"name": "n", "type": "Long"}]
ONLY_WHOLE = "only be passed on whole"


def problems(*blocks: dict[str, Any], inputs: Any = None, **subs: Any) -> list[tuple[str, str]]:
    found = check_flow(flow(*blocks, inputs=INPUTS if inputs is None else inputs), "main", subs.get).problems
    return [(problem.path, problem.code) for problem in found]


def run(id_: int = 1, secrets: Any = None, **parameters: Any) -> dict[str, Any]:
    made = block(id_, "RpaRunBp", **({"p_command": "it"} | parameters))
    return made | {"inputParams": made["inputParams"] | ({"secrets": secrets} if secrets else {})}


def pairs(*given: tuple[str, Any]) -> dict[str, Any]:
    return {"type": "Key-Value", "value": [{"key": key, "value": value} for key, value in given]}


# ---------------------------------------------------------------- expressions
SCOPE = Scope(inputs=Inputs({"pw": REFERENCE, "o": {"user": "u", "password": REFERENCE}, "l": [REFERENCE], "n": 1}))


@pytest.mark.parametrize("text", ["taskInputs.pw", "taskInputs['pw']", "taskInputs.o.password", "taskInputs.l[0]"])
def test_a_path_passes_a_secret_on(text: str) -> None:
    assert parse(text).is_path
    assert evaluate(text, SCOPE) == REFERENCE


def test_what_holds_a_secret_may_be_passed_on_and_counted() -> None:
    assert evaluate("taskInputs.o", SCOPE) == {"user": "u", "password": REFERENCE}
    assert evaluate("len(taskInputs.o)", SCOPE) == 2
    assert evaluate("taskInputs.o.user + '!'", SCOPE) == "u!"


@pytest.mark.parametrize(
    "text",
    ["taskInputs.pw + 'x'", "'x' + taskInputs.pw", "len(taskInputs.pw)", "taskInputs.pw == 'x'", "not taskInputs.pw",
     "taskInputs.pw['$secret']", "taskInputs.o.password['$secret']", "str(taskInputs.pw)", "[taskInputs.pw]",
     "{'a': taskInputs.pw}", "taskInputs.pw if taskInputs.n else 1", "taskInputs.l[taskInputs.n - 1]",
     "json(taskInputs.o.password)", "upper(taskInputs['pw'])", "taskInputs.pw == null"],
)  # fmt: skip
def test_nothing_is_worked_out_from_a_secret(text: str) -> None:
    with pytest.raises(BadExpression, match=ONLY_WHOLE):
        evaluate(text, SCOPE)


# ---------------------------------------------------------------- what is checked when a flow is saved
def test_a_flow_that_passes_its_secret_on_is_in_order() -> None:
    sub = flow(run(), inputs=[{"name": "key", "type": "String", "secret": True}])
    assert problems(
        run(1, secrets=pairs(("password", "=taskInputs.pw"))),
        block(2, "SetTaskVariableBp", p_varName="v", e_varValue="taskInputs.pw"),
        block(3, "SubTaskBp", p_flow="sub", e_key="taskInputs.pw"),
        sub=sub,
    ) == []  # fmt: skip


@pytest.mark.parametrize(
    ("inputs", "path"),
    [([{"name": "pw", "type": "Long", "secret": True}], "pw"),
     ([{"name": "pw", "type": "String", "secret": True, "defaultValue": "k7-Tresor"}], "pw")],
)  # fmt: skip
def test_secret_inputs_are_texts_without_a_default(inputs: Any, path: str) -> None:
    assert problems(inputs=inputs) == [(path, "secret")]


@pytest.mark.parametrize("value", [REFERENCE, {"$asset": "wms"}, {"deep": [REFERENCE]}])
def test_flows_refer_to_nothing_by_themselves(value: Any) -> None:
    assert problems(inputs=[{"name": "o", "type": "JSONObject", "defaultValue": value}])[0] == ("o", "bad_value")
    for written in ({"type": "JSON", "value": value}, {"type": "Simple", "value": value}):
        assert problems(run(1, secrets=written)) == [("-1/1", "bad_value")]
    assert problems(run(1, secrets=pairs(("a", value)))) == [("-1/1", "bad_value")]


@pytest.mark.parametrize("text", ["taskInputs.pw + 'x'", "[taskInputs.pw]", "len(taskInputs.pw) > 3"])
def test_working_with_a_declared_secret_is_refused(text: str) -> None:
    assert problems(run(1, secrets=pairs(("a", "=" + text)))) == [("-1/1", "secret")]
    assert problems(block(1, "PrintBp", e_message=text)) == [("-1/1", "secret")]


def test_a_secret_of_a_sub_flow_is_never_written_into_a_flow() -> None:
    sub = flow(run(), inputs=[{"name": "key", "type": "String", "secret": True}])
    assert problems(block(1, "SubTaskBp", p_flow="sub", p_key="k7-Tresor"), sub=sub) == [("-1/1", "secret")]


# ---------------------------------------------------------------- binding
def test_a_reference_passes_for_a_text_and_for_nothing_else() -> None:
    declared = [{"name": "t", "type": "String"}, {"name": "o", "type": "JSONObject"}, {"name": "n", "type": "Long"}]
    definition = flow(inputs=declared)
    assert bind_inputs(definition, {"t": REFERENCE})[0]["t"] == REFERENCE
    for name in ("o", "n"):
        assert [problem.code for problem in bind_inputs(definition, {name: REFERENCE})[1]] == ["bad_value"]
    assert bind_inputs(definition, {"o": {"password": REFERENCE}})[0]["o"] == {"password": REFERENCE}
    for type_ in ("String", "Boolean", "Long", "Double", "JSONObject", "JSONArray"):
        with pytest.raises(BadValue, match="secret"):
            convert(REFERENCE, type_)


# ---------------------------------------------------------------- running
def test_the_robot_gets_the_reference_and_rows_hold_nothing_else() -> None:
    sub = flow(run(1, secrets=pairs(("inner", "=taskInputs.key"))), inputs=[{"name": "key", "type": "String"}])
    main = flow(
        run(1, secrets=pairs(("password", "=taskInputs.pw"))),
        block(2, "SetTaskVariableBp", p_varName="v", e_varValue="taskInputs.pw"),
        run(3, secrets=pairs(("again", "=vars.v"))),
        block(4, "SubTaskBp", p_flow="sub", e_key="vars.v"),
        inputs=INPUTS,
    )  # fmt: skip
    bench = Bench(assign(main | {"subFlows": {"sub": sub}}, inputs={"pw": REFERENCE}), Robot())
    assert bench.finish().kind == "succeeded"
    inputs = {row.path: row.inputs for row in bench.host.rows if row.inputs and "secrets" in row.inputs}
    assert inputs == {
        "-1/1": {"command": "it", "secrets": {"password": REFERENCE}},
        "-1/3": {"command": "it", "secrets": {"again": REFERENCE}},
        "-1/4/-1/1": {"command": "it", "secrets": {"inner": REFERENCE}},
    }


@pytest.mark.parametrize(
    "one",
    [block(1, "PrintBp", e_message="taskInputs.pw"), block(1, "IfBp", e_condition="taskInputs.pw"),
     block(1, "TaskStateBp", e_stateMsg="taskInputs.pw"), block(1, "DelayBp", e_timeMillis="taskInputs.pw"),
     block(1, "PrintBp", e_message="taskInputs.pw + '!'"), run(1, e_timeout="taskInputs.pw")],
)  # fmt: skip
def test_a_block_that_would_read_it_fails_with_a_sentence(one: dict[str, Any]) -> None:
    definition = flow(one, inputs=[{"name": "pw", "type": "String"}])
    end = Bench(assign(definition, inputs={"pw": REFERENCE}), Robot()).finish()
    assert end.kind == "failed"
    assert "a secret can" in str(end.reason)
