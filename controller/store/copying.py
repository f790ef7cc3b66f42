"""Copies of the database for backups: made while it is in use, looked at, and checked."""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from controller.store.queries.reader import Reader
from controller.store.queries.verify import chained, looked

_COUNTED = ("jobs", "attempts", "events", "reports", "audit", "robots")
_CHAINED = ("audit", "events")


class Kept(NamedTuple):
    """An artifact that is whole: its id, size in bytes and SHA-256."""

    uid: str
    size: int
    sha256: str


def copy(database: Path, target: Path) -> None:
    """Copy everything that is committed, as of one moment, into a new file; nobody who writes has to wait.

    The copy is one plain file without a log beside it. Raises `Unreadable` and `sqlite3.Error`.
    """
    with closing(Reader(database).connect()) as source, closing(sqlite3.connect(target)) as copied:
        copied.execute("pragma synchronous = off")  # whoever asks for the copy syncs the whole of it at once
        source.backup(copied, pages=-1)
        copied.execute("pragma journal_mode = delete")


@contextmanager
def opened(copied: Path) -> Iterator[sqlite3.Connection]:
    """A copy for reading; nothing is written beside it."""
    uri = f"{copied.absolute().as_uri()}?mode=ro&immutable=1"
    with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as db:
        db.row_factory = sqlite3.Row
        yield db


def damage(db: sqlite3.Connection) -> str | None:
    """What is wrong with a copy, in SQLite's words; None when it is sound."""
    try:
        found = str(db.execute("pragma quick_check(1)").fetchone()[0])
    except sqlite3.DatabaseError as error:
        return str(error)
    return None if found == "ok" else found


def migrations(db: sqlite3.Connection) -> tuple[str, ...]:
    """Names of the migrations that a database has, in order."""
    rows = db.execute("select name from _sqlite_migrations where migration_set = 'yardmaster' order by rowid")
    return tuple(row["name"] for row in rows)


def facts(db: sqlite3.Connection) -> dict[str, Any]:
    """What a manifest says about a database: schema, the numbers of `meta`, counts, and the ends of its chains."""
    meta = {row["key"]: row["value"] for row in db.execute("select key, value from meta")}
    counts = {
        table: int(db.execute(f"select count(*) from {table}").fetchone()[0])  # noqa: S608 - the words above
        for table in _COUNTED
    }
    still = db.execute("select count(*) from jobs where ended_at is null").fetchone()[0]
    return {
        "schema": list(migrations(db)),
        "incarnation": int(meta.get("incarnation", 0)),
        "count": int(meta.get("count", 0)),
        "turns": int(meta["turns"]) if "turns" in meta else None,
        "counts": counts | {"open_jobs": int(still)},
        "heads": {table: head for table in _CHAINED if (head := _head(db, table)) is not None},
    }


def _head(db: sqlite3.Connection, table: str) -> Mapping[str, Any] | None:
    """The last row of a table whose rows carry a chain."""
    if "chain" not in {row["name"] for row in db.execute(f"pragma table_info({table})")}:
        return None
    row = db.execute(f"select id, chain from {table} order by id desc limit 1").fetchone()  # noqa: S608
    return None if row is None else {"id": int(row["id"]), "chain": _hex(row["chain"])}


def broken_chains(db: sqlite3.Connection) -> list[str]:
    """What the chains over moves and audit say against a copy, a few sentences."""
    books = (("events", "moves"), ("audit", "audit"))
    found = [looked(name, db, partial(chained, book=book, name=name)) for book, name in books]
    return [f"{one.name}: {sentence}" for one in found for sentence in one.wrong]


def _hex(chain: bytes | str | None) -> str | None:
    return chain.hex() if isinstance(chain, bytes) else chain


def whole_artifacts(db: sqlite3.Connection) -> Iterator[Kept]:
    """Every artifact whose bytes must be in the folder `artifacts`."""
    for row in db.execute("select uid, size, sha256 from artifacts where state = 'complete' order by id"):
        yield Kept(row["uid"], row["size"], row["sha256"])


def still_whole(database: Path, uids: Iterable[str]) -> int:
    """How many of these artifacts the database itself, in use or not, calls whole now; raises `Unreadable`."""
    with closing(Reader(database).connect()) as db:
        sql = "select count(*) from artifacts where uid = ? and state = 'complete'"
        return sum(int(db.execute(sql, (uid,)).fetchone()[0]) for uid in uids)


def certified(db: sqlite3.Connection) -> list[tuple[str, int]]:
    """Robots that come in by a certificate, and when it was made in UTC microseconds; none in a very old database."""
    if db.execute("select 1 from sqlite_master where name = 'credentials'").fetchone() is None:
        return []
    rows = db.execute(
        "select robot, made_at from credentials where serial is not null and revoked_at is null order by 1"
    )
    return [(row["robot"], row["made_at"]) for row in rows]


def secrets_of_others(db: sqlite3.Connection, head: bytes) -> list[str]:
    """Assets, and deployments with secrets of their own, that a key (by the head of what it seals) cannot open."""
    rows = db.execute(
        "select 'asset ' || id as what from assets where sealed is not null and substr(sealed, 1, ?) <> ?"
        " union select 'deployment ' || substr(run, 12) from job_secrets where run >= 'deployment:'"
        " and run < 'deployment;' and sealed is not null and substr(sealed, 1, ?) <> ? order by 1",
        (len(head), head) * 2,
    )
    return [row["what"] for row in rows]
