"""Each rule of the agent switched off alone: a test of ours must notice, or it tests nothing."""

from collections.abc import Callable
from typing import Any

import pytest

from edge_agent.attempt import CANCEL
from edge_agent.hands import Hands
from edge_agent.protocol import AgentCore
from tests.fakes.agent_bench import Bench
from tests.unit import test_agent_core as rules
from tests.unit import test_agent_core_reports as reports
from tests.unit import test_agent_core_restart as restart
from tests.unit import test_agent_core_stops as stops

MUTANTS: list[tuple[str, type, str, Any, Callable[[Bench], None]]] = [
    (
        "acknowledgements of any journal count",
        AgentCore,
        "_is_ours",
        lambda core, ack: True,
        reports.test_reports_are_kept_until_this_journal_is_acknowledged,
    ),
    (
        "a grant of any age counts",
        AgentCore,
        "_asked_at",
        lambda core, ask, hand, now: now,
        rules.test_a_grant_that_is_too_old_moves_nothing,
    ),
    (
        "a number may run twice",
        AgentCore,
        "_was_seen",
        lambda core, attempt: core.hands.get(attempt) is not None,
        rules.test_a_repeated_assign_is_answered_and_never_run_again,
    ),
    (
        "commands have no numbers",
        AgentCore,
        "_is_new",
        lambda core, command, hand: True,
        stops.test_an_old_command_is_ignored,
    ),
    (
        "work is taken on whatever is in hand",
        AgentCore,
        "_refusal",
        lambda core: None,
        rules.test_one_attempt_at_a_time,
    ),
    (
        "the lease is renewed whenever an answer comes",
        AgentCore,
        "_renew",
        lambda core, ack: [vars(hand).update(lease=core._now + 15) for hand in core.hands],
        stops.test_the_lease_counts_from_the_sending_of_the_beat,
    ),
    ("leases never end", Hands, "expire", lambda hands, now: None, stops.test_a_late_answer_does_not_wake_a_dead_lease),
    (
        "a lease that is over is noticed only by the clock",
        AgentCore,
        "_begin",
        lambda core, now: setattr(core, "_now", now),
        stops.test_a_late_answer_does_not_wake_a_dead_lease,
    ),
    (
        "what moves unaccounted for is ignored",
        Hands,
        "_is_at_rest",
        lambda hands: True,
        restart.test_nothing_is_said_while_something_unknown_moves,
    ),
    (
        "a pause is forgotten by a restart",
        Hands,
        "keep",
        lambda hands, hand, now: None,
        restart.test_a_pause_survives,
    ),
    (
        "a grant outlives its process",
        Hands,
        "_take_up",
        lambda hands, held, now, real=Hands._take_up: [
            real(hands, held, now),
            [vars(hand).update(granted=True) for hand in hands],
        ],
        restart.test_going_on_needs_a_new_grant,
    ),
    (
        "a revoke may be refused like a cancel",
        Hands,
        "stop",
        lambda hands, hand, cause, now, command=None, real=Hands.stop: real(hands, hand, CANCEL, now, command or 1),
        lambda b: stops.test_what_cannot_be_refused_waits_for_the_end_of_the_block(b, "revoke"),
    ),
]


@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant[0] for mutant in MUTANTS])
def test_a_missing_rule_is_noticed(mutant: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    _, owner, name, broken, test = mutant
    test(Bench())
    monkeypatch.setattr(owner, name, broken)
    with pytest.raises((AssertionError, ValueError, KeyError)):
        test(Bench())
