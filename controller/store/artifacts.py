"""Artifacts as rows: announced, whole, refused, forgotten. Their bytes are files, which are not touched here."""

import sqlite3
from typing import Any

_ADD = """insert into artifacts (uid, attempt, job, robot, path, kind, name, size, sha256, state, created_at)
    values (:artifact, :attempt, :job, :robot, :path, :kind, :name, :size, :sha256, 'open', :us)"""


def by_id(db: sqlite3.Connection, uid: str) -> sqlite3.Row | None:
    """One artifact."""
    row: sqlite3.Row | None = db.execute("select * from artifacts where uid = ?", (uid,)).fetchone()
    return row


def same(db: sqlite3.Connection, attempt: int, name: str, sha256: str) -> sqlite3.Row | None:
    """The artifact of an attempt that was announced with this name and hash and not refused."""
    row: sqlite3.Row | None = db.execute(
        "select * from artifacts where attempt = ? and name = ? and sha256 = ? and state <> 'refused'",
        (attempt, name, sha256),
    ).fetchone()
    return row


def attempt_of(db: sqlite3.Connection, number: int) -> sqlite3.Row | None:
    """Job and robot of an attempt."""
    row: sqlite3.Row | None = db.execute("select job, robot from attempts where number = ?", (number,)).fetchone()
    return row


def count_of(db: sqlite3.Connection, attempt: int) -> int:
    """How many artifacts an attempt has, the refused too."""
    return int(db.execute("select count(*) from artifacts where attempt = ?", (attempt,)).fetchone()[0])


def bytes_kept(db: sqlite3.Connection) -> int:
    """Bytes of all artifacts that are whole or announced."""
    return int(db.execute("select bytes from artifact_space").fetchone()[0])


def add(db: sqlite3.Connection, values: dict[str, Any], us: int) -> None:
    """Announce one."""
    db.execute(_ADD, values | {"us": us})


def end(db: sqlite3.Connection, uid: str, state: str, us: int, *, type_: str | None, reason: str | None) -> None:
    """It is whole, or refused."""
    db.execute(
        "update artifacts set state = ?, type = ?, reason = ?, completed_at = ? where uid = ? and state = 'open'",
        (state, type_, reason, us, uid),
    )


def forget_open(db: sqlite3.Connection, before_us: int) -> None:
    """Uploads that were begun before this and never came to an end; a robot that comes back announces them anew."""
    db.execute("delete from artifacts where state = 'open' and created_at < ?", (before_us,))


def delete_of_job(db: sqlite3.Connection, job: int) -> list[str]:
    """Forget every artifact of a job (its inner id); their ids, so that after the commit their files can go."""
    rows = db.execute("delete from artifacts where job = ? returning uid", (job,)).fetchall()
    return [row["uid"] for row in rows]
