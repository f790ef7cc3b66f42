"""Debug mode in a flow: which failures wait for a person, what is run again, what is undone and in which order."""

from typing import Any

import pytest

from edge_agent.flow import steps
from edge_agent.flow.debug import Debug
from edge_agent.operations import FlowEnd
from tests.fakes.flow_bench import Answer, Bench, Crash, Robot, assign, block, flow
from tests.unit.test_flow_replay import check_rows

SLIP = Answer("failed", reason="slip")


def go(id_: int, *undo: dict[str, Any], **rest: Any) -> dict[str, Any]:
    return block(id_, "CAgvOperationBp", p_targetSiteLabel="P", **rest) | ({"rollback": list(undo)} if undo else {})


def bench(*blocks: dict[str, Any], script: Any = None, **fields: Any) -> Bench:
    return Bench(assign(flow(*blocks), debug=True, **fields), Robot(script or {}))


def settle(b: Bench) -> str | None:
    """Let everything happen that may; answers the failed block that waits for a person."""
    for _ in range(10_000):
        b.quiet()
        if b.run.end is not None or b.run.failed is not None or not b.wait():
            break
    return b.run.failed.path if b.run.failed else None


def again(b: Bench) -> str | None:
    assert b.run.failed is not None
    b.run.decide([b.run.failed.key], rolling=False)
    return settle(b)


def undo(b: Bench) -> FlowEnd:
    b.run.decide([], rolling=True)
    settle(b)
    assert b.run.end is not None
    return b.run.end


# ---------------------------------------------------------------- what waits
def test_a_block_that_fails_waits_and_nothing_goes_on() -> None:
    b = bench(go(1), go(2), script={"b1": [SLIP]})
    assert settle(b) == "-1/1"
    assert b.run.failed is not None
    assert (b.run.failed.key, b.run.failed.reason) == (("-1/1", 0), "slip")
    assert b.run.end is None
    assert b.robot.started == [("-1/1", 0)]


def test_its_own_tries_come_first() -> None:
    b = bench(go(1, o_retry={"times": 1, "interval": 500}), script={"b1": [SLIP]})
    settle(b)
    assert b.run.failed is not None
    assert b.run.failed.key == ("-1/1", 1)


def test_run_again_it_goes_on_if_it_succeeds_and_waits_again_if_not() -> None:
    b = bench(go(1), go(2), script={"b1": [SLIP, SLIP, Answer()]})
    settle(b)
    assert again(b) == "-1/1"
    assert b.run.failed is not None
    assert b.run.failed.key == ("-1/1", 1)
    assert again(b) is None
    assert b.run.end is not None
    assert b.run.end.kind == "succeeded"
    assert b.robot.started == [("-1/1", 0), ("-1/1", 1), ("-1/1", 2), ("-1/2", 0)]
    assert [log["message"] for log in b.host.logs if "message" in log][:2] == ["again", "again"]


def test_a_pure_block_and_bad_parameters_wait_too() -> None:
    b = bench(block(1, "ThrowExceptionBp", p_message="no"))
    assert settle(b) == "-1/1"
    b = bench(block(1, "CAgvOperationBp", e_targetSiteLabel="vars.nothing"))
    assert settle(b) == "-1/1"
    assert b.words()[-1] == "-1/1.0 start.failed"


def test_what_the_flow_takes_care_of_itself_does_not_wait() -> None:
    caught = block(1, "TryCatchBp", b_try=[go(2)], b_catch=[go(3)], p_swallowError=True)
    b = bench(caught, script={"b2": [SLIP]})
    assert settle(b) is None
    assert b.run.end is not None
    assert b.run.end.kind == "succeeded"
    tried = block(1, "SerialFlowBp", go(2), o_retry={"times": 1})
    b = bench(tried, script={"b2": [SLIP, SLIP, Answer()]})
    assert settle(b) == "-1/1/2"
    assert b.phases("-1/1", 0)[-1] == "monitor.failed"
    assert again(b) is None


def test_a_failure_that_goes_on_after_its_catch_waits_at_the_block_around() -> None:
    b = bench(block(1, "TryCatchBp", b_try=[go(2)], b_catch=[go(3)]), script={"b2": [SLIP, Answer()]})
    assert settle(b) == "-1/1"
    assert again(b) is None
    assert b.robot.started == [("-1/1/2", 0), ("-1/1/3", 0), ("-1/1/2", 1)]


@pytest.mark.parametrize(("ignores", "waits"), [(True, "-1/1/2"), (False, None)])
def test_a_stop_at_the_robot_waits_where_it_is_not_caught(ignores: bool, waits: str | None) -> None:
    caught = block(1, "TryCatchBp", b_try=[go(2)], p_swallowError=True, p_ignoreAbort=ignores)
    b = bench(caught, script={"b2": [Answer("stopped"), Answer()]})
    assert settle(b) == waits


def test_too_many_runs_end_the_attempt_since_no_further_try_could_help(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_agent.flow.engine.MAX_RUNS", 3)
    b = bench(block(1, "RepeatNumBp", block(2, "PrintBp", p_message="x"), p_num=9))
    assert settle(b) is None
    assert b.run.end is not None
    assert b.run.end.kind == "failed"


def test_other_branches_begin_nothing_while_one_waits() -> None:
    script = {"b2": [SLIP, Answer(seconds=5)], "b4": [Answer(seconds=3)]}
    b = bench(
        block(1, "ParallelFlowBp", go(2), block(3, "SerialFlowBp", go(4), go(5))), block(6, "PrintBp"), script=script
    )
    b.quiet()
    b.wait()
    assert settle(b) == "-1/1/2"
    while b.run.operations:
        assert b.wait()
        b.quiet()
    assert ("-1/1/3/5", 0) not in b.robot.started
    assert again(b) is None
    assert b.run.end is not None
    assert b.run.end.kind == "succeeded"
    assert ("-1/1/3/5", 0) in b.robot.started


def test_two_branches_that_fail_are_decided_one_after_the_other() -> None:
    script = {"b2": [SLIP, Answer()], "b3": [Answer("failed", reason="slip", seconds=2), Answer()]}
    b = bench(block(1, "ParallelFlowBp", go(2), go(3)), script=script)
    b.quiet()
    while b.wait():
        b.quiet()
    assert b.run.failed is not None
    assert b.run.failed.path == "-1/1/2"
    assert again(b) == "-1/1/3"
    assert again(b) is None
    assert b.run.end is not None
    assert b.run.end.kind == "succeeded"


def test_a_cancel_ends_the_wait() -> None:
    b = bench(block(1, "SerialFlowBp", go(2)), script={"b2": [SLIP]})
    settle(b)
    b.run.stop(b.now)
    assert b.run.end is not None
    assert (b.run.end.kind, b.run.end.rolled_back) == ("cancelled", False)
    assert b.words()[-1] == "-1/1.0 cancel.success"


def test_a_block_around_whose_time_is_over_waits_instead() -> None:
    b = bench(block(1, "SerialFlowBp", go(2), o_maxTimeOut=4000), script={"b2": [SLIP, Answer()]})
    assert settle(b) == "-1/1/2"
    b.robot.now += 10
    b.quiet()
    assert b.run.failed is not None
    assert (b.run.failed.path, b.run.failed.reason) == ("-1/1", "it took longer than 4000 ms")
    assert again(b) is None


# ---------------------------------------------------------------- undoing
def back(id_: int) -> dict[str, Any]:
    return go(id_, name=f"back{id_}")


def undone(b: Bench) -> list[str]:
    """Blocks in the order in which undoing them began."""
    return [row.path for row in b.host.rows if row.status == "rollback.begin"]


def test_what_has_finished_is_undone_last_first_and_the_attempt_fails() -> None:
    b = bench(go(1, back(11)), go(2, back(12)), go(3), script={"b3": [SLIP]})
    assert settle(b) == "-1/3"
    end = undo(b)
    assert (end.kind, end.reason, end.path, end.rolled_back) == ("failed", "slip", "-1/3", True)
    assert undone(b) == ["-1/2", "-1/1"]
    assert b.phases("-1/1")[-2:] == ["rollback.begin", "rollback.success"]
    assert b.robot.started[-2:] == [("-1/2/12", 0), ("-1/1/11", 0)]
    assert b.phases("-1/1/11") == ["start.begin", "start.success", "monitor.begin", "monitor.success"]


def test_a_block_is_undone_before_those_inside_it_and_every_pass_for_itself() -> None:
    inner = block(1, "RepeatNumBp", go(2, back(12)), p_num=2) | {"rollback": [back(11)]}
    b = bench(go(5, back(15)), inner, go(3), script={"b3": [SLIP]})
    settle(b)
    undo(b)
    assert undone(b) == ["-1/1", "-1/1#1/2", "-1/1#0/2", "-1/5"]


def test_only_what_finished_is_undone() -> None:
    b = bench(block(1, "SerialFlowBp", go(2, back(12)), go(3, back(13))) | {"rollback": [back(11)]},
              script={"b3": [SLIP]})  # fmt: skip
    assert settle(b) == "-1/1/3"
    undo(b)
    assert undone(b) == ["-1/1/2"]
    assert b.phases("-1/1") == ["start.begin", "monitor.failed"]


def test_undoing_reads_what_the_block_left_in_that_pass() -> None:
    say = block(12, "PrintBp", e_message="'back from ' + blocks.b1.item")
    loop = block(1, "IterateListBp", go(2) | {"rollback": [say]}, p_list=["A", "B"])
    b = bench(loop, go(3), script={"b3": [SLIP]})
    settle(b)
    undo(b)
    assert [log["text"] for log in b.host.logs if log["type"] == "print"] == ["back from B", "back from A"]


def test_each_try_that_finished_is_undone() -> None:
    tries = block(1, "SerialFlowBp", go(2, back(12)), go(3), o_retry={"times": 1})
    b = bench(tries, script={"b3": [SLIP]})
    assert settle(b) == "-1/1/3"
    undo(b)
    assert [(row.path, row.try_) for row in b.host.rows if row.status == "rollback.success"] == [
        ("-1/1/2", 1),
        ("-1/1/2", 0),
    ]
    assert b.robot.started[-2:] == [("-1/1/2/12", 0), ("-1/1/2/12", 1)]


def test_what_cannot_be_undone_ends_the_undoing_by_name() -> None:
    b = bench(
        go(1, back(11)), go(2, back(12)), go(3), script={"b3": [SLIP], "back12": [Answer("failed", reason="jam")]}
    )
    settle(b)
    end = undo(b)
    assert end.reason == "slip; 'b2' could not be undone: jam; not undone: 'b1'"
    assert end.rolled_back
    assert undone(b) == ["-1/2"]
    assert b.phases("-1/2")[-1] == "rollback.failed"


def test_a_cancel_while_undoing_ends_it() -> None:
    b = bench(go(1, back(11)), go(2), script={"b2": [SLIP], "back11": [Answer(seconds=None)]})
    settle(b)
    b.run.decide([], rolling=True)
    b.quiet()
    b.run.stop(b.now)
    b.quiet(go=False)
    assert b.run.end is not None
    assert (b.run.end.kind, b.run.end.rolled_back) == ("cancelled", True)
    assert b.phases("-1/1")[-1] == "rollback.failed"


def test_undoing_needs_leave_like_anything_that_moves() -> None:
    b = bench(go(1, back(11)), go(2), script={"b2": [SLIP]})
    settle(b)
    b.run.decide([], rolling=True)
    b.quiet(go=False)
    assert b.run.end is None
    assert ("-1/1/11", 0) not in b.robot.started
    b.finish()
    assert ("-1/1/11", 0) in b.robot.started


def test_in_an_ordinary_run_nothing_is_undone() -> None:
    b = Bench(assign(flow(go(1, back(11)), go(2))), Robot({"b2": [SLIP]}))
    assert b.finish().kind == "failed"
    assert undone(b) == []


# ---------------------------------------------------------------- dying at any moment
CARE = flow(
    go(1, go(11, name="back"), name="first"),
    block(
        2,
        "RepeatNumBp",
        go(3, go(13), block(14, "SetTaskVariableBp", p_varName="undone", e_varValue="blocks.b2.index")),
        block(4, "TryCatchBp", b_try=[go(5, name="caught")], p_swallowError=True),
        p_num=2,
    ),
    block(6, "SerialFlowBp", go(7, go(17)), go(8, name="slips"), o_retry={"times": 1}),
    block(9, "PrintBp", p_message="done"),
)
CARE_SCRIPT = {"caught": [SLIP], "slips": [SLIP, SLIP, SLIP, Answer()]}


class Person:
    """Runs a failed block again so many times, then has everything undone; what was decided survives the agent."""

    def __init__(self, reruns: int) -> None:
        self.reruns = reruns
        self.decided: list[tuple[str, int]] = []
        self.rolling = False

    def decide(self, b: Bench) -> None:
        failed = b.run.failed
        assert failed is not None
        if len(self.decided) < self.reruns:
            self.decided.append(failed.key)
        else:
            self.rolling = True
        self.tell(b)

    def tell(self, b: Bench) -> None:
        b.run.decide(self.decided, rolling=self.rolling)


def drive(b: Bench, person: Person) -> None:
    """To the end, deciding whatever waits."""
    for _ in range(200):
        settle(b)
        if b.run.end is not None:
            return
        person.decide(b)
    raise AssertionError("no end")


def story(reruns: int, lives: int | None) -> Bench:
    b = Bench(assign(CARE, debug=True), Robot(CARE_SCRIPT))
    person = Person(reruns)
    b.host.lives = lives
    try:
        drive(b, person)
    except Crash:
        b.crash()
        person.tell(b)
        drive(b, person)
    return b


def result(b: Bench) -> dict[str, Any]:
    runs = {key: (past.n, str(past.status), str(past.after), past.reason) for key, past in b.final().items()}
    return {"runs": runs, "end": b.run.end, "moves": sorted(b.robot.started), "undone": undone(b)}


@pytest.mark.parametrize("reruns", [0, 1, 9])
def test_a_crash_after_any_row_changes_nothing(reruns: int) -> None:
    whole = story(reruns, None)
    check_rows(whole)
    expected = result(whole)
    assert whole.run.end is not None
    assert whole.run.end.kind == ("succeeded" if reruns == 9 else "failed")
    for lives in range(len(whole.host.rows) + len(whole.host.logs)):
        b = story(reruns, lives)
        check_rows(b)
        assert result(b) == expected, lives


def every_crash_with(reruns: int) -> None:
    expected = result(story(reruns, None))
    for lives in range(len(story(reruns, None).host.rows)):
        assert result(story(reruns, lives)) == expected


def test_a_variant_that_undoes_again_after_a_restart_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Debug.finish

    def finish(self: Debug, block: Any, place: Any, path: str, n: int, try_: int, _after: object) -> None:
        real(self, block, place, path, n, try_, None)

    monkeypatch.setattr(Debug, "finish", finish)
    with pytest.raises(AssertionError):
        every_crash_with(0)


def test_a_variant_that_waits_for_what_is_caught_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "takes", lambda _caught, _failure: False)
    with pytest.raises(AssertionError):
        test_what_the_flow_takes_care_of_itself_does_not_wait()
