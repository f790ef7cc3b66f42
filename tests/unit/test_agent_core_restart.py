"""What an agent says and does after its process died, at any moment and with any driver."""

import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest

from edge_agent.effects import DriverStart, Effect, Send
from edge_agent.journal import NotWritten
from schemas.reading import read_rows
from tests.fakes.agent_bench import Bench, Crash


@pytest.fixture
def b() -> Bench:
    return Bench()


# ---------------------------------------------------------------- rule by rule
def test_nothing_ever_started(b: Bench) -> None:
    b.assign()
    b.restart()
    assert b.about() == ["accepted", "rejected restart"]
    b.answer()
    assert b.driver.started == []


def test_an_operation_that_went_on(b: Bench) -> None:
    b.begin()
    b.restart()
    b.settle()
    assert b.driver.moving
    b.end()
    assert len(b.driver.started) == 1
    b.finish()
    assert b.about() == ["accepted", "succeeded"]
    assert len(b.driver.started) == 2


def test_an_operation_that_ended_meanwhile(b: Bench) -> None:
    b.begin()
    b.driver.end(b.going(), "failed", reason="blocked")
    b.restart()
    b.settle()
    b.finish()
    assert b.about() == ["accepted", "failed blocked"]


@pytest.mark.parametrize(("safe", "end"), [(False, "interrupted"), (True, "succeeded")])
def test_an_operation_nobody_knows_of(b: Bench, safe: bool, end: str) -> None:
    b.begin(safe=safe)
    b.driver.survives = False
    b.restart()
    b.settle()
    b.finish()
    assert b.about()[-1].split()[0] == end
    assert len(b.driver.started) == (3 if safe else 1)


def test_going_on_needs_a_new_grant(b: Bench) -> None:
    b.begin()
    b.restart()
    b.settle()
    b.read()
    b.end()
    b.wait(60)
    assert len(b.driver.started) == 1
    b.answer("wait")
    assert len(b.driver.started) == 1
    b.wait(2)
    b.answer()
    assert len(b.driver.started) == 2


def test_a_pause_survives(b: Bench) -> None:
    b.begin()
    b.control("pause", 5)
    b.end()
    b.restart()
    assert b.beats()[-1].holds[0].activity == "paused"
    b.answer()
    assert not b.driver.moving
    b.control("resume", 6)
    assert b.about()[-1] == "resumed"
    b.finish()
    assert b.about()[-1] == "succeeded"


def test_commands_survive(b: Bench) -> None:
    b.begin()
    b.control("pause", 5)
    b.restart()
    b.settle()
    b.cancel(5)
    assert b.driver.moving
    b.driver.deaf = True
    b.cancel(6)
    b.restart()
    b.settle()
    assert b.beats()[-1].holds[0].activity == "stopping"
    b.end("stopped")
    assert b.about()[-1] == "cancelled"


def test_a_lease_dies_with_the_process(b: Bench) -> None:
    b.begin(on_lost="requeue", safe=True, lease_s=15.0)
    b.restart()
    b.settle()
    assert not b.driver.moving
    assert b.about()[-1] == "interrupted lease"


def test_nothing_is_said_while_something_unknown_moves(b: Bench) -> None:
    b.assign()
    b.driver.busy = True
    b.restart()
    b.wait(2)
    assert b.beats() == []
    assert b.about() == ["accepted"]
    b.assign(attempt=2, job="job-2")
    assert b.core.problems["not ready"] == 1
    b.driver.busy = False
    b.wait(2)
    assert b.about() == ["accepted", "rejected restart"]
    b.wait(2)
    assert b.beats()[-1].holds == ()


def test_an_interrupted_attempt_is_held_until_its_robot_is_still(b: Bench) -> None:
    b.begin()
    b.driver.moving.clear()
    b.driver.busy = True
    b.restart()
    b.settle()
    b.wait(2)
    assert b.about() == ["accepted"]
    b.driver.busy = False
    b.wait(2)
    assert b.about()[-1].startswith("interrupted")


def test_an_assign_this_version_cannot_read(b: Bench) -> None:
    b.begin()
    b.driver.moving.clear()
    with b.file.transaction():
        b.file.write(b.journal, "update held set assign = x'7b7d' where robot = ?")
    b.restart()
    assert b.about()[-1] == "interrupted fields"


# ---------------------------------------------------------------- at every moment
class Checked(Bench):
    """Looks, at each effect, for what the disk must know by then."""

    def perform(self, effect: Effect) -> None:
        if isinstance(effect, DriverStart):
            key = (effect.operation.attempt, effect.operation.path, effect.operation.try_)
            found = self.file.read("select 1 from runs where attempt = ? and path = ? and try = ?", *key)
            assert found, f"{effect.operation.path} moves before the journal knows"
        if isinstance(effect, Send) and effect.kind in ("block-status", "log"):
            for row in read_rows(effect.payload).rows:
                assert self.file.read("select 1 from rows where seq = ?", row.seq), "sent before it was written"
        super().perform(effect)


def plain(b: Bench) -> None:
    b.begin()
    b.end()
    b.end()


def cancelled(b: Bench) -> None:
    b.begin()
    b.cancel(5)
    b.answer()


def paused(b: Bench) -> None:
    b.begin()
    b.control("pause", 5)
    b.end()
    b.answer()
    b.control("resume", 6)
    b.answer()


def revoked(b: Bench) -> None:
    b.begin()
    b.cancel(5, reason="revoke")
    b.assign(attempt=2, job="job-2")
    b.answer()


STORIES = {"plain": plain, "cancelled": cancelled, "paused": paused, "revoked": revoked}


def deaths(bench: type[Bench], story: str) -> Iterator[Bench]:
    """The story with a crash at each of its moments, once with a robot that goes on alone, once with one that stops."""
    for survives in (True, False):
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
                break


def tell_the_rest(b: Bench) -> None:
    """A controller repeats what was not answered, and everything comes to an end."""
    b.settle()
    for attempt in (1, 2):
        if b.journal.highest >= attempt:
            b.assign(attempt=attempt, job=f"job-{attempt}" if attempt > 1 else "job-1", again=True)
    if "paused" in b.about() or "resumed" not in b.about():
        b.control("resume", 50)
    b.finish()


def check(b: Bench) -> None:
    tell_the_rest(b)
    keys = [key for key, _ in b.driver.started]
    assert len(keys) == len(set(keys)), "a block run was started twice"
    assert [seq for _, seq in b.rows] == list(range(1, b.journal.head + 1)), "a report is missing"
    assert b.journal.first == b.journal.head + 1, "a report was never acknowledged"
    assert not b.driver.moving, "it moves though nothing is in hand"
    ends = {"rejected", "cancelled", "succeeded", "failed", "interrupted"}
    for attempt in {row["attempt"] for row in b.rows.values() if "attempt" in row}:
        rows = [row["kind"] for row in b.rows.values() if row.get("attempt") == attempt]
        over = [word for word in rows if word in ends]
        assert len(set(over)) == 1, f"attempt {attempt} ended as {over}"
        assert rows[-1] in ends, "something was said after the end"
        if over[0] == "rejected":
            assert "block" not in rows, "rejected though something had begun"


@pytest.mark.parametrize("story", STORIES)
def test_a_crash_at_every_moment(story: str) -> None:
    cases = 0
    for b in deaths(Checked, story):
        check(b)
        cases += 1
    assert cases > 20


class EffectsFirst(Checked):
    """Mutant: moves and sends before the transaction has committed."""

    def step(self, method: str, *args: Any) -> None:
        with self.file.transaction():
            getattr(self.core, method)(*args, self.now)
            for effect in self.core.take():
                self.perform(effect)
                self.moment()
            self.moment()
        self.moment()


class Forgetful(Checked):
    """Mutant: a journal that does not remember block runs."""

    def boot(self) -> None:
        with self.file.transaction():
            self.file.write(self.journal, "delete from runs where robot = ?") if self.seeds else None
        super().boot()


@pytest.mark.parametrize("mutant", [EffectsFirst, Forgetful])
def test_the_check_finds_a_broken_agent(mutant: Any) -> None:
    def explore() -> None:
        for story in STORIES:
            for b in deaths(mutant, story):
                check(b)

    with pytest.raises(AssertionError):
        explore()


# ---------------------------------------------------------------- a disk that takes nothing
def test_a_full_disk_delays_everything_and_loses_nothing(b: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    b.begin()
    real, full = b.file._write, True

    def write() -> None:
        real()
        if full:
            raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(b.file, "_write", write)
    b.sent.clear()
    b.driver.end(b.going(), "succeeded")
    with pytest.raises(NotWritten):
        b.settle()
    with pytest.raises(NotWritten):
        b.file.commit()
    assert b.sent == []
    assert len(b.driver.started) == 1
    full = False
    b.file.commit()
    for effect in b.core.take():
        b.perform(effect)
    assert len(b.driver.started) == 2
    b.settle()
    b.finish()
    assert b.about() == ["accepted", "succeeded"]


def test_a_lease_ends_though_the_disk_takes_nothing(b: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    b.begin(on_lost="requeue", safe=True, lease_s=15.0)

    def write() -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(b.file, "_write", write)
        b.now += 16
        with pytest.raises(NotWritten), b.file.transaction():
            b.core.fence(b.now)
        for stop in b.core.take_stops():
            b.perform(stop)
        assert not b.driver.moving
    b.settle()
    assert b.about()[-1] == "interrupted lease"


def test_what_the_disk_never_let_begin_does_not_begin_later(b: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    b.assign(on_lost="requeue", safe=True, lease_s=15.0)
    (attempt, ask), *_ = b.read()

    def write() -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(b.file, "_write", write)
        with pytest.raises(NotWritten):
            b.ack(attempt=attempt, ask=ask, verdict="grant")
        b.now += 16
        with pytest.raises(NotWritten), b.file.transaction():
            b.core.fence(b.now)
    b.file.commit()
    for effect in b.core.take():
        b.perform(effect)
    assert b.driver.started == []
    words = b.words()
    assert words[-2:] == ["-1/1.0 canceled", "interrupted lease"]
