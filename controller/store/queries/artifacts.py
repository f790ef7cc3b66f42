"""Artifacts as they are shown: one, those of a job, those that log lines name."""

import sqlite3
from collections.abc import Sequence

from controller.store.queries.values import rfc3339
from controller.store.queries.walk import bind, cursor, read_cursor
from schemas.views import Artifact, ArtifactPage

MOST = 5_000
_SELECT = "select a.*, j.uid as job_uid from artifacts a join jobs j on j.id = a.job"


def artifact(db: sqlite3.Connection, uid: str) -> Artifact | None:
    """One artifact."""
    row = db.execute(f"{_SELECT} where a.uid = ?", (uid,)).fetchone()
    return None if row is None else _artifact(row)


def artifacts_by_uid(db: sqlite3.Connection, uids: Sequence[str]) -> dict[str, Artifact]:
    """Those of these ids that are known, by id; at most a page of them."""
    marks = ", ".join("?" * len(uids))
    rows = db.execute(f"{_SELECT} where a.uid in ({marks})", tuple(uids)).fetchall()
    return {row["uid"]: _artifact(row) for row in rows}


def page_of_artifacts(
    db: sqlite3.Connection, job: int, *, newest: bool = True, limit: int = 50, after: str | None = None
) -> ArtifactPage:
    """Artifacts of a job. Raises `BadCursor`."""
    binding = bind("artifacts", job, newest)
    key = None if after is None else read_cursor(after, binding, {"id": 1})[1][0]
    way, than = ("desc", "<") if newest else ("asc", ">")
    beyond = "" if key is None else f" and a.id {than} ?"
    rows = db.execute(
        f"{_SELECT} where a.job = ?{beyond} order by a.id {way} limit ?",
        (job, *(() if key is None else (key,)), limit + 1),
    ).fetchall()
    items = [_artifact(row) for row in rows[:limit]]
    more = len(rows) > limit
    return ArtifactPage(items=items, next=cursor(binding, "id", (rows[limit - 1]["id"],)) if more else None)


def ended_artifacts(db: sqlite3.Connection, job: int) -> list[str]:
    """The ids of a job's artifacts that are whole or refused, the newest `MOST` of them in order."""
    rows = db.execute(
        "select uid from artifacts where job = ? and state <> 'open' order by id desc limit ?", (job, MOST)
    ).fetchall()
    return [row["uid"] for row in reversed(rows)]


def _artifact(row: sqlite3.Row) -> Artifact:
    names = ("attempt", "robot", "path", "kind", "name", "type", "size", "sha256", "state", "reason")
    return Artifact.model_construct(
        id=row["uid"],
        job=row["job_uid"],
        **{name: row[name] for name in names},
        created_at=rfc3339(row["created_at"]),
        completed_at=rfc3339(row["completed_at"]),
    )
