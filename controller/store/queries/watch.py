"""Noticing that the database changed, and what is new in a job that somebody watches."""

import sqlite3
from dataclasses import dataclass, field

from controller.store.queries.artifacts import artifacts_by_uid, ended_artifacts
from controller.store.queries.blocks import block_run, new_logs
from controller.store.queries.flow_index import FlowIndex
from controller.store.queries.jobs import index_of_job, job_id, shown_attempt
from controller.store.queries.reader import Reader, Unreadable
from schemas.status import BLOCK_ENDED, BlockState
from schemas.views import Artifact, BlockRun, LogRow

MAX_NEWS = 500


class Watch:
    """Tells whether anything was committed since it was last asked: one pragma, no reading."""

    def __init__(self, reader: Reader) -> None:
        self._db = reader.connect()
        self._seen: int | None = None

    def changed(self) -> bool:
        """Raises `Unreadable`."""
        try:
            version = int(self._db.execute("pragma data_version").fetchone()[0])
        except sqlite3.DatabaseError as error:
            raise Unreadable(f"the database cannot be read: {error}") from error
        changed, self._seen = version != self._seen, version
        return changed

    def close(self) -> None:
        """Let go of the database."""
        self._db.close()


@dataclass
class JobWatch:
    """What a watcher of one job has been told; block runs that have ended are not looked at again."""

    uid: str
    job: int
    index: FlowIndex | None
    attempt: int | None = None
    last_log: int = 0
    seen: set[str] = field(default_factory=set)
    """Artifacts that have come to an end."""
    open_from: int = 0
    phases: dict[int, str] = field(default_factory=dict)

    @classmethod
    def begin(cls, db: sqlite3.Connection, uid: str) -> "JobWatch | None":
        """From now on; None if there is no such job."""
        number = job_id(db, uid)
        if number is None:
            return None
        watch = cls(uid, number, index_of_job(db, number))
        last = db.execute("select coalesce(max(id), 0) from logs indexed by logs_job where job = ?", (number,))
        watch.last_log = int(last.fetchone()[0])
        watch.news(db)
        watch.artifacts(db)
        return watch

    def artifacts(self, db: sqlite3.Connection) -> list[Artifact]:
        """What has arrived, or was refused, since the last call."""
        new = [uid for uid in ended_artifacts(db, self.job) if uid not in self.seen]
        self.seen.update(new)
        return list(artifacts_by_uid(db, new[-MAX_NEWS:]).values()) if new else []

    def news(self, db: sqlite3.Connection) -> tuple[list[BlockRun], list[LogRow]]:
        """Block runs whose phase changed, and new log lines, since the last call."""
        logs = new_logs(db, self.job, self.last_log, MAX_NEWS)
        if logs:
            self.last_log = logs[-1].id
        attempt = shown_attempt(db, self.job)
        if attempt != self.attempt:
            self.attempt, self.open_from, self.phases = attempt, 0, {}
        return self._runs(db), logs

    def _runs(self, db: sqlite3.Connection) -> list[BlockRun]:
        rows = db.execute(
            "select n, status, state from block_runs where attempt = ? and n >= ? order by n",
            (self.attempt, self.open_from),
        ).fetchall()
        moved = [row["n"] for row in rows if self.phases.get(row["n"]) != row["status"]]
        still_open = [row["n"] for row in rows if row["n"] and BlockState(row["state"]) not in BLOCK_ENDED]
        self.phases = {row["n"]: row["status"] for row in rows}
        if rows:
            self.open_from = min(still_open, default=rows[-1]["n"])
            self.phases = {n: status for n, status in self.phases.items() if n >= self.open_from}
        found = (
            db.execute("select * from block_runs where attempt = ? and n = ?", (self.attempt, n)).fetchone()
            for n in moved[-MAX_NEWS:]
        )
        return [block_run(row, self.index) for row in found]
