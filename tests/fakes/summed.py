"""A store whose pages have sums: its files as they are at a moment, and what is sound."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from controller.store import events
from controller.store.connection import Store
from controller.store.pages import bad_pages

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


@contextmanager
def filled(folder: Path) -> Iterator[Store]:
    """Something is in the file, something waits in the log, and both overlap."""
    folder.mkdir()
    opened = Store.open(folder / "a.db")
    turn(opened)
    opened.fold()
    turn(opened)
    turn(opened)
    yield opened
    with suppress(sqlite3.ProgrammingError):  # a test has closed it
        opened.close()
