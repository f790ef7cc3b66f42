"""Block runs and logs as they are shown."""

import sqlite3
from collections import Counter
from typing import Any

from controller.store.queries.flow_index import FlowIndex, without_passes
from controller.store.queries.values import duration_ms, from_json, rfc3339
from controller.store.queries.walk import SCAN_ROWS, Walk, Where, bind, cursor, read_cursor, take
from schemas.blocks import sentence
from schemas.status import BlockState, Phase
from schemas.views import BlockRun, BlockRunPage, LogPage, LogRow

MAX_RUNS = 20_000
"""Block runs of an attempt; agents keep the same bound."""


def runs_of(db: sqlite3.Connection, attempt: int) -> list[sqlite3.Row]:
    """Every block run of an attempt, in the order in which they were made."""
    return db.execute("select * from block_runs where attempt = ? order by n limit ?", (attempt, MAX_RUNS)).fetchall()


def block_run(row: sqlite3.Row, index: FlowIndex | None) -> BlockRun:
    """A block run with what the definition knows about its block."""
    block = index.at(row["path"]) if index is not None else None
    return BlockRun.model_construct(
        id=f"{row['attempt']}.{row['n']}",
        attempt=row["attempt"],
        block=_last_part(row["path"]),
        block_name=block.name if block else None,
        kind=block.kind if block else None,
        path=row["path"],
        try_=row["try"],
        state=BlockState(row["state"]),
        phase=Phase(row["status"]),
        inputs=from_json(row["inputs"]),
        outputs=from_json(row["outputs"]),
        reason=why(row),
        truncated=bool(row["truncated"]),
        started_at=rfc3339(row["started_at"]),
        ended_at=rfc3339(row["ended_at"]),
        duration_ms=duration_ms(row["started_at"], row["ended_at"]),
    )


def why(row: sqlite3.Row) -> str | None:
    """Why a run went as it did; what went on to succeed has no reason, though its cancel may have been refused."""
    return None if row["status"] == Phase.MONITOR_SUCCESS.value else row["reason"]


def _last_part(path: str) -> str:
    return without_passes(path).rpartition("/")[2]


def page_of_runs(
    db: sqlite3.Connection,
    attempt: int,
    index: FlowIndex | None,
    *,
    block: str | None = None,
    q: str | None = None,
    newest: bool = True,
    limit: int = 50,
    after: str | None = None,
) -> BlockRunPage:
    """Block runs of an attempt; `block` is an id or a whole path, `q` a part of the path. Raises `BadCursor`."""
    binding = bind("blocks", attempt, block, q, newest)
    key = read_cursor(after, binding, {"n": 1})[1] if after else None
    walk = Walk(
        "block_runs", Where("attempt = ?", (attempt,)), ("n",), ("path",), (*_at_block(block), *_text(q, ("path",))),
        newest, key,
    )  # fmt: skip
    keys, stop = take(db, [walk], limit)
    rows = (
        db.execute("select * from block_runs where attempt = ? and n = ?", (attempt, *one)).fetchone() for one in keys
    )
    items = [block_run(row, index) for row in rows]
    return BlockRunPage(items=items, next=None if stop is None else cursor(binding, "n", stop))


def _at_block(block: str | None) -> tuple[Where, ...]:
    """Rows of one block: the path itself, or any path that ends with the id."""
    if block is None:
        return ()
    tail = f"/{block}"
    return (Where("(path = ? or substr(path, -length(?)) = ?)", (block, tail, tail)),)


def _text(q: str | None, columns: tuple[str, ...]) -> tuple[Where, ...]:
    if not q:
        return ()
    sql = " or ".join(f"instr(lower(coalesce({column}, '')), ?)" for column in columns)
    return (Where(f"({sql})", (q.lower(),) * len(columns)),)


def logs_by_block(db: sqlite3.Connection, attempt: int) -> dict[str, int]:
    """How many log lines each block has, of the first lines of an attempt."""
    rows = db.execute(
        "select path, count(*) as n from (select path from logs indexed by logs_attempt where attempt = ? limit ?)"
        " where path is not null group by path",
        (attempt, SCAN_ROWS),
    )
    counts: Counter[str] = Counter()
    for row in rows:
        counts[without_passes(row["path"])] += row["n"]
    return counts


def page_of_logs(
    db: sqlite3.Connection,
    job: int,
    *,
    attempt: int | None = None,
    level: int = 0,
    type_: str | None = None,
    block: str | None = None,
    q: str | None = None,
    newest: bool = True,
    limit: int = 50,
    after: str | None = None,
) -> LogPage:
    """Log lines of a job or of one of its attempts, of at least a level, of one type. Raises `BadCursor`."""
    binding = bind("logs", job, attempt, level, type_, block, q, newest)
    key = read_cursor(after, binding, {"id": 1})[1] if after else None
    filters = (*_at_block(block), *_text(q, ("text", "message", "args")))
    if level:
        filters = (Where("level >= ?", (level,)), *filters)
    if type_ is not None:
        filters = (Where("type = ?", (type_,)), *filters)
    table, arm = ("logs indexed by logs_job", Where("job = ?", (job,)))
    if attempt is not None:
        table, arm = "logs indexed by logs_attempt", Where("attempt = ?", (attempt,))
    columns = ("path", "level", "type", "text", "message", "args")
    keys, stop = take(db, [Walk(table, arm, ("id",), columns, filters, newest, key)], limit)
    items = [_log(db.execute("select * from logs where id = ?", one).fetchone()) for one in keys]
    return LogPage(items=items, next=None if stop is None else cursor(binding, "id", stop))


def _log(row: sqlite3.Row) -> LogRow:
    same: dict[str, Any] = {
        name: row[name] for name in ("id", "attempt", "robot", "path", "level", "type", "message", "artifact", "time")
    }
    args = from_json(row["args"])
    text = row["text"]
    if text is None and row["message"] is not None:
        text = sentence(row["message"], args if isinstance(args, dict) else {})
    return LogRow(
        **same,
        text=text,
        block=None if row["path"] is None else _last_part(row["path"]),
        args=args,
        output=from_json(row["output"]),
        recorded_at=rfc3339(row["recorded_at"]),
    )


def logs_of(db: sqlite3.Connection, attempt: int, limit: int = SCAN_ROWS) -> list[LogRow]:
    """The first log lines of an attempt, oldest first."""
    sql = "select * from logs indexed by logs_attempt where attempt = ? order by id limit ?"
    return [_log(row) for row in db.execute(sql, (attempt, limit))]


def new_logs(db: sqlite3.Connection, job: int, after: int, limit: int = 200) -> list[LogRow]:
    """Log lines of a job after an id."""
    rows = db.execute(
        "select * from logs indexed by logs_job where job = ? and id > ? order by id limit ?", (job, after, limit)
    )
    return [_log(row) for row in rows]
