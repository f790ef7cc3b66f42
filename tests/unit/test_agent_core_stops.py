"""The agent's rules, step by step: leases, limits, and commands."""

from typing import Any

import pytest

from tests.fakes.agent_bench import Bench
from tests.fakes.flow_bench import block, flow


@pytest.fixture
def b() -> Bench:
    return Bench()


# ---------------------------------------------------------------- leases and limits
LEASED: dict[str, Any] = {"on_lost": "requeue", "safe": True, "lease_s": 15.0}


def beat_of(b: Bench) -> int:
    return int(b.beats()[-1].beat)


def test_without_answers_the_lease_ends_and_the_robot_stops(b: Bench) -> None:
    b.begin(**LEASED)
    b.now += 14.9
    b.step("tick")
    assert b.driver.moving
    b.wait(0.2)
    assert not b.driver.moving
    assert b.about()[-1] == "interrupted lease"


def test_the_lease_counts_from_the_sending_of_the_beat(b: Bench) -> None:
    b.begin(**LEASED)
    b.wait(2)
    beat = beat_of(b)
    b.now += 10
    b.ack(beat=beat)
    b.wait(4.9)
    assert b.driver.moving
    b.wait(0.2)
    assert not b.driver.moving


def test_a_late_answer_does_not_wake_a_dead_lease(b: Bench) -> None:
    b.begin(**LEASED)
    b.now += 13
    b.step("tick")
    beat = beat_of(b)
    b.now += 5
    b.ack(beat=beat)
    assert not b.driver.moving
    assert b.about()[-1] == "interrupted lease"


def test_a_lease_that_ends_before_anything_began(b: Bench) -> None:
    b.assign(**LEASED, flow=flow(block(1, "CAgvOperationBp", p_targetSiteLabel="A")))
    b.control("pause", 5)
    b.answer()
    b.wait(20)
    assert b.about()[-1] == "rejected lease"


def test_without_requeue_silence_stops_nothing(b: Bench) -> None:
    b.begin()
    b.wait(10_000)
    assert b.driver.moving


def test_the_time_limit(b: Bench) -> None:
    b.begin(time_limit_s=100)
    b.wait(99)
    assert b.driver.moving
    b.wait(2)
    assert b.about()[-1] == "failed time_limit"


def test_downtime_is_no_run_time(b: Bench) -> None:
    b.begin(time_limit_s=100)
    b.wait(60)
    b.now += 5000
    b.restart()
    b.settle()
    b.answer()
    b.wait(30)
    assert b.driver.moving
    b.wait(30)
    assert b.about()[-1] == "failed time_limit"


# ---------------------------------------------------------------- commands
def test_cancel_is_noted_and_then_done(b: Bench) -> None:
    b.begin()
    b.cancel(5)
    assert b.about() == ["accepted", "noted", "cancelled"]
    assert not b.driver.moving


def test_cancelled_is_said_only_when_nothing_moves(b: Bench) -> None:
    b.begin()
    b.driver.deaf = True
    b.cancel(5)
    b.wait(60)
    assert b.about() == ["accepted", "noted"]
    b.end("stopped")
    assert b.about()[-1] == "cancelled"


def test_an_old_command_is_ignored(b: Bench) -> None:
    b.begin()
    b.control("pause", 5)
    b.cancel(5)
    b.cancel(4)
    assert b.driver.moving
    assert b.about() == ["accepted", "noted"]


def test_a_cancel_that_is_not_possible(b: Bench) -> None:
    b.begin()
    b.driver.stoppable = False
    b.cancel(5)
    assert b.about()[1:] == ["noted", "refused the operation that is going on cannot be stopped"]
    b.end()
    b.driver.stoppable = True
    assert b.driver.moving
    b.cancel(6)
    assert b.about()[-1] == "cancelled"


@pytest.mark.parametrize("how", ["revoke", "void"])
def test_what_cannot_be_refused_waits_for_the_end_of_the_block(b: Bench, how: str) -> None:
    b.begin()
    b.driver.stoppable = False
    if how == "revoke":
        b.cancel(5, reason="revoke")
    else:
        b.assign()
        b.answer("void")
    assert b.driver.moving
    b.end()
    assert b.about()[-1] == "cancelled"
    assert len(b.driver.started) == 1


def test_cancel_before_the_grant(b: Bench) -> None:
    b.assign()
    b.cancel(5)
    b.answer()
    assert b.about() == ["accepted", "noted", "cancelled"]
    assert b.driver.started == []


def test_cancel_of_what_was_never_seen_makes_it_void(b: Bench) -> None:
    b.cancel(5, attempt=7)
    b.assign(attempt=7)
    assert b.about(7) == ["cancelled not held"]
    b.assign(attempt=7)
    assert b.about(7) == ["cancelled not held", "cancelled not held"]
    assert b.journal.highest == 7


def test_pause_at_the_next_block_and_resume(b: Bench) -> None:
    b.begin()
    b.control("pause", 5)
    assert b.about() == ["accepted", "noted"]
    b.end()
    assert b.about() == ["accepted", "noted", "paused"]
    b.wait(2)
    assert b.beats()[-1].holds[0].activity == "paused"
    assert not b.driver.moving
    b.control("resume", 6)
    assert b.about()[-2:] == ["noted", "resumed"]
    b.end()
    assert b.about()[-1] == "succeeded"


def test_a_pause_that_was_not_reached_is_taken_back(b: Bench) -> None:
    b.begin()
    b.control("pause", 5)
    b.control("resume", 6)
    b.end()
    b.end()
    assert b.about() == ["accepted", "noted", "noted", "succeeded"]


def test_debug_commands_and_late_pauses_are_refused(b: Bench) -> None:
    b.begin()
    b.tell("control", do="reRun", job="job-1", attempt=1, command=5, path="-1/1", **{"try": 0})
    b.driver.deaf = True
    b.cancel(6)
    b.control("pause", 7)
    assert b.about() == [
        "accepted",
        "noted",
        "refused the attempt does not run in debug mode",
        "noted",
        "noted",
        "refused the attempt is being stopped",
    ]
