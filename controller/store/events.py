"""Every move as a row: who, when, old, new, why."""

from typing import Any

from controller.store.pending import Pending
from controller.store.written import to_json

ADD = (
    "insert into events (at, topic, event, job, robot, attempt, who, old, new, code, why, data, chain)"
    " values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
"""The last value, the hash of the row, is added when the turn is written."""


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
    pending.add(ADD, (at, topic, event, job, robot, attempt, who, old, new, code, why, text))
