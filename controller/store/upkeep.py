"""What the loop does with the database besides deciding: folding the log back, and counting for metrics."""

import sqlite3
from collections.abc import Mapping
from pathlib import Path

from controller.store.connection import Store

_LARGE_WAL = 64 * 1024 * 1024
_COUNT_TO = 10_000


def wal_bytes(database: Path) -> int:
    """Size of the write-ahead log."""
    log = database.with_name(database.name + "-wal")
    return log.stat().st_size if log.exists() else 0


def checkpoint(store: Store, database: Path) -> None:
    """Fold the log into the database without waiting for readers; cut the file back when it has grown large."""
    store.fold(cut=wal_bytes(database) > _LARGE_WAL)


def gauges(db: sqlite3.Connection) -> Mapping[tuple[str, ...], float]:
    """Jobs by state, and how many letters wait (counted to 10,000)."""
    jobs = db.execute("select state, sum(n) as n from job_counts group by state").fetchall()
    outbox = db.execute("select count(*) as n from (select 1 from outbox limit ?)", (_COUNT_TO,)).fetchone()
    return {("jobs", row["state"]): float(row["n"]) for row in jobs} | {("outbox",): float(outbox["n"])}


def robot_marks(db: sqlite3.Connection) -> list[tuple[str, bool, bool, bool]]:
    """Every robot with what is stored about its state: enabled, on hold, has an attempt."""
    rows = db.execute(
        """select id, enabled,
            exists (select 1 from holds where holds.robot = robots.id) as held,
            exists (select 1 from attempts where attempts.robot = robots.id and open = 1) as busy
        from robots where removed = 0"""
    )
    return [(row["id"], bool(row["enabled"]), bool(row["held"]), bool(row["busy"])) for row in rows]
