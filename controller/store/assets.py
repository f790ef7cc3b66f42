"""Assets and secrets in the database: values, what was sealed, and who refers to them."""

import sqlite3
from collections.abc import Mapping
from typing import Any

from controller.store.connection import to_json

_DEPLOYMENT = "deployment:"


def owner(deployment: str) -> str:
    """Under which name a deployment refers to secrets; jobs do so under their run."""
    return _DEPLOYMENT + deployment


def asset(db: sqlite3.Connection, name: str) -> sqlite3.Row | None:
    """One asset."""
    row: sqlite3.Row | None = db.execute("select * from assets where id = ?", (name,)).fetchone()
    return row


def put(db: sqlite3.Connection, name: str, values: Mapping[str, Any], number: int, who: str, us: int) -> None:
    """Save an asset; `values` has name, note, and value or sealed."""
    value = None if values["sealed"] is not None else to_json(values["value"])
    db.execute(
        "insert or replace into assets values (?, ?, ?, ?, ?, ?, ?, ?)",
        (name, values["name"], value, values["sealed"], values["note"], number, us, who),
    )


def same(row: sqlite3.Row, values: Mapping[str, Any]) -> bool:
    """Whether saving these values would change nothing."""
    value = None if values["sealed"] is not None else to_json(values["value"])
    now = (values["name"], value, values["sealed"], values["note"])
    return now == (row["name"], row["value"], row["sealed"], row["note"])


def delete(db: sqlite3.Connection, name: str) -> None:
    """Remove an asset."""
    db.execute("delete from assets where id = ?", (name,))


def user_of(db: sqlite3.Connection, name: str) -> str | None:
    """A deployment, or a job that has not ended, that refers to an asset, in words."""
    found = db.execute(
        "select run from job_secrets where id = ? and sealed is null and run >= ? and run < ? limit 1",
        (name, _DEPLOYMENT, _DEPLOYMENT[:-1] + ";"),
    ).fetchone()
    if found is not None:
        return f"the deployment {found['run'].removeprefix(_DEPLOYMENT)}"
    found = db.execute(
        "select j.uid from job_secrets s join jobs j on j.run = s.run"
        " where s.id = ? and s.sealed is null and j.ended_at is null limit 1",
        (name,),
    ).fetchone()
    return None if found is None else f"the job {found['uid']}"


# ---------------------------------------------------------------- what jobs and deployments refer to
def keep(db: sqlite3.Connection, run: str, uses: Mapping[str, bytes | None]) -> None:
    """What a run, or a deployment, refers to: assets (None), and secrets that were given with it."""
    db.executemany("insert or replace into job_secrets values (?, ?, ?)", [(run, *use) for use in uses.items()])


def kept(db: sqlite3.Connection, run: str) -> dict[str, bytes | None]:
    """What a run, or a deployment, refers to."""
    rows = db.execute("select id, sealed from job_secrets where run = ?", (run,))
    return {row["id"]: row["sealed"] for row in rows}


def forget(db: sqlite3.Connection, run: str) -> None:
    """It refers to nothing any more."""
    db.execute("delete from job_secrets where run = ?", (run,))


def use_of_job(db: sqlite3.Connection, job: int, name: str) -> sqlite3.Row | None:
    """Whether a job refers to a secret: its `sealed` is the submission's own, or the asset's as it is now."""
    row: sqlite3.Row | None = db.execute(
        "select coalesce(s.sealed, a.sealed) as sealed from jobs j"
        " join job_secrets s on s.run = j.run and s.id = ?"
        " left join assets a on a.id = s.id and s.sealed is null where j.id = ?",
        (name, job),
    ).fetchone()
    return row
