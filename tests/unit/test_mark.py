"""The mark beside the database: lost commits are noticed at the next start, whatever took them; nothing else is."""

import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from config.clock import Instant
from controller.core import Core
from controller.core_settings import CoreSettings
from controller.store import events, findings, robots
from controller.store.connection import Store, connect
from controller.store.mark import Mark, read_mark
from controller.store.pages import Damaged

FILES = ("a.db", "a.db-wal", "mark", "incarnation")
US = 1_790_000_000_000_000


def turn(store: Store, who: str = "li") -> None:
    with store.transaction():
        events.add(store.pending, US, "system", "noted", who)


def killed(store: Store, there: Path, *, without: str | None = None) -> Path:
    """What a process that is killed now leaves, or leaves without one of its files."""
    there.mkdir()
    for name in FILES:
        if name != without:
            shutil.copy(Path(store.db.execute("pragma database_list").fetchone()["file"]).parent / name, there / name)
    return there / "a.db"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Ten turns, some of them folded back into the file."""
    opened = Store.open(tmp_path / "a.db")
    for number in range(10):
        turn(opened)
        if number == 4:
            opened.db.execute("pragma wal_checkpoint(truncate)")
    yield opened
    opened.close()


def found(path: Path) -> list[str]:
    opened = Store.open(path)
    try:
        return [one.text for one in findings.findings(opened.db)]
    finally:
        opened.close()


def test_a_killed_process_has_lost_nothing(store: Store, tmp_path: Path) -> None:
    path = killed(store, tmp_path / "b")
    assert found(path) == []
    again = Store.open(path)
    assert (again.restored, again.turns, read_mark(path.parent)) == (False, 10, 10)
    again.close()


def test_a_missing_log_is_lost_work(store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = killed(store, tmp_path / "b", without="a.db-wal")
    again = Store.open(path)
    assert again.restored
    assert "lost 5 turns of acknowledged work" in again.why
    assert "a write-ahead log is missing or damaged" in again.why
    assert again.why in caplog.text
    assert again.incarnation == store.incarnation + 1
    assert [one.code for one in findings.findings(again.db)] == [findings.LOST_TURNS]
    again.close()
    third = Store.open(path)  # nobody has parked anything yet: said again, the number not raised again
    assert (third.restored, third.why, third.incarnation, third.turns) == (True, again.why, again.incarnation, 10)
    third.close()


def test_an_older_copy_of_the_database_is_lost_work(store: Store, tmp_path: Path) -> None:
    path = killed(store, tmp_path / "b")
    turn(store)
    shutil.copy(tmp_path / "mark", tmp_path / "b" / "mark")
    assert ["lost 1 turn of" in text for text in found(path)] == [True]


@pytest.mark.parametrize("left", [b"", None])
def test_a_database_that_is_gone_is_damage_and_never_an_empty_box(tmp_path: Path, left: bytes | None) -> None:
    path = tmp_path / "a.db"
    store = Store.open(path)
    turn(store)
    store.close()
    for file in tmp_path.glob("a.db*"):
        file.unlink()
    if left is not None:
        path.write_bytes(left)
    with pytest.raises(Damaged, match=r"is gone.*turns: 1.*yardmaster restore.*another data directory"):
        Store.open(path)
    assert path.exists() == (left is not None), "nothing was made in its place"


def test_where_the_mark_is_gone_too_the_sums_tell_and_no_number_is_given_again(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "a.db")
    with store.transaction():
        newest = store.number()
        events.add(store.pending, US, "system", "noted", "li")
    store.close()
    (tmp_path / "a.db").unlink()
    (tmp_path / "mark").unlink()
    with pytest.raises(Damaged, match="its page sums are still there"):
        Store.open(tmp_path / "a.db")
    (tmp_path / "a.db-sums").unlink()
    again = Store.open(tmp_path / "a.db")
    with again.transaction():
        assert again.number() > newest
    again.close()


def test_the_next_start_parks_jobs_and_says_why(store: Store, tmp_path: Path) -> None:
    with store.transaction():
        robots.insert(store.db, "r1", "", "agv", [], [], US)
    store.db.execute("pragma wal_checkpoint(truncate)")
    turn(store)
    again = Store.open(killed(store, tmp_path / "b", without="a.db-wal"))
    core = Core(again, CoreSettings())
    with again.transaction():
        core.start(Instant(1000.0, US))
    assert not again.restored
    said = again.one("select why from events where event = 'restored'")
    assert said is not None
    assert "lost 1 turn of acknowledged work" in said["why"]
    held = again.one("select reason, note from holds")
    assert held is not None
    assert (held["reason"], held["note"] in said["why"]) == ("restored", True)
    assert [one.code for one in findings.findings(again.db)] == [findings.LOST_TURNS]
    again.close()


def test_a_turn_that_changes_nothing_is_not_counted(store: Store) -> None:
    with store.transaction():
        store.one("select 1 from jobs")
    assert (store.turns, read_mark(Path(store._mark._path.parent))) == (10, 10)  # type: ignore[union-attr]


class Full(sqlite3.Connection):
    """A disk that takes everything but a commit."""

    full = False

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        if self.full and sql == "commit":
            raise sqlite3.OperationalError("disk full")
        return super().execute(sql, *values)


def test_the_mark_says_only_what_was_committed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda path, **more: real(path, factory=Full, **more))
    store = Store(connect(tmp_path / "a.db"), tmp_path)
    turn(store)
    monkeypatch.setattr(Full, "full", True)
    with pytest.raises(sqlite3.OperationalError):
        turn(store)
    assert (store.turns, read_mark(tmp_path)) == (1, 1)
    monkeypatch.setattr(Full, "full", False)
    store.close()
    assert found(tmp_path / "a.db") == []


def test_a_damaged_or_missing_mark_is_written_anew(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = killed(store, tmp_path / "b", without="mark")
    (tmp_path / "b" / "mark").write_bytes(b"\xff" * 16)
    assert found(path) == []
    assert "mark is damaged" in caplog.text
    assert read_mark(path.parent) == 10
    (tmp_path / "b" / "mark").unlink()
    assert found(path) == []
    assert "without a mark" in caplog.text
    assert read_mark(path.parent) == 10


def test_a_mark_that_cannot_be_written_stops_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    mark = Mark(tmp_path / "absent" / "mark")
    mark.write(3)
    assert mark.read() is None
    assert caplog.text.count("cannot be written") == 1
    mark.close()


def test_a_loss_is_shown_for_a_day_and_until_nothing_is_parked(store: Store) -> None:
    findings.add(store.db, findings.LOST_TURNS, "5 turns are missing", US)
    assert not findings.is_over(store.db, findings.LOST_TURNS, US + findings.STANDS_US)
    assert findings.is_over(store.db, findings.LOST_TURNS, US + findings.STANDS_US + 1)
    assert not findings.is_over(store.db, findings.BAD_PAGE, US + 2 * findings.STANDS_US)
    findings.put(store.db, findings.LOST_TURNS, None, US)
    assert findings.findings(store.db) == []


def test_a_finding_keeps_its_moment_when_its_words_change(store: Store) -> None:
    findings.put(store.db, findings.BAD_PAGE, "page 3", US)
    assert findings.differs(store.db, findings.BAD_PAGE, "page 4")
    findings.put(store.db, findings.BAD_PAGE, "page 4", US + 9)
    assert findings.findings(store.db) == [(findings.BAD_PAGE, "page 4", US)]
    assert not findings.differs(store.db, findings.BAD_PAGE, "page 4")


def test_damage_stands_with_its_page_though_it_is_seen_no_more(store: Store) -> None:
    """Work on a page that went bad gives it a sum that is right, with what is wrong in it."""

    def look(wrong: str | None) -> str | None:
        findings.put(store.db, findings.BAD_PAGE, findings.lasting(store.db, wrong), US)
        return findings.findings(store.db)[0].text if findings.findings(store.db) else None

    assert look(None) is None
    assert look("Page 3 is bad.") == "Page 3 is bad."
    assert look(None) == look(None) == f"Page 3 is bad. {findings.NOT_SEEN}"
    assert look("Page 3 is bad.") == "Page 3 is bad."
    assert look("Page 8 is bad.") == "Page 8 is bad. Before: Page 3 is bad."
    look(None)
    assert look("Page 8 is bad.") == "Page 8 is bad. Before: Page 3 is bad."
    assert len(look("x" * 5000) or "") <= findings.LONGEST
