"""Looks at everything the database's file holds while the box runs, slowly, again and again."""

import logging
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple

from config.clock import steady
from controller.store.failures import is_fatal
from controller.store.pages import REMEDY, bad_page
from controller.store.queries.reader import Reader, Unreadable
from controller.store.sums import Sums

log = logging.getLogger(__name__)

EVERY_S = 24 * 3600.0
DOUBT_S = 5.0
"""Between two questions whether somebody has a doubt."""
AGAIN_S = 60.0
"""When a check that was cut off by the disk is begun anew."""
REST = 9.0
"""How many times as long as it worked it rests: nobody is to feel it."""


class Looked(NamedTuple):
    """What a pass found, in sentences: what is wrong with the file, and why it could not be read, which may pass."""

    wrong: str | None = None
    unreadable: str | None = None


class Scrub(threading.Thread):
    """One pass over pages and structure at the start, then one a day and at every new doubt, until it is told to end.

    `last` is what the last pass found; `passes` counts those that found nothing.
    """

    def __init__(
        self, sums: Sums, found: Callable[[], None], doubt: Callable[[], object] = lambda: None,
        every_s: float = EVERY_S, rest: float = REST,
    ) -> None:  # fmt: skip
        """`found` is called, from this thread, after each pass; `doubt` answers something else at each new doubt."""
        super().__init__(name="scrub", daemon=True)
        self.last: Looked | None = None
        self.passes = 0
        self._sums, self._found, self._doubt, self._every_s, self._rest = sums, found, doubt, every_s, rest
        self._ending = threading.Event()
        self._db: sqlite3.Connection | None = None

    def run(self) -> None:
        """Until `end`."""
        while not self._ending.is_set():
            known = self._doubt()
            try:
                self._pass(Looked(self._look()))
            except OSError as error:
                self._pass(Looked(unreadable=f"The database cannot be read: {error}."))
                self._ending.wait(AGAIN_S)
            except (sqlite3.Error, Unreadable) as error:  # locked, no memory: no damage
                log.warning("the check of the database was cut off and is begun anew: %s", error)
                self._ending.wait(AGAIN_S)
            else:
                self._until_tomorrow(known)

    def _until_tomorrow(self, known: object) -> None:
        end = steady() + self._every_s
        while not self._ending.wait(min(DOUBT_S, max(0.0, end - steady()))):
            if steady() >= end or self._doubt() != known:
                return

    def end(self) -> None:
        """Stop and wait for it."""
        self._ending.set()
        with suppress(sqlite3.ProgrammingError):  # it has just been closed
            if self._db is not None:
                self._db.interrupt()
        if self.is_alive():
            self.join()

    def _pass(self, looked: Looked) -> None:
        said = looked.wrong or looked.unreadable
        if said is not None:
            log.critical("%s", said)
        elif self._ending.is_set():
            return
        else:
            self.passes += 1
            self._sums.keep()
        self.last = looked
        self._found()

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
            self._db = db
            names = [row[0] for row in db.execute("select name from sqlite_master where type = 'table'")]
            for name in names:
                began = steady()
                said = _said(db, name)
                if self._ending.is_set():
                    return None
                if said != "ok":
                    return f"The table {name} is damaged: {said}. {REMEDY}"
                if self._ending.wait((steady() - began) * self._rest):
                    return None
        return None


def _said(db: sqlite3.Connection, table: str) -> str:
    try:
        return str(db.execute(f'pragma quick_check("{table}")').fetchone()[0])
    except sqlite3.DatabaseError as error:
        if is_fatal(error):
            return str(error)
        raise
