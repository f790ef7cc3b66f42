"""What other formats read of a made-up past: firings that made a hundred jobs each, one job of 1,000 blocks."""

import sqlite3
from collections.abc import Iterator
from typing import Any

from schemas.ids import uuid7
from scripts.benchmark.work import definition, variable

SCHEDULE = "shift"
TARGETS = 100
"""Jobs of a firing."""
LONG_FLOW = "long"
LONG_BLOCKS = 1_000
Row = tuple[Any, ...]


def long_flow() -> dict[str, Any]:
    """So many blocks in a row."""
    return definition(*(variable(number) for number in range(1, LONG_BLOCKS + 1)))


def add_firings(db: sqlite3.Connection) -> None:
    """Every hundred jobs, one after the other, are what one firing made."""
    last = db.execute("select max(id) from jobs").fetchone()[0]
    firsts = range(1, last - TARGETS + 2, TARGETS)
    db.executemany(
        "insert into firings (id, uid, schedule, due_at, fired_at, zone) values (?, ?, ?, ?, ?, 'Asia/Shanghai')",
        _firings(db, firsts),
    )
    db.execute(
        "insert into firing_rows (firing, n, robot, job, flow)"
        " select (id - 1) / ?1 + 1, (id - 1) % ?1 + 1, robot, id, flow from jobs where id < ?2",
        (TARGETS, firsts[-1] + TARGETS if firsts else 0),
    )


def _firings(db: sqlite3.Connection, firsts: range) -> Iterator[Row]:
    for number, first in enumerate(firsts, 1):
        at = db.execute("select created_at from jobs where id = ?", (first,)).fetchone()[0]
        yield number, uuid7(at // 1000), SCHEDULE, at, at


def lengthen(db: sqlite3.Connection, blocks: int) -> None:
    """The newest job that succeeded at once ran the long flow: its attempt gets the runs that it lacks."""
    job, attempt, started = db.execute(
        "select id, attempt, started_at from jobs where state = 'succeeded' and attempt_count = 1"
        " order by id desc limit 1"
    ).fetchone()
    version = db.execute("select id from flow_versions where flow = ?", (LONG_FLOW,)).fetchone()[0]
    db.execute("update jobs set flow = ?, flow_version = ? where id = ?", (LONG_FLOW, version, job))
    db.executemany(
        "insert into block_runs (attempt, n, path, try, status, state, inputs, started_at, ended_at)"
        " values (?, ?, ?, 0, 'monitor.success', 'succeeded', ?, ?, ?)",
        (_run(attempt, n, started + n * 1000) for n in range(blocks + 1, LONG_BLOCKS + 1)),
    )


def _run(attempt: int, n: int, at: int) -> Row:
    return attempt, n, f"-1/{n}", f'{{"varName":"v{n}","varValue":"block {n}"}}', at, at + 500
