"""Moves: the rows of `events`, of a job, of a robot, or all as they come."""

import sqlite3
from typing import Any

from controller.store.queries.values import from_json, rfc3339
from controller.store.queries.walk import Walk, Where, bind, cursor, read_cursor, take
from schemas.views import Event, EventPage

EVENT = "select e.*, (select uid from jobs j where j.id = e.job) as uid from events e"
"""Moves with their jobs' public ids; `where` follows, with the table as `e`."""
_AS_THEY_ARE = ("id", "topic", "event", "robot", "attempt", "who", "old", "new", "code", "why")


def event_of(row: sqlite3.Row) -> Event:
    """A row of `events` with its job's public id as `uid`."""
    same: dict[str, Any] = {name: row[name] for name in _AS_THEY_ARE}
    return Event(**same, at=rfc3339(row["at"]), job=row["uid"], data=from_json(row["data"]))


def _page(db: sqlite3.Connection, walk: Walk, binding: str, limit: int) -> EventPage:
    keys, stop = take(db, [walk], limit)
    items = [event_of(db.execute(f"{EVENT} where e.id = ?", key).fetchone()) for key in keys]
    return EventPage(items=items, next=None if stop is None else cursor(binding, "id", stop))


def page_of_job_events(
    db: sqlite3.Connection, job: int, *, newest: bool = True, limit: int = 50, after: str | None = None
) -> EventPage:
    """Moves of a job; raises `BadCursor`."""
    binding = bind("job events", job, newest)
    key = read_cursor(after, binding, {"id": 1})[1] if after else None
    walk = Walk("events indexed by events_job", Where("job = ?", (job,)), ("id",), descending=newest, after=key)
    return _page(db, walk, binding, limit)


def page_of_robot_events(
    db: sqlite3.Connection, robot: str, *, newest: bool = True, limit: int = 50, after: str | None = None
) -> EventPage:
    """Moves of a robot; raises `BadCursor`."""
    binding = bind("robot events", robot, newest)
    key = read_cursor(after, binding, {"id": 1})[1] if after else None
    walk = Walk("events indexed by events_robot", Where("robot = ?", (robot,)), ("id",), descending=newest, after=key)
    return _page(db, walk, binding, limit)


def last_event(db: sqlite3.Connection) -> int:
    """The number of the newest move."""
    return int(db.execute("select coalesce(max(id), 0) from events").fetchone()[0])


def events_after(db: sqlite3.Connection, number: int, limit: int) -> list[Event]:
    """Moves after a number, oldest first."""
    return [event_of(row) for row in db.execute(f"{EVENT} where e.id > ? order by e.id limit ?", (number, limit))]
