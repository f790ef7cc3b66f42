"""What must leave for robots, written in the transaction of its cause, kept until a report shows that it arrived."""

import sqlite3
from dataclasses import dataclass

from controller.store.pending import Pending

_PUT = "insert into outbox (key, robot, topic, attempt, command, payload, created_at) values (?, ?, ?, ?, ?, ?, ?)"
_DROP = "delete from outbox where key = ?"


@dataclass(frozen=True)
class Letter:
    """One row: it leaves again and again until it is dropped."""

    key: str
    robot: str
    topic: str
    attempt: int
    command: int
    payload: bytes


def put(
    pending: Pending, key: str, robot: str, topic: str, attempt: int, command: int, payload: bytes, now_us: int
) -> Letter:
    """Add a letter; one of the same key must have been dropped before."""
    pending.setting(_PUT)[key] = (key, robot, topic, attempt, command, payload, now_us)
    return Letter(key, robot, topic, attempt, command, payload)


def drop(pending: Pending, key: str) -> None:
    """It arrived, or has lost its meaning; one that was put in this turn is never written."""
    if pending.setting(_PUT).pop(key, None) is None:
        pending.removing(_DROP)[key] = (key,)


def load(db: sqlite3.Connection) -> list[Letter]:
    """Every letter, oldest first."""
    return [
        Letter(r["key"], r["robot"], r["topic"], r["attempt"], r["command"], r["payload"])
        for r in db.execute("select * from outbox order by id")
    ]
