"""Jobs and attempts in the database; the only place that changes a job's state."""

import json
import sqlite3
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from controller.store.pending import Pending
from schemas.status import TERMINAL, AttemptState, JobState


class StaleMove(RuntimeError):
    """The row was not in the state that the caller believed: a defect, never an answer."""


@dataclass(frozen=True)
class Waiting:
    """A job at the head of its part of the queue."""

    id: int
    priority: int
    target: str
    need: int


_JOB_COLUMNS = (
    "uid", "run", "state", "priority", "target", "need", "flow", "flow_version", "deployment", "parameters",
    "max_retries", "on_lost", "safe", "queue_timeout_s", "time_limit_s", "recording", "debug", "mock", "parked",
    "parent", "parent_attempt", "root", "rerun_of", "retried_from", "source", "source_type", "created_by",
    "created_at", "firing",
)  # fmt: skip
_INSERT = f"insert into jobs ({', '.join(_JOB_COLUMNS)}) values ({', '.join('?' * len(_JOB_COLUMNS))})"  # noqa: S608


def insert(db: sqlite3.Connection, values: dict[str, Any]) -> int:
    """Add a queued job; `values` has a key for each column that has no default. Returns the inner id."""
    row = {"state": JobState.QUEUED.value, "parked": 0, "debug": 0, "mock": 0} | values
    return int(db.execute(_INSERT, [row.get(column) for column in _JOB_COLUMNS]).lastrowid or 0)


def by_uid(db: sqlite3.Connection, uid: str) -> sqlite3.Row | None:
    """A job by its public id."""
    row: sqlite3.Row | None = db.execute("select * from jobs where uid = ?", (uid,)).fetchone()
    return row


def by_id(db: sqlite3.Connection, job: int) -> sqlite3.Row:
    """A job by its inner id."""
    row: sqlite3.Row = db.execute("select * from jobs where id = ?", (job,)).fetchone()
    return row


def known(db: sqlite3.Connection, ids: Collection[int]) -> set[int]:
    """Those of some inner ids that are there."""
    rows = db.execute("select id from jobs where id in (select value from json_each(?))", (json.dumps([*ids]),))
    return {row["id"] for row in rows}


def move(
    db: sqlite3.Connection, job: int, old: JobState, new: JobState, in_attempt: int | None, /, **changes: Any
) -> None:
    """Change a job's state, guarded by the state and attempt it is in; raises `StaleMove`.

    A terminal state never changes (I2): the guard refuses it whatever the caller believes. Nobody has to decide about
    a job that has ended, so it is parked no more.
    """
    if old in TERMINAL:
        raise StaleMove(f"job {job} has ended as {old}")
    if new in TERMINAL:
        changes["parked"] = 0
    done = db.execute(_moving(tuple(changes)), (new.value, *changes.values(), job, old.value, in_attempt))
    if done.rowcount != 1:
        raise StaleMove(f"job {job} is not {old} in attempt {in_attempt}")


def change(db: sqlite3.Connection, job: int, **changes: Any) -> None:
    """Change columns other than the state."""
    db.execute(f"update jobs set version = version + 1{_names(tuple(changes))} where id = ?", (*changes.values(), job))  # noqa: S608


_FIRST_START = "began"
"""A change that is no column: when an attempt began; it counts the attempt, and the first one is the job's start."""


@lru_cache
def _moving(columns: tuple[str, ...]) -> str:
    return (
        f"update jobs set state = ?, version = version + 1{_names(columns)} where id = ? and state = ? and attempt is ?"  # noqa: S608
    )


def _names(columns: tuple[str, ...]) -> str:
    began = ", attempt_count = attempt_count + 1, started_at = coalesce(started_at, ?)"
    return "".join(began if name == _FIRST_START else f", {name} = ?" for name in columns)


_CLAIM = "from jobs indexed by jobs_claim where state = 'queued' and ready = 1 and parked = 0"
_LINE = f"{_CLAIM} and target = ? and need = ?"
_FIRST = f"select id, priority {_LINE} order by priority desc, id limit 1"
_YOUNGER = f"select id, priority {_LINE} and priority = ? and id > ? order by id limit 1"
_LOWER = f"select id, priority {_LINE} and priority < ? order by priority desc, id limit 1"


def head(db: sqlite3.Connection, target: str, need: int, after: tuple[int, int] | None = None) -> Waiting | None:
    """The first job that may be dispatched under a target and need, or the next one after (priority, id)."""
    if after:  # same priority and younger, or lower priority: in two seeks, because the directions differ
        row = db.execute(_YOUNGER, (target, need, *after)).fetchone()
        row = row or db.execute(_LOWER, (target, need, after[0])).fetchone()
    else:
        row = db.execute(_FIRST, (target, need)).fetchone()
    return Waiting(row["id"], row["priority"], target, need) if row else None


def waiting_pairs(db: sqlite3.Connection) -> Iterator[tuple[str, int]]:
    """Every (target, need) under which something may be dispatched: one seek each, not a scan."""
    pair = db.execute(
        "select target, need from jobs where state = 'queued' and ready = 1 and parked = 0"
        " order by target, need limit 1"
    ).fetchone()
    while pair:
        yield pair["target"], pair["need"]
        pair = db.execute(
            "select target, need from jobs where state = 'queued' and ready = 1 and parked = 0"
            " and (target, need) > (?, ?) order by target, need limit 1",
            (pair["target"], pair["need"]),
        ).fetchone()


_NEXT_NEED = f"select need {_CLAIM} and target = ? and need > ? order by need limit 1"
_HIGHER = f"select count(*) as n from (select 1 {_LINE} and priority > ? limit ?)"  # noqa: S608
_OLDER = f"select count(*) as n from (select 1 {_LINE} and priority = ? and id < ? limit ?)"  # noqa: S608


def ahead_of(db: sqlite3.Connection, target: str, priority: int, job: int, limit: int = 10_000) -> int:
    """How many queued jobs of the same target come first, counted up to `limit`: two ranges of each need's line."""
    total = 0
    need = db.execute(_NEXT_NEED, (target, -1)).fetchone()
    while need and total < limit:
        place = (target, need["need"], priority)
        total += int(db.execute(_HIGHER, (*place, limit - total)).fetchone()["n"])
        total += int(db.execute(_OLDER, (*place, job, limit - total)).fetchone()["n"])
        need = db.execute(_NEXT_NEED, place[:2]).fetchone()
    return total


# ---------------------------------------------------------------- attempts
def open_attempt(
    db: sqlite3.Connection, number: int, job: int, robot: str, slot: int, *, requeue: bool, now_us: int
) -> None:
    """A new attempt; the unique indexes refuse a second one for the robot's slot or the job (I5)."""
    db.execute(
        "insert into attempts (number, job, robot, slot, requeue, state, created_at)"
        " values (?, ?, ?, ?, ?, 'created', ?)",
        (number, job, robot, slot, int(requeue), now_us),
    )


def attempt(db: sqlite3.Connection, pending: Pending, number: int) -> sqlite3.Row | None:
    """An attempt with its job's public id as `uid`."""
    pending.settle(_LEARN, number)
    row: sqlite3.Row | None = db.execute(
        "select a.*, j.uid from attempts a join jobs j on j.id = a.job where a.number = ?", (number,)
    ).fetchone()
    return row


_LEARN = (
    "update attempts set journal = coalesce(?1, journal), started_at = coalesce(started_at, ?2),"
    " state = iif(?2 is not null and state = 'created', 'running', state), counted = max(counted, ?3) where number = ?4"
)


def learn(
    pending: Pending, number: int, *, journal: str | None = None, began: int | None = None, counted: bool = False
) -> None:
    """What a robot's first rows say of an attempt: which journal holds it, when it began, that it was granted."""
    learnt = pending.setting(_LEARN)
    old = learnt.get(number, (None, None, 0))
    learnt[number] = (journal or old[0], old[1] or began, max(old[2], counted), number)


def ended_late(db: sqlite3.Connection, number: int, ended_by: str, now_us: int) -> None:
    """The end of an attempt that was over for its job."""
    db.execute("update attempts set ended_by = ?, ended_at = ? where number = ?", (ended_by, now_us, number))


def close_attempt(
    db: sqlite3.Connection,
    pending: Pending,
    number: int,
    state: AttemptState,
    ended_by: str,
    code: str | None,
    reason: str | None,
    now_us: int,
) -> None:
    """The attempt is over for its job."""
    pending.settle(_LEARN, number)
    db.execute(
        "update attempts set open = 0, state = ?, ended_by = ?, reason_code = ?, reason = ?, ended_at = ?"
        " where number = ? and open = 1",
        (state.value, ended_by, code, reason, now_us, number),
    )


_LIVE = (
    "select a.number, a.job, a.robot, a.slot, a.journal, a.counted, a.requeue, a.state <> 'created' as began, j.uid,"
    " j.state, j.safe, j.before, j.command, j.used, j.max_retries, j.no_retry, j.intention, j.intention_code,"
    " j.intention_text, j.parent, j.parent_attempt, j.time_limit_s, j.target, j.need, j.debug"
    " from attempts a join jobs j on j.id = a.job where a.open = 1 and j.attempt = a.number"
)


def to_assign(db: sqlite3.Connection, job: int) -> sqlite3.Row:
    """What a new attempt and its assignment are made of."""
    row: sqlite3.Row = db.execute(
        "select id, uid, on_lost, safe, attempt, assigned_at, used, max_retries, parent, parent_attempt,"
        " time_limit_s, target, need, debug, mock, priority, created_at, recording, parameters, flow_version"
        " from jobs where id = ?",
        (job,),
    ).fetchone()
    return row


def live_attempts(db: sqlite3.Connection) -> list[sqlite3.Row]:
    """Every open attempt with what deciding about it needs."""
    return db.execute(_LIVE).fetchall()


def timed_waiting(db: sqlite3.Connection) -> list[sqlite3.Row]:
    """Queued jobs whose wait is limited or which are backing off."""
    return db.execute(
        "select id, queue_timeout_s, ready from jobs where state = 'queued' and parked = 0"
        " and (queue_timeout_s is not null or ready = 0)"
    ).fetchall()


def open_children(db: sqlite3.Connection, parent: int, parent_attempt: int) -> list[sqlite3.Row]:
    """Child jobs of one attempt that have not ended."""
    return db.execute(
        "select * from jobs where parent = ? and parent_attempt = ?"
        " and state not in ('succeeded', 'failed', 'cancelled')",
        (parent, parent_attempt),
    ).fetchall()


_OPEN = "state not in ('succeeded', 'failed', 'cancelled')"


def park_open(db: sqlite3.Connection) -> None:
    """Every job that has not ended waits for a person (after a restore)."""
    db.execute(f"update jobs set version = version + 1, parked = 1 where {_OPEN}")  # noqa: S608 - the words above


def open_ids(db: sqlite3.Connection) -> list[int]:
    """The inner ids of all jobs that have not ended, the oldest first."""
    return [row[0] for row in db.execute(f"select id from jobs where {_OPEN} order by id")]  # noqa: S608
