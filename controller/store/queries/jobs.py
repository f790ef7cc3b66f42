"""Jobs and attempts as they are shown."""

import json
import sqlite3
from collections.abc import Iterable
from typing import Any

from controller.store.queries.flow_index import FlowIndex, flow_index
from controller.store.queries.values import duration_ms, from_json, reason, rfc3339, target
from controller.store.queries.walk import Walk, Where, bind, cursor, read_cursor, take
from schemas.job import Source
from schemas.status import AttemptState, JobState
from schemas.views import Attempt, AttemptPage, Job, JobRow

_SELECT = (
    "select j.*, d.name as deployment_name, (select v.version from flow_versions v where v.id = j.flow_version)"
    " as flow_number,"
    " (select uid from jobs p where p.id = j.parent) as parent_uid, (select uid from jobs r where r.id = j.root)"
    " as root_uid from jobs j left join deployments d on d.id = j.deployment"
)


def job_id(db: sqlite3.Connection, uid: str) -> int | None:
    """The inner id of a job."""
    row = db.execute("select id from jobs where uid = ?", (uid,)).fetchone()
    return None if row is None else int(row["id"])


def rows_of(db: sqlite3.Connection, ids: Iterable[int]) -> list[JobRow]:
    """Jobs by their inner ids, in that order."""
    wanted = list(ids)
    rows = db.execute(f"{_SELECT} where j.id in (select value from json_each(?))", (json.dumps(wanted),))  # noqa: S608
    found = {row["id"]: JobRow(**_row(row)) for row in rows}
    return [found[one] for one in wanted if one in found]


def rows_by_uid(db: sqlite3.Connection, uids: Iterable[str]) -> list[JobRow]:
    """Jobs as lists show them by their public ids, in that order; unknown ones are left out."""
    wanted = list(uids)
    rows = db.execute(f"{_SELECT} where j.uid in (select value from json_each(?))", (json.dumps(wanted),))  # noqa: S608
    found = {row["uid"]: JobRow(**_row(row)) for row in rows}
    return [found[one] for one in wanted if one in found]


def jobs_by_uid(db: sqlite3.Connection, uids: Iterable[str]) -> list[Job]:
    """Jobs by their public ids, in that order; unknown ones are left out."""
    wanted = list(uids)
    rows = db.execute(f"{_SELECT} where j.uid in (select value from json_each(?))", (json.dumps(wanted),)).fetchall()  # noqa: S608
    found = {row["uid"]: _job(db, row) for row in rows}
    return [found[one] for one in wanted if one in found]


def _row(row: sqlite3.Row) -> dict[str, Any]:
    return {
        "id": row["uid"],
        "run": row["run"],
        "state": JobState(row["state"]),
        "parked": bool(row["parked"]),
        "reason": reason(row["reason_code"], row["reason"]),
        "flow_version": row["flow_number"],
        "target": target(row["target"]),
        "debug": bool(row["debug"]),
        "mock": bool(row["mock"]),
        "parent": row["parent_uid"],
        "root": row["root_uid"],
        "duration_ms": duration_ms(row["started_at"], row["ended_at"]),
        **{name: row[name] for name in _AS_THEY_ARE},
        **{name: rfc3339(row[name]) for name in ("created_at", "assigned_at", "started_at", "ended_at")},
    }


_AS_THEY_ARE = (
    "deployment", "deployment_name", "flow", "priority", "max_retries", "attempt_count", "robot",
    "attempt", "source_type", "firing", "rerun_of", "retried_from", "version",
)  # fmt: skip


def _job(db: sqlite3.Connection, row: sqlite3.Row) -> Job:
    variables, message = _said(db, row)
    return Job(
        **_row(row),
        parameters=from_json(row["parameters"]) or {},
        on_lost=row["on_lost"],
        safe_to_repeat=bool(row["safe"]),
        queue_timeout_s=row["queue_timeout_s"],
        time_limit_s=row["time_limit_s"],
        recording=row["recording"],
        intention=row["intention"],
        cancelled_while=row["cancelled_while"],
        failed_run=_failed_run(db, row),
        variables=variables,
        state_message=message,
        outputs=from_json(row["outputs"]),
        source=Source.model_validate({"type": row["source_type"]} | (from_json(row["source"]) or {})),
        created_by=row["created_by"],
    )


def _failed_run(db: sqlite3.Connection, row: sqlite3.Row) -> str | None:
    """The last run of the block that failed in debug mode and waits for a person."""
    if row["failed_path"] is None:
        return None
    found = db.execute(
        "select max(n) as n from block_runs where attempt = ? and path = ?", (row["attempt"], row["failed_path"])
    ).fetchone()
    return None if found["n"] is None else f"{row['attempt']}.{found['n']}"


def shown_attempt(db: sqlite3.Connection, job: int) -> int | None:
    """The last attempt that started, else the last one: what a job's results are taken from."""
    row = db.execute(
        "select number from attempts indexed by attempts_job where job = ?"
        " order by (started_at is null), number desc limit 1",
        (job,),
    ).fetchone()
    return None if row is None else int(row["number"])


def index_of_version(db: sqlite3.Connection, version: int) -> FlowIndex | None:
    """The blocks of a flow version, by its inner id; None if its definition is gone or unreadable."""
    row = db.execute("select bundle from flow_versions where id = ?", (version,)).fetchone()
    return None if row is None else flow_index(row["bundle"])


def index_of_job(db: sqlite3.Connection, job: int) -> FlowIndex | None:
    """The blocks of the flow version that a job runs."""
    row = db.execute("select flow_version from jobs where id = ?", (job,)).fetchone()
    return index_of_version(db, row["flow_version"])


def _said(db: sqlite3.Connection, row: sqlite3.Row) -> tuple[dict[str, Any], str | None]:
    """Variables and state message: what the flow's own blocks last set in the shown attempt."""
    if not row["attempt_count"]:
        return {}, None
    index = index_of_version(db, row["flow_version"])
    attempt = shown_attempt(db, row["id"]) if index is not None and index.speaks else None
    if index is None or attempt is None:
        return {}, None
    variables: dict[str, Any] = {}
    message: str | None = None
    runs = db.execute(
        "select path, inputs from block_runs where attempt = ? and state = 'succeeded' order by n", (attempt,)
    )
    for path, inputs in ((run["path"], run["inputs"]) for run in runs):
        block = index.at(path)
        if block is None or block.kind not in ("SetTaskVariableBp", "TaskStateBp"):
            continue
        given = from_json(inputs) or {}
        if block.kind == "TaskStateBp":
            message = str(given.get("stateMsg") or "")
        else:
            variables[str(given.get("varName"))] = given.get("varValue")
    return variables, message


def page_of_attempts(
    db: sqlite3.Connection, job: int, *, newest: bool = True, limit: int = 50, after: str | None = None
) -> AttemptPage:
    """Attempts of a job; raises `BadCursor`."""
    binding = bind("attempts", job, newest)
    key = read_cursor(after, binding, {"number": 1})[1] if after else None
    walk = Walk("attempts indexed by attempts_job", Where("job = ?", (job,)), ("number",), descending=newest, after=key)
    keys, stop = take(db, [walk], limit)
    items = [attempt_of(db.execute("select * from attempts where number = ?", one).fetchone()) for one in keys]
    return AttemptPage(items=items, next=None if stop is None else cursor(binding, "number", stop))


def attempt_of(row: sqlite3.Row) -> Attempt:
    """A row of `attempts`."""
    return Attempt(
        number=row["number"],
        robot=row["robot"],
        state=AttemptState(row["state"]),
        open=bool(row["open"]),
        counted=bool(row["counted"]),
        reason=reason(row["reason_code"], row["reason"]),
        created_at=rfc3339(row["created_at"]),
        started_at=rfc3339(row["started_at"]),
        ended_at=rfc3339(row["ended_at"]),
        duration_ms=duration_ms(row["started_at"], row["ended_at"]),
    )
