"""How an assignment is written: the flow's text is copied as saved, never parsed on the way out."""

import sqlite3
from datetime import UTC, datetime

from controller.desk import Desk
from controller.memory import Live
from controller.store.connection import to_json
from schemas.messages import MAX_ASSIGN_BYTES


def iso(us: int) -> str:
    """RFC 3339 in UTC with microseconds."""
    return datetime.fromtimestamp(us / 1_000_000, UTC).isoformat(timespec="microseconds")[:-6] + "Z"


def assign_payload(desk: Desk, live: Live, job: sqlite3.Row, *, again: bool = False) -> bytes:
    """The whole assignment of a live attempt; `job` is its row as `to_assign` reads it."""
    task = {"id": live.uid, "priority": job["priority"], "createdOn": iso(job["created_at"])}
    head = {
        "v": 1,
        "job": live.uid,
        "attempt": live.number,
        "on_lost": "requeue" if live.requeue else "hold",
        "safe": live.safe,
        "time_limit_s": live.time_limit_s,
        "debug": bool(job["debug"]),
        "mock": bool(job["mock"]),
        "recording": job["recording"],
        "scope": {"task": task, "vars": {}},
    }  # fmt: skip
    if live.requeue:
        head["lease_s"] = desk.settings.lease_s
    text = to_json({k: v for k, v in head.items() if v is not None})
    bundle = desk.version(job["flow_version"]).bundle
    marked = ',"again":true' if again else ""
    return f'{text[:-1]},"inputs":{job["parameters"]},"flow":{bundle}{marked}}}'.encode()


def fits(parameters: str, bundle: str) -> bool:
    """Whether an assignment of these stays below the wire's limit."""
    return len(parameters.encode()) + len(bundle.encode()) + 2048 <= MAX_ASSIGN_BYTES
