"""What robots said: every report once, by journal and number."""

import sqlite3
from typing import Any

from pydantic_core import to_json

from controller.store.pending import Pending
from schemas.messages import BlockRow, LogRow
from schemas.status import BLOCK_ENDED, PHASE_STATE, BlockState, Phase

_UPTO = "update journals set upto = ? where id = ?"
_RECORD = "insert into reports values (?, ?, ?, ?, ?, ?)"
_LOG = (
    "insert into logs (job, attempt, robot, path, level, type, text, message, args, output, artifact, time,"
    " recorded_at) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_RUN = (
    "insert into block_runs (attempt, n, path, try, status, state, inputs, outputs, reason, started_at, ended_at,"
    " truncated) values (?1, ?2, ?3, ?4, ?5, coalesce(?6, 'running'), ?7, ?8, ?9, ?10, ?11, ?12)"
    " on conflict (attempt, n) do update set"
    " status = iif(?5 in ('delete.begin', 'delete.success') and state in ('succeeded', 'failed'), status, ?5),"
    " state = coalesce(?6, state), inputs = coalesce(?7, inputs),"
    " outputs = coalesce(?8, outputs), reason = coalesce(?9, reason), started_at = coalesce(started_at, ?10),"
    " ended_at = coalesce(ended_at, ?11), truncated = max(truncated, ?12)"
)
_Run = tuple[int, int, str, int, str, str | None, str | None, str | None, str | None, int | None, int | None, int]
_SHORT = {
    phase: (phase.value, state.value if state else None, state in BLOCK_ENDED, state == BlockState.NOT_EXECUTED)
    for phase, state in PHASE_STATE.items()
}
"""Of each phase: its word, the short state (None: it stays), whether the run has ended, whether it has not begun."""
_TIDYING, _KEPT = ("delete.begin", "delete.success"), ("succeeded", "failed")
"""Clean-up that goes well leaves a finished or failed run at the word of its end; the reports have it all the same."""


def journal(db: sqlite3.Connection, robot: str, name: str, now_us: int) -> tuple[int, int]:
    """(inner id, upto) of a journal, made when first heard of."""
    row = db.execute("select id, upto from journals where robot = ? and journal = ?", (robot, name)).fetchone()
    if row:
        return row["id"], row["upto"]
    done = db.execute("insert into journals (robot, journal, first_seen) values (?, ?, ?)", (robot, name, now_us))
    return int(done.lastrowid or 0), 0


def set_upto(pending: Pending, journal_id: int, upto: int) -> None:
    """The highest number up to which everything is recorded."""
    pending.setting(_UPTO)[journal_id] = (upto, journal_id)


def gap(db: sqlite3.Connection, journal_id: int, first: int, last: int, now_us: int) -> None:
    """Numbers that the agent no longer has."""
    db.execute("insert into gaps values (?, ?, ?, ?)", (journal_id, first, last, now_us))


def record(
    pending: Pending, journal_id: int, seq: int, attempt: int | None, kind: str, body: str | None, now_us: int
) -> None:
    """One report; the primary key refuses a second one of the same number."""
    pending.add(_RECORD, (journal_id, seq, attempt, kind, body, now_us))


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


def log(pending: Pending, robot: str, job: int | None, row: LogRow, now_us: int) -> None:
    """A log line."""
    pending.add(
        _LOG,
        (
            job, row.attempt, robot, row.path, row.level, row.type, row.text, row.message, text_of(row.args),
            text_of(row.output), row.artifact, row.time, now_us,
        ),
    )  # fmt: skip


def text_of(value: Any) -> str | None:
    """JSON that a robot sent, as text; a number too large for any reader (1e999) is null, as in the report's body."""
    return None if value is None else to_json(value, inf_nan_mode="null").decode()


def block(pending: Pending, row: BlockRow, now_us: int) -> None:
    """A block run reached a phase: the first row makes it, later ones add what they know."""
    word, state, ended, _ = _SHORT[row.status]
    run = (
        row.attempt, row.n, row.path, row.try_, word, state, text_of(row.inputs), text_of(row.outputs),
        row.reason, now_us, now_us if ended else None, int(row.truncated),
    )  # fmt: skip
    _set_run(pending, run)


def failed(pending: Pending, attempt: int, n: int, path: str, try_: int, reason: str | None, now_us: int) -> None:
    """A block run has failed, though none of its rows may ever have come."""
    word, state, _, _ = _SHORT[Phase.MONITOR_FAILED]
    _set_run(pending, (attempt, n, path, try_, word, state, None, None, reason, now_us, now_us, 0))


def root(
    pending: Pending,
    attempt: int,
    status: Phase,
    now_us: int,
    *,
    reason: str | None = None,
    inputs: str | None = None,
) -> None:
    """The root's own run (`n` 0), which the controller keeps from the attempt's rows."""
    word, state, ended, idle = _SHORT[status]
    run = (
        attempt, 0, "-1", 0, word, state, inputs, None, reason, None if idle else now_us,
        now_us if ended else None, 0,
    )  # fmt: skip
    _set_run(pending, run)


def fail_open(db: sqlite3.Connection, pending: Pending, attempt: int, reason: str | None, now_us: int) -> None:
    """Every run of an attempt that has a row and no end fails for this reason; what has ended stays as it is."""
    for key in [key for key in pending.setting(_RUN) if key[0] == attempt]:
        pending.settle(_RUN, key)
    db.execute(
        "update block_runs set status = ?, state = ?, reason = ?, ended_at = ? where attempt = ? and ended_at is null",
        (Phase.MONITOR_FAILED.value, BlockState.FAILED.value, reason, now_us, attempt),
    )


def failed_run(db: sqlite3.Connection, pending: Pending, attempt: int, n: int) -> tuple[str, int, bool] | None:
    """Path and try of a block run, and whether it is the failed last try of its path; None if there is no such run."""
    pending.settle(_RUN, (attempt, n))
    row = db.execute(
        "select path, try, state = 'failed' and not exists (select 1 from block_runs later where later.attempt = ?1"
        " and later.n > ?2 and later.path = block_runs.path) as last from block_runs where attempt = ?1 and n = ?2",
        (attempt, n),
    ).fetchone()
    return None if row is None else (row["path"], row["try"], bool(row["last"]))


def undo_failed(db: sqlite3.Connection, pending: Pending, attempt: int) -> bool:
    """Whether some finished block of an attempt could not be undone."""
    word = Phase.ROLLBACK_FAILED.value
    if any(run[0] == attempt and run[4] == word for run in pending.setting(_RUN).values()):
        return True
    found = db.execute("select 1 from block_runs where attempt = ? and status = ? limit 1", (attempt, word))
    return found.fetchone() is not None


def _set_run(pending: Pending, run: _Run) -> None:
    """What this turn knows of a run already and what it learns now become one write with the effect of both."""
    runs, key = pending.setting(_RUN), run[:2]
    known = runs.get(key)
    if known is not None and known[5] not in _KEPT and run[4] in _TIDYING:
        pending.settle(_RUN, key)  # whether clean-up is shown depends on the state before it, as the table has it
        known = None
    runs[key] = run if known is None else _both(known, run)


def _both(old: _Run, new: _Run) -> _Run:
    attempt, n, path, try_, status, state, inputs, outputs, reason, started, ended, truncated = old
    if new[4] not in _TIDYING or state not in _KEPT:
        status = new[4]
    return (
        attempt, n, path, try_, status, _newer(new[5], state), _newer(new[6], inputs), _newer(new[7], outputs),
        _newer(new[8], reason), new[9] if started is None else started, new[10] if ended is None else ended,
        max(new[11], truncated),
    )  # fmt: skip


def _newer(new: str | None, old: str | None) -> str | None:
    return old if new is None else new
