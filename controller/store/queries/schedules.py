"""Schedules with their next fires, firings and their rows, as they are shown."""

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from controller.store.queries.values import from_json, reason, rfc3339
from controller.store.queries.walk import bind, cursor, name_cursor, read_cursor, read_name_cursor
from schemas.due import Timing, next_times
from schemas.schedule import ScheduleSave
from schemas.status import JobState
from schemas.views.schedules import Firing, FiringDetail, FiringPage, FiringRow, Schedule, SchedulePage

NEXT_FIRES = 5
SKIPPED = "skipped"
_SCHEDULE = "select s.*, d.name as deployment_name from schedules s left join deployments d on d.id = s.deployment"
_LIKE = "(? is null or instr(lower(s.name), lower(?)) or instr(lower(s.id), lower(?)))"


def page_of_schedules(
    db: sqlite3.Connection, now_us: int, q: str | None = None, limit: int = 50, after: str | None = None
) -> SchedulePage:
    """Schedules by id; `q` is a part of name or id. Raises `BadCursor`."""
    binding = bind("schedules", q)
    rows = db.execute(
        f"{_SCHEDULE} where s.id > ? and {_LIKE} order by s.id limit ?",
        (read_name_cursor(after, binding), q, q, q, limit + 1),
    ).fetchall()
    items = [_schedule(row, now_us) for row in rows[:limit]]
    return SchedulePage(items=items, next=name_cursor(binding, items[-1].id) if len(rows) > limit else None)


def schedule(db: sqlite3.Connection, name: str, now_us: int) -> Schedule | None:
    """One schedule."""
    row = db.execute(f"{_SCHEDULE} where s.id = ?", (name,)).fetchone()
    return None if row is None else _schedule(row, now_us)


def _schedule(row: sqlite3.Row, now_us: int) -> Schedule:
    body = from_json(row["body"])
    same = {
        name: row[name] for name in ("id", "name", "deployment", "deployment_name", "zone", "version", "updated_by")
    }
    own = {name: body.get(name) for name in ("cron", "every_s", "at", "until", "overlap", "catch_up", "source")}
    return Schedule.model_validate(
        same
        | own
        | {
            "from": body.get("from"),
            "enabled": bool(row["enabled"]),
            "next_fires": _next_fires(row, now_us),
            "done_until": rfc3339(row["done_until"] or 0),
            "updated_at": rfc3339(row["updated_at"]),
        }
    )


def _next_fires(row: sqlite3.Row, now_us: int) -> list[str]:
    """None for a schedule that the controller cannot read either (its zone is not known any more)."""
    if not row["enabled"]:
        return []
    try:
        timing = ScheduleSave.model_validate_json(row["body"]).timing()
    except ValidationError:
        return []
    return [rfc3339(us) for us in _next_times(timing, max(now_us, row["done_until"] or 0))]


_known: dict[Timing, tuple[int, list[int]]] = {}
"""The next fires of schedules that were looked at, and from when on they hold: until the first of them."""
_MOST_KNOWN = 1000


def _next_times(timing: Timing, us: int) -> list[int]:
    begin, found = _known.get(timing, (us + 1, []))
    if found and begin <= us < found[0]:
        return found
    if len(_known) >= _MOST_KNOWN:
        _known.clear()
    found = next_times(timing, us, NEXT_FIRES)
    _known[timing] = (us, found)
    return found


# ---------------------------------------------------------------- firings
def is_known(db: sqlite3.Connection, name: str) -> bool:
    """Whether there is such a schedule, or was one that fired."""
    row = db.execute(
        "select exists (select 1 from schedules where id = ?1) or exists (select 1 from firings where schedule = ?1)",
        (name,),
    ).fetchone()
    return bool(row[0])


def page_of_firings(db: sqlite3.Connection, name: str, limit: int = 50, after: str | None = None) -> FiringPage:
    """Firings of a schedule, newest first. Raises `BadCursor`."""
    binding = bind("firings", name)
    below = None if after is None else read_cursor(after, binding, {"id": 1})[1][0]
    rows = db.execute(
        "select * from firings where schedule = ? and (? is null or id < ?) order by id desc limit ?",
        (name, below, below, limit + 1),
    ).fetchall()
    shown = rows[:limit]
    states = _states(db, [row["id"] for row in shown])
    items = [Firing(**_firing(row), states=states.get(row["id"], {})) for row in shown]
    return FiringPage(items=items, next=cursor(binding, "id", (shown[-1]["id"],)) if len(rows) > limit else None)


def recent_firings(db: sqlite3.Connection, names: Iterable[str], count: int) -> dict[str, list[Firing]]:
    """The newest firings of each of these schedules, newest first."""
    rows = {
        name: db.execute("select * from firings where schedule = ? order by id desc limit ?", (name, count)).fetchall()
        for name in names
    }
    states = _states(db, [row["id"] for some in rows.values() for row in some])
    return {
        name: [Firing(**_firing(row), states=states.get(row["id"], {})) for row in some] for name, some in rows.items()
    }


def _firing(row: sqlite3.Row) -> dict[str, Any]:
    return {
        "id": row["uid"],
        "schedule": row["schedule"],
        "due_at": rfc3339(row["due_at"]),
        "fired_at": rfc3339(row["fired_at"]),
        "zone": row["zone"],
        "reason": reason(row["code"], row["reason"]),
    }


def _states(db: sqlite3.Connection, firings: list[int]) -> dict[int, dict[str, int]]:
    rows = db.execute(
        "select r.firing, coalesce(j.state, 'skipped') as state, count(*) as n from json_each(?) wanted"
        " cross join firing_rows r on r.firing = wanted.value left join jobs j on j.id = r.job group by 1, 2",
        (json.dumps(firings),),
    )
    found: dict[int, dict[str, int]] = {}
    for row in rows:
        found.setdefault(row["firing"], {})[row["state"]] = row["n"]
    return found


def firing(db: sqlite3.Connection, uid: str) -> FiringDetail | None:
    """One firing with all its rows."""
    row = db.execute("select * from firings where uid = ?", (uid,)).fetchone()
    if row is None:
        return None
    rows = [_row(one, uid) for one in _targets(db, row["id"])]
    return FiringDetail(**_firing(row), states=_states(db, [row["id"]]).get(row["id"], {}), rows=rows)


@dataclass(frozen=True)
class Target:
    """One target of a firing as stored: its job, or (`state` None) why it was left out. Times are UTC microseconds."""

    n: int
    job: str | None = None
    robot: str | None = None
    robot_name: str | None = None
    flow: str | None = None
    state: JobState | None = None
    code: str | None = None
    reason: str | None = None
    cancelled_by: str | None = None
    started_at: int | None = None
    ended_at: int | None = None


@dataclass(frozen=True)
class Targets:
    """Some of a firing's targets, how many there are in all, and the zone in which its times are shown."""

    zone: str
    total: int
    targets: list[Target]


_TARGETS = (
    "select r.n, r.flow, j.uid, j.state, coalesce(j.robot, r.robot) as robot, o.name as robot_name, j.started_at,"
    " j.ended_at, iif(j.id is null, r.code, j.reason_code) as code, iif(j.id is null, r.reason, j.reason) as reason,"
    " iif(j.state = 'cancelled', (select e.who from events e indexed by events_job where e.job = j.id"
    " and e.event in ('cancel', 'force') order by e.id desc limit 1), null) as cancelled_by"
    " from firing_rows r left join jobs j on j.id = r.job left join robots o on o.id = coalesce(j.robot, r.robot)"
    " where r.firing = ? order by j.started_at is null, j.started_at, j.uid is null, j.uid, r.n limit ? offset ?"
)


def _targets(db: sqlite3.Connection, firing: int, limit: int = -1, offset: int = 0) -> list[Target]:
    """Targets of a firing by start, then id; those without a start come last."""
    return [
        Target(
            job=row["uid"],
            state=None if row["state"] is None else JobState(row["state"]),
            **{name: row[name] for name in _SAME},
        )
        for row in db.execute(_TARGETS, (firing, limit, offset))
    ]


_SAME = ("n", "flow", "robot", "robot_name", "code", "reason", "cancelled_by", "started_at", "ended_at")


def targets_of(db: sqlite3.Connection, schedule: str, uid: str, offset: int, limit: int) -> Targets | None:
    """A part of a firing's targets; None if the schedule, here or gone, has no such firing."""
    row = db.execute("select id, zone from firings where uid = ? and schedule = ?", (uid, schedule)).fetchone()
    if row is None:
        return None
    total = db.execute("select count(*) from firing_rows where firing = ?", (row["id"],)).fetchone()[0]
    return Targets(row["zone"], int(total), _targets(db, row["id"], limit, offset))


def _row(target: Target, firing: str) -> FiringRow:
    return FiringRow(
        id=target.job or f"{firing}.{target.n}",
        n=target.n,
        robot=target.robot,
        flow=target.flow,
        job=target.job,
        state=SKIPPED if target.state is None else target.state.value,
        reason=reason(target.code, target.reason),
        started_at=rfc3339(target.started_at),
        ended_at=rfc3339(target.ended_at),
    )
