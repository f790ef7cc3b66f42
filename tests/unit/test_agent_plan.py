"""Flows are read once and shared by the attempts that run them, which must never show."""

from typing import Any

import pytest
from pydantic_core import to_json

from edge_agent.flow import plan as plans
from edge_agent.flow.plan import Plan, Plans
from tests.fakes.flow_bench import Bench, assign, block, flow

LIST = {"type": "JSON", "value": '[{"a": 1}]', "required": True}


def the(definition: dict[str, Any]) -> dict[str, Any]:
    """A fresh copy, as each assign brings one."""
    return assign(definition).flow


def test_the_same_text_is_the_same_plan_and_another_text_is_another() -> None:
    kept = Plans()
    one = kept.of(the(flow(block(1, "PrintBp", p_message="a"))))
    assert isinstance(one, Plan)
    assert kept.of(the(flow(block(1, "PrintBp", p_message="a")))) is one
    other = kept.of(the(flow(block(1, "PrintBp", p_message="b"))))
    assert isinstance(other, Plan)
    assert other is not one
    assert other.given(other.main.root.branches["default"][0])[0].value == "b"


def test_a_flow_with_a_fault_is_refused_each_time() -> None:
    kept, bad = Plans(), flow(block(1, "NoSuchBp"))
    first, again = kept.of(the(bad)), kept.of(the(bad))
    assert not isinstance(first, Plan)
    assert first == again
    assert [problem.code for problem in first] == ["unknown_block_kind"]


def test_only_so_many_bytes_are_kept_and_the_oldest_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    flows = [the(flow(block(1, "PrintBp", p_message=text))) for text in "abc"]
    monkeypatch.setattr(plans, "KEPT_BYTES", 2 * len(to_json(flows[0])))
    kept = Plans()
    first, second = kept.of(flows[0]), kept.of(flows[1])
    assert kept.of(flows[0]) is first  # used again, so it is the youngest
    kept.of(flows[2])
    assert kept.of(flows[0]) is first
    assert kept.of(flows[1]) is not second


def test_a_flow_larger_than_all_that_is_kept_runs_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "KEPT_BYTES", 10)
    kept, definition = Plans(), the(flow(block(1, "PrintBp", p_message="a")))
    assert isinstance(kept.of(definition), Plan)
    assert kept.of(definition) is not kept.of(definition)


def test_what_one_attempt_does_with_a_literal_never_reaches_the_next() -> None:
    definition = flow(
        {**block(1, "SetTaskVariableBp", p_varName="v"), "inputParams": {
            "varName": {"type": "Simple", "value": "v", "required": True}, "varValue": LIST}},
    )  # fmt: skip
    first = Bench(assign(definition))
    first.finish()
    first.host.rows[0].inputs["varValue"][0]["a"] = 2  # type: ignore[index]
    second = Bench(assign(definition))
    second.finish()
    assert second.host.rows[0].inputs == {"varName": "v", "varValue": [{"a": 1}]}


def test_an_expression_without_names_is_worked_out_once_and_one_with_names_each_time() -> None:
    counted = {"type": "Expression", "value": "vars.v == null", "required": True}
    fixed = {"type": "Expression", "value": "'x'", "required": True}
    name = {"type": "Simple", "value": "v", "required": True}
    body = [{**block(i, "SetTaskVariableBp"), "inputParams": {"varName": name, "varValue": given}}
            for i, given in ((1, counted), (2, fixed), (3, counted))]  # fmt: skip
    bench = Bench(assign(flow(*body)))
    bench.finish()
    assert [row.inputs["varValue"] for row in bench.host.rows if row.inputs] == [True, "x", False]
