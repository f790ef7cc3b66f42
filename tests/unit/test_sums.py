"""Page sums: a page that is changed behind the box's back is found."""

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from controller.store import sums_file
from controller.store.connection import Store
from controller.store.pages import Damaged, PageFile, bad_pages
from controller.store.sums import Sums
from controller.store.sums_file import SumsFile
from tests.fakes.summed import PAGE, copied, dump, filled, flip, look, place, sound, turn


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with filled(tmp_path / "box") as opened:
        yield opened


# ---------------------------------------------------------------- nothing is wrong
def test_lives_that_end_well_or_are_killed_are_sound(store: Store, tmp_path: Path) -> None:
    killed = copied(store, tmp_path / "killed")
    expected = dump(place(store))
    sound(killed, expected)
    assert killed.with_name("a.db-wal").stat().st_size == 0, "a clean end folds everything back"
    sound(killed, expected)


def test_every_page_is_known_after_a_fold(store: Store) -> None:
    assert store.fold()
    pages = PageFile(place(store))
    assert store.sums is not None
    assert [pages.sum(n) for n in range(1, pages.pages + 1)] == [
        sums_file.get(store.sums.sums, n) for n in range(1, pages.pages + 1)
    ]
    pages.close()


def test_nobody_but_fold_writes_into_the_file(store: Store) -> None:
    before = place(store).read_bytes()
    for _ in range(60):
        turn(store, 200)
    assert store.waiting > 1000
    assert place(store).read_bytes() == before
    assert store.fold()
    assert store.waiting == 0


def test_a_reader_makes_a_fold_leave_some_and_nothing_is_mistaken(store: Store, tmp_path: Path) -> None:
    path = place(store)
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)) as reader:
        reader.execute("begin")
        reader.execute("select count(*) from events").fetchone()
        turn(store)
        assert not store.fold()
        assert store.waiting == 0, "what readers hold is not tried again at once"
        assert look(store) == list(bad_pages(path)) == []
        sound(copied(store, tmp_path / "killed"), dump(path))
        turn(store)
        assert not store.fold(cut=True)
        assert look(store) == list(bad_pages(path)) == []
        sound(copied(store, tmp_path / "later"), dump(path))
    assert store.fold(cut=True)
    assert look(store) == []


def test_a_box_that_ends_while_somebody_reads_leaves_its_log(store: Store) -> None:
    path = place(store)
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)) as reader:
        reader.execute("begin")
        reader.execute("select count(*) from events").fetchone()
        turn(store)
        expected = dump(path)
        store.close()
        reader.execute("commit")
    assert path.with_name("a.db-wal").stat().st_size > 0
    sound(path, expected)


def test_a_file_that_grows_and_shrinks_is_followed(store: Store, tmp_path: Path) -> None:
    for _ in range(20):
        turn(store, 200)
    store.fold()
    store.db.execute("delete from events where id > 10")
    store.db.execute("vacuum")
    sound(copied(store, tmp_path / "killed"), dump(place(store)))
    size = place(store).stat().st_size
    assert store.fold()
    assert place(store).stat().st_size < size
    assert look(store) == []
    sound(copied(store, tmp_path / "later"), dump(place(store)))


@pytest.mark.parametrize("spoil", ["absent", "damaged", "log damaged"])
def test_sums_that_cannot_be_used_are_made_anew_and_said(
    store: Store, spoil: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert store.fold()
    path = copied(store, tmp_path / "b")
    if spoil == "absent":
        sums_file.sums_of(path).unlink()
    else:
        flip(path.with_name("a.db-sums" + ("-log" if spoil == "log damaged" else "")), 20)
    sound(path, dump(path))
    assert ("no page sums" if spoil == "absent" else "damaged") in caplog.text
    flip(path, 5 * PAGE + 77)
    assert list(bad_pages(path)) == [6]


# ---------------------------------------------------------------- damage
def test_every_page_that_is_changed_is_found(store: Store, tmp_path: Path) -> None:
    path = copied(store, tmp_path / "b")
    Store.open(path).close()
    pages, said = path.stat().st_size // PAGE, []
    for page in range(1, pages + 1):
        there = copied(path, tmp_path / f"page{page}")
        flip(there, (page - 1) * PAGE + (page * 131) % PAGE)
        assert list(bad_pages(there)) == [page]
        try:
            opened = Store.open(there)
        except Damaged as error:
            said.append(str(error))
        else:
            assert look(opened) == [page]
            opened.close()
            assert list(bad_pages(there)) == [page], "it is not sworn to later"
    assert [text.startswith("Page 1 of the database is not what was written") for text in said] == [True]
    assert "yardmaster restore" in said[0]


def test_a_file_that_was_cut_is_found(store: Store, tmp_path: Path) -> None:
    store.fold()
    path = copied(store, tmp_path / "b", without=("a.db-wal",))
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - PAGE)
    with pytest.raises((Damaged, sqlite3.DatabaseError)):
        Store.open(path)


def test_without_sums_after_a_fold_every_page_would_look_changed(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The broken variant: what was folded is not sworn to."""
    monkeypatch.setattr(SumsFile, "append", lambda _self, _batch: None)
    store.fold()
    assert list(bad_pages(place(store))) != []


def test_sums_that_come_after_the_fold_are_caught(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broken variant: the sums are written when the pages are."""
    waiting: list[Any] = []
    real_append, real_copy = SumsFile.append, Sums._checkpoint

    def copy(self: Sums, mode: str) -> Any:
        done = real_copy(self, mode)
        copied(self.database, tmp_path / "killed")
        for args in waiting:
            real_append(*args)
        return done

    monkeypatch.setattr(SumsFile, "append", lambda *args: waiting.append(args))
    monkeypatch.setattr(Sums, "_checkpoint", copy)
    store.fold(cut=True)
    monkeypatch.undo()
    assert list(bad_pages(tmp_path / "killed" / "a.db")) != []


def test_a_disk_that_takes_no_sums_gets_no_pages(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(_file: int, _content: bytes) -> None:
        raise OSError(28, "No space left on device")

    before = place(store).read_bytes()
    monkeypatch.setattr(sums_file, "_write_all", full)
    assert not store.fold()
    assert place(store).read_bytes() == before
    assert "No space left" in caplog.text
    monkeypatch.undo()
    assert store.fold()
    assert look(store) == list(bad_pages(place(store))) == []


def test_a_copy_that_fails_halfway_is_taken_up(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_self: Sums, _mode: str) -> None:
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(Sums, "_checkpoint", fails)
        assert not store.fold()
    turn(store)
    logging.getLogger().info("again")
    assert store.fold()
    assert look(store) == list(bad_pages(place(store))) == []
