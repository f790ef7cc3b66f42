"""Flows with their versions, and deployments, as they are shown."""

import json
import sqlite3
from typing import Any, Literal

from controller.store.queries.likeness import named
from controller.store.queries.values import from_json, rfc3339
from controller.store.queries.walk import bind, name_cursor, read_name_cursor
from schemas.job import Target
from schemas.views import Deployment, DeploymentPage, Flow, FlowPage, FlowRow

_FLOW = (
    "select f.id, f.name, f.latest, v.version, v.definition, v.note, v.created_at, v.created_by"
    " from flows f join flow_versions v on v.flow = f.id"
)
_NAMED = "(? is null or {0}id in (select value from json_each(?)))"


def page_of_flows(db: sqlite3.Connection, q: str | None = None, limit: int = 50, after: str | None = None) -> FlowPage:
    """Flows by id, each as its latest version; `q` is a part of name or id, or much like it. Raises `BadCursor`."""
    binding = bind("flows", q)
    rows = db.execute(
        f"{_FLOW} and v.version = f.latest where f.id > ? and {_NAMED.format('f.')} order by f.id limit ?",
        (read_name_cursor(after, binding), q, _ids(db, "flow", q), limit + 1),
    ).fetchall()
    items = [FlowRow(**_row(row)) for row in rows[:limit]]
    return FlowPage(items=items, next=name_cursor(binding, items[-1].id) if len(rows) > limit else None)


def _ids(db: sqlite3.Connection, noun: Literal["flow", "deployment"], q: str | None) -> str:
    return json.dumps([] if q is None else named(db, noun, q).ids)


def _row(row: sqlite3.Row) -> dict[str, Any]:
    same = {name: row[name] for name in ("id", "name", "version", "note", "created_by")}
    return same | {"created_at": rfc3339(row["created_at"])}


def flow(db: sqlite3.Connection, name: str, version: int | None = None) -> Flow | None:
    """A flow version, the latest if no number is given."""
    which = "v.version = f.latest" if version is None else "v.version = ?"
    values = (name,) if version is None else (name, version)
    row = db.execute(f"{_FLOW} where f.id = ? and {which}", values).fetchone()
    if row is None:
        return None
    return Flow(**_row(row), latest=row["latest"], definition=from_json(row["definition"]))


def flow_exists(db: sqlite3.Connection, name: str) -> bool:
    """Whether any version of the flow was saved."""
    return db.execute("select 1 from flows where id = ?", (name,)).fetchone() is not None


def page_of_deployments(
    db: sqlite3.Connection, q: str | None = None, limit: int = 50, after: str | None = None
) -> DeploymentPage:
    """Deployments by id; `q` is a part of name or id, or much like it. Raises `BadCursor`."""
    binding = bind("deployments", q)
    rows = db.execute(
        f"select * from deployments where id > ? and {_NAMED.format('')} order by id limit ?",  # noqa: S608
        (read_name_cursor(after, binding), q, _ids(db, "deployment", q), limit + 1),
    ).fetchall()
    items = [_deployment(row) for row in rows[:limit]]
    return DeploymentPage(items=items, next=name_cursor(binding, items[-1].id) if len(rows) > limit else None)


def deployment(db: sqlite3.Connection, name: str) -> Deployment | None:
    """One deployment."""
    row = db.execute("select * from deployments where id = ?", (name,)).fetchone()
    return None if row is None else _deployment(row)


_POLICIES = (
    "priority", "max_retries", "on_lost", "safe_to_repeat", "queue_timeout_s", "time_limit_s", "recording",
)  # fmt: skip


def _deployment(row: sqlite3.Row) -> Deployment:
    body = from_json(row["body"])
    return Deployment(
        id=row["id"],
        name=row["name"],
        enabled=bool(row["enabled"]),
        note=row["note"],
        flow=row["flow"],
        flow_version=row["flow_version"],
        target=None if body.get("target") is None else Target.model_validate(body["target"]),
        parameters=body.get("parameters") or {},
        **{name: body.get(name) for name in _POLICIES},
        version=row["version"],
        updated_at=rfc3339(row["updated_at"]),
    )
