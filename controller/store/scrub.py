"""Looks at everything the database's file holds while the box runs, slowly, again and again."""

import logging
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from config.clock import steady
from controller.store.pages import REMEDY, bad_page
from controller.store.queries.reader import Reader
from controller.store.sums import Sums

log = logging.getLogger(__name__)

EVERY_S = 24 * 3600.0
REST = 9.0
"""How many times as long as it worked it rests: nobody is to feel it."""


class Scrub(threading.Thread):
    """One pass over pages and structure at the start, then one a day, until it is told to end.

    `wrong` is what is wrong, in a sentence; `passes` counts those that found nothing.
    """

    def __init__(self, sums: Sums, found: Callable[[], None], every_s: float = EVERY_S, rest: float = REST) -> None:
        """`found` is called, from this thread, when something is wrong."""
        super().__init__(name="scrub", daemon=True)
        self.wrong: str | None = None
        self.passes = 0
        self._sums, self._found, self._every_s, self._rest = sums, found, every_s, rest
        self._ending = threading.Event()

    def run(self) -> None:
        """Until `end`."""
        while not self._ending.is_set():
            try:
                wrong = self._look()
            except Exception as error:
                log.exception("the check of the database was cut off")
                wrong = f"The database cannot be checked: {error}"
            if wrong is not None:
                self.wrong = wrong
                log.critical("%s", wrong)
                self._found()
            elif not self._ending.is_set():
                self.passes += 1
                self._sums.keep()
            self._ending.wait(self._every_s)

    def end(self) -> None:
        """Stop and wait for it."""
        self._ending.set()
        if self.is_alive():
            self.join()

    def _look(self) -> str | None:
        page = 1
        while page and not self._ending.is_set():
            began = steady()
            page, bad = self._sums.look(page)
            if bad:
                return bad_page(bad[0])
            self._ending.wait((steady() - began) * self._rest)
        return self._look_at_tables(self._sums.database)

    def _look_at_tables(self, database: Path) -> str | None:
        """Table by table, so that no reading transaction holds up folding for long."""
        reader = Reader(database)
        with closing(reader.connect()) as db:
            names = [row[0] for row in db.execute("select name from sqlite_master where type = 'table'")]
            for name in names:
                began = steady()
                said = _said(db, name)
                if said != "ok":
                    return f"The table {name} is damaged: {said}. {REMEDY}"
                if self._ending.wait((steady() - began) * self._rest):
                    return None
        return None


def _said(db: sqlite3.Connection, table: str) -> str:
    try:
        return str(db.execute(f'pragma quick_check("{table}")').fetchone()[0])
    except sqlite3.DatabaseError as error:
        return str(error)


def check_now(sums: Sums, db: sqlite3.Connection, budget_s: float) -> tuple[str | None, bool]:
    """As much of the same as there is time for: (what is wrong, whether it was everything)."""
    until, page = steady() + budget_s, 1
    while page and steady() < until:
        page, bad = sums.look(page)
        if bad:
            return bad_page(bad[0]), False
    if page:
        return None, False
    db.set_progress_handler(lambda: steady() >= until, 10_000)
    try:
        said = str(db.execute("pragma quick_check(1)").fetchone()[0])
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
            return None, False
        said = str(error)
    finally:
        db.set_progress_handler(None, 0)
    return (None, True) if said == "ok" else (f"The database is damaged: {said}. {REMEDY}", True)
