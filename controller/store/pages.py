"""Pages of the database's file, read beside SQLite, and held against their sums by whoever does not write them."""

import os
from collections.abc import Iterator
from pathlib import Path

from controller.store import sums_file, wal
from controller.store.mark import read_mark
from controller.store.sums_file import UNKNOWN, get, page_sum

REMEDY = "Put a backup in its place with `yardmaster restore`."
DAMAGED = 3
"""How a process ends that does not work on this database."""
SLICE = 256
"""Pages that are read at once."""
PATIENCE = 5
"""How often a page that is wrong is looked at again, since it may just have been written."""


class Damaged(RuntimeError):
    """The database's file is not what was written; the message says which part, and what to do."""


def bad_page_at_start(page: int) -> str:
    """What is said of one while nobody else works on the database: it may have another cause."""
    return (
        f"{bad_page(page)} Only if you know that a program that may write (sqlite3 without -readonly) has opened it"
        " while the box was stopped: `yardmaster verify --accept-pages`."
    )


def bad_page(page: int) -> str:
    """What is said of one."""
    return f"Page {page} of the database is not what was written: the disk or another program has changed it. {REMEDY}"


class PageFile:
    """Pages of the database's file, read beside SQLite."""

    def __init__(self, database: Path) -> None:
        self._file = os.open(database, os.O_RDONLY | os.O_CLOEXEC)
        self.page_size = _page_size(os.pread(self._file, 100, 0))

    @property
    def pages(self) -> int:
        """How many there are."""
        return os.fstat(self._file).st_size // self.page_size

    def sum(self, page: int) -> bytes:
        """The sum of a page as it is; `UNKNOWN` for one that is not there."""
        content = os.pread(self._file, self.page_size, (page - 1) * self.page_size)
        return page_sum(content) if len(content) == self.page_size else UNKNOWN

    def sums(self, first: int, count: int) -> list[bytes]:
        """Sums of pages that follow each other."""
        raw = os.pread(self._file, count * self.page_size, (first - 1) * self.page_size)
        whole = len(raw) // self.page_size
        return [page_sum(raw[n * self.page_size : (n + 1) * self.page_size]) for n in range(whole)]

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)


def _page_size(header: bytes) -> int:
    size = int.from_bytes(header[16:18], "big")
    size = 65536 if size == 1 else size
    return size if size >= 512 and size & (size - 1) == 0 else 4096


def check_head(database: Path) -> None:
    """The first page, by which SQLite knows what the file is, before SQLite is asked; raises `Damaged`."""
    if not _is_there(database):
        if (said := gone(database)) is not None:
            raise Damaged(said)
        return
    try:
        stored = sums_file.load(database)
    except sums_file.Unusable:
        return
    if stored is None:
        return
    good = {get(stored.sums, 1), *(stored.last.changes.get(1, ()) if stored.last else ())}
    with database.open("rb") as file:
        now = page_sum(file.read(4096))
    if good != {UNKNOWN} and now not in good and not wal.in_any_frame(database, 4096, 1):
        raise Damaged(bad_page_at_start(1))


def gone(database: Path) -> str | None:
    """What is said of a file that is gone, by what is still beside it; None: it is there, or never was."""
    if _is_there(database):
        return None
    turns = read_mark(database.parent)
    if turns:
        return (
            f"The database {database} is gone, and all work with it (turns: {turns}). {REMEDY} Only if you want to"
            " begin with an empty box: use another data directory, or put all of this one aside."
        )
    if sums_file.sums_of(database).exists():
        return f"The database is gone, and its page sums are still there. {REMEDY}"
    return None


def _is_there(database: Path) -> bool:
    return database.exists() and database.stat().st_size > 0


def bad_pages(database: Path) -> Iterator[int]:
    """Pages that are not what was written, while a box works on the database or not. Raises `Unusable`, `OSError`.

    Not for a process that has a connection to it (see `wal`).
    """
    pages = PageFile(database)
    try:
        stored = sums_file.load(database)
        first = 1
        while stored is not None and first:
            found = pages.sums(first, SLICE)
            for page, now in enumerate(found, first):
                if not _matches(stored, page, now) and not _matches_later(database, pages, page):
                    yield page
            first = first + len(found) if len(found) == SLICE else 0
    finally:
        pages.close()


def _matches(stored: sums_file.Stored, page: int, now: bytes) -> bool:
    last = stored.last.changes.get(page, ()) if stored.last is not None else ()
    return get(stored.sums, page) in (now, UNKNOWN) or now in last


def _matches_later(database: Path, pages: PageFile, page: int) -> bool:
    """It may have been folded meanwhile, and the sums with it."""
    for _ in range(PATIENCE):
        stored = sums_file.load(database)
        if stored is None or _matches(stored, page, pages.sum(page)):
            return True
    return page in _waiting(database)


def _waiting(database: Path) -> dict[int, int]:
    index = wal.index_of(database)
    if not index.exists():
        return {}
    with index.open("rb", buffering=0) as file:
        found = wal.state(file.fileno())
    with wal.opened(database, 4096) as frames:
        return frames.newest(found.folded, found.frames)
