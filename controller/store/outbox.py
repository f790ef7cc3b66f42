"""What must leave for robots, written in the transaction of its cause, kept until a report shows that it arrived."""

import sqlite3
from dataclasses import dataclass


@dataclass(frozen=True)
class Letter:
    """One row: it leaves again and again until it is dropped."""

    id: int
    key: str
    robot: str
    topic: str
    attempt: int
    command: int
    payload: bytes


def put(
    db: sqlite3.Connection, key: str, robot: str, topic: str, attempt: int, command: int, payload: bytes, now_us: int
) -> Letter:
    """Add a letter; a newer one of the same key takes the older one's place."""
    db.execute("delete from outbox where key = ?", (key,))
    done = db.execute(
        "insert into outbox (key, robot, topic, attempt, command, payload, created_at) values (?, ?, ?, ?, ?, ?, ?)",
        (key, robot, topic, attempt, command, payload, now_us),
    )
    return Letter(int(done.lastrowid or 0), key, robot, topic, attempt, command, payload)


def drop(db: sqlite3.Connection, key: str) -> None:
    """It arrived, or has lost its meaning."""
    db.execute("delete from outbox where key = ?", (key,))


def load(db: sqlite3.Connection) -> list[Letter]:
    """Every letter, oldest first."""
    return [
        Letter(r["id"], r["key"], r["robot"], r["topic"], r["attempt"], r["command"], r["payload"])
        for r in db.execute("select * from outbox order by id")
    ]
