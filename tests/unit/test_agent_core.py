"""The agent's rules, step by step: what is taken on, and when it may move."""

from typing import Any

import pytest

from edge_agent.profile import Profile
from schemas.messages import AttemptRow
from schemas.reading import read_rows
from tests.fakes.agent_bench import Bench
from tests.fakes.flow_bench import block, flow


@pytest.fixture
def b() -> Bench:
    return Bench()


RUN = [
    "accepted",
    "-1/1.0 start.begin",
    "-1/1.0 start.success",
    "-1/1.0 monitor.begin",
    "-1/1.0 monitor.success",
    "-1/2.0 start.begin",
    "log",
    "-1/2.0 monitor.success",
    "-1/3.0 start.begin",
    "-1/3.0 start.success",
    "-1/3.0 monitor.begin",
    "-1/3.0 monitor.success",
    "log",
    "succeeded",
]


def test_a_job_from_assign_to_end(b: Bench) -> None:
    b.begin()
    b.end()
    b.end()
    assert b.words() == RUN
    assert len(b.driver.started) == 2
    assert b.journal.first == b.journal.head + 1
    assert b.journal.held() == []


# ---------------------------------------------------------------- assign
def test_nothing_moves_without_a_grant(b: Bench) -> None:
    b.assign()
    for _ in range(10):
        b.wait(2)
    assert b.driver.started == []
    assert b.words()[0] == "accepted"


def test_a_repeated_assign_is_answered_and_never_run_again(b: Bench) -> None:
    b.begin()
    b.assign()
    b.assign(again=True)
    b.end()
    b.end()
    b.assign()
    b.answer()
    b.assign(again=True)
    assert b.about() == ["accepted", "accepted", "succeeded", "succeeded"]
    assert len(b.driver.started) == 2


def test_an_answer_that_waits_is_sent_once_more_instead_of_written_twice(b: Bench) -> None:
    b.assign()
    head = b.journal.head
    b.sent.clear()
    b.assign()
    assert b.journal.head == head
    (send,) = b.sent
    row = read_rows(send.payload).rows[0]
    assert isinstance(row, AttemptRow)
    assert row.ask


def test_an_old_number_that_is_not_remembered(b: Bench) -> None:
    b.cancel(command=90, attempt=5, job="x")
    b.assign(attempt=4)
    assert b.about(4) == ["interrupted unknown"]
    assert b.driver.started == []


def test_again_starts_nothing(b: Bench) -> None:
    b.assign(attempt=9, again=True)
    assert b.about(9) == ["interrupted unknown"]
    assert len(b.core.hands) == 0


def test_one_attempt_at_a_time(b: Bench) -> None:
    b.begin()
    b.assign(attempt=2, job="job-2")
    assert b.about(2) == ["rejected busy"]
    b.assign(attempt=2, job="job-2")
    assert b.about(2) == ["rejected busy", "rejected busy"]


def test_a_station_holds_as_many_as_it_declares() -> None:
    b = Bench(profile=Profile(kind="station", capacity=2))
    for attempt in (1, 2, 3):
        b.assign(attempt=attempt, job=f"job-{attempt}")
    b.answer()
    assert len(b.driver.moving) == 2
    assert b.about(3) == ["rejected busy"]
    b.wait(2)
    assert [held.attempt for held in b.beats()[-1].holds] == [1, 2]


def test_draining(b: Bench) -> None:
    b.core.accepting = False
    b.assign()
    assert b.about() == ["rejected draining"]
    b.wait(2)
    assert not b.beats()[-1].accepting


def test_a_number_known_for_another_job(b: Bench) -> None:
    b.begin()
    b.assign(job="job-2")
    assert b.about() == ["accepted", "rejected stale"]
    b.end()
    b.end()
    b.assign(job="job-2")
    b.answer()
    b.cancel(command=77, job="job-2")
    assert b.about()[2:] == ["succeeded", "rejected stale", "cancelled not held"]
    b.assign()
    assert b.about()[-1] == "succeeded"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"flow": flow(block(1, "TeleportBp"))}, "unknown_block_kind"),
        ({"flow": {}}, "bad_parameters"),
        ({"flow": 7}, "bad_parameters"),
        ({"on_lost": "requeue"}, "bad_parameters"),
        ({"inputs": {"text": "x" * 1_100_000}}, "too_large"),
    ],
)
def test_what_cannot_be_run_is_rejected(b: Bench, fields: dict[str, Any], reason: str) -> None:
    b.assign(**fields)
    assert b.about() == [f"rejected {reason}"]
    b.assign()
    assert b.about()[-1] == f"rejected {reason}"
    assert len(b.core.hands) == 0


@pytest.mark.parametrize(
    ("kind", "payload", "problem"),
    [
        ("assign", b"{", "fields"),
        ("assign", b'{"job": 3}', "fields"),
        ("assign", b'{"v":1,"job":"a","attempt":"one","flow":{}}', "fields"),
        ("assign", b"[1]", "fields"),
        ("cancel", b'{"v":1}', "fields"),
        ("ack", b"[" * 100_000, "depth"),
        ("ack", b'{"v":1,"journal":"x","boot":"x","upto":99999999999999999999}', "number"),
        ("child", b"{}", "child"),
        ("presence", b"{}", "presence"),
        ("control", b'{"v":1,"do":"pause","job":"a","attempt":1,"command":1}', "control of no attempt in hand"),
    ],
)
def test_bad_messages_are_counted_and_change_nothing(b: Bench, kind: str, payload: bytes, problem: str) -> None:
    b.step("receive", kind, payload)
    assert b.core.problems == {problem: 1}
    assert b.journal.head == 0


# ---------------------------------------------------------------- grants
def ask_of(b: Bench) -> tuple[int, int]:
    """The newest ask that left."""
    return b.read()[-1]


def test_a_grant_that_is_too_old_moves_nothing(b: Bench) -> None:
    b.assign()
    attempt, ask = ask_of(b)
    b.now += 15
    b.ack(attempt=attempt, ask=ask, verdict="grant")
    assert b.driver.started == []
    b.wait(2)
    b.answer()
    assert len(b.driver.started) == 1


@pytest.mark.parametrize("wrong", [{"journal": "another"}, {"boot": "another"}, {"ask": 1000}])
def test_a_grant_must_fit(b: Bench, wrong: dict[str, Any]) -> None:
    b.assign()
    attempt, ask = ask_of(b)
    b.ack(**({"attempt": attempt, "ask": ask, "verdict": "grant"} | wrong))
    assert b.driver.started == []
    b.ack(attempt=attempt, ask=ask, verdict="grant")
    assert len(b.driver.started) == 1


def test_a_grant_for_one_attempt_is_none_for_another() -> None:
    b = Bench(profile=Profile(kind="station", capacity=2))
    b.assign(attempt=1)
    _, ask = ask_of(b)
    b.assign(attempt=2, job="job-2")
    b.ack(attempt=2, ask=ask, verdict="grant")
    assert b.driver.started == []


def test_wait_keeps_it_and_void_ends_it(b: Bench) -> None:
    b.assign()
    b.answer("wait")
    assert b.about() == ["accepted"]
    b.wait(2)
    b.answer("void")
    assert b.about() == ["accepted", "cancelled"]
    assert b.driver.started == []


def test_void_stops_what_moves(b: Bench) -> None:
    b.begin()
    b.assign()
    b.answer("void")
    assert not b.driver.moving
    assert b.about()[-1] == "cancelled"


def test_each_ask_has_a_number_of_its_own(b: Bench) -> None:
    b.assign()
    asks = b.read()
    for _ in range(3):
        b.wait(2)
        asks += b.read()
    numbers = [ask for _, ask in asks]
    assert len(numbers) == len(set(numbers)) >= 4
