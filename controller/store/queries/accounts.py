"""Who may come in, as the web asks at each request and as the pages of administrators show it."""

import sqlite3
from dataclasses import dataclass

from controller.store.queries.values import from_json, rfc3339
from controller.store.queries.walk import bind, cursor, name_cursor, read_cursor, read_name_cursor
from schemas.views.people import AuditPage, AuditRow, Token, TokenPage, User, UserPage


@dataclass(frozen=True)
class Known:
    """Whoever showed a session or a token: name, role, and what else bounds it. Times are UTC microseconds."""

    name: str
    role: str
    areas: tuple[str, ...] = ()
    robot: str | None = None
    token: str | None = None
    seen_at: int = 0
    expires_at: int = 0
    created_at: int = 0
    shown: str = ""
    """What people call them."""

    def is_valid(self, us: int) -> bool:
        """Whether the token opens anything at this moment."""
        return self.expires_at == 0 or self.expires_at > us


def by_session(db: sqlite3.Connection, digest: str, us: int) -> Known | None:
    """Whose session this is; None if it is over or its account is locked."""
    row = db.execute(
        "select s.user, s.seen_at, s.expires_at, s.created_at, u.role, u.name"
        " from sessions s join users u on u.id = s.user where s.hash = ? and s.expires_at > ? and u.enabled = 1",
        (digest, us),
    ).fetchone()
    if row is None:
        return None
    times = {name: row[name] for name in ("seen_at", "expires_at", "created_at")}
    return Known(row["user"], row["role"], **times, shown=row["name"] or row["user"])


def by_token(db: sqlite3.Connection, digest: str) -> Known | None:
    """Whose token this is, valid or not: `expires_at` is 0 for one without end, -1 for one that was revoked."""
    row = db.execute("select * from tokens where hash = ?", (digest,)).fetchone()
    if row is None:
        return None
    end = -1 if row["revoked_at"] is not None else row["expires_at"] or 0
    name = f"robot:{row['robot']}" if row["role"] == "robot" else f"token:{row['name']}"
    areas, seen = tuple(from_json(row["areas"])), row["used_at"] or 0
    return Known(name, row["role"], areas, row["robot"], row["id"], seen_at=seen, expires_at=end, shown=row["name"])


def password_of(db: sqlite3.Connection, name: str) -> str | None:
    """The hash of an account that may come in."""
    row = db.execute("select password from users where id = ? and enabled = 1", (name,)).fetchone()
    return None if row is None else str(row["password"])


def user(db: sqlite3.Connection, name: str) -> User | None:
    """One account, without its password."""
    row = db.execute("select * from users where id = ?", (name,)).fetchone()
    return None if row is None else _user(row)


def page_of_users(db: sqlite3.Connection, limit: int = 50, after: str | None = None) -> UserPage:
    """Accounts by name. Raises `BadCursor`."""
    binding = bind("users")
    rows = db.execute(
        "select * from users where id > ? order by id limit ?", (read_name_cursor(after, binding), limit + 1)
    ).fetchall()
    items = [_user(row) for row in rows[:limit]]
    return UserPage(items=items, next=name_cursor(binding, items[-1].id) if len(rows) > limit else None)


def _user(row: sqlite3.Row) -> User:
    same = {name: row[name] for name in ("id", "name", "role", "created_by")}
    times = {name: rfc3339(row[name]) for name in ("created_at", "changed_at", "seen_at")}
    return User(**same, enabled=bool(row["enabled"]), **times)


def token(db: sqlite3.Connection, which: str) -> Token | None:
    """One token, without its secret."""
    row = db.execute("select * from tokens where id = ?", (which,)).fetchone()
    return None if row is None else _token(row)


def page_of_tokens(
    db: sqlite3.Connection, limit: int = 50, after: str | None = None, valid_at: int | None = None
) -> TokenPage:
    """Tokens by id; those that were revoked or have ended only without `valid_at`. Raises `BadCursor`."""
    binding = bind("tokens", valid_at is not None)
    rows = db.execute(
        "select * from tokens where id > :after and (:at is null or (revoked_at is null"
        " and (expires_at is null or expires_at > :at))) order by id limit :limit",
        {"after": read_name_cursor(after, binding), "at": valid_at, "limit": limit + 1},
    ).fetchall()
    items = [_token(row) for row in rows[:limit]]
    return TokenPage(items=items, next=name_cursor(binding, items[-1].id) if len(rows) > limit else None)


def _token(row: sqlite3.Row) -> Token:
    same = {name: row[name] for name in ("id", "name", "role", "robot", "created_by", "revoked_by")}
    times = {name: rfc3339(row[name]) for name in ("created_at", "expires_at", "revoked_at", "used_at")}
    return Token(**same, areas=from_json(row["areas"]), **times)


def page_of_audit(
    db: sqlite3.Connection,
    who: str | None = None,
    action: str | None = None,
    subject: str | None = None,
    from_us: int | None = None,
    to_us: int | None = None,
    limit: int = 50,
    after: str | None = None,
) -> AuditPage:
    """Changes, newest first; times from (included) to (excluded). Raises `BadCursor`."""
    binding = bind("audit", who, action, subject, from_us, to_us)
    below = None if after is None else read_cursor(after, binding, {"id": 1})[1][0]
    tests = [
        ("who = ?", who),
        ("action = ?", action),
        ("subject = ?", subject),
        ("at >= ?", from_us),
        ("at < ?", to_us),
    ]
    given = [(test, value) for test, value in [*tests, ("id < ?", below)] if value is not None]
    where = " and ".join(test for test, _ in given) or "1"
    rows = db.execute(
        f"select * from audit where {where} order by id desc limit ?",  # noqa: S608 - the tests above
        (*(value for _, value in given), limit + 1),
    ).fetchall()
    items = [_audit(row) for row in rows[:limit]]
    return AuditPage(items=items, next=cursor(binding, "id", (items[-1].id,)) if len(rows) > limit else None)


def _audit(row: sqlite3.Row) -> AuditRow:
    same = {name: row[name] for name in ("id", "who", "role", "ip", "client", "action", "subject", "why")}
    both = {name: None if row[name] is None else from_json(row[name]) for name in ("before", "after")}
    return AuditRow(**same, **both, at=rfc3339(row["at"]))
