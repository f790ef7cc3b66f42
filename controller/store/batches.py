"""Batches and their rows in the database."""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from controller.store.connection import to_json

Row = tuple[Any, ...]


def insert(db: sqlite3.Connection, uid: str, action: str, args: dict[str, Any], who: str, us: int, until: int) -> int:
    """A batch whose jobs are still to be looked at; returns its inner id."""
    done = db.execute(
        "insert into batches (uid, action, args, state, hash, created_by, created_at, expires_at)"
        " values (?, ?, ?, 'collecting', '', ?, ?, ?)",
        (uid, action, to_json(args), who, us, until),
    )
    return int(done.lastrowid or 0)


def by_uid(db: sqlite3.Connection, uid: str) -> sqlite3.Row | None:
    """One batch."""
    row: sqlite3.Row | None = db.execute("select * from batches where uid = ?", (uid,)).fetchone()
    return row


def by_id(db: sqlite3.Connection, batch: int) -> sqlite3.Row:
    """One batch by its inner id."""
    row: sqlite3.Row = db.execute("select * from batches where id = ?", (batch,)).fetchone()
    return row


def in_state(db: sqlite3.Connection, state: str) -> list[sqlite3.Row]:
    """Batches in a state, oldest first."""
    return db.execute("select * from batches where state = ? order by id", (state,)).fetchall()


def change(db: sqlite3.Connection, batch: int, **changes: Any) -> None:
    """Change columns of a batch."""
    names = ", ".join(f"{name} = ?" for name in changes)
    db.execute(f"update batches set {names} where id = ?", (*changes.values(), batch))  # noqa: S608


def jobs_named(db: sqlite3.Connection, uids: Iterable[str]) -> dict[str, sqlite3.Row]:
    """What looking at jobs needs of each, by public id."""
    rows = db.execute(
        "select id, uid, version, state, priority, parked from jobs where uid in (select value from json_each(?))",
        (json.dumps(list(uids)),),
    )
    return {row["uid"]: row for row in rows}


def add_rows(db: sqlite3.Connection, batch: int, rows: Sequence[Row]) -> None:
    """Rows of a preview: (n, job, uid, version, state, priority, will, code)."""
    db.executemany(
        "insert into batch_rows (batch, n, job, uid, version, state, priority, will, code)"
        " values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [(batch, *row) for row in rows],
    )


def rows_after(db: sqlite3.Connection, batch: int, position: int, limit: int) -> list[sqlite3.Row]:
    """The next rows that something is to be asked of."""
    return db.execute(
        "select n, job, uid, version from batch_rows where batch = ? and n > ? and will = 1 order by n limit ?",
        (batch, position, limit),
    ).fetchall()


def version_of(db: sqlite3.Connection, job: int) -> int | None:
    """The version that a job has now; None if it is gone."""
    row = db.execute("select version from jobs where id = ?", (job,)).fetchone()
    return None if row is None else int(row["version"])


def set_results(db: sqlite3.Connection, batch: int, results: Sequence[tuple[str, str | None, str | None, int]]) -> None:
    """What came of rows: (result, code, public id of the job made, n)."""
    db.executemany(
        f"update batch_rows set result = ?, result_code = ?, made = ? where batch = {batch:d} and n = ?",  # noqa: S608
        results,
    )


_OLD = "(b.state = 'expired' or (b.state = 'applied' and b.ended_at < ?))"
_FORGET_ROWS = (
    "delete from batch_rows where (batch, n) in (select r.batch, r.n from batches b"  # noqa: S608 - the words above
    f" join batch_rows r on r.batch = b.id where {_OLD} limit ?)"
)
_FORGET = (
    f"delete from batches where id in (select b.id from batches b where {_OLD} and b.created_at < ?"  # noqa: S608
    " and not exists (select 1 from batch_rows r where r.batch = b.id) limit ?)"
)


def forget(db: sqlite3.Connection, before_us: int, limit: int) -> int:
    """Some rows of batches that nobody applied in time or that ended before a moment, then some of the batches.

    Returns how many rows and batches went; 0 when none is left.
    """
    rows = db.execute(_FORGET_ROWS, (before_us, limit)).rowcount
    return rows + db.execute(_FORGET, (before_us, before_us, limit)).rowcount
