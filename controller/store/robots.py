"""Robots, their holds, and queues in the database."""

import json
import sqlite3
from collections.abc import Iterable
from typing import Any

from controller.store.connection import to_json


def load(db: sqlite3.Connection) -> list[sqlite3.Row]:
    """Every robot, removed ones included: they stay unknown until somebody adds them again."""
    return db.execute("select * from robots").fetchall()


def insert(
    db: sqlite3.Connection, robot: str, name: str, kind: str, queues: Iterable[str], tags: Iterable[str], now_us: int
) -> None:
    """A new robot, or one that was removed and comes back with its holds."""
    db.execute(
        "insert into robots (id, name, kind, queues, tags, added_at) values (?, ?, ?, ?, ?, ?) on conflict (id) do"
        " update set name = excluded.name, kind = excluded.kind, queues = excluded.queues, tags = excluded.tags,"
        " removed = 0, enabled = 1, drained = 0, note = null",
        (robot, name, kind, to_json(list(queues)), to_json(list(tags)), now_us),
    )


def change(db: sqlite3.Connection, robot: str, **changes: Any) -> None:
    """Change columns of a robot."""
    names = ", ".join(f"{name} = ?" for name in changes)
    db.execute(f"update robots set {names} where id = ?", (*changes.values(), robot))  # noqa: S608


def words(text: str) -> tuple[str, ...]:
    """A JSON list of words as a tuple."""
    return tuple(json.loads(text))


def holds(db: sqlite3.Connection) -> list[sqlite3.Row]:
    """Every hold."""
    return db.execute("select * from holds order by id").fetchall()


def add_hold(
    db: sqlite3.Connection, robot: str, reason: str, attempt: int | None, note: str | None, now_us: int
) -> bool:
    """Put a robot on hold; False if that very hold stands already."""
    done = db.execute(
        "insert or ignore into holds (robot, reason, attempt, note, since) values (?, ?, ?, ?, ?)",
        (robot, reason, attempt, note, now_us),
    )
    return done.rowcount == 1


def end_hold(db: sqlite3.Connection, robot: str, reason: str, attempt: int | None) -> None:
    """One hold is over."""
    db.execute("delete from holds where robot = ? and reason = ? and attempt is ?", (robot, reason, attempt))


def queue_ids(db: sqlite3.Connection) -> set[str]:
    """Every queue."""
    return {row["id"] for row in db.execute("select id from queues")}


def put_queue(db: sqlite3.Connection, queue: str, name: str, wait_limit_s: float | None) -> None:
    """Make or change a queue."""
    db.execute(
        "insert into queues values (?, ?, ?) on conflict (id) do update set name = excluded.name,"
        " wait_limit_s = excluded.wait_limit_s",
        (queue, name, wait_limit_s),
    )


def delete_queue(db: sqlite3.Connection, queue: str) -> None:
    """Remove a queue."""
    db.execute("delete from queues where id = ?", (queue,))


def queue_in_use(db: sqlite3.Connection, queue: str) -> bool:
    """Open jobs wait there, or a deployment points at it."""
    open_jobs = db.execute(
        "select coalesce(sum(n), 0) as n from job_counts where target = ?"
        " and state not in ('succeeded', 'failed', 'cancelled')",
        (f"q:{queue}",),
    ).fetchone()
    named = db.execute(
        "select 1 from deployments where json_extract(body, '$.target.queue') = ? limit 1", (queue,)
    ).fetchone()
    return bool(open_jobs["n"] or named)
