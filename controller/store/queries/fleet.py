"""Robots and queues as stored; what robots say of themselves is not in the database."""

import json
import sqlite3
from collections import defaultdict
from dataclasses import dataclass

from controller.store.queries.values import rfc3339
from schemas.views import HeldAttempt, Hold, Queue


@dataclass(frozen=True)
class StoredRobot:
    """What the database knows about a robot."""

    id: str
    name: str
    kind: str
    queues: tuple[str, ...]
    tags: tuple[str, ...]
    enabled: bool
    drained: bool
    note: str | None
    capabilities: tuple[str, ...]
    capacity: int
    version: str | None
    holds: tuple[Hold, ...]
    held: tuple[HeldAttempt, ...]


def stored_robots(db: sqlite3.Connection, robot: str | None = None) -> list[StoredRobot]:
    """Every robot by id, or the one; those that were removed are left out."""
    one = "" if robot is None else " and id = ?"
    values = () if robot is None else (robot,)
    rows = db.execute(f"select * from robots where removed = 0{one} order by id", values).fetchall()  # noqa: S608
    holds, held = _holds(db, robot), _held(db, robot)
    return [_stored(row, tuple(holds[row["id"]]), tuple(held[row["id"]])) for row in rows]


def _stored(row: sqlite3.Row, holds: tuple[Hold, ...], held: tuple[HeldAttempt, ...]) -> StoredRobot:
    return StoredRobot(
        id=row["id"],
        name=row["name"],
        kind=row["kind"],
        queues=tuple(json.loads(row["queues"])),
        tags=tuple(json.loads(row["tags"])),
        enabled=bool(row["enabled"]),
        drained=bool(row["drained"]),
        note=row["note"],
        capabilities=tuple(json.loads(row["capabilities"])),
        capacity=row["capacity"],
        version=row["version"],
        holds=holds,
        held=held,
    )


def _holds(db: sqlite3.Connection, robot: str | None) -> dict[str, list[Hold]]:
    found: dict[str, list[Hold]] = defaultdict(list)
    where, values = ("", ()) if robot is None else (" where robot = ?", (robot,))
    for row in db.execute(f"select * from holds{where} order by id", values):  # noqa: S608
        hold = Hold(reason=row["reason"], attempt=row["attempt"], since=rfc3339(row["since"]), note=row["note"])
        found[row["robot"]].append(hold)
    return found


def _held(db: sqlite3.Connection, robot: str | None) -> dict[str, list[HeldAttempt]]:
    found: dict[str, list[HeldAttempt]] = defaultdict(list)
    where, values = ("", ()) if robot is None else (" and a.robot = ?", (robot,))
    rows = db.execute(
        "select a.robot, a.number, j.uid from attempts a indexed by attempts_robot join jobs j on j.id = a.job"  # noqa: S608
        f" where a.open = 1{where} order by a.number",
        values,
    )
    for row in rows:
        found[row["robot"]].append(HeldAttempt(job=row["uid"], attempt=row["number"], activity=None, path=None))
    return found


def queues(db: sqlite3.Connection, now_us: int, queue: str | None = None) -> list[Queue]:
    """Every queue by id, or the one, with its robots and what waits for it."""
    where, values = ("", ()) if queue is None else (" where id = ?", (queue,))
    members: dict[str, list[str]] = defaultdict(list)
    for row in db.execute("select id, queues from robots where removed = 0 order by id"):
        for name in json.loads(row["queues"]):
            members[name].append(row["id"])
    rows = db.execute(f"select * from queues{where} order by id", values).fetchall()  # noqa: S608
    return [_queue(db, row, members[row["id"]], now_us) for row in rows]


def _queue(db: sqlite3.Connection, row: sqlite3.Row, robots: list[str], now_us: int) -> Queue:
    target = f"q:{row['id']}"
    count = db.execute("select n from job_counts where target = ? and state = 'queued'", (target,)).fetchone()
    waiting = 0 if count is None else int(count["n"])
    since = _waiting_since(db, target) if waiting else None
    return Queue(
        id=row["id"],
        name=row["name"],
        robots=robots,
        waiting=waiting,
        oldest_wait_s=None if since is None else max(0.0, (now_us - since) / 1_000_000),
        wait_limit_s=row["wait_limit_s"],
    )


def _waiting_since(db: sqlite3.Connection, target: str) -> int | None:
    """When the oldest waiting job of a target was made."""
    oldest = db.execute(
        "select created_at from jobs indexed by jobs_waiting where target = ? and state = 'queued' order by id limit 1",
        (target,),
    ).fetchone()
    return None if oldest is None else int(oldest["created_at"])


def robot_exists(db: sqlite3.Connection, robot: str) -> bool:
    """Whether the robot was added and not removed."""
    return db.execute("select 1 from robots where id = ? and removed = 0", (robot,)).fetchone() is not None
