"""What a turn writes and nobody reads before its commit: gathered, and carried out together at the end of the turn."""

import sqlite3
from collections.abc import Callable, Mapping
from typing import Any

Row = tuple[Any, ...]
Complete = Callable[[list[Row]], list[Row]]


class Pending:
    """Statements with their rows, in three groups: first what is removed, then what is added, then what is set.

    A row that is set replaces the one of the same key that was set before in this turn, so that many reports about one
    thing are one write. What fails does so at the end of the transaction, and nothing of it has happened then.
    """

    def __init__(self, db: sqlite3.Connection, completing: Mapping[str, Complete] | None = None) -> None:
        """`completing`: what makes the rows of a statement whole, just before they are added."""
        self._db = db
        self._completing = completing or {}
        self._removed: dict[str, dict[Any, Row]] = {}
        self._added: dict[str, list[Row]] = {}
        self._set: dict[str, dict[Any, Row]] = {}

    def removing(self, statement: str) -> dict[Any, Row]:
        """The rows of a statement that removes, by key, to look at and to change."""
        rows = self._removed.get(statement)
        return rows if rows is not None else self._removed.setdefault(statement, {})

    def add(self, statement: str, row: Row) -> None:
        """One row more, written in the order in which they come."""
        rows = self._added.get(statement)
        if rows is None:
            self._added[statement] = [row]
        else:
            rows.append(row)

    def setting(self, statement: str) -> dict[Any, Row]:
        """The rows of a statement that sets, by key, to look at and to change."""
        rows = self._set.get(statement)
        return rows if rows is not None else self._set.setdefault(statement, {})

    def settle(self, statement: str, key: Any) -> None:
        """Write one row that is set at once, because its table is about to be read or changed there."""
        row = self.setting(statement).pop(key, None)
        if row is not None:
            self._db.execute(statement, row)

    def write(self) -> None:
        """Carry everything out."""
        for removed, gone in self._removed.items():
            self._db.executemany(removed, gone.values())
        for added, rows in self._added.items():
            complete = self._completing.get(added)
            self._db.executemany(added, complete(rows) if complete else rows)
        for changed, news in self._set.items():
            self._db.executemany(changed, news.values())
        self.clear()

    def clear(self) -> None:
        """Forget everything: the transaction is over, or lost."""
        for group in (self._removed, self._added, self._set):
            group.clear()
