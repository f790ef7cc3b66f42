"""Branches side by side, limits, and flows that run other flows."""

import pytest

from tests.fakes.flow_bench import Answer, block, flow
from tests.unit.test_flow_run import bench, go_to


def test_parallel_children_run_at_once() -> None:
    b = bench(block(1, "ParallelFlowBp", go_to(2), go_to(3)))
    b.quiet()
    assert len(b.run.operations) == 2
    assert b.finish().kind == "succeeded"
    assert b.now == pytest.approx(1)


def test_the_first_failure_ends_the_other_branches() -> None:
    script = {"b2": [Answer("failed", reason="bang", seconds=2)], "b3": [Answer(seconds=60)]}
    line = block(4, "SerialFlowBp", go_to(3), go_to(5))
    b = bench(block(1, "ParallelFlowBp", go_to(2), line, block(6, "DelayBp", p_timeMillis=90_000)), script=script)
    end = b.finish()
    assert (end.kind, end.reason, end.path) == ("failed", "bang", "-1/1/2")
    assert b.phases("-1/1/4/3")[-2:] == ["cancel.begin", "cancel.success"]
    assert b.phases("-1/1/4")[-1] == "cancel.success"
    assert b.phases("-1/1/6") == ["start.begin", "canceled"]
    assert b.now == pytest.approx(2)
    assert ("-1/1/4/5", 0) not in b.final()


def test_a_branch_that_cannot_stop_is_waited_for() -> None:
    script = {"b2": [Answer("failed", reason="bang")], "b3": [Answer(seconds=60, stoppable=False)]}
    b = bench(block(1, "ParallelFlowBp", go_to(2), block(4, "SerialFlowBp", go_to(3), go_to(5))), script=script)
    assert b.finish().reason == "bang"
    assert b.phases("-1/1/4/3")[-3:] == ["cancel.begin", "cancel.failed", "monitor.success"]
    assert b.now == pytest.approx(60)
    assert len(b.robot.started) == 2


def test_a_limit_ends_an_operation() -> None:
    b = bench(go_to(1, o_maxTimeOut="3000"), script={"b1": [Answer(seconds=None)]})
    end = b.finish()
    assert (end.kind, end.reason) == ("failed", "it took longer than 3000 ms")
    assert b.phases("-1/1")[-2:] == ["cancel.begin", "monitor.failed"]
    assert b.now == pytest.approx(3)


def test_a_limit_ends_what_is_inside_a_block() -> None:
    inside = block(2, "SerialFlowBp", block(3, "RepeatNumBp", go_to(4), p_num=9))
    b = bench(block(1, "SerialFlowBp", inside, o_maxTimeOut=2500))
    assert b.finish().reason == "it took longer than 2500 ms"
    assert len(b.robot.started) == 3
    assert b.phases("-1/1")[-1] == "monitor.failed"
    assert b.phases("-1/1/2")[-1] == "cancel.success"


def test_a_sub_flow_has_its_own_scope_and_shares_variables() -> None:
    sub = flow(
        block(1, "PrintBp", e_message="taskInputs.n + 1"),
        block(2, "SetTaskVariableBp", p_varName="out", e_varValue="taskInputs.n * 2"),
        inputs=[{"name": "n", "type": "Long", "required": True}],
        outputParams=[{"name": "out", "type": "Long"}],
    )
    call = block(12, "SubTask::s", p_n="20")
    b = bench(call, block(3, "PrintBp", e_message="str(blocks.b12.out) + str(vars.out)"), sub={"s": sub})
    assert b.finish().kind == "succeeded"
    assert [log["text"] for log in b.host.logs if log["type"] == "print"] == ["21", "4040"]
    assert ("-1/12/-1/1", 0) in b.final()
    assert b.outputs("-1/12") == {"out": 40}


def test_a_sub_flow_beside_is_awaited_and_its_failure_counts() -> None:
    sub = {"s": flow(block(2, "CAgvOperationBp", p_scriptName="slow", name="slow"))}
    beside = block(1, "SubTaskBp", p_flow="s", p_ifAsync="true")
    b = bench(beside, go_to(3), sub=sub, script={"slow": [Answer(seconds=30)]})
    b.quiet()
    assert len(b.run.operations) == 2
    assert b.finish().kind == "succeeded"
    assert b.now == pytest.approx(30)
    b = bench(beside, go_to(3), sub=sub, script={"slow": [Answer("failed", reason="stuck", seconds=30)]})
    assert b.finish().reason == "stuck"
    b = bench(beside, go_to(3), sub=sub, script={"slow": [Answer(seconds=30)], "b3": [Answer("failed", reason="bang")]})
    assert b.finish().reason == "bang"
    assert b.now == pytest.approx(1)
    assert b.phases("-1/1")[-1] == "cancel.success"
