"""Page sums: no crash of a fold, at any of its steps, is mistaken for damage."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from controller.store import findings, sums, sums_file
from controller.store.connection import Store
from controller.store.pages import Damaged
from controller.store.sums import Sums
from controller.store.sums_file import SumsFile
from controller.store.wal import FRAME, HEADER
from tests.fakes.summed import PAGE, copied, dump, filled, flip, place, sound


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with filled(tmp_path / "box") as opened:
        yield opened


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
