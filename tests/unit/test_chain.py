"""Chains over moves: no row is changed, taken away or added unseen; days can be cleared away and leave their end."""

import sqlite3
from collections.abc import Iterator

import pytest

from controller.store import chain, events
from controller.store.connection import Store, connect
from tests.fakes.yard import Yard, running

DAY = chain.DAY_US
FIRST = 20_000 * DAY


@pytest.fixture
def store() -> Iterator[Store]:
    opened = Store(connect(":memory:"))
    yield opened
    opened.close()


def told(store: Store, *moments: int) -> None:
    """One turn that writes a row for each moment."""
    with store.transaction():
        for at in moments:
            events.add(store.pending, at, "job", "moved", "李娜", job=7, data={"at": at, "why": '"x"'})


def wrong(store: Store) -> list[int]:
    return [row for row, _ in chain.check(store.db, "events").wrong]


def days(store: Store) -> list[int]:
    return [row["day"] for row in store.db.execute("select day from chain_days where book = 'events' order by n")]


def test_every_move_of_a_job_is_chained() -> None:
    yard = Yard()
    robot, uid = running(yard)
    robot.say(robot.about("succeeded"))
    assert yard.state(uid) == "succeeded"
    count = yard.connection.execute("select count(*) from events").fetchone()[0]
    assert count > 3
    assert chain.check(yard.connection, "events") == (count, [])


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("update events set who = 'bob' where id = 2", [2]),
        ("update events set at = at + 1 where id = 1", [1]),
        (f"update events set at = at + {DAY} where id = 1", [1, 2, 5, 0, 0]),
        ("update events set chain = null where id = 3", [3, 4]),
        ("delete from events where id = 2", [3, 0]),
        ("delete from events where id = 1", [2, 0]),
        ("delete from events where id = 6", [0]),
        ("delete from events where id >= 5", [0]),
        ("insert into events (at, topic, event, who) values (1728000000000001, 't', 'e', 'w')", [7, 0]),
        ("delete from chain_days where day = 20001", [5, 6]),
        ("update chain_days set before = 'x' where day = 20001", [5, 0]),
        ("update chain_days set rows = rows + 1 where day = 20000", [0]),
        ("update events set who = cast(who as blob) where id = 2", [2]),
        ("update events set data = 9e999 where id = 3", [3]),
        ("update events set at = cast(at as blob) where id = 1", [1, 2, 0]),
    ],
)
def test_what_is_changed_is_found(store: Store, change: str, found: list[int]) -> None:
    told(store, FIRST, FIRST + 1, FIRST + 2)
    told(store, FIRST + 3)
    told(store, FIRST + DAY, FIRST + DAY + 1)
    assert wrong(store) == []
    store.db.execute(change)
    assert wrong(store) == found


def test_a_turn_or_a_part_that_is_lost_leaves_the_chain_whole(store: Store) -> None:
    told(store, FIRST)

    def lost(*, whole: bool) -> None:
        with store.transaction():
            events.add(store.pending, FIRST + 1, "job", "kept", "li")
            try:
                with store.part():
                    events.add(store.pending, FIRST + DAY, "job", "lost", "li")
                    store.pending.write()
                    raise KeyError
            except KeyError:
                if whole:
                    raise
            events.add(store.pending, FIRST + 2, "job", "kept", "li")

    with pytest.raises(KeyError):
        lost(whole=True)
    lost(whole=False)
    told(store, FIRST + 3)
    assert chain.check(store.db, "events") == (4, [])
    assert days(store) == [20_000]


def test_a_clock_that_goes_back_goes_on_with_the_day_it_is(store: Store) -> None:
    told(store, FIRST)
    told(store, FIRST + 3 * DAY, FIRST + 4 * DAY)
    told(store, FIRST + 1)
    told(store, FIRST + 4 * DAY + 1)
    told(store, FIRST + DAY)
    assert days(store) == [20_000, 20_003, 20_004, 20_001]
    assert chain.check(store.db, "events") == (6, [])


def test_a_day_is_cleared_away_in_parts_and_the_rest_can_be_checked(store: Store) -> None:
    told(store, *(FIRST + n for n in range(5)))
    told(store, FIRST + DAY)
    counts = []
    while True:
        with store.transaction():
            counts.append(chain.drop(store.db, "events", 20_000, 2))
        assert wrong(store) == []
        if counts[-1] == 0:
            break
    assert counts == [2, 2, 1, 0]
    assert chain.check(store.db, "events") == (1, [])
    told(store, FIRST + 2 * DAY)
    assert wrong(store) == []
    store.db.execute("update chain_days set before = 'x' where day = 20002")
    assert wrong(store) != []


def test_moves_of_the_time_before_chains_stay_valid() -> None:
    db = connect(":memory:")
    store = Store(db)
    row = (FIRST, "job", "old", None, None, None, "li", None, None, None, None, None)
    db.execute(events.ADD, (*row, None))
    told(store, FIRST + 1)
    assert chain.check(db, "events") == (1, [])
    db.execute(events.ADD, (*row, None))
    assert wrong(store) == [3, 0]
    store.close()


def test_the_audit_of_the_time_before_days_is_checked_as_it_was() -> None:
    db = connect(":memory:")
    store, before = Store(db), ""
    for number in range(3):
        row = (FIRST + number, "li", "admin", None, None, "queue.put", f"queue:q{number}", None, None, None)
        before = chain.hashed(before, row)
        db.execute(
            f"insert into audit ({chain.COLUMNS['audit']}, chain) values (?,?,?,?,?,?,?,?,?,?,?)", (*row, before)
        )
    (new,) = chain.linked(
        db, "audit", [(FIRST + 9, "li", "admin", None, None, "queue.put", "queue:x", None, None, None)]
    )
    db.execute(f"insert into audit ({chain.COLUMNS['audit']}, chain) values (?,?,?,?,?,?,?,?,?,?,?)", new)
    assert chain.check(db, "audit") == (4, [])
    for change, found in (("where id = 2", 2), ("where id = 4", 4)):
        db.execute("begin")
        db.execute(f"update audit set who = 'bob' {change}")
        assert [n for n, _ in chain.check(db, "audit").wrong][:1] == [found]
        db.execute("rollback")
    store.close()


def test_a_row_that_was_not_chained_is_found(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The broken variant: hashes are not written."""

    def not_linked(db: sqlite3.Connection, book: str, rows: list[chain.Row]) -> list[chain.Row]:
        return [(*row, None) for row in rows]

    told(store, FIRST)
    monkeypatch.setattr(chain, "linked", not_linked)
    told(store, FIRST + 1)
    assert wrong(store) == [2, 0]
