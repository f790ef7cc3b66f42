"""Flows with their versions, deployments, and the answers kept for idempotency keys."""

import json
import sqlite3
from dataclasses import dataclass
from typing import Any

from controller.store.connection import to_json


@dataclass(frozen=True)
class FlowVersion:
    """One saved version; it never changes."""

    id: int
    flow: str
    version: int
    need: int
    definition: dict[str, Any]
    bundle: str


def need(db: sqlite3.Connection, kinds: frozenset[str]) -> int:
    """The id of a set of block kinds."""
    text = to_json(sorted(kinds))
    db.execute("insert or ignore into needs (kinds) values (?)", (text,))
    return int(db.execute("select id from needs where kinds = ?", (text,)).fetchone()["id"])


def needs(db: sqlite3.Connection) -> dict[int, frozenset[str]]:
    """Every set of block kinds by its id."""
    return {r["id"]: frozenset(json.loads(r["kinds"])) for r in db.execute("select * from needs")}


def latest(db: sqlite3.Connection, flow: str) -> sqlite3.Row | None:
    """The newest version of a flow."""
    row: sqlite3.Row | None = db.execute(
        "select v.* from flows f join flow_versions v on v.flow = f.id and v.version = f.latest where f.id = ?", (flow,)
    ).fetchone()
    return row


def version(db: sqlite3.Connection, flow: str, number: int | None) -> FlowVersion | None:
    """A version of a flow, the newest one if no number is given."""
    if number is None:
        row = latest(db, flow)
    else:
        row = db.execute("select * from flow_versions where flow = ? and version = ?", (flow, number)).fetchone()
    return _flow_version(row) if row else None


def version_id(db: sqlite3.Connection, flow: str, number: int | None) -> int | None:
    """The inner id of a version of a flow, of the newest one if no number is given."""
    row = db.execute(
        "select v.id from flows f join flow_versions v on v.flow = f.id and v.version = coalesce(?, f.latest)"
        " where f.id = ?",
        (number, flow),
    ).fetchone()
    return row["id"] if row else None


def version_by_id(db: sqlite3.Connection, version_id: int) -> FlowVersion:
    """A version by its inner id."""
    return _flow_version(db.execute("select * from flow_versions where id = ?", (version_id,)).fetchone())


def _flow_version(row: sqlite3.Row) -> FlowVersion:
    return FlowVersion(
        row["id"], row["flow"], row["version"], row["need"], json.loads(row["definition"]), row["bundle"]
    )


def add_version(
    db: sqlite3.Connection,
    flow: str,
    name: str,
    number: int,
    definition: str,
    bundle: str,
    digest: str,
    need_id: int,
    note: str | None,
    who: str,
    now_us: int,
) -> None:
    """Save the next version of a flow."""
    db.execute(
        "insert into flows values (?, ?, ?) on conflict (id) do update set name = excluded.name,"
        " latest = excluded.latest",
        (flow, name, number),
    )
    db.execute(
        "insert into flow_versions (flow, version, definition, bundle, hash, need, note, created_at, created_by)"
        " values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (flow, number, definition, bundle, digest, need_id, note, now_us, who),
    )


def rename(db: sqlite3.Connection, flow: str, name: str) -> None:
    """Change a flow's name alone; the version stays."""
    db.execute("update flows set name = ? where id = ?", (name, flow))


def deployment(db: sqlite3.Connection, name: str) -> sqlite3.Row | None:
    """A deployment."""
    row: sqlite3.Row | None = db.execute("select * from deployments where id = ?", (name,)).fetchone()
    return row


def put_deployment(db: sqlite3.Connection, name: str, body: dict[str, Any], number: int, now_us: int) -> None:
    """Save a deployment; `body` is a whole `DeploymentSave`."""
    db.execute(
        "insert or replace into deployments values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            name, body["name"], body["flow"], body.get("flow_version"), to_json(body), int(body["enabled"]),
            body.get("note"), number, now_us,
        ),
    )  # fmt: skip


def delete_deployment(db: sqlite3.Connection, name: str) -> None:
    """Remove a deployment; jobs keep their copy of it."""
    db.execute("delete from deployments where id = ?", (name,))


def answered(db: sqlite3.Connection, caller: str, key: str) -> sqlite3.Row | None:
    """What a key was answered before."""
    row: sqlite3.Row | None = db.execute(
        "select command, hash, answer from idempotency where caller = ? and key = ?", (caller, key)
    ).fetchone()
    return row


def remember(
    db: sqlite3.Connection, caller: str, key: str, command: str, digest: str, answer: str, now_us: int
) -> None:
    """Keep the answer of a key."""
    db.execute("insert into idempotency values (?, ?, ?, ?, ?, ?)", (caller, key, command, digest, answer, now_us))
