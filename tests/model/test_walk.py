"""Random fault histories over the real cores: none may break a promise, and each broken rule must be noticed."""

import logging
from collections.abc import Iterator

import pytest

from tests.model.campaign import campaign
from tests.model.mutants import MUTANTS

CHUNKS, CHUNK = 12, 50
ENOUGH = 900
"""Histories within which each of these mutants shows itself, with a margin; walks depend on nothing but their seed."""
BEGIN = {
    "no_fence": 110, "control_no_outbox": 90, "retry_unsafe": 280, "cancelled_by_silence": 600, "rerun_twice": 700,
    "no_journal": 10, "no_revoke": 150, "assign_once": 45, "no_self_fence": 49, "ack_of_any_journal": 52, "no_park": 45,
    "rollback_retries": 44, "failed_block_unseen+waiting_block_untold": 39,
}  # fmt: skip
"""The first history, where earlier ones are known not to show the mutant, or (`no_revoke`) to take a minute for it."""
NOTICED = (
    "ack_before_commit", "no_dedupe", "any_order", "no_fence", "no_outbox", "control_no_outbox",
    "cancel_shown_at_once", "any_journal", "no_incarnation", "no_first", "no_park", "poison_blocks", "grant_once",
    "running_rejected", "retry_unsafe", "cancelled_by_silence", "assign_once", "agent_no_dedupe", "no_journal",
    "no_grant", "no_self_fence", "ack_of_any_journal", "blind_resume", "publish_before_commit+no_grant",
    "attempt_only+no_incarnation", "rerun_twice", "rollback_retries", "debug_pause_forgotten",
    "failed_block_unseen+waiting_block_untold", "set_error_cancels", "set_error_at_once", "forced_without_hold",
    "free_on_expiry+no_self_fence", "no_revoke",
)  # fmt: skip
"""The others take thousands of histories, or hide behind a second rule: docs/testing.md says which."""


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Histories are full of refusals that are meant; the tests after these want to hear theirs."""
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.CRITICAL)
    yield
    root.setLevel(before)


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_no_history_breaks_a_promise(chunk: int) -> None:
    result = campaign(None, range(chunk * CHUNK, (chunk + 1) * CHUNK))
    assert dict(result.found) == {}, f"seeds {result.seeds}"


@pytest.mark.timeout(300)
@pytest.mark.parametrize("mutant", NOTICED)
def test_a_broken_rule_is_noticed(mutant: str) -> None:
    begin = BEGIN.get(mutant, 0)
    assert campaign(mutant, range(begin, begin + ENOUGH), enough=1).seeds


def test_the_list_names_only_mutants_that_exist() -> None:
    assert set(NOTICED) <= set(MUTANTS)
