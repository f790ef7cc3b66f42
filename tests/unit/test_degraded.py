"""The one list of what is not as it should be: each code when it applies, since when, and every one documented."""

import json
import shutil
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from config.clock import Instant
from controller import degraded
from controller.backups import State, good_at
from controller.degraded import CODES, ClockWatch, Condition, Degraded
from controller.system import backup_is_late, of_backups
from schemas.due import Timing
from web.console.troubles import TROUBLES

DOCS = Path(__file__).parents[2] / "docs" / "operations.md"
NIGHTLY = Timing(cron="0 3 * * *")
DAY_US = 86_400_000_000


def codes(found: Iterable[Condition]) -> list[str]:
    """Codes of what a source says."""
    return [one.code for one in found]


def test_every_code_has_its_words_and_its_row_in_the_manual() -> None:
    assert set(TROUBLES) == set(CODES)
    text = DOCS.read_text()
    assert [code for code in CODES if f"| `{code}` |" not in text] == []


def test_a_condition_keeps_its_moment_until_it_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    moment = [1_000_000_000.0]
    monkeypatch.setattr(time, "time_ns", lambda: int(moment[0] * 1e9))
    standing = [Condition("broker", "broker.down", "x")]
    found = Degraded((lambda: standing,), ())
    first = found.conditions()[0].since
    moment[0] += 60
    assert found.conditions()[0].since == first == 1_000_000_000_000_000
    standing.clear()
    assert found.conditions() == []
    standing.append(Condition("broker", "broker.down", "x"))
    assert found.conditions()[0].since == 1_000_000_060_000_000


def test_worst_first_and_each_code_once() -> None:
    slow = [Condition("disk", "disk.low", "a"), Condition("x", "of a later version", "b")]
    found = Degraded((lambda: [Condition("store", "store.full", "c")],), (lambda: slow, lambda: slow))
    assert codes(found.conditions()) == ["store.full", "disk.low", "of a later version"]
    assert degraded.shown(slow[0]._replace(since=0)) == {
        "part": "disk", "code": "disk.low", "message": "a", "since": "1970-01-01T00:00:00Z",
    }  # fmt: skip


def test_a_clock_that_was_moved_is_told_for_an_hour() -> None:
    watch = ClockWatch()
    for second in range(3):
        watch.see(Instant(second, second * 1_000_000))
    assert list(watch.conditions(Instant(3, 3_000_000))) == []
    jumped = Instant(4, 4_000_000 - 3600 * 1_000_000)
    watch.see(jumped)
    (told,) = watch.conditions(jumped)
    assert told.code == "clock.jumped"
    assert "back by 3600 s" in told.message
    assert list(watch.conditions(Instant(3603, 0)))
    assert not list(watch.conditions(Instant(3605, 0)))


def test_small_corrections_of_the_clock_are_not_told() -> None:
    watch = ClockWatch()
    for second in range(1000):
        watch.see(Instant(second, second * 1_100_000))
    assert list(watch.conditions(Instant(1001, 0))) == []


def test_a_part_that_ends_again_and_again_is_named(tmp_path: Path) -> None:
    ready, now = tmp_path / "ready.json", time.time()
    assert list(degraded.restarts(ready)) == []
    ready.write_text(json.dumps({"restarts": {"web": [now - 2000, now - 20, now - 10], "broker": []}}))
    assert list(degraded.restarts(ready)) == []
    ready.write_text(json.dumps({"restarts": {"web": [now - 30, now - 20, now - 10], "broker": [now]}}))
    (told,) = degraded.restarts(ready)
    assert "web" in told.message
    assert "broker" not in told.message


def test_a_disk_that_is_nearly_full_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    for total, free, told in ((10**12, 2 * 10**9, False), (10**12, 9 * 10**8, True), (10**8, 2 * 10**7, False)):
        monkeypatch.setattr(
            shutil,
            "disk_usage",
            lambda _p, t=total, f=free: usage._replace(total=t, free=f),
        )
        assert bool(list(degraded.disk(tmp_path))) == told


def test_a_backup_is_late_when_two_moments_have_passed() -> None:
    now = time.time_ns() // 1000
    fresh, old = State(good_at=now - DAY_US // 2), State(good_at=now - 5 * DAY_US)
    assert backup_is_late(NIGHTLY, fresh, 0) is None
    assert backup_is_late(NIGHTLY, old, 0) == "There was no backup for 5 days."
    assert backup_is_late(NIGHTLY, State(), now - DAY_US // 2) is None, "a box that is new"
    assert backup_is_late(NIGHTLY, State(), now - 3 * DAY_US) is not None


def test_a_backup_of_a_time_that_is_to_come_is_of_unknown_age() -> None:
    """A clock that was a year ahead for one night must not keep the box from saying anything for a year."""
    now = time.time_ns() // 1000
    ahead = State(good_at=now + 365 * DAY_US)
    (told,) = of_backups(ahead, NIGHTLY, 0)
    assert told.code == "backup.old"
    assert told.since is None
    assert good_at(ahead, now) is None
    corrected = State(good_at=now + 2_000_000)
    assert not list(of_backups(corrected, NIGHTLY, 0)), "a time service corrects by seconds"
    assert good_at(corrected, now) == corrected.good_at


def test_artifacts_that_a_backup_had_to_leave_out_are_told_until_one_has_all() -> None:
    (told,) = of_backups(State(good_at=5, artifacts_lost=2), None, 0)
    assert (told.code, told.since) == ("artifacts.damaged", 5)
    assert "2 artifacts" in told.message
    assert not list(of_backups(State(good_at=5), None, 0))
