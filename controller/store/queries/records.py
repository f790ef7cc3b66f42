"""What record formats ask about a job: everything they show of it beyond its view, its blocks and its attempts."""

import json
import sqlite3
from dataclasses import dataclass, field
from typing import Any

from controller.store.queries.blocks import MAX_RUNS, block_run
from controller.store.queries.flow_index import BlockDef, FlowIndex, without_passes
from controller.store.queries.jobs import index_of_version, jobs_by_uid, shown_attempt
from controller.store.queries.values import rfc3339
from schemas.ids import INCARNATION_STEP
from schemas.status import JobState
from schemas.views import BlockRun, Job

_FACTS = (
    "select j.id, j.firing, j.flow_version, j.attempt_count, j.ended_at, (select name from flows f where f.id = j.flow)"
    " as flow_name, exists (select 1 from jobs c where c.parent = j.id) as children,"
    " coalesce((select at from events e indexed by events_job where e.job = j.id order by e.id desc limit 1),"
    " j.ended_at, j.started_at, j.created_at) as updated_at,"
    " (select robot from attempts a indexed by attempts_job where a.job = j.id"
    " order by a.started_at is null, a.number desc limit 1) as last_robot from jobs j where j.uid = ?"
)
_TELLING = frozenset({"WorkTypesBp", "CSelectAgvBp"})


@dataclass(frozen=True)
class Said:
    """What the flow's own blocks last said of the work; None: nothing."""

    robot: str | None = None
    work_types: str | None = None
    work_stations: str | None = None


@dataclass(frozen=True)
class JobRecord:
    """A job as record formats show it; times are RFC 3339."""

    job: Job
    number: int
    flow_version: int
    flow_name: str
    updated_at: str
    firing: str | None
    has_children: bool
    last_robot: str | None
    said: Said = field(default_factory=Said)


@dataclass(frozen=True)
class BlockRecord:
    """A block run with its block in the definition (None: unreadable) and the job that it belongs to."""

    run: BlockRun
    block: BlockDef | None
    job: str
    flow: str
    version: int | None


def job_record(db: sqlite3.Connection, uid: str) -> JobRecord | None:
    """A job by its public id; None if there is no such job."""
    jobs, row = jobs_by_uid(db, [uid]), db.execute(_FACTS, (uid,)).fetchone()
    if not jobs or row is None:
        return None
    return JobRecord(
        job=jobs[0],
        number=row["id"],
        flow_version=row["flow_version"],
        flow_name=row["flow_name"] or jobs[0].flow,
        updated_at=rfc3339(row["updated_at"]),
        firing=row["firing"],
        has_children=bool(row["children"]),
        last_robot=row["last_robot"],
        said=_said(db, row) if row["attempt_count"] else Said(),
    )


def _said(db: sqlite3.Connection, row: sqlite3.Row) -> Said:
    index, attempt = index_of_version(db, row["flow_version"]), shown_attempt(db, row["id"])
    if index is None or attempt is None or not index.kinds & _TELLING:
        return Said()
    found: dict[str, Any] = {}
    for n, path in _places(db, attempt, "and state = 'succeeded'"):
        block = index.at(path)
        if block is None or block.kind not in _TELLING:
            continue
        run = _run(db, attempt, n, index)
        given = (run.outputs if block.kind == "CSelectAgvBp" else run.inputs) or {}
        for name, key in (("robot", "selectedAgvId"), ("work_types", "workTypes"), ("work_stations", "workStations")):
            if given.get(key) is not None:
                found[name] = str(given[key])
    return Said(**found)


def _places(db: sqlite3.Connection, attempt: int, more: str = "") -> list[tuple[int, str]]:
    """(n, path) of an attempt's block runs, in the order in which they were made."""
    rows = db.execute(
        f"select n, path from block_runs where attempt = ? {more} order by n limit ?",  # noqa: S608
        (attempt, MAX_RUNS),
    )
    return [(row["n"], row["path"]) for row in rows]


def _run(db: sqlite3.Connection, attempt: int, n: int, index: FlowIndex | None) -> BlockRun:
    row = db.execute("select * from block_runs where attempt = ? and n = ?", (attempt, n)).fetchone()
    return block_run(row, index)


def last_runs(db: sqlite3.Connection, attempt: int, index: FlowIndex | None) -> list[BlockRun]:
    """The last run of each block that has one, the root's first, then by start."""
    last = {without_passes(path): n for n, path in _places(db, attempt)}
    rows = db.execute(
        "select * from block_runs where attempt = ? and n in (select value from json_each(?))"
        " order by n <> 0, coalesce(started_at, ended_at), n",
        (attempt, json.dumps(list(last.values()))),
    )
    return [block_run(row, index) for row in rows]


def nth_attempt(db: sqlite3.Connection, job: int, k: int) -> int | None:
    """The number of a job's attempt: its k-th that started, or the one of that number; None if there is none."""
    if k >= INCARNATION_STEP:
        row = db.execute("select number from attempts where number = ? and job = ?", (k, job)).fetchone()
    else:
        row = db.execute(
            "select number from attempts indexed by attempts_job where job = ? and started_at is not null"
            " order by number limit 1 offset ?",
            (job, k - 1),
        ).fetchone()
    return None if row is None else int(row["number"])


def block_record(db: sqlite3.Connection, attempt: int, n: int) -> BlockRecord | None:
    """One block run by its attempt and number; None if there is none."""
    row = db.execute(
        "select b.*, j.uid, j.flow, j.flow_version as version_id,"
        " (select v.version from flow_versions v where v.id = j.flow_version) as version"
        " from block_runs b join attempts a on a.number = b.attempt join jobs j on j.id = a.job"
        " where b.attempt = ? and b.n = ?",
        (attempt, n),
    ).fetchone()
    if row is None:
        return None
    index = index_of_version(db, row["version_id"])
    block = index.at(row["path"]) if index is not None else None
    return BlockRecord(block_run(row, index), block, row["uid"], row["flow"], row["version"])


@dataclass(frozen=True)
class Ended:
    """How a job stands while somebody waits for its end; `why`: of its end, or of a cancel that was refused."""

    state: JobState
    ended_at: str | None
    code: str | None
    why: str | None


def standing(db: sqlite3.Connection, uid: str) -> Ended | None:
    """How a job stands now; None if there is no such job."""
    row = db.execute(
        "select id, state, ended_at, reason_code, reason, (select why from events e indexed by events_job"
        " where e.job = jobs.id and e.event = 'refused cancel' order by e.id desc limit 1) as refused"
        " from jobs where uid = ?",
        (uid,),
    ).fetchone()
    if row is None:
        return None
    ended = row["ended_at"] is not None
    return Ended(
        JobState(row["state"]), rfc3339(row["ended_at"]), row["reason_code"], row["reason"] if ended else row["refused"]
    )


def failed_with(db: sqlite3.Connection, uid: str) -> list[BlockRun]:
    """The blocks of a job's last attempt that failed in the move that ended it, with its reason."""
    row = db.execute("select id, attempt, flow_version from jobs where uid = ?", (uid,)).fetchone()
    if row is None or row["attempt"] is None:
        return []
    rows = db.execute(
        "select b.* from block_runs b join jobs j on j.id = ? where b.attempt = j.attempt and b.state = 'failed'"
        " and b.ended_at = j.ended_at and b.reason is j.intention_text order by b.n",
        (row["id"],),
    )
    index = index_of_version(db, row["flow_version"])
    return [block_run(one, index) for one in rows]


__all__ = [
    "BlockRecord",
    "Ended",
    "JobRecord",
    "Said",
    "block_record",
    "failed_with",
    "job_record",
    "last_runs",
    "nth_attempt",
    "standing",
]
