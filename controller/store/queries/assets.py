"""Assets as they are shown, and which inputs of a flow are secret."""

import json
import sqlite3

from controller.store.queries.values import from_json, rfc3339
from controller.store.queries.walk import bind, name_cursor, read_name_cursor
from schemas.flow import read_inputs
from schemas.views.assets import Asset, AssetPage

_USERS = 10


def page_of_assets(
    db: sqlite3.Connection, q: str | None = None, limit: int = 50, after: str | None = None
) -> AssetPage:
    """Assets by id; `q` is a part of name or id. Raises `BadCursor`."""
    binding = bind("assets", q)
    rows = db.execute(
        "select * from assets where id > ?"
        " and (? is null or instr(lower(name), lower(?)) or instr(lower(id), lower(?))) order by id limit ?",
        (read_name_cursor(after, binding), q, q, q, limit + 1),
    ).fetchall()
    items = [_asset(db, row) for row in rows[:limit]]
    return AssetPage(items=items, next=name_cursor(binding, items[-1].id) if len(rows) > limit else None)


def asset(db: sqlite3.Connection, name: str) -> Asset | None:
    """One asset; of a secret one everything but the value."""
    row = db.execute("select * from assets where id = ?", (name,)).fetchone()
    return None if row is None else _asset(db, row)


def _asset(db: sqlite3.Connection, row: sqlite3.Row) -> Asset:
    return Asset(
        id=row["id"],
        name=row["name"],
        secret=row["sealed"] is not None,
        value=from_json(row["value"]),
        note=row["note"],
        used_by=_used_by(db, row["id"]),
        version=row["version"],
        updated_at=rfc3339(row["updated_at"]),
        updated_by=row["updated_by"],
    )


def _used_by(db: sqlite3.Connection, name: str) -> list[str]:
    rows = db.execute(
        "select d.id from deployments d join job_secrets s on s.run = 'deployment:' || d.id and s.id = ?"
        " where s.sealed is null order by d.id limit ?",
        (name, _USERS),
    )
    return [row["id"] for row in rows]


def sealed_otherwise(db: sqlite3.Connection, head: bytes) -> int:
    """How many secrets of assets and deployments do not begin as those that this box has sealed."""
    row = db.execute(
        "select (select count(*) from assets where sealed is not null and substr(sealed, 1, ?) <> ?)"
        " + (select count(*) from job_secrets where run >= 'deployment:' and run < 'deployment;'"
        " and sealed is not null and substr(sealed, 1, ?) <> ?) as n",
        (len(head), head) * 2,
    ).fetchone()
    return int(row["n"])


# ---------------------------------------------------------------- secret inputs
def secret_inputs(db: sqlite3.Connection, flow: str, version: int | None) -> frozenset[str]:
    """Which inputs of a flow version (None: the latest) are declared secret."""
    row = db.execute(
        "select v.id, v.hash from flows f join flow_versions v on v.flow = f.id"
        " and v.version = coalesce(?, f.latest) where f.id = ?",
        (version, flow),
    ).fetchone()
    return frozenset() if row is None else _of_version(db, row)


def secret_inputs_of_deployment(db: sqlite3.Connection, deployment: str) -> frozenset[str]:
    """Which inputs of a deployment's flow are declared secret."""
    row = db.execute("select flow, flow_version from deployments where id = ?", (deployment,)).fetchone()
    return frozenset() if row is None else secret_inputs(db, row["flow"], row["flow_version"])


def secret_inputs_of_job(db: sqlite3.Connection, uid: str) -> frozenset[str]:
    """Which inputs of a job's flow version are declared secret."""
    row = db.execute(
        "select v.id, v.hash from jobs j join flow_versions v on v.id = j.flow_version where j.uid = ?", (uid,)
    ).fetchone()
    return frozenset() if row is None else _of_version(db, row)


_KNOWN: dict[str, frozenset[str]] = {}
_MOST_KNOWN = 1000


def _of_version(db: sqlite3.Connection, row: sqlite3.Row) -> frozenset[str]:
    """A saved version never changes, so what its text says holds for ever."""
    digest = str(row["hash"])
    if digest not in _KNOWN:
        if len(_KNOWN) >= _MOST_KNOWN:
            _KNOWN.clear()
        text = db.execute("select definition from flow_versions where id = ?", (row["id"],)).fetchone()["definition"]
        _KNOWN[digest] = frozenset(param.name for param in read_inputs(json.loads(text))[0] if param.secret)
    return _KNOWN[digest]
