"""Cancels, pauses and drivers that say little: what stops, what goes on, and which rows say so."""

from typing import Any

import pytest

from edge_agent.operations import OperationEvent
from schemas.status import Phase
from tests.fakes.flow_bench import Answer, Bench, Robot, assign, block, flow


def go(id_: int, **rest: Any) -> dict[str, Any]:
    return block(id_, "CAgvOperationBp", p_targetSiteLabel="P", **rest)


def bench(*blocks: dict[str, Any], script: Any = None, **fields: Any) -> Bench:
    return Bench(assign(flow(*blocks), **fields), Robot(script or {}))


def test_a_cancel_before_anything_moved() -> None:
    b = bench(go(1))
    b.run.stop(0.0)
    assert b.run.end is not None
    assert b.run.end.kind == "cancelled"
    assert b.host.rows == []
    assert not b.run.moved


def test_a_cancel_waits_until_the_robot_has_stopped() -> None:
    b = bench(block(1, "SerialFlowBp", go(2), go(3)))
    b.quiet()
    b.run.stop(b.now)
    assert b.run.end is None
    assert b.phases("-1/1/2")[-1] == "cancel.begin"
    b.quiet(go=False)
    assert b.run.end is not None
    assert b.run.end.kind == "cancelled"
    assert b.words()[-2:] == ["-1/1/2.0 cancel.success", "-1/1.0 cancel.success"]
    assert len(b.robot.started) == 1


def test_what_was_not_taken_yet_is_canceled_without_having_started() -> None:
    b = bench(go(1), script={"b1": [Answer(seconds=None)]})
    b.run.advance(0.0, True)
    b.robot.queue.clear()
    b.run.stop(0.0)
    b.quiet(go=False)
    assert b.phases("-1/1") == ["start.begin", "cancel.begin", "canceled"]


def test_a_wait_is_canceled_at_once() -> None:
    b = bench(block(1, "RepeatNumBp", block(2, "DelayBp", p_timeMillis=60_000), p_num=2))
    b.quiet()
    assert b.run.wake_at == pytest.approx(60)
    b.run.stop(5.0)
    assert b.run.end is not None
    assert b.words()[-2:] == ["-1/1#0/2.0 canceled", "-1/1.0 cancel.success"]
    assert b.run.wake_at is None


def test_a_real_end_before_the_stop_stays_and_the_flow_ends_at_the_boundary() -> None:
    b = bench(go(1), go(2))
    b.quiet()
    (key,) = b.run.operations
    b.run.stop(b.now)
    b.run.feed(OperationEvent(key, "succeeded", {"result": 1}), b.now)
    b.run.advance(b.now, False)
    assert b.run.end is not None
    assert b.run.end.kind == "cancelled"
    assert b.phases("-1/1")[-2:] == ["cancel.begin", "monitor.success"]
    assert ("-1/2", 0) not in b.final()


def test_a_last_operation_that_ended_first_is_cancelled_all_the_same() -> None:
    b = bench(block(1, "SerialFlowBp", go(2)))
    b.quiet()
    (key,) = b.run.operations
    b.run.feed(OperationEvent(key, "succeeded"), b.now)
    b.run.stop(b.now)
    assert b.run.end is not None
    assert b.run.end.kind == "cancelled"
    assert b.phases("-1/1") == ["start.begin", "cancel.success"]


def test_a_robot_that_cannot_stop_refuses_the_cancel_and_the_flow_goes_on() -> None:
    b = bench(go(1), go(2), script={"b1": [Answer(seconds=9, stoppable=False)]})
    b.quiet()
    b.run.stop(b.now)
    b.quiet(go=False)
    assert b.run.refused
    assert b.run.end is None
    assert b.phases("-1/1")[-1] == "cancel.failed"
    b.run.clear_stop()
    assert not b.run.refused
    assert b.finish().kind == "succeeded"
    assert b.phases("-1/1")[-1] == "monitor.success"


def test_a_cancel_may_be_asked_again() -> None:
    b = bench(go(1), go(2), script={"b1": [Answer(seconds=9, stoppable=False)]})
    b.quiet()
    for count in (1, 2):
        b.run.stop(b.now)
        b.quiet(go=False)
        assert b.run.refused
        b.run.clear_stop()
        assert b.phases("-1/1").count(Phase.CANCEL_FAILED) == count


def test_a_branch_that_stopped_for_a_cancel_that_was_refused_has_failed() -> None:
    script = {"b2": [Answer(seconds=9, stoppable=False)], "b3": [Answer(seconds=9)]}
    b = bench(block(1, "ParallelFlowBp", go(2), go(3)), script=script)
    b.quiet()
    b.run.stop(b.now)
    b.quiet(go=False)
    assert b.run.refused
    end = b.finish()
    assert (end.kind, end.reason) == ("failed", "stopped at the robot")
    assert b.phases("-1/1/2")[-1] == "monitor.success"
    assert b.phases("-1/1/3")[-1] == "cancel.success"


def test_a_cancel_stops_every_branch() -> None:
    branches = [go(2), block(3, "DelayBp", p_timeMillis=9_000), block(4, "SubTask::s")]
    definition = flow(block(1, "ParallelFlowBp", *branches), subFlows={"s": flow(go(5))})
    b = Bench(assign(definition), Robot({"b2": [Answer(seconds=99)], "b5": [Answer(seconds=99)]}))
    b.quiet()
    b.run.stop(b.now)
    assert b.run.end is None
    b.quiet(go=False)
    assert b.run.end is not None
    assert b.run.end.kind == "cancelled"
    assert b.run.operations == {}
    ends = {path: str(past.status) for (path, _), past in b.final().items()}
    assert ends == {
        "-1/1": "cancel.success",
        "-1/1/2": "cancel.success",
        "-1/1/3": "canceled",
        "-1/1/4": "cancel.success",
        "-1/1/4/-1/5": "cancel.success",
    }


def test_no_catch_takes_a_cancel() -> None:
    b = bench(block(1, "TryCatchBp", b_try=[go(2)], b_catch=[go(3)], p_swallowError=True))
    b.quiet()
    b.run.stop(b.now)
    b.quiet(go=False)
    assert b.run.end is not None
    assert b.run.end.kind == "cancelled"
    assert len(b.robot.started) == 1


def test_a_restart_in_the_middle_of_a_cancel() -> None:
    for turns in range(4):
        b = bench(
            block(1, "ParallelFlowBp", go(2), go(3)), script={"b2": [Answer(seconds=9)], "b3": [Answer(seconds=9)]}
        )
        b.quiet()
        b.run.stop(b.now)
        for _ in range(turns):
            b.turn(go=False)
        if b.run.end is None:
            b.crash()
            b.run.stop(b.now)
            b.quiet(go=False)
        assert b.run.end is not None
        assert b.run.end.kind == "cancelled"
        assert {str(past.status) for past in b.final().values()} == {"cancel.success"}


def test_what_is_unknown_while_cancelling_is_interrupted_unless_safe() -> None:
    for safe, kind in ((False, "interrupted"), (True, "cancelled")):
        b = bench(go(1), safe=safe)
        b.quiet()
        b.robot.forgets = True
        b.crash()
        b.run.stop(b.now)
        b.quiet(go=False)
        assert b.run.end is not None
        assert b.run.end.kind == kind


def test_words_of_the_driver_become_log_rows_and_late_ones_nothing() -> None:
    b = bench(go(1), go(2))
    b.quiet()
    (key,) = b.run.operations
    b.run.feed(OperationEvent(key, "log", level=2, text="low battery"), b.now)
    assert b.host.logs == [{"path": "-1/1", "level": 2, "type": "driver", "text": "low battery"}]
    b.run.feed(OperationEvent(key, "succeeded"), b.now)
    rows = len(b.host.rows)
    for what in ("taken", "carried", "failed", "stopped", "log", "unknown"):
        b.run.feed(OperationEvent(key, what), b.now)
    b.run.feed(OperationEvent((99, 1), "succeeded"), b.now)
    assert len(b.host.rows) == rows
    assert len(b.host.logs) == 1


def test_phases_are_reported_once_and_never_backwards() -> None:
    b = bench(go(1))
    b.run.advance(0.0, True)
    (key,) = b.run.operations
    for what in ("carried", "taken", "carried", "taken"):
        b.run.feed(OperationEvent(key, what), 0.0)
    assert b.phases("-1/1") == ["start.begin", "monitor.begin"]


def test_time_never_runs_backwards() -> None:
    b = bench(block(1, "DelayBp", p_timeMillis=1000))
    b.run.advance(10.0, True)
    b.run.advance(3.0, True)
    assert b.run.wake_at == pytest.approx(11)


def test_a_pause_keeps_delays_running_and_limits_counting() -> None:
    b = bench(block(1, "DelayBp", p_timeMillis=1000), go(2))
    b.quiet()
    b.robot.now = 2.0
    b.quiet(go=False)
    assert b.words()[-1] == "-1/1.0 monitor.success"
    assert b.run.wake_at is None
    assert b.robot.started == []


def test_an_ended_flow_stays_ended() -> None:
    b = bench()
    end = b.finish()
    b.run.stop(1.0)
    b.run.advance(2.0, True)
    assert b.run.end is end
