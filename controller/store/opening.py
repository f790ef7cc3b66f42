"""Opens the database's file: what is damaged is refused before it is believed, and is left as it is."""

import logging
import sqlite3
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Protocol, TypeVar

from config.clock import steady
from controller.store.failures import is_fatal
from controller.store.pages import REMEDY, Damaged, check_head
from controller.store.sums import Sums, check_now

log = logging.getLogger(__name__)


class Folds(Protocol):
    """What is made of a connection and its sums."""

    def fold(self) -> bool:
        """Copy what an earlier life left in the log."""


Made = TypeVar("Made", bound=Folds)


def opened(
    path: Path,
    connect: Callable[[Path], sqlite3.Connection],
    make: Callable[[sqlite3.Connection, Sums], Made],
    check_s: float | None,
) -> Made:
    """Open or create the file and make a store of it; raises `Damaged`, `sqlite3.Error`, `OSError`, what `make` raises.

    `check_s`: look at every page first, for so long at most.
    """
    check_head(path)
    try:
        connection = connect(path)
        with ExitStack() as failing:
            failing.callback(leave, connection, path)  # nothing is folded into what may be damaged
            sums = Sums(path, connection)
            failing.pop_all()
            failing.callback(sums.close)
            failing.callback(leave, connection, path)
            sums.take_over()
            if check_s is not None:
                _check(sums, connection, check_s)
            made = make(connection, sums)
            made.fold()
            failing.pop_all()
    except sqlite3.DatabaseError as error:
        if is_fatal(error):
            raise Damaged(f"The database cannot be read ({error}). {REMEDY}") from error
        raise
    return made


def _check(sums: Sums, connection: sqlite3.Connection, budget_s: float) -> None:
    began = steady()
    wrong, whole = check_now(sums, connection, budget_s)
    if wrong is not None:
        raise Damaged(wrong)
    rest = "" if whole else "; the rest is checked while the box runs"
    log.info("the database was checked for %.1f s%s", steady() - began, rest)


def leave(connection: sqlite3.Connection, path: Path) -> None:
    """Close a connection without SQLite folding the log back by itself, which the last one to leave would do.

    One that may only read cannot fold, so it leaves last.
    """
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as last:
        with suppress(sqlite3.Error):
            last.execute("select count(*) from sqlite_master").fetchone()
        connection.close()
