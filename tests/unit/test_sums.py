"""Page sums: a page that is changed behind the box's back is found, and no crash of a fold is mistaken for damage."""

import logging
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from controller.store import events, findings, sums, sums_file
from controller.store.connection import Store
from controller.store.pages import Damaged, PageFile, bad_pages
from controller.store.sums import Sums
from controller.store.sums_file import SumsFile
from controller.store.wal import FRAME, HEADER

US = 1_790_000_000_000_000
PAGE = 4096


def turn(store: Store, rows: int = 20) -> None:
    with store.transaction():
        for _ in range(rows):
            events.add(store.pending, US, "system", "noted", "li", data={"text": "x" * 200})


def copied(store_or_path: Store | Path, there: Path, *, without: tuple[str, ...] = ()) -> Path:
    """The files as they are now, as a process that is killed leaves them."""
    source = store_or_path if isinstance(store_or_path, Path) else place(store_or_path)
    there.mkdir(parents=True)
    for file in source.parent.iterdir():
        if file.is_file() and file.name not in without:
            shutil.copy(file, there / file.name)
    return there / "a.db"


def place(store: Store) -> Path:
    assert store.sums is not None
    return store.sums.database


def dump(path: Path) -> list[str]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        return [line for line in db.iterdump() if '"findings"' not in line]


def flip(path: Path, offset: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 0x10]))


def sound(path: Path, expected: list[str]) -> None:
    """It opens, nothing is lost, and every page is what was written."""
    store = Store.open(path)
    try:
        assert not store.restored
        assert list(bad_pages(path)) == []
        assert look(store) == []
        assert store.db.execute("pragma integrity_check").fetchone()[0] == "ok"
    finally:
        store.close()
    assert list(bad_pages(path)) == []
    assert dump(path) == expected


def look(store: Store) -> list[int]:
    """All that the writer itself finds."""
    assert store.sums is not None
    bad, page = [], 1
    while page:
        page, some = store.sums.look(page)
        bad += some
    return bad


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Something is in the file, something waits in the log, and both overlap."""
    (tmp_path / "box").mkdir()
    opened = Store.open(tmp_path / "box" / "a.db")
    turn(opened)
    opened.fold()
    turn(opened)
    turn(opened)
    yield opened
    with suppress(sqlite3.ProgrammingError):  # a test has closed it
        opened.close()


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


# ---------------------------------------------------------------- a crash at every step
class Steps:
    """Copies the files before and after every step of a fold."""

    def __init__(self, store: Store, there: Path) -> None:
        self.store, self.there = store, there
        self.taken: list[Path] = []

    def take(self) -> None:
        self.taken.append(copied(self.store, self.there / str(len(self.taken))))

    def around(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def step(*args: Any, **more: Any) -> Any:
            self.take()
            result = real(*args, **more)
            self.take()
            return result

        return step


@pytest.fixture
def steps(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Steps:
    steps = Steps(store, tmp_path / "steps")
    for kind, name in ((SumsFile, "append"), (SumsFile, "write_table"), (Sums, "_checkpoint"), (Sums, "_done")):
        monkeypatch.setattr(kind, name, steps.around(getattr(kind, name)))
    for name in ("_write_all", "sync"):
        monkeypatch.setattr(sums_file, name, steps.around(getattr(sums_file, name)))
    for name in ("fdatasync", "ftruncate", "fsync"):
        monkeypatch.setattr(os, name, steps.around(getattr(os, name)))
    return steps


@pytest.mark.parametrize("cut", [False, True])
def test_a_crash_at_every_step_of_a_fold_leaves_a_sound_box(
    store: Store, steps: Steps, cut: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sums, "_LOG_AT_MOST", 0)  # the table is written at once, too
    expected = dump(place(store))
    assert store.fold(cut=cut)
    monkeypatch.undo()
    assert len(steps.taken) > 15
    for path in steps.taken:
        sound(path, expected)


def test_half_a_batch_is_no_damage(store: Store, steps: Steps, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = dump(place(store))
    assert store.fold()
    monkeypatch.undo()
    before = steps.taken[0]
    whole = steps.taken[-1].with_name("a.db-sums-log").read_bytes()
    start = before.with_name("a.db-sums-log").stat().st_size
    assert len(whole) > start
    for cut in range(start, len(whole), 97):
        path = copied(before, before.parent.parent / f"torn{cut}")
        path.with_name("a.db-sums-log").write_bytes(whole[:cut])
        sound(path, expected)


class Fold:
    """A fold, cut off in the middle of its copying: which of its pages have been written by then."""

    def __init__(self, steps: Steps, store: Store) -> None:
        self.expected = dump(place(store))
        assert store.fold()
        names = [path for path in steps.taken if path.exists()]
        self.after = names[-1].read_bytes()
        log = sums_file.load(names[-1])
        assert log is not None
        assert log.last is not None
        self.pages = sorted(page for page, (old, new) in log.last.changes.items() if old != new)
        self.before = next(p for p in names if (s := sums_file.load(p)) and s.number == log.number)
        self.count = 0

    def cut_off(self, copied_pages: int, *, torn: bool = False) -> Path:
        """The files when so many pages were copied, and half of the next one."""
        self.count += 1
        path = copied(self.before, self.before.parent.parent / f"cut{self.count}")
        done = self.pages[:copied_pages]
        with path.open("r+b") as file:
            for page in self.pages[: copied_pages + torn]:
                file.seek((page - 1) * PAGE)
                file.write(self.after[(page - 1) * PAGE :][: PAGE if page in done else PAGE // 2 + 96])
        return path


@pytest.fixture
def fold(steps: Steps, store: Store, monkeypatch: pytest.MonkeyPatch) -> Fold:
    made = Fold(steps, store)
    monkeypatch.undo()
    return made


def test_pages_that_were_copied_in_part_or_half_are_copied_again(fold: Fold) -> None:
    for number in range(len(fold.pages)):
        sound(fold.cut_off(number, torn=True), fold.expected)


def test_a_fold_that_was_cut_off_needs_its_log(fold: Fold) -> None:
    assert len(fold.pages) > 3
    for number in range(1, len(fold.pages)):
        path = fold.cut_off(number)
        path.with_name("a.db-wal").unlink()
        with pytest.raises(Damaged, match="Put a backup in its place"):
            Store.open(path)
    none = fold.cut_off(0)
    none.with_name("a.db-wal").unlink()
    lost = Store.open(none)
    assert [one.code for one in findings.findings(lost.db)] == [findings.LOST_TURNS]
    lost.close()
    every = fold.cut_off(len(fold.pages))
    every.with_name("a.db-wal").unlink()
    sound(every, fold.expected)


def test_a_log_that_is_damaged_where_it_was_folded_is_never_mixed_with_the_file(fold: Fold) -> None:
    frames = (fold.before.with_name("a.db-wal").stat().st_size - HEADER) // (FRAME + PAGE)
    for copied_pages in (0, len(fold.pages) // 2, len(fold.pages)):
        for frame in range(frames):
            path = fold.cut_off(copied_pages)
            flip(path.with_name("a.db-wal"), HEADER + frame * (FRAME + PAGE) + 999)
            try:
                store = Store.open(path)
            except Damaged:
                continue
            assert store.db.execute("pragma integrity_check").fetchone()[0] == "ok"
            same = store.one("select count(*) as n from events")
            assert store.restored or (same is not None and same["n"] == 60)
            store.close()


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
