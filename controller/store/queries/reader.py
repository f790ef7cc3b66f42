"""Read-only connections to the controller's database, each used for one short transaction at a time."""

import sqlite3
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

Connection = sqlite3.Connection
"""What a read is given; only the functions of this package look into it."""
CACHE_KIB = 1024


class Unreadable(RuntimeError):
    """The database cannot be opened or read now."""


class Reader:
    """Hands out read-only connections; those that are free are used again, so there are as many as readers at once.

    One read is one transaction: everything in it is seen as of one moment, and the log of the database can be folded
    back as soon as it ends.
    """

    def __init__(self, path: Path | str) -> None:
        self._uri = f"{Path(path).absolute().as_uri()}?mode=ro"
        self._free: deque[sqlite3.Connection] = deque()

    def connect(self) -> sqlite3.Connection:
        """A connection that the caller keeps and closes; raises `Unreadable`."""
        try:
            connection = sqlite3.connect(
                self._uri, uri=True, isolation_level=None, check_same_thread=False, cached_statements=256, timeout=2
            )
            connection.execute("pragma query_only = 1")
            connection.execute(f"pragma cache_size = -{CACHE_KIB}")
        except sqlite3.DatabaseError as error:
            raise Unreadable(f"the database cannot be opened: {error}") from error
        connection.row_factory = sqlite3.Row
        return connection

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One read transaction; raises `Unreadable`."""
        try:
            db = self._free.pop()
        except IndexError:
            db = self.connect()
        try:
            db.execute("begin")
            yield db
            db.execute("commit")
        except sqlite3.ProgrammingError:
            db.close()
            raise
        except sqlite3.DatabaseError as error:  # locked, gone, damaged: no defect of whoever reads
            db.close()
            raise Unreadable(f"the database cannot be read: {error}") from error
        except BaseException:
            db.execute("rollback")
            self._free.append(db)
            raise
        self._free.append(db)

    def close(self) -> None:
        """Close what is free."""
        while self._free:
            self._free.pop().close()
