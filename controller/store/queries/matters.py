"""What waits for a person, and what people have settled of late."""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import get_args

from controller.store.queries.blocks import block_run
from controller.store.queries.flow_index import FlowIndex
from controller.store.queries.jobs import index_of_version, rows_of
from controller.store.queries.moves import EVENT, event_of
from controller.store.queries.values import rfc3339
from schemas.status import BlockState
from schemas.views import BlockRun, Event, OpenMatter, OpenMatters, Total
from schemas.views.overview import MatterKind

CANCELLING_S = 30.0
"""A robot has so long to answer a cancel before a person may end the job by force."""
MAX_MATTERS = 500
"""So many jobs of each kind are looked at, those that were made first."""
MAX_EVENTS = 5_000
"""So many of the newest moves are looked at for what people settled."""
_NEWEST_RUNS = 50
_KINDS: tuple[MatterKind, ...] = get_args(MatterKind)
_MOVE = (
    "(select e.id from events e indexed by events_job where e.job = j.id and e.{0} = ? order by e.id desc limit 1)"
    " as move"
)
_STATE = (
    f"select j.id, j.created_at, j.robot, j.attempt, j.flow_version, {_MOVE.format('new')}"  # noqa: S608
    " from jobs j indexed by jobs_state where j.state = ? order by j.id limit ?"
)
_PARKED = (
    f"select j.id, j.created_at, j.robot, j.attempt, j.flow_version, {_MOVE.format('event')}"  # noqa: S608
    " from jobs j indexed by jobs_parked where j.parked = 1 and j.state = 'queued' order by j.id limit ?"
)
_BY_A_PERSON = (
    "(topic = 'robot' and event = 'hold ended' or topic = 'job' and event in ('force', 'released', 'cancel'))"
)


@dataclass(frozen=True)
class _Matter:
    """A job with the move that brought it where it stands; `at` orders, `since` is shown."""

    kind: MatterKind
    job: int
    attempt: int | None
    flow_version: int
    robot: str | None
    since: int | None
    at: int


def open_matters(
    db: sqlite3.Connection, now_us: int, limit: int = 50, cancelling_s: float = CANCELLING_S
) -> OpenMatters:
    """Jobs that need a person, the one that waits longest first, with counts of each kind.

    Uncertain, queued but parked, paused, and cancelling for longer than `cancelling_s`. (A parked job that a robot
    holds goes on by itself, or becomes uncertain.) Of each kind the first `MAX_MATTERS` are looked at; with more, the
    total is not exact.
    """
    by_kind = {kind: list(_of_kind(db, kind)) for kind in _KINDS}
    exact = all(len(found) <= MAX_MATTERS for found in by_kind.values())
    late = now_us - round(cancelling_s * 1_000_000)
    by_kind["cancelling"] = [one for one in by_kind["cancelling"] if one.at <= late]
    counts = {kind: len(found[:MAX_MATTERS]) for kind, found in by_kind.items()}
    ordered = sorted((one for found in by_kind.values() for one in found[:MAX_MATTERS]), key=lambda m: (m.at, m.job))
    return OpenMatters(
        items=_shown(db, ordered[:limit]), counts=counts, total=Total(value=sum(counts.values()), exact=exact)
    )


def _of_kind(db: sqlite3.Connection, kind: MatterKind) -> Iterator[_Matter]:
    if kind == "parked":
        rows = db.execute(_PARKED, ("parked", MAX_MATTERS + 1)).fetchall()
    else:
        rows = db.execute(_STATE, (kind, kind, MAX_MATTERS + 1)).fetchall()
    for row in rows:
        move = db.execute("select at, robot from events where id = ?", (row["move"],)).fetchone()
        since = None if move is None else int(move["at"])
        robot = row["robot"] or (None if move is None else move["robot"])
        yield _Matter(
            kind, row["id"], row["attempt"], row["flow_version"], robot, since,
            row["created_at"] if since is None else since,
        )  # fmt: skip


def _shown(db: sqlite3.Connection, matters: list[_Matter]) -> list[OpenMatter]:
    rows = rows_of(db, [one.job for one in matters])
    indexes = {version: index_of_version(db, version) for version in {one.flow_version for one in matters}}
    return [
        OpenMatter(
            kind=one.kind,
            job=row,
            since=rfc3339(one.since),
            robot=one.robot,
            block=None if one.attempt is None else _where(db, one.attempt, indexes[one.flow_version]),
        )
        for one, row in zip(matters, rows, strict=True)
    ]


def _where(db: sqlite3.Connection, attempt: int, index: FlowIndex | None) -> BlockRun | None:
    """The newest block that runs and holds no others, else the last one that began."""
    rows = db.execute(
        "select * from block_runs where attempt = ? and n > 0 order by n desc limit ?", (attempt, _NEWEST_RUNS)
    ).fetchall()
    running = (row for row in rows if row["state"] == BlockState.RUNNING and _is_leaf(row["path"], index))
    chosen = next(running, rows[0] if rows else None)
    return None if chosen is None else block_run(chosen, index)


def _is_leaf(path: str, index: FlowIndex | None) -> bool:
    block = None if index is None else index.at(path)
    return block is not None and not block.children


def settled_by_people(db: sqlite3.Connection, since_us: int, limit: int = 5) -> list[Event]:
    """The newest moves, newest first, by which a person released a robot, or forced, released or cancelled a job.

    Among the newest `MAX_EVENTS` moves.
    """
    rows = db.execute(
        f"{EVENT} where e.id > (select coalesce(max(id), 0) from events) - ? and e.at >= ?"  # noqa: S608
        f" and e.who <> 'controller' and {_BY_A_PERSON} order by e.id desc limit ?",
        (MAX_EVENTS, since_us, limit),
    )
    return [event_of(row) for row in rows]
