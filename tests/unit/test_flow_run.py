"""Flows from begin to end: order, numbers, scope, loops, branches, failures."""

from typing import Any

import pytest

from edge_agent.flow.blocks import WORK
from edge_agent.flow.run import BadFlow, FlowRun, RobotFacts
from schemas.blocks import OPERATION_KINDS, PURE_KINDS
from tests.fakes.flow_bench import ME, Answer, Bench, Host, Robot, assign, block, flow


def bench(
    *blocks: Any, script: Any = None, sub: Any = None, inputs: Any = None, facts: RobotFacts = ME, **fields: Any
) -> Bench:
    extra = {"subFlows": sub} if sub else {}
    rest = fields.pop("rest", {})
    return Bench(assign(flow(*blocks, inputs=inputs, **extra, **rest), **fields), Robot(script or {}), facts)


def go_to(id_: int, place: str = "P1", **rest: Any) -> dict[str, Any]:
    return block(id_, "CAgvOperationBp", p_targetSiteLabel=place, **rest)


def test_every_kind_is_a_function_or_the_drivers() -> None:
    assert set(WORK) == PURE_KINDS
    assert not set(WORK) & OPERATION_KINDS


def test_operations_one_after_the_other() -> None:
    b = bench(go_to(1), go_to(2))
    assert b.finish().kind == "succeeded"
    assert b.words() == [
        "-1/1.0 start.begin",
        "-1/1.0 start.success",
        "-1/1.0 monitor.begin",
        "-1/1.0 monitor.success",
        "-1/2.0 start.begin",
        "-1/2.0 start.success",
        "-1/2.0 monitor.begin",
        "-1/2.0 monitor.success",
    ]
    assert [row.n for row in b.host.rows] == [1] * 4 + [2] * 4
    assert b.run.moved
    assert b.run.progress == 100


def test_nothing_begins_without_leave() -> None:
    b = bench(go_to(1), go_to(2))
    b.quiet(go=False)
    assert b.host.rows == []
    assert b.run.wake_at is None
    b.quiet()
    b.wait()
    b.quiet(go=False)
    assert b.words()[-1] == "-1/1.0 monitor.success"
    assert len(b.robot.started) == 1
    assert b.run.end is None
    assert b.finish().kind == "succeeded"


def test_the_end_needs_no_leave() -> None:
    b = bench(go_to(1))
    b.quiet()
    b.wait()
    b.quiet(go=False)
    assert b.run.end is not None
    assert b.run.end.kind == "succeeded"


def test_select_runs_its_children_here() -> None:
    b = bench(block(9, "CSelectAgvBp", block(10, "PrintBp", p_message="test message"), p_keyRoute="AP1"))
    assert b.finish().kind == "succeeded"
    assert b.outputs("-1/9") == {"selectedAgvId": "agv-01"}
    assert b.final()["-1/9", 0].inputs == {"keyRoute": "AP1"}
    assert {"path": "-1/9/10", "level": 1, "type": "print", "text": "test message"} in b.host.logs
    selected, done = b.host.logs[1:]
    assert (selected["path"], selected["message"], selected["args"]) == ("-1/9", "agv_selected", {"block_name": "b9"})
    assert selected["output"] == {"selectedAgvId": "agv-01"}
    assert (done["path"], done["message"], done["output"]) == (
        "-1",
        "branch_done",
        {"executed": True, "branch": "default"},
    )


@pytest.mark.parametrize(
    ("wanted", "facts", "why"),
    [
        ({"p_vehicle": "agv-02"}, ME, "agv-02"),
        ({"p_group": "others"}, ME, "others"),
        ({"p_tag": "lift"}, ME, "lift"),
        ({}, RobotFacts("hall", "station"), "station"),
    ],
)
def test_select_says_why_it_does_not_fit(wanted: Any, facts: Any, why: Any) -> None:
    b = bench(block(1, "CSelectAgvBp", go_to(2), **wanted), facts=facts)
    end = b.finish()
    assert end.kind == "failed"
    assert why in str(end.reason)
    assert end.path == "-1/1"
    assert b.robot.started == []


def test_select_by_all_it_knows() -> None:
    b = bench(block(1, "CSelectAgvBp", go_to(2), p_vehicle="agv-01", p_group="pickers", p_tag="fork", p_priority="10"))
    assert b.finish().kind == "succeeded"


def test_a_list_is_walked_and_its_size_is_readable_inside() -> None:
    text = "str(blocks.b1.index) + '/' + str(blocks.b1.size) + '=' + str(blocks.b1.item)"
    b = bench(block(1, "IterateListBp", block(2, "PrintBp", e_message=text), p_list='[1,"x"]'))
    assert b.finish().kind == "succeeded"
    assert [log["text"] for log in b.host.logs if log["type"] == "print"] == ["0/2=1", "1/2=x"]
    assert [row.path for row in b.host.rows if row.status == "monitor.success"] == ["-1/1#0/2", "-1/1#1/2", "-1/1"]
    assert b.outputs("-1/1") == {"index": 1, "item": "x"}


def test_an_empty_list_and_no_repetition() -> None:
    b = bench(block(1, "IterateListBp", go_to(2), p_list="[]"), block(3, "RepeatNumBp", go_to(4), p_num=0))
    assert b.finish().kind == "succeeded"
    assert b.outputs("-1/1") == {"index": None, "item": None}
    assert b.outputs("-1/3") == {"index": None}


def test_loops_in_loops_carry_their_passes() -> None:
    b = bench(block(1, "RepeatNumBp", block(7, "RepeatNumBp", go_to(9), p_num=2), p_num=2))
    b.finish()
    assert [path for path, _ in b.robot.started] == ["-1/1#0/7#0/9", "-1/1#0/7#1/9", "-1/1#1/7#0/9", "-1/1#1/7#1/9"]
    assert ("-1/1#1/7", 0) in b.final()


def test_while_reads_a_flag_that_nothing_set_yet() -> None:
    body = [go_to(2), block(3, "SetTaskVariableBp", p_varName="done", p_varValue="true")]
    b = bench(block(1, "WhileBp", *body, e_loopCondition="vars.done == null"))
    assert b.finish().kind == "succeeded"
    assert b.robot.started == [("-1/1#0/2", 0)]


def test_while_waits_between_passes_and_gives_up() -> None:
    b = bench(block(1, "WhileBp", go_to(2), e_loopCondition="true", p_retryPeriod="5000", p_max="3"))
    end = b.finish()
    assert end.kind == "failed"
    assert "after 3 passes" in str(end.reason)
    assert len(b.robot.started) == 3
    assert b.now == pytest.approx(3 + 3 * 5)


def test_break_leaves_the_innermost_loop() -> None:
    leave = block(3, "IfBp", block(4, "BreakBp"), e_condition="blocks.b1.index == 1")
    b = bench(block(1, "RepeatNumBp", leave, go_to(2), p_num=5), go_to(5))
    assert b.finish().kind == "succeeded"
    assert [path for path, _ in b.robot.started] == ["-1/1#0/2", "-1/5"]
    assert b.outputs("-1/1") == {"index": 1}


def test_return_ends_the_flow_and_only_a_sub_flow_inside_one() -> None:
    b = bench(go_to(1), block(2, "SerialFlowBp", block(3, "ReturnBp")), go_to(4))
    assert b.finish().kind == "succeeded"
    assert len(b.robot.started) == 1
    sub = {"s": flow(block(1, "ReturnBp"), go_to(2))}
    b = bench(block(1, "SubTask::s"), go_to(2), sub=sub)
    assert b.finish().kind == "succeeded"
    assert b.robot.started == [("-1/2", 0)]


@pytest.mark.parametrize(("value", "ran"), [("1", "-1/1/2"), ("2", "-1/1/3"), ("3", "-1/1/4")])
def test_three_branches(value: Any, ran: Any) -> None:
    branches: Any = {"b_if": [go_to(2)], "b_else_if": [go_to(3)], "b_else": [go_to(4)]}
    conditions: Any = {"e_conditionIf": "vars.x == 1", "e_conditionElseIf": "vars.x == 2"}
    set_x = block(5, "SetTaskVariableBp", p_varName="x", p_varValue=value)
    b = bench(set_x, block(1, "IfElseIfBp", **branches, **conditions))
    assert b.finish().kind == "succeeded"
    assert [path for path, _ in b.robot.started] == [ran]


def test_a_failure_goes_on_until_it_is_caught_and_swallowed() -> None:
    fails = {"b2": [Answer("failed", reason="wheel")]}
    caught: Any = {"b_try": [go_to(2)], "b_catch": [block(3, "PrintBp", e_message="blocks.b1.error")]}
    b = bench(block(1, "TryCatchBp", p_swallowError=True, **caught), go_to(4), script=fails)
    assert b.finish().kind == "succeeded"
    assert [log["text"] for log in b.host.logs if log["type"] == "print"] == ["wheel"]
    b = bench(block(1, "TryCatchBp", **caught), go_to(4), script=fails)
    end = b.finish()
    assert (end.kind, end.reason, end.path) == ("failed", "wheel", "-1/1/2")
    assert b.phases("-1/1")[-1] == "monitor.failed"
    assert "-1/1/3" in {row.path for row in b.host.rows}


def test_what_ended_the_attempt_is_an_error_in_its_log_once() -> None:
    b = bench(go_to(1), go_to(2), script={"b2": [Answer("failed", reason="wheel")]})
    assert b.finish().kind == "failed"
    error = {"path": "-1/2", "level": 3, "type": "block", "message": "failed", "args": {"reason": "wheel"}}
    assert [log for log in b.host.logs if log["level"] == 3] == [error]
    caught: Any = {"b_try": [go_to(2)], "p_swallowError": True}
    b = bench(block(1, "TryCatchBp", **caught), script={"b2": [Answer("failed", reason="wheel")]})
    assert b.finish().kind == "succeeded"
    assert not [log for log in b.host.logs if log["level"] == 3], "what was caught ended nothing"


def test_a_stop_at_the_robot_is_an_abort_that_may_pass_a_catch() -> None:
    stops = {"b2": [Answer("stopped")]}
    caught: Any = {"b_try": [go_to(2)], "b_catch": [go_to(3)], "p_swallowError": True}
    b = bench(block(1, "TryCatchBp", **caught, p_ignoreAbort=True), script=stops)
    assert b.finish().kind == "failed"
    assert len(b.robot.started) == 1
    b = bench(block(1, "TryCatchBp", **caught), script=stops)
    assert b.finish().kind == "succeeded"


def test_throw_and_bad_parameters() -> None:
    b = bench(block(1, "ThrowExceptionBp", p_message="no pallet"))
    assert b.finish().reason == "no pallet"
    b = bench(go_to(1), block(2, "CAgvOperationBp", e_targetSiteLabel="blocks.b1.nothing"))
    end = b.finish()
    assert "block 'b1' has no output 'nothing'" in str(end.reason)
    assert b.phases("-1/2") == ["start.begin", "start.failed"]
    b = bench(block(2, "DelayBp", e_timeMillis="vars.never"))
    assert "timeMillis is null" in str(b.finish().reason)


def test_a_refused_operation_failed_before_it_began() -> None:
    b = bench(go_to(1), script={"b1": [Answer("refused", reason="no such place")]})
    end = b.finish()
    assert (end.kind, end.reason) == ("failed", "no such place")
    assert b.phases("-1/1") == ["start.begin", "start.failed"]


def test_tries_are_new_block_runs_after_a_wait() -> None:
    script = {
        "b1": [Answer("failed", reason="slip"), Answer("failed", reason="slip"), Answer(outputs={"result": "ok"})]
    }
    b = bench(go_to(1, o_retry={"times": 2, "interval": "4000"}), script=script)
    assert b.finish().kind == "succeeded"
    assert b.robot.started == [("-1/1", 0), ("-1/1", 1), ("-1/1", 2)]
    assert [b.final()["-1/1", try_].n for try_ in range(3)] == [1, 2, 3]
    assert b.now == pytest.approx(3 + 2 * 4)
    assert [log["args"]["try"] for log in b.host.logs if log.get("message") == "retry"] == [1, 2]


def test_a_block_with_children_is_tried_again_as_a_whole() -> None:
    script = {"b2": [Answer("failed"), Answer()]}
    b = bench(block(1, "SerialFlowBp", go_to(3), go_to(2), o_retry={"times": 1}), script=script)
    assert b.finish().kind == "succeeded"
    assert b.robot.started == [("-1/1/3", 0), ("-1/1/2", 0), ("-1/1/3", 1), ("-1/1/2", 1)]


def test_data_blocks() -> None:
    made = block(1, "StringToJsonObjectBp", p_convertString='{"a": [1, 2]}')
    use = block(2, "PrintBp", e_message="blocks.b1.convertObject.a[1] + 1")
    b = bench(made, use, block(3, "TimestampBp"), block(4, "CreateUuidBp"), block(5, "TaskStateBp", p_stateMsg="on"))
    assert b.finish().kind == "succeeded"
    assert b.host.logs[0]["text"] == "3"
    assert b.outputs("-1/3") == {"timestamp": 1001}
    assert b.outputs("-1/4") == {"createUuid": "id-1002"}
    assert b.final()["-1/5", 0].inputs == {"stateMsg": "on"}
    b = bench(block(1, "StringToJsonObjectBp", p_convertString="[1]"))
    assert "not an object" in str(b.finish().reason)


def test_unknown_keys_reach_the_driver_as_they_are() -> None:
    b = bench(block(1, "CAgvOperationBp", p_scriptName="lift", p_goodsId="007", e_height="1 + 1"))
    b.quiet()
    (operation,) = b.run.operations.values()
    assert operation.inputs == {"scriptName": "lift", "goodsId": "007", "height": 2}


def test_mock_moves_nothing() -> None:
    b = bench(go_to(1), block(2, "PrintBp", e_message="blocks.b1.result == null"), mock=True)
    assert b.finish().kind == "succeeded"
    assert b.phases("-1/1") == ["mock.begin", "mock.success"]
    assert b.robot.started == []
    assert not b.run.moved
    assert b.host.logs[0]["text"] == "true"


def test_inputs_variables_and_the_task_of_the_assignment() -> None:
    text = "taskInputs.a + vars.v + task.id + str(task.priority) + task.variables.v"
    inputs = [{"name": "a", "defaultValue": "A"}]
    scope = {"task": {"id": "job-1", "priority": 5}, "vars": {"v": "V"}}
    b = bench(block(1, "PrintBp", e_message=text), inputs=inputs, scope=scope)
    assert b.finish().kind == "succeeded"
    assert b.host.logs[0]["text"] == "AVjob-15V"


def test_a_flow_hands_out_variables() -> None:
    set_x = block(1, "SetTaskVariableBp", p_varName="x", p_varValue="[1]")
    b = bench(set_x, rest={"outputParams": [{"name": "x", "type": "JSONArray"}, {"name": "y", "type": "String"}]})
    assert b.finish().outputs == {"x": [1], "y": None}


@pytest.mark.parametrize(
    ("definition", "inputs", "reason"),
    [
        ({"rootBlock": None}, {}, "bad_parameters"),
        (flow(block(1, "HttpGetBp", p_url="x")), {}, "unknown_block_kind"),
        (flow(block(1, "DelayBp")), {}, "bad_parameters"),
        (flow(), {"unknown": 1}, "bad_parameters"),
        (flow(inputs=[{"name": "n", "type": "Long", "required": True}]), {}, "bad_parameters"),
        (flow(block(1, "SubTask::missing")), {}, "bad_parameters"),
    ],
)
def test_what_cannot_run_is_said_at_once(definition: Any, inputs: Any, reason: Any) -> None:
    with pytest.raises(BadFlow) as caught:
        FlowRun(assign(definition, inputs=inputs), Host(Robot()), {}, ME, 0.0)
    assert caught.value.reason == reason
    assert str(caught.value)


def test_too_many_passes_and_runs() -> None:
    b = bench(block(1, "WhileBp", e_loopCondition="true"))
    end = b.finish()
    assert end.kind == "failed"
    assert "10000 passes" in str(end.reason)
    inner = [block(10 + i, "TaskStateBp", p_stateMsg="x") for i in range(3)]
    swallowing = block(3, "TryCatchBp", b_try=inner, p_swallowError=True)
    b = bench(block(1, "WhileBp", swallowing, e_loopCondition="true"))
    assert "20000 block runs" in str(b.finish().reason)


def test_a_busy_flow_gives_the_turn_back() -> None:
    b = bench(block(1, "RepeatNumBp", block(2, "TaskStateBp", p_stateMsg="x"), p_num=1000))
    b.run.advance(0.0, True)
    assert b.run.end is None
    assert b.run.wake_at == 0.0
    assert b.finish().kind == "succeeded"


def test_large_outputs_are_cut_before_anything_reads_them() -> None:
    big = Answer(outputs={"stdout": "x" * 100_000, "exitCode": 0})
    b = bench(block(1, "RpaRunBp", p_command="run"), script={"b1": [big]})
    b.finish()
    assert len((b.outputs("-1/1") or {})["stdout"]) == 8192
    b = bench(block(1, "RpaRunBp", p_command="run"), script={"b1": [Answer(outputs={"outputs": ["x" * 999] * 999})]})
    assert b.finish().kind == "succeeded"
    assert b.outputs("-1/1") == {}


def test_path_of_the_newest_block() -> None:
    b = bench(block(1, "SerialFlowBp", go_to(2)))
    assert b.run.path is None
    b.quiet()
    assert b.run.path == "-1/1/2"
    b.finish()
    assert b.run.path is None
