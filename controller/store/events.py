"""Every move as a row: who, when, old, new, why."""

from typing import Any

from controller.store.connection import to_json
from controller.store.pending import Pending

_ADD = (
    "insert into events (at, topic, event, job, robot, attempt, who, old, new, code, why, data)"
    " values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


def add(
    pending: Pending,
    at: int,
    topic: str,
    event: str,
    who: str,
    *,
    job: int | None = None,
    robot: str | None = None,
    attempt: int | None = None,
    old: str | None = None,
    new: str | None = None,
    code: str | None = None,
    why: str | None = None,
    data: dict[str, Any] | None = None,
) -> None:
    """Write one event in the transaction of the change it describes."""
    text = to_json(data) if data else None
    pending.add(_ADD, (at, topic, event, job, robot, attempt, who, old, new, code, why, text))
