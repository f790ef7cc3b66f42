"""What robots show to the broker, as stored: hashes of passwords and numbers of certificates, never a secret."""

import sqlite3
from collections.abc import Iterable
from typing import NamedTuple

from config.issued import Issued


class Credential(NamedTuple):
    """One robot's way in: a password by its hash, or (`hash` None) a certificate."""

    robot: str
    hash: str | None


class Ending(NamedTuple):
    """A robot's certificate and when it ends, in UTC microseconds."""

    robot: str
    ends_us: int


def one(db: sqlite3.Connection, robot: str) -> sqlite3.Row | None:
    """The credential that a robot has or had."""
    row: sqlite3.Row | None = db.execute("select * from credentials where robot = ?", (robot,)).fetchone()
    return row


def good(db: sqlite3.Connection) -> list[Credential]:
    """All that open the door now, by robot."""
    rows = db.execute("select robot, hash from credentials where revoked_at is null order by robot")
    return [Credential(*row) for row in rows]


def ending(db: sqlite3.Connection, before_us: int) -> list[Ending]:
    """Certificates that still open the door and end before a moment, the first to end first."""
    rows = db.execute(
        "select robot, expires_at from credentials where revoked_at is null and expires_at < ?"
        " order by expires_at, robot",
        (before_us,),
    )
    return [Ending(*row) for row in rows]


def were_made(db: sqlite3.Connection) -> bool:
    """Whether any was ever made here."""
    return db.execute("select 1 from credentials limit 1").fetchone() is not None


def put(
    db: sqlite3.Connection, robot: str, hash_: str | None, serial: str | None, expires_at: int | None, who: str, us: int
) -> None:
    """A robot's new credential; a certificate that it had before is good for nothing any more."""
    _retire(db, robot, us)
    db.execute(
        "insert or replace into credentials (robot, kind, hash, serial, expires_at, made_at, made_by)"
        " values (?, ?, ?, ?, ?, ?, ?)",
        (robot, "certificate" if hash_ is None else "password", hash_, serial, expires_at, us, who),
    )


def revoke(db: sqlite3.Connection, robot: str, who: str, us: int) -> None:
    """It opens nothing from now on, and the robot's tokens neither."""
    _retire(db, robot, us)
    db.execute(
        "update credentials set revoked_at = ?, revoked_by = ?, hash = null where robot = ? and revoked_at is null",
        (us, who, robot),
    )


def revoke_tokens(db: sqlite3.Connection, robot: str, who: str, us: int) -> int:
    """No token of the robot opens anything from now on; how many did until now."""
    done = db.execute(
        "update tokens set revoked_at = ?, revoked_by = ? where robot = ? and revoked_at is null", (us, who, robot)
    )
    return done.rowcount


def certificates(db: sqlite3.Connection) -> list[Issued]:
    """Every certificate that the database knows of, good or revoked."""
    rows = db.execute(
        "select serial, robot, expires_at from credentials where serial is not null union all"
        " select serial, robot, null from revoked_certificates"
        " where serial not in (select serial from credentials where serial is not null)"
    )
    return [Issued(*row) for row in rows]


def revoked_serials(db: sqlite3.Connection, issued: Iterable[str] = ()) -> list[tuple[int, int | None]]:
    """Number of each certificate that opens nothing, and when it was revoked, in UTC microseconds.

    Of those that were issued only what the database holds as good is left: one that it has never heard of was made
    after the backup that it comes from (None: nobody knows when it ended).
    """
    ended = {row["serial"]: row["at"] for row in db.execute("select serial, at from revoked_certificates")}
    good = {row["serial"] for row in db.execute("select serial from credentials where revoked_at is null")}
    return [(int(serial, 16), ended.get(serial)) for serial in sorted({*issued, *ended} - good)]


def _retire(db: sqlite3.Connection, robot: str, us: int) -> None:
    db.execute(
        "insert or ignore into revoked_certificates select serial, robot, ? from credentials"
        " where robot = ? and serial is not null",
        (us, robot),
    )
