"""The core's suites are worth something: each broken variant of a rule makes a named test fail."""

import sqlite3
from collections.abc import Callable
from typing import Any

import pytest

from controller.beats import Beats
from controller.dispatcher import Dispatcher
from controller.domain.lifecycle import LIFE
from controller.memory import Memory
from controller.moves import Moves
from controller.reports import Reports
from controller.store import jobs
from schemas.status import JobState
from tests.unit import test_core_liars as liars
from tests.unit import test_core_protocol as protocol
from tests.unit import test_core_queue as queue

Broken = Callable[[pytest.MonkeyPatch], None]


def _no_dedupe(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Reports, "is_next", lambda _self, seq, upto: seq <= upto + 1)


def _any_order(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Reports, "is_next", lambda _self, seq, upto: seq > upto)


def _any_journal(patch: pytest.MonkeyPatch) -> None:
    real = Reports.verdict
    patch.setattr(Reports, "verdict", lambda self, robot, _journal, attempt: real(self, robot, robot.journal, attempt))


def _free_on_expiry(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Moves, "hold_and_revoke", lambda *_args: None)


def _no_revoke(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Moves, "revoke", lambda *_args: None)


def _hold_ends_with_any_heartbeat(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Beats, "proves", lambda *_args: True)


def _no_clocks_anew(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Dispatcher, "begin_clocks_anew", lambda _self: None)


def _youngest_first(patch: pytest.MonkeyPatch) -> None:
    def entry(job: jobs.Waiting) -> tuple[int, int, jobs.Waiting]:
        return (job.priority, -job.id, job)

    patch.setattr("controller.dispatcher._entry", entry)


def _two_jobs_a_robot(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("controller.memory.may_take_work", lambda _robot: True)
    patch.setattr("controller.domain.matching.of_robot", lambda *_args: [])


def _memory_survives_rollback(patch: pytest.MonkeyPatch) -> None:
    real = Memory.load
    patch.setattr(Memory, "load", lambda self: real(self) if not hasattr(self, "live") else None)


def _cancel_shown_at_once(patch: pytest.MonkeyPatch) -> None:
    def cancel(self: Moves, row: Any, event: Any, who: str, why: str | None, **_more: Any) -> Any:
        live = self.desk.memory.live.get(row["attempt"])
        if live:
            self.move(live, JobState.CANCELLED, event, who=who, why=why)
        return LIFE[JobState(row["state"]), event]

    patch.setattr(Moves, "cancel", cancel)


def _retry_what_was_interrupted(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("controller.moves.may_retry", lambda **_rules: True)


MUTANTS: list[tuple[Broken, Callable[[], None]]] = [
    (_no_dedupe, protocol.test_rows_are_recorded_once_and_in_order),
    (_any_order, protocol.test_rows_are_recorded_once_and_in_order),
    (_any_journal, protocol.test_a_grant_goes_only_to_the_journal_that_accepted),
    (_free_on_expiry, protocol.test_an_unanswered_offer_comes_back_and_holds_the_robot_until_it_is_proven_idle),
    (_no_revoke, liars.test_a_claimed_attempt_can_still_be_revoked_at_its_owner),
    (_no_revoke, protocol.test_what_a_robot_holds_that_is_not_its_own_is_revoked),
    (
        _hold_ends_with_any_heartbeat,
        protocol.test_an_unanswered_offer_comes_back_and_holds_the_robot_until_it_is_proven_idle,
    ),
    (_no_clocks_anew, protocol.test_an_own_pause_expires_nothing),
    (_youngest_first, queue.test_the_queue_against_an_oracle),
    (_two_jobs_a_robot, queue.test_a_robot_has_at_most_one_job_and_a_station_its_capacity),
    (_memory_survives_rollback, protocol.test_a_rollback_forgets_what_the_turn_believed),
    (_cancel_shown_at_once, protocol.test_a_cancel_is_the_robots_word),
    (_retry_what_was_interrupted, protocol.test_a_running_job_that_its_robot_does_not_hold_is_asked_after),
]  # fmt: skip


@pytest.mark.parametrize(("broken", "test"), MUTANTS, ids=lambda x: x.__name__.strip("_"))
def test_a_broken_rule_is_caught(broken: Broken, test: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    test()
    broken(monkeypatch)
    # A defect may show as a failed expectation, a refused write, or a choice that cannot be made.
    with pytest.raises((AssertionError, jobs.StaleMove, StopIteration, sqlite3.IntegrityError, LookupError)):
        test()
