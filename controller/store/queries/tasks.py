"""Block runs as tasks of a process: one a block and pass, whatever number of tries it took."""

import sqlite3
from dataclasses import dataclass
from typing import Any

from controller.store.queries.blocks import runs_of, why
from controller.store.queries.flow_index import FlowIndex, without_passes
from controller.store.queries.jobs import index_of_version
from controller.store.queries.values import from_json
from schemas.status import BLOCK_ENDED, BlockState, JobState, Phase

RUNS_OF_AN_ATTEMPT = 100_000
"""A task's number is attempt x this + the number of the block's first run; agents make 20,000 runs at most."""
_LAST_NUMBER = 2**63 - 1
ROOT_KIND = "RootBp"


@dataclass(frozen=True)
class Process:
    """A job as its tasks need it; `attempt` is the one that is looked at, open or not, `waits_at` a failed block."""

    uid: str
    attempt: int
    state: JobState
    debug: bool
    is_open: bool
    waits_at: str | None


@dataclass(frozen=True)
class Task:
    """A block (at one pass of its loops) in an attempt, by its newest run; times are UTC microseconds."""

    number: int
    job: str
    attempt: int
    n: int
    path: str
    name: str
    kind: str | None
    phase: Phase
    state: BlockState
    reason: str | None
    inputs: Any
    outputs: Any
    created_at: int
    ended_at: int | None

    @property
    def is_open(self) -> bool:
        """It may still change by itself."""
        return self.state not in BLOCK_ENDED

    @property
    def run(self) -> str:
        """The id of its newest run."""
        return f"{self.attempt}.{self.n}"


_PROCESS = (
    "select j.uid, a.number, a.open, a.created_at, j.state, j.debug, j.flow_version, j.outputs,"
    " iif(a.number = j.attempt, j.failed_path, null) as failed_path, a.number = j.attempt as is_last"
    " from attempts a join jobs j on j.id = a.job where a.number = ?"
)


def last_attempt(db: sqlite3.Connection, job: int) -> int | None:
    """The newest attempt of a job, started or not."""
    row = db.execute("select max(number) as n from attempts indexed by attempts_job where job = ?", (job,)).fetchone()
    return None if row["n"] is None else int(row["n"])


def tasks_of(db: sqlite3.Connection, attempt: int) -> tuple[Process, list[Task]] | None:
    """An attempt's tasks by when they came up, root first; None if there is no such attempt."""
    row = db.execute(_PROCESS, (attempt,)).fetchone()
    if row is None:
        return None
    groups: dict[str, list[sqlite3.Row]] = {}
    for run in runs_of(db, attempt):
        if run["n"] < RUNS_OF_AN_ATTEMPT:
            groups.setdefault(run["path"], []).append(run)
    index = index_of_version(db, row["flow_version"])
    found = [_task(row, index, runs) for runs in groups.values()]
    return _process(row), sorted(found, key=lambda task: (task.created_at, task.number))


def task(db: sqlite3.Connection, number: int) -> tuple[Process, Task] | None:
    """One task by its number."""
    attempt, first = divmod(number, RUNS_OF_AN_ATTEMPT)
    if not 0 <= number <= _LAST_NUMBER:
        return None
    row = db.execute(_PROCESS, (attempt,)).fetchone()
    path = db.execute("select path from block_runs where attempt = ? and n = ?", (attempt, first)).fetchone()
    if row is None or path is None:
        return None
    runs = db.execute(
        "select * from block_runs where attempt = ? and path = ? order by n", (attempt, path["path"])
    ).fetchall()
    if runs[0]["n"] != first:
        return None  # a further try goes by the number of the first one
    return _process(row), _task(row, index_of_version(db, row["flow_version"]), runs)


def _process(row: sqlite3.Row) -> Process:
    return Process(
        uid=row["uid"],
        attempt=row["number"],
        state=JobState(row["state"]),
        debug=bool(row["debug"]),
        is_open=bool(row["open"]),
        waits_at=row["failed_path"],
    )


def _task(process: sqlite3.Row, index: FlowIndex | None, runs: list[sqlite3.Row]) -> Task:
    first, last = runs[0], runs[-1]
    is_root = first["n"] == 0
    block = index.at(first["path"]) if index is not None else None
    begun = None if is_root else first["started_at"] or first["ended_at"]
    outputs = last["outputs"]
    if is_root and process["is_last"]:
        outputs = process["outputs"]
    return Task(
        number=process["number"] * RUNS_OF_AN_ATTEMPT + first["n"],
        job=process["uid"],
        attempt=process["number"],
        n=last["n"],
        path=first["path"],
        name=block.name if block else without_passes(first["path"]).rpartition("/")[2],
        kind=block.kind if block else ROOT_KIND if is_root else None,
        phase=Phase(last["status"]),
        state=BlockState(last["state"]),
        reason=why(last),
        inputs=from_json(last["inputs"]),
        outputs=from_json(outputs),
        created_at=begun or process["created_at"],
        ended_at=last["ended_at"],
    )


def has_begun_again(db: sqlite3.Connection, attempt: int, path: str, after: int) -> bool:
    """Whether there is a run of a block newer than the one of this number."""
    row = db.execute("select max(n) as n from block_runs where attempt = ? and path = ?", (attempt, path)).fetchone()
    return row["n"] is not None and row["n"] > after


def has_begun_undoing(db: sqlite3.Connection, attempt: int) -> bool:
    """Whether something of an attempt was, or is being, rolled back."""
    row = db.execute("select 1 from block_runs where attempt = ? and status like 'rollback.%' limit 1", (attempt,))
    return row.fetchone() is not None


def is_over(db: sqlite3.Connection, attempt: int) -> bool:
    """Whether an attempt has ended for its job."""
    return db.execute("select 1 from attempts where number = ? and open = 1", (attempt,)).fetchone() is None
