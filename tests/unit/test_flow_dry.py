"""Dry runs: operations are rehearsed, nothing moves, nothing is waited for. And what ended operations leave behind."""

from typing import Any

import pytest

from tests.fakes.flow_bench import Answer, Bench, Crash, Robot, assign, block, flow
from tests.unit.test_flow_replay import check_rows


def go(id_: int, place: str = "P", **rest: Any) -> dict[str, Any]:
    return block(id_, "CAgvOperationBp", p_targetSiteLabel=place, **rest)


def dry(*blocks: dict[str, Any], robot: Robot | None = None, **fields: Any) -> Bench:
    return Bench(assign(flow(*blocks), mock=True, **fields), robot or Robot())


# ---------------------------------------------------------------- dry runs
def test_an_operation_would_have_moved() -> None:
    b = dry(go(1), block(2, "PrintBp", e_message="blocks.b1.result == null"))
    assert b.finish().kind == "succeeded"
    assert b.phases("-1/1") == ["mock.begin", "mock.success"]
    assert b.outputs("-1/1") == {"result": None}
    assert b.robot.started == []


def test_nothing_to_do_where_it_would_stand_already() -> None:
    b = dry(go(1), go(2), go(3, "Q"), go(4, "Q", p_scriptName="load"))
    b.finish()
    assert [b.phases(f"-1/{n}")[-1] for n in (1, 2, 3, 4)] == [
        "mock.success",
        "mock.passed",
        "mock.success",
        "mock.success",
    ]


def test_nothing_to_do_where_it_stands() -> None:
    b = dry(go(1))
    b.ids.here = "P"
    b.finish()
    assert b.phases("-1/1")[-1] == "mock.passed"


def test_nothing_to_do_for_what_only_reads() -> None:
    b = dry(block(1, "GetBatteryLevelBp"), block(2, "VehicleStationBp"))
    b.finish()
    assert [b.phases(path)[-1] for path in ("-1/1", "-1/2")] == ["mock.passed", "mock.passed"]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [(go(1, "nowhere"), "there is no such site"), (block(1, "CAgvOperationBp", e_targetSiteLabel="vars.x"), "one of")],
)
def test_what_the_robot_could_not_do_fails(bad: dict[str, Any], reason: str) -> None:
    b = dry(bad, go(2), robot=Robot(objections={"b1": "there is no such site"} if "nowhere" in str(bad) else {}))
    end = b.finish()
    assert end.kind == "failed"
    assert reason in str(end.reason)
    assert b.phases("-1/1") == ["mock.begin", "mock.failed"]


def test_nothing_is_waited_for() -> None:
    b = dry(
        block(1, "DelayBp", p_timeMillis=60_000),
        block(2, "WhileBp", block(3, "SetTaskVariableBp", p_varName="x", p_varValue=True),
              e_loopCondition="vars.x == null", p_retryPeriod=60_000),
        block(4, "TryCatchBp", p_swallowError=True,
              b_try=[block(5, "ThrowExceptionBp", p_message="no", o_retry={"times": 2, "interval": 9000})]),
    )  # fmt: skip
    assert b.finish().kind == "succeeded"
    assert b.now == 0


def test_the_rest_of_the_flow_runs_as_ever() -> None:
    b = dry(block(1, "IterateListBp", go(2), p_list=["A", "B"]), block(3, "PrintBp", e_message="blocks.b1.item"))
    b.finish()
    assert [log["text"] for log in b.host.logs if log["type"] == "print"] == ["B"]
    check_rows_of_a_dry_run(b)


def check_rows_of_a_dry_run(b: Bench) -> None:
    b.robot.started.append(("none", 0))
    check_rows(b)


def test_a_crash_after_any_row_changes_nothing() -> None:
    def run(lives: int | None) -> Bench:
        b = dry(go(1), go(2), block(3, "IterateListBp", go(4), p_list=[1, 2, 3]), go(5))
        b.host.lives = lives
        try:
            b.finish()
        except Crash:
            b.crash()
            b.finish()
        return b

    whole = run(None)
    for lives in range(len(whole.host.rows)):
        assert run(lives).final() == whole.final()


def test_a_dry_run_in_debug_mode_waits_where_it_fails() -> None:
    b = dry(go(1, "nowhere"), robot=Robot(objections={"b1": "there is no such site"}), debug=True)
    b.quiet()
    assert b.run.failed is not None
    assert b.run.failed.reason == "there is no such site"


# ---------------------------------------------------------------- what is left behind
def holding(*blocks: dict[str, Any], **robot: Any) -> Bench:
    return Bench(assign(flow(*blocks)), Robot(holds=True, **robot))


def test_what_an_operation_leaves_is_removed_before_the_attempt_ends() -> None:
    b = holding(go(1))
    b.finish()
    assert b.phases("-1/1")[-3:] == ["monitor.success", "delete.begin", "delete.success"]
    assert b.robot.tidied == [(7, 1)]


@pytest.mark.parametrize("end", ["failed", "stopped", "refused"])
def test_whatever_its_end_was(end: str) -> None:
    b = holding(go(1), script={"b1": [Answer(end, reason="x")]})
    b.finish()
    assert b.phases("-1/1")[-2:] == ["delete.begin", "delete.success"]


def test_a_cancelled_attempt_is_over_when_it_is_removed() -> None:
    b = holding(go(1))
    b.quiet()
    b.run.stop(b.now)
    b.quiet(go=False)
    assert b.run.end is not None
    assert b.run.end.kind == "cancelled"
    assert b.phases("-1/1")[-3:] == ["cancel.success", "delete.begin", "delete.success"]


def test_what_cannot_be_removed_is_said_and_changes_no_end() -> None:
    b = holding(go(1), go(2), messy={"b1": "the disk is read-only"})
    assert b.finish().kind == "succeeded"
    assert b.phases("-1/1")[-2:] == ["delete.begin", "delete.failed"]
    assert [row.reason for row in b.host.rows if row.status == "delete.failed"] == ["the disk is read-only"]


def test_nothing_left_nothing_said() -> None:
    b = Bench(assign(flow(go(1))), Robot())
    b.finish()
    assert b.phases("-1/1")[-1] == "monitor.success"


def test_removing_is_asked_again_after_a_restart_and_keeps_the_end() -> None:
    def run(lives: int | None) -> Bench | None:
        b = holding(
            block(1, "TryCatchBp", b_try=[go(2)], p_swallowError=True), go(3), script={"b2": [Answer("failed")]}
        )
        b.host.lives = lives
        try:
            b.finish()
        except Crash:
            if b.words()[-1:] and b.words()[-1] in ("-1/1/2.0 monitor.failed", "-1/3.0 monitor.success"):
                return None  # an end and the first word about what is left are one transaction
            b.crash()
            b.finish()
        return b

    whole, cases = run(None), 0
    assert whole is not None
    for lives in range(len(whole.host.rows) + len(whole.host.logs)):
        b = run(lives)
        if b is not None:
            assert (b.final(), b.run.end) == (whole.final(), whole.run.end), lives
            cases += 1
    assert cases > 10
