"""What a turn gathers and writes at its end has the effect of writing at once, and a lost turn leaves nothing of it."""

import random
import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest

from controller.store import events, jobs, outbox, reports
from controller.store.connection import Store, connect
from schemas.messages import BlockRow
from schemas.status import AttemptState, Phase


@pytest.fixture
def store() -> Iterator[Store]:
    opened = Store(connect(":memory:"))
    yield opened
    opened.close()


def all_of(store: Store, table: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in store.db.execute(f"select * from {table}")]


def row(rng: random.Random, number: int) -> BlockRow:
    """Some report about one of two runs."""
    maybe: dict[str, Any] = {
        "inputs": {"at": number}, "outputs": {"came": number}, "reason": f"reason {number}", "truncated": True,
    }  # fmt: skip
    given = {name: value for name, value in maybe.items() if rng.random() < 0.3}
    phase = rng.choice(list(Phase))
    return BlockRow(seq=number, job="j", attempt=1, path=f"-1/{number}", n=rng.choice((1, 2)), status=phase, **given)


@pytest.mark.parametrize("seed", range(40))
def test_reports_of_one_run_in_one_turn_are_one_write_with_the_effect_of_all(seed: int, store: Store) -> None:
    rng = random.Random(seed)
    told = [row(rng, number) for number in range(1, 9)]
    roots = [(rng.choice(list(Phase)), rng.choice((None, "why")), rng.choice((None, "{}"))) for _ in told]
    one_by_one = Store(connect(":memory:"))
    for size, place in ((1, one_by_one), (rng.randint(2, 8), store)):
        for first in range(0, len(told), size):
            with place.transaction():
                for at in range(first, min(first + size, len(told))):
                    reports.block(place.pending, told[at], 1000 + at)
                    phase, reason, inputs = roots[at]
                    reports.root(place.pending, 1, phase, 1000 + at, reason=reason, inputs=inputs)
    assert all_of(store, "block_runs") == all_of(one_by_one, "block_runs")
    one_by_one.close()


def test_a_lost_turn_leaves_nothing_for_the_next(store: Store) -> None:
    def turn() -> None:
        with store.transaction():
            events.add(store.pending, 1, "job", "lost", "li")
            outbox.put(store.pending, "assign:1", "r1", "assign", 1, 0, b"x", 1)
            raise KeyError

    with pytest.raises(KeyError):
        turn()
    with store.transaction():
        events.add(store.pending, 2, "job", "kept", "li")
    assert [e[3] for e in all_of(store, "events")] == ["kept"]
    assert all_of(store, "outbox") == []


def test_a_part_that_fails_takes_only_its_own_back(store: Store) -> None:
    def fails() -> None:
        with store.part():
            events.add(store.pending, 1, "job", "inside", "li")
            raise KeyError

    with store.transaction():
        events.add(store.pending, 1, "job", "before", "li")
        with pytest.raises(KeyError):
            fails()
        with store.part():
            events.add(store.pending, 1, "job", "in the second", "li")
        events.add(store.pending, 1, "job", "after", "li")
    assert [e[3] for e in all_of(store, "events")] == ["before", "in the second", "after"]


def test_a_report_that_is_recorded_already_fails_the_whole_turn(store: Store) -> None:
    def turn(at: int) -> None:
        with store.transaction():
            events.add(store.pending, at, "job", "moved", "li")
            reports.record(store.pending, 1, 1, None, "noted", None, at)

    turn(1)
    with pytest.raises(sqlite3.IntegrityError):
        turn(2)
    assert [r[5] for r in all_of(store, "reports")] == [1]
    assert len(all_of(store, "events")) == 1


def put(store: Store, key: str, text: bytes) -> None:
    """A letter as the core puts it: one that stands under the key goes first."""
    outbox.drop(store.pending, key)
    outbox.put(store.pending, key, "r1", "cancel", 1, 1, text, 1)


def test_letters_stand_in_the_order_in_which_they_were_last_written(store: Store) -> None:
    with store.transaction():
        put(store, "a", b"1")
        put(store, "b", b"1")
    with store.transaction():
        put(store, "a", b"2")
        put(store, "c", b"1")
        put(store, "b", b"2")
        put(store, "b", b"3")
        outbox.drop(store.pending, "c")
    assert [(letter.key, letter.payload) for letter in outbox.load(store.db)] == [("a", b"2"), ("b", b"3")]


def test_a_letter_that_is_dropped_in_its_own_turn_takes_the_older_one_with_it(store: Store) -> None:
    with store.transaction():
        put(store, "a", b"1")
    with store.transaction():
        put(store, "a", b"2")
        outbox.drop(store.pending, "a")
    assert outbox.load(store.db) == []


def attempt(store: Store) -> sqlite3.Row:
    found = store.one("select state, journal, counted, started_at from attempts where number = 7")
    assert found is not None
    return found


def test_what_is_learnt_of_an_attempt_never_undoes_its_end(store: Store) -> None:
    with store.transaction():
        jobs.open_attempt(store.db, 7, 1, "r1", 0, requeue=False, now_us=1)
    with store.transaction():
        jobs.learn(store.pending, 7, journal="j1")
        jobs.learn(store.pending, 7, began=5)
        jobs.learn(store.pending, 7, counted=True)
        jobs.close_attempt(store.db, store.pending, 7, AttemptState.SUCCEEDED, "succeeded", None, None, 9)
    assert tuple(attempt(store)) == ("succeeded", "j1", 1, 5)
    with store.transaction():
        jobs.learn(store.pending, 7, began=8)
        jobs.learn(store.pending, 7)
    assert tuple(attempt(store)) == ("succeeded", "j1", 1, 5)
