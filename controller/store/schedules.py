"""Schedules, and what became of each of their firings."""

import json
import logging
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import ValidationError

from controller.store.connection import to_json
from schemas.schedule import ScheduleSave

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Schedule:
    """A schedule as stored; every due moment up to `done_until` (UTC microseconds) has been fired or skipped."""

    id: str
    saved: ScheduleSave
    enabled: bool
    version: int
    done_until: int
    updated_by: str

    @property
    def zone(self) -> str:
        """The zone in which its times are read and shown."""
        return self.saved.zone or "UTC"


@dataclass(frozen=True)
class Row:
    """What became of one target of a firing: a job (by its inner id), or why there is none."""

    robot: str | None
    flow: str | None
    job: int | None = None
    code: str | None = None
    reason: str | None = None


def _schedule(row: sqlite3.Row) -> Schedule:
    enabled = bool(row["enabled"])  # the column counts: whoever stops a record disables its schedule by it alone
    return Schedule(
        id=row["id"],
        saved=ScheduleSave.model_validate_json(row["body"]).model_copy(update={"enabled": enabled}),
        enabled=enabled,
        version=row["version"],
        done_until=row["done_until"] or 0,
        updated_by=row["updated_by"],
    )


def enabled(db: sqlite3.Connection, names: Iterable[str] | None = None) -> list[Schedule]:
    """Schedules that may fire, all or those of these names.

    One that cannot be read (its zone is not known any more) is left out and logged.
    """
    found = []
    which = None if names is None else json.dumps(list(names))
    rows = db.execute(
        "select * from schedules where enabled = 1 and (?1 is null or id in (select value from json_each(?1)))",
        (which,),
    )
    for row in rows:
        try:
            found.append(_schedule(row))
        except ValidationError as error:
            logger.error("schedule %s cannot be read and does not fire: %s", row["id"], error)
    return found


def get(db: sqlite3.Connection, name: str) -> Schedule | None:
    """One schedule."""
    row = db.execute("select * from schedules where id = ?", (name,)).fetchone()
    return None if row is None else _schedule(row)


def put(
    db: sqlite3.Connection, name: str, saved: ScheduleSave, version: int, done_until: int, us: int, by: str
) -> None:
    """Save a schedule."""
    db.execute(
        "insert or replace into schedules values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            name, saved.name, saved.deployment, to_json(saved.body()), saved.zone or "UTC", int(saved.enabled), version,
            done_until, us, by,
        ),
    )  # fmt: skip


def delete(db: sqlite3.Connection, name: str) -> None:
    """Remove a schedule; its firings stay."""
    db.execute("delete from schedules where id = ?", (name,))


def done(db: sqlite3.Connection, name: str, until: int) -> None:
    """Everything due up to then has been seen to; never goes back."""
    db.execute("update schedules set done_until = max(coalesce(done_until, 0), ?) where id = ?", (until, name))


# ---------------------------------------------------------------- firings
def fired(db: sqlite3.Connection, schedule: str, due_at: int) -> bool:
    """Whether this moment of the schedule has been seen to, whatever the clock did since."""
    row = db.execute("select 1 from firings where schedule = ? and due_at = ?", (schedule, due_at)).fetchone()
    return row is not None


def add_firing(
    db: sqlite3.Connection,
    uid: str,
    schedule: Schedule,
    due_at: int,
    fired_at: int,
    rows: list[Row],
    code: str | None = None,
    reason: str | None = None,
) -> None:
    """One firing with a row a target, counted from 1."""
    done = db.execute(
        "insert into firings (uid, schedule, due_at, fired_at, zone, code, reason) values (?, ?, ?, ?, ?, ?, ?)",
        (uid, schedule.id, due_at, fired_at, schedule.zone, code, reason),
    )
    db.executemany(
        "insert into firing_rows (firing, n, robot, job, flow, code, reason) values (?, ?, ?, ?, ?, ?, ?)",
        [(done.lastrowid, n, row.robot, row.job, row.flow, row.code, row.reason) for n, row in enumerate(rows, 1)],
    )


def jobs_of(db: sqlite3.Connection, firing: str) -> list[int]:
    """Inner ids of the jobs that a firing made, in the order in which they were made."""
    return [row["id"] for row in db.execute("select id from jobs where firing = ? order by id", (firing,))]


def busy_targets(db: sqlite3.Connection, schedule: str) -> dict[str, str]:
    """Targets for which a job of an earlier firing has not ended, each with such a job's public id."""
    rows = db.execute(
        "select j.target, j.uid from jobs j indexed by jobs_firing_open cross join firings f on f.uid = j.firing"
        " where j.firing is not null and j.ended_at is null and f.schedule = ?",
        (schedule,),
    )
    return {row["target"]: row["uid"] for row in rows}
