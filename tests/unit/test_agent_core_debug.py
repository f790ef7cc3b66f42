"""Debug mode of an agent: what it says when a block fails, runs it again, undoes; also when it dies at any moment."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from edge_agent.effects import DriverStart, Effect
from edge_agent.hands import Hands
from edge_agent.protocol import AgentCore
from tests.fakes.agent_bench import Bench, Crash
from tests.fakes.flow_bench import block, flow

FLOW = {"id": "f", "version": 1} | flow(
    block(1, "CAgvOperationBp", p_targetSiteLabel="A")
    | {"rollback": [block(11, "CAgvOperationBp", p_targetSiteLabel="home")]},
    block(2, "PrintBp", p_message="half way"),
    block(3, "CAgvOperationBp", p_targetSiteLabel="B"),
)
NO_DEBUG = "refused the attempt does not run in debug mode"
NOT_WAITING = "refused no such block has failed and waits for a person"


@pytest.fixture
def b() -> Bench:
    return Bench()


def begin(b: Bench, **fields: Any) -> None:
    """An attempt in debug mode whose second operation has failed."""
    b.begin(debug=True, flow=FLOW, **fields)
    b.end()
    b.end("failed", reason="jam")


def again(b: Bench, command: int, try_: int = 0, path: str = "-1/3") -> None:
    b.tell("control", do="reRun", job="job-1", attempt=1, command=command, path=path, **{"try": try_})


def decide(b: Bench, do: str, command: int) -> None:
    b.tell("control", do=do, job="job-1", attempt=1, command=command, path="-1/1", **{"try": 0})


def activity(b: Bench) -> str:
    b.wait(2)
    return str(b.beats()[-1].holds[0].activity)


def row(b: Bench, kind: str) -> dict[str, Any]:
    b.answer()
    return [row for row in b.rows.values() if row["kind"] == kind][-1]


# ---------------------------------------------------------------- rule by rule
def test_a_block_that_fails_pauses_the_attempt_and_says_which(b: Bench) -> None:
    begin(b)
    assert b.about() == ["accepted", "paused jam"]
    said = row(b, "paused")
    assert (said["path"], "command" in said) == ("-1/3", False)
    assert activity(b) == "paused"
    assert not b.driver.moving


def test_heartbeats_name_the_block_as_long_as_it_waits(b: Bench) -> None:
    begin(b)
    n = row(b, "block")["n"]
    for _ in range(2):
        b.wait(2)
        failed = b.beats()[-1].holds[0].failed
        assert failed is not None
        assert (failed.path, failed.n, failed.try_, failed.reason) == ("-1/3", n, 0, "jam")
        b.answer()
        b.restart()
    b.answer("wait")
    again(b, 5)
    b.wait(2)
    assert b.beats()[-1].holds[0].failed is None


def test_it_is_run_again_and_goes_on(b: Bench) -> None:
    begin(b)
    again(b, 5)
    assert b.about()[-2:] == ["noted", "resumed"]
    assert (row(b, "resumed")["command"], row(b, "resumed")["path"]) == (5, "-1/3")
    b.end()
    assert b.about()[-1] == "succeeded"
    assert [path for _, path in b.driver.started] == ["-1/1", "-1/3", "-1/3"]


def test_it_fails_again_and_pauses_again(b: Bench) -> None:
    begin(b)
    again(b, 5)
    b.end("failed", reason="jam again")
    assert b.about()[-1] == "paused jam again"
    again(b, 6)
    assert b.about()[-1] == NOT_WAITING
    again(b, 7, try_=1)
    b.end()
    assert b.about()[-1] == "succeeded"


def test_a_repeated_command_runs_the_block_once(b: Bench) -> None:
    begin(b)
    again(b, 5)
    b.end("failed", reason="jam again")
    again(b, 5)
    again(b, 4, try_=1)
    assert not b.driver.moving
    assert b.about()[-1] == "paused jam again"


@pytest.mark.parametrize(("path", "try_"), [("-1/1", 0), ("-1/3", 1), ("-1/9", 0)])
def test_only_the_run_that_waits_is_run_again(b: Bench, path: str, try_: int) -> None:
    begin(b)
    again(b, 5, try_=try_, path=path)
    assert b.about()[-2:] == ["noted", NOT_WAITING]
    assert not b.driver.moving


def test_leaving_debug_mode_undoes_and_fails(b: Bench) -> None:
    begin(b)
    b.control("resume_with_rollback", 5)
    said = row(b, "resumed")
    assert (said["command"], said["rolled_back"]) == (5, True)
    assert [operation.path for operation in b.driver.moving.values()] == ["-1/1/11"]
    assert activity(b) == "rolling_back"
    b.end()
    end = row(b, "failed")
    assert (end["reason"], end["path"], end["rolled_back"]) == ("jam", "-1/3", True)
    assert b.journal.first == b.journal.head + 1


def test_an_old_number_is_answered_with_how_it_was_undone(b: Bench) -> None:
    begin(b)
    b.control("resume_with_rollback", 5)
    b.end()
    b.answer()
    b.restart()
    b.assign(again=True, flow=FLOW)
    assert row(b, "failed")["rolled_back"] is True


@pytest.mark.parametrize("do", ["reRun", "resume_with_rollback"])
def test_without_debug_mode_nothing_waits(b: Bench, do: str) -> None:
    b.begin(flow=FLOW)
    decide(b, do, 5)
    assert b.about()[-1] == NO_DEBUG


@pytest.mark.parametrize("do", ["reRun", "resume_with_rollback"])
def test_a_pause_by_a_person_is_no_failure(b: Bench, do: str) -> None:
    b.begin(debug=True, flow=FLOW)
    b.control("pause", 5)
    b.end()
    decide(b, do, 6)
    assert b.about()[-1] == NOT_WAITING
    b.control("resume", 7)
    assert b.about()[-1] == "resumed"


def test_resuming_does_not_pass_over_a_failure(b: Bench) -> None:
    begin(b)
    b.control("resume", 5)
    assert b.about()[-1] == "refused a block has failed in debug mode: it can be run again, or everything undone"
    assert activity(b) == "paused"


def test_a_pause_that_meets_a_failure_is_over_when_the_block_is_run_again(b: Bench) -> None:
    b.begin(debug=True, flow=FLOW)
    b.end()
    b.control("pause", 5)
    b.end("failed", reason="jam")
    assert b.about() == ["accepted", "noted", "paused", "paused jam"]
    again(b, 6)
    assert b.driver.moving
    b.end()
    assert b.about()[-1] == "succeeded"


def test_a_cancel_while_it_waits(b: Bench) -> None:
    begin(b)
    b.cancel(5)
    assert b.about()[-1] == "cancelled"


def test_time_limits_go_on_while_it_waits(b: Bench) -> None:
    begin(b, time_limit_s=60.0)
    b.wait(61)
    assert b.about()[-1] == "failed time_limit"


def test_after_a_restart_it_still_waits_and_goes_on_with_a_new_grant(b: Bench) -> None:
    begin(b)
    b.answer()
    b.restart()
    assert b.beats()[-1].holds[0].activity == "paused"
    b.answer("wait")
    again(b, 5)
    assert not b.driver.moving
    b.wait(2)
    b.answer()
    assert b.driver.moving
    b.end()
    assert b.about()[-1] == "succeeded"


def test_what_was_decided_survives_a_restart(b: Bench) -> None:
    begin(b)
    b.answer()
    b.restart()
    again(b, 5)
    b.restart()
    b.answer()
    assert [operation.path for operation in b.driver.moving.values()] == ["-1/3"]
    b.end()
    assert b.about()[-1] == "succeeded"


def test_an_attempt_that_was_lost_while_undoing_says_so(b: Bench) -> None:
    begin(b, on_lost="requeue", safe=True, lease_s=15.0)
    b.answer()
    b.control("resume_with_rollback", 5)
    b.now += 20
    b.step("fence")
    b.settle()
    assert row(b, "interrupted")["rolled_back"] is True


# ---------------------------------------------------------------- at every moment
class Checked(Bench):
    """Looks, at each start, for what the disk must know by then."""

    def perform(self, effect: Effect) -> None:
        if isinstance(effect, DriverStart):
            key = (effect.operation.attempt, effect.operation.path, effect.operation.try_)
            found = self.file.read("select 1 from runs where attempt = ? and path = ? and try = ?", *key)
            assert found, f"{effect.operation.path} moves before the journal knows"
        super().perform(effect)


def waits(b: Bench) -> None:
    begin(b)
    b.answer()


def runs_again(b: Bench) -> None:
    begin(b)
    b.answer()
    again(b, 5)
    b.answer()
    b.end()
    b.answer()


def undoes(b: Bench) -> None:
    begin(b)
    b.answer()
    b.control("resume_with_rollback", 5)
    b.answer()
    b.end()
    b.answer()


STORIES: dict[str, Callable[[Bench], None]] = {"waits": waits, "runs again": runs_again, "undoes": undoes}


def deaths(bench: type[Bench], story: str, *, survives: bool) -> Iterator[Bench]:
    """The story with a crash at each of its moments."""
    for moment in range(1, 1000):
        b = bench()
        b.driver.survives = survives
        b.crash_at = moment
        try:
            STORIES[story](b)
        except Crash:
            b.crash_at = -1
            b.restart()
            yield b
        else:
            return


def tell_the_rest(b: Bench, story: str) -> None:
    """A controller repeats what was not answered; what is in hand fails as it did, and people decide as they did."""
    b.settle()
    if b.journal.highest >= 1:
        b.assign(again=True, flow=FLOW)
    commands = iter(range(50, 90))
    for _ in range(20):
        b.wait(2)
        b.answer()
        if b.driver.moving:
            (operation,) = b.driver.moving.values()
            slips = operation.path == "-1/3" and operation.try_ == 0
            b.end("failed" if slips else "succeeded", **({"reason": "jam"} if slips else {}))
        elif any(hand.held.failed for hand in b.core.hands):
            if story == "runs again":
                again(b, next(commands))
            else:
                b.control("resume_with_rollback", next(commands))


def check(b: Bench, story: str) -> None:
    tell_the_rest(b, story)
    keys = [key for key, _ in b.driver.started]
    assert len(keys) == len(set(keys)), "a block run was started twice"
    assert [seq for _, seq in b.rows] == list(range(1, b.journal.head + 1)), "a report is missing"
    assert b.journal.first == b.journal.head + 1, "a report was never acknowledged"
    assert not b.driver.moving, "it moves though nothing is in hand"
    if b.journal.highest < 1:
        return
    ended = [row for row in b.rows.values() if row["kind"] in ("succeeded", "failed", "interrupted", "rejected")]
    assert len({row["kind"] for row in ended}) == 1, "it ended in two ways"
    assert sum(row["kind"] == "paused" for row in b.rows.values()) <= 1, "it was decided, and yet it waited again"
    paths = [path for _, path in b.driver.started]
    undone = [row["status"] for row in b.rows.values() if str(row.get("status")).startswith("rollback")]
    if ended[0]["kind"] == "failed":
        assert ended[0].get("rolled_back"), "it failed, and nothing was undone"
        assert undone == ["rollback.begin", "rollback.success"]
        assert paths == ["-1/1", "-1/3", "-1/1/11"]
    elif ended[0]["kind"] == "succeeded":
        assert paths == ["-1/1", "-1/3", "-1/3"]
        assert undone == []


@pytest.mark.parametrize("survives", [True, False])
@pytest.mark.parametrize("story", STORIES)
def test_a_crash_at_every_moment(story: str, survives: bool) -> None:
    ends = []
    for b in deaths(Checked, story, survives=survives):
        check(b, story)
        ends += [row["kind"] for row in b.rows.values() if row["kind"] in ("succeeded", "failed")][-1:]
    assert len(ends) > 5
    assert set(ends) == {"succeeded" if story == "runs again" else "failed"}


def explore() -> None:
    for story in STORIES:
        for b in deaths(Checked, story, survives=True):
            check(b, story)


def pause_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    """After a restart the failure is not waited for, but ends the attempt."""
    real = Hands._open

    def open_(self: Hands, held: Any, assign: Any, now: float) -> Any:
        return real(self, held, assign.model_copy(update={"debug": False}) if held.started else assign, now)

    patch.setattr(Hands, "_open", open_)


def decisions_are_forgotten(patch: pytest.MonkeyPatch) -> None:
    """What people decided is not written down."""
    real = Hands.keep

    def keep(self: Hands, hand: Any, now: float) -> None:
        again, hand.held.again = hand.held.again, ()
        rolling, hand.held.rolling = hand.held.rolling, False
        real(self, hand, now)
        hand.held.again, hand.held.rolling = again, rolling

    patch.setattr(Hands, "keep", keep)


def commands_have_no_numbers(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(AgentCore, "_is_new", lambda _self, _command, _hand: True)
    patch.setattr("edge_agent.flow.run.FlowRun.waits", lambda _self, _run: True)


@pytest.mark.parametrize("mutant", [pause_is_forgotten, decisions_are_forgotten])
def test_the_check_finds_a_broken_agent(
    mutant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    mutant(monkeypatch)
    with pytest.raises(AssertionError):
        explore()


def test_the_repeated_command_is_noticed(b: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    commands_have_no_numbers(monkeypatch)
    with pytest.raises(AssertionError):
        test_a_repeated_command_runs_the_block_once(b)
