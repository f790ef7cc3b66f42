"""Accounts, sessions, tokens and the audit in the database."""

import sqlite3
from typing import Any

from controller.store import chain
from controller.store.written import to_json

_SESSIONS_OF_ONE = 100
_ASKER = ("name", "role", "ip", "client")


def user(db: sqlite3.Connection, name: str) -> sqlite3.Row | None:
    """One account."""
    row: sqlite3.Row | None = db.execute("select * from users where id = ?", (name,)).fetchone()
    return row


def has_users(db: sqlite3.Connection) -> bool:
    """Whether anybody has an account."""
    return db.execute("select 1 from users limit 1").fetchone() is not None


def admins_left(db: sqlite3.Connection, without: str) -> bool:
    """Whether somebody else may still administer the box."""
    found = db.execute("select 1 from users where role = 'admin' and enabled = 1 and id <> ? limit 1", (without,))
    return found.fetchone() is not None


def add_user(db: sqlite3.Connection, name: str, values: dict[str, Any], who: str, us: int) -> None:
    """A new account: `values` has name, role and password."""
    db.execute(
        "insert into users (id, name, role, password, created_at, created_by, changed_at) values (?, ?, ?, ?, ?, ?, ?)",
        (name, values["name"], values["role"], values["password"], us, who, us),
    )


def change_user(db: sqlite3.Connection, which: str, us: int, /, **values: Any) -> None:
    """Change columns of an account."""
    names = ", ".join(f"{column} = ?" for column in values)
    db.execute(f"update users set {names}, changed_at = ? where id = ?", (*values.values(), us, which))  # noqa: S608


def delete_user(db: sqlite3.Connection, name: str) -> None:
    """Remove an account with its sessions."""
    end_sessions(db, name)
    db.execute("delete from users where id = ?", (name,))


# ---------------------------------------------------------------- sessions
def open_session(db: sqlite3.Connection, values: dict[str, Any], us: int) -> None:
    """A session begins; those that are over go, and the oldest of an account that has very many."""
    db.execute("delete from sessions where expires_at <= ?", (us,))
    db.execute(
        "delete from sessions where hash in"
        " (select hash from sessions where user = ? order by created_at desc limit -1 offset ?)",
        (values["user"], _SESSIONS_OF_ONE - 1),
    )
    db.execute(
        "insert into sessions values (?, ?, ?, ?, ?, ?, ?)",
        (values["hash"], values["user"], us, values["expires_at"], us, values["ip"], values["client"]),
    )
    db.execute("update users set seen_at = ? where id = ?", (us, values["user"]))


def session(db: sqlite3.Connection, digest: str) -> sqlite3.Row | None:
    """One session."""
    row: sqlite3.Row | None = db.execute("select * from sessions where hash = ?", (digest,)).fetchone()
    return row


def seen_session(db: sqlite3.Connection, digest: str, expires_at: int | None, us: int) -> None:
    """It is in use, and so lasts longer."""
    db.execute(
        "update sessions set seen_at = ?, expires_at = coalesce(?, expires_at) where hash = ?", (us, expires_at, digest)
    )


def close_session(db: sqlite3.Connection, digest: str) -> None:
    """It is over."""
    db.execute("delete from sessions where hash = ?", (digest,))


def end_sessions(db: sqlite3.Connection, name: str) -> None:
    """All of an account are over."""
    db.execute("delete from sessions where user = ?", (name,))


# ---------------------------------------------------------------- tokens
def token(db: sqlite3.Connection, which: str) -> sqlite3.Row | None:
    """One token."""
    row: sqlite3.Row | None = db.execute("select * from tokens where id = ?", (which,)).fetchone()
    return row


def add_token(db: sqlite3.Connection, values: dict[str, Any], who: str, us: int) -> None:
    """A new token, or another secret for one of the same id."""
    db.execute(
        "insert or replace into tokens (id, name, role, areas, robot, hash, created_at, created_by, expires_at)"
        " values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            values["token"], values["name"], values["role"], to_json(list(values["areas"])), values["robot"],
            values["hash"], us, who, values["expires_at"],
        ),
    )  # fmt: skip


def revoke_token(db: sqlite3.Connection, which: str, who: str, us: int) -> None:
    """It opens nothing from now on."""
    db.execute("update tokens set revoked_at = ?, revoked_by = ? where id = ?", (us, who, which))


def used_token(db: sqlite3.Connection, which: str, us: int) -> None:
    """Somebody showed it."""
    db.execute("update tokens set used_at = ? where id = ?", (us, which))


# ---------------------------------------------------------------- audit
_KEPT = {
    noun: f"select * from {noun}s where id = ?"  # noqa: S608 - the names below
    for noun in ("robot", "queue", "deployment", "schedule", "asset", "user", "token")
} | {
    "job": "select state, priority, parked, robot, attempt from jobs where uid = ?",
    "batch": "select action, args, will, will_not from batches where uid = ?",
}


def row_of(db: sqlite3.Connection, noun: str, which: str) -> dict[str, Any] | None:
    """What is stored of a thing, for the audit; None if nothing is."""
    found = db.execute(_KEPT[noun], (which,)).fetchone() if noun in _KEPT else None
    return None if found is None else dict(found)


def audit(db: sqlite3.Connection, us: int, asker: dict[str, Any], row: dict[str, Any]) -> None:
    """Write who asked for what, from where, and what it was before and after."""
    before, after = (None if row[part] is None else to_json(row[part]) for part in ("before", "after"))
    values = (us, *(asker[part] for part in _ASKER), row["action"], row["subject"], before, after, row["why"])
    (linked,) = chain.linked(db, "audit", [values])
    db.execute(f"insert into audit ({chain.COLUMNS['audit']}, chain) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", linked)  # noqa: S608
