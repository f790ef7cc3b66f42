"""What robots said: every report once, by journal and number."""

import sqlite3

from controller.store.connection import to_json
from schemas.messages import BlockRow, LogRow
from schemas.status import PHASE_STATE, BlockState, Phase


def journal(db: sqlite3.Connection, robot: str, name: str, now_us: int) -> tuple[int, int]:
    """(inner id, upto) of a journal, made when first heard of."""
    row = db.execute("select id, upto from journals where robot = ? and journal = ?", (robot, name)).fetchone()
    if row:
        return row["id"], row["upto"]
    done = db.execute("insert into journals (robot, journal, first_seen) values (?, ?, ?)", (robot, name, now_us))
    return int(done.lastrowid or 0), 0


def set_upto(db: sqlite3.Connection, journal_id: int, upto: int) -> None:
    """The highest number up to which everything is recorded."""
    db.execute("update journals set upto = ? where id = ?", (upto, journal_id))


def gap(db: sqlite3.Connection, journal_id: int, first: int, last: int, now_us: int) -> None:
    """Numbers that the agent no longer has."""
    db.execute("insert into gaps values (?, ?, ?, ?)", (journal_id, first, last, now_us))


def record(
    db: sqlite3.Connection, journal_id: int, seq: int, attempt: int | None, kind: str, body: str | None, now_us: int
) -> None:
    """One report; the primary key refuses a second one of the same number."""
    db.execute("insert into reports values (?, ?, ?, ?, ?, ?)", (journal_id, seq, attempt, kind, body, now_us))


def quarantine(
    db: sqlite3.Connection,
    robot: str,
    topic: str,
    journal: str | None,
    seq: int | None,
    reason: str,
    payload: bytes,
    now_us: int,
    keep: int,
) -> None:
    """Keep what could not be read, the newest `keep` of it."""
    done = db.execute(
        "insert into quarantine (robot, topic, journal, seq, reason, payload, at) values (?, ?, ?, ?, ?, ?, ?)",
        (robot, topic, journal, seq, reason[:500], payload[:65_536], now_us),
    )
    db.execute("delete from quarantine where id <= ?", (int(done.lastrowid or 0) - keep,))


def log(db: sqlite3.Connection, robot: str, job: int | None, row: LogRow, now_us: int) -> None:
    """A log line."""
    db.execute(
        "insert into logs (job, attempt, robot, path, level, type, text, message, args, output, artifact, time,"
        " recorded_at) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            job, row.attempt, robot, row.path, row.level, row.type, row.text, row.message,
            to_json(row.args) if row.args is not None else None,
            to_json(row.output) if row.output is not None else None,
            row.artifact, row.time, now_us,
        ),
    )  # fmt: skip


def block(db: sqlite3.Connection, row: BlockRow, now_us: int) -> None:
    """A block run reached a phase: the first row makes it, later ones add what they know."""
    state = PHASE_STATE[row.status]
    ended = state in (BlockState.SUCCEEDED, BlockState.FAILED, BlockState.CANCELLED)
    db.execute(
        "insert into block_runs (attempt, n, path, try, status, state, inputs, outputs, reason, started_at, ended_at,"
        " truncated) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict (attempt, n) do update set"
        " status = excluded.status, state = coalesce(?, state), inputs = coalesce(excluded.inputs, inputs),"
        " outputs = coalesce(excluded.outputs, outputs), reason = coalesce(excluded.reason, reason),"
        " ended_at = coalesce(ended_at, excluded.ended_at), truncated = max(truncated, excluded.truncated)",
        (
            row.attempt, row.n, row.path, row.try_, row.status.value, (state or BlockState.RUNNING).value,
            to_json(row.inputs) if row.inputs is not None else None,
            to_json(row.outputs) if row.outputs is not None else None,
            row.reason, now_us, now_us if ended else None, int(row.truncated), state.value if state else None,
        ),
    )  # fmt: skip


def root(
    db: sqlite3.Connection,
    attempt: int,
    status: Phase,
    now_us: int,
    *,
    reason: str | None = None,
    inputs: str | None = None,
    outputs: str | None = None,
) -> None:
    """The root's own run (`n` 0), which the controller keeps from the attempt's rows."""
    state = PHASE_STATE[status]
    ended = state in (BlockState.SUCCEEDED, BlockState.FAILED, BlockState.CANCELLED)
    started = None if state == BlockState.NOT_EXECUTED else now_us
    db.execute(
        "insert into block_runs (attempt, n, path, try, status, state, inputs, outputs, reason, started_at, ended_at)"
        " values (?, 0, '-1', 0, ?, ?, ?, ?, ?, ?, ?) on conflict (attempt, n) do update set"
        " status = excluded.status, state = coalesce(?, state), inputs = coalesce(excluded.inputs, inputs),"
        " outputs = coalesce(excluded.outputs, outputs), reason = coalesce(excluded.reason, reason),"
        " started_at = coalesce(started_at, excluded.started_at), ended_at = coalesce(ended_at, excluded.ended_at)",
        (
            attempt, status.value, (state or BlockState.RUNNING).value, inputs, outputs, reason, started,
            now_us if ended else None, state.value if state else None,
        ),
    )  # fmt: skip
