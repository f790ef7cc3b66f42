"""Jobs as rows of a table for other programs, a part at a time: each part is a short read of its own."""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from controller.store.queries.job_filters import JobFilter
from controller.store.queries.job_lists import Order, plan
from controller.store.queries.values import duration_ms, rfc3339
from controller.store.queries.walk import Key, take

PART = 500
"""Jobs in a part."""
_SOURCE = ("system", "user", "device", "ip", "time", "client", "remarks")
_AS_THEY_ARE = (
    "state", "reason_code", "reason", "deployment", "deployment_name", "flow", "flow_number", "priority",
    "max_retries", "attempt_count", "robot", "cancelled_while",
)  # fmt: skip
_TIMES = ("created_at", "assigned_at", "started_at", "ended_at")
_ORIGIN = ("run", "parent_uid", "root_uid", "rerun_of", "retried_from")
COLUMNS = (
    "id", "state", "reason_code", "reason", "deployment", "deployment_name", "flow", "flow_version", "priority",
    "max_retries", "attempt_count", "robot", "cancelled_while", "target", *_TIMES, "duration_ms", "source_type",
    *(f"source_{part}" for part in _SOURCE), "created_by", "run", "parent", "root", "rerun_of", "retried_from",
)  # fmt: skip
"""What each row holds; parameters are left out, because they may hold what not everybody may read."""
_SELECT = (
    "select j.id, j.uid, j.state, j.reason_code, j.reason, j.deployment, d.name as deployment_name, j.flow,"
    " (select v.version from flow_versions v where v.id = j.flow_version) as flow_number, j.priority, j.max_retries,"
    " j.attempt_count, j.robot, j.cancelled_while, j.target, j.created_at, j.assigned_at, j.started_at, j.ended_at,"
    " j.source_type, j.source, j.created_by, j.run, (select uid from jobs p where p.id = j.parent) as parent_uid,"
    " (select uid from jobs r where r.id = j.root) as root_uid, j.rerun_of, j.retried_from"
    " from jobs j left join deployments d on d.id = j.deployment where j.id in (select value from json_each(?))"
)


@dataclass(frozen=True)
class Place:
    """Where in a list the next part begins."""

    sort: str
    key: Key


def part_of_jobs(
    db: sqlite3.Connection, f: JobFilter, order: Order = "newest", place: Place | None = None
) -> tuple[list[list[Any]], Place | None]:
    """The next rows, maybe none, and where to go on (None: that was all)."""
    chosen = plan(db, f, order, None if place is None else place.sort)
    walks = chosen.walks(f, descending=order.endswith("newest"), after=None if place is None else place.key)
    keys, stop = take(db, walks, PART)
    rows = _rows(db, [key[-1] for key in keys])
    return rows, None if stop is None else Place(chosen.sort, stop)


def _rows(db: sqlite3.Connection, ids: Sequence[int]) -> list[list[Any]]:
    found = {row["id"]: _row(row) for row in db.execute(_SELECT, (json.dumps(ids),))}
    return [found[one] for one in ids]


def _row(row: sqlite3.Row) -> list[Any]:
    source = json.loads(row["source"]) or {}
    return [
        row["uid"],
        *(row[name] for name in _AS_THEY_ARE),
        ("queue " if row["target"].startswith("q:") else "robot ") + row["target"][2:],
        *(rfc3339(row[name]) for name in _TIMES),
        duration_ms(row["started_at"], row["ended_at"]),
        row["source_type"],
        *(source.get(part) for part in _SOURCE),
        row["created_by"],
        *(row[name] for name in _ORIGIN),
    ]
