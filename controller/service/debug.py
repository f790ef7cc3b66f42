"""Debug mode: a block that failed has paused its job, and a person runs it again or has everything undone."""

import sqlite3
from collections.abc import Callable
from typing import Any

from controller.desk import Desk
from controller.domain.lifecycle import LIFE, Cell, Event
from controller.errors import Refused, not_found
from controller.moves import Moves
from controller.store import jobs, reports
from schemas.commands import Caller, JobRerunBlockArgs, JobRollbackArgs
from schemas.job import JobCommand
from schemas.status import JobState

_DONE = {Event.RERUN: "run one of its blocks again", Event.ROLLBACK: "be undone"}


class DebugService:
    """Run a failed block again; leave debug mode and undo."""

    def __init__(self, desk: Desk, moves: Moves) -> None:
        self.desk = desk
        self.moves = moves

    def handlers(self) -> dict[str, Callable[[Any, Caller], dict[str, Any]]]:
        """Command to handler."""
        return {"job.rollback": self.rollback, "job.rerun_block": self.rerun_block}

    def rollback(self, args: JobRollbackArgs, caller: Caller) -> dict[str, Any]:
        """The robot undoes what has finished, in reverse order; then the job fails, without a retry."""
        row = self._waiting(args.job, args, Event.ROLLBACK)
        live = self.desk.memory.live[row["attempt"]]
        self.moves.control(live, "resume_with_rollback", caller.name, args.reason)
        return {"job": args.job, "recorded": True}

    def rerun_block(self, args: JobRerunBlockArgs, caller: Caller) -> dict[str, Any]:
        """One further try of the block that failed, in the same attempt, on the robot that holds it."""
        row = self._waiting(args.job, args, Event.RERUN)
        path, try_ = self._failed_run(row, args.run)
        live = self.desk.memory.live[row["attempt"]]
        self.moves.control(live, "reRun", caller.name, args.reason, path=path, try_=try_)
        return {"job": args.job, "recorded": True}

    def _waiting(self, uid: str, asked: JobCommand, event: Event) -> sqlite3.Row:
        """The job, if one of its blocks has failed and waits for a person; raises `Refused`."""
        row = jobs.by_uid(self.desk.db, uid)
        if row is None:
            raise not_found("job", uid)
        if asked.if_attempt is not None and row["attempt"] != asked.if_attempt:
            raise Refused("job.attempt_changed", f"The job is in attempt {row['attempt']}, not in {asked.if_attempt}.")
        if not row["debug"]:
            raise Refused("job.not_debug", "The job does not run in debug mode.")
        if LIFE[JobState(row["state"]), event] != Cell.COMMAND:
            raise Refused("job.state", f"A job that is {row['state']} cannot {_DONE[event]}.")
        if row["failed_path"] is None:
            raise Refused("job.no_failed_block", "The job was paused by a person; none of its blocks has failed.")
        return row

    def _failed_run(self, row: sqlite3.Row, run: str) -> tuple[str, int]:
        """Path and try of the run that is named, which must be the one that waits; raises `Refused`."""
        attempt, n = (int(part) for part in run.split("."))
        found = reports.failed_run(self.desk.db, self.desk.pending, attempt, n) if n else None
        if found is None:
            raise not_found("block", run)
        path, try_, is_last = found
        if attempt != row["attempt"] or path != row["failed_path"] or not is_last:
            raise Refused("job.no_failed_block", f"The block that failed and waits is {row['failed_path']}, not this.")
        return path, try_
