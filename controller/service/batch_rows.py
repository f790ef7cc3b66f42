"""What a batch does to one job: the single command itself, if the job is still as it was previewed."""

import json
import logging
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from controller.desk import Desk
from controller.errors import Refused
from controller.service.jobs import JobService
from controller.store import batches
from controller.store.failures import is_fatal, is_trouble
from schemas.batch import BatchAction
from schemas.commands import Caller, JobCommandArgs, JobPriorityArgs, JobRerunArgs

logger = logging.getLogger(__name__)

Result = tuple[str, str | None, str | None, int]
"""Result, code, public id of the job that was made, number of the row."""


class RowWork:
    """Carries out rows of a batch; `recover` is called when a defect has made the memory differ from the store."""

    def __init__(self, desk: Desk, jobs: JobService, recover: Callable[[], None]) -> None:
        self.desk = desk
        self.jobs = jobs
        self.recover = recover

    def carry_out(self, batch: sqlite3.Row, rows: Sequence[sqlite3.Row]) -> list[Result]:
        """All rows in one part of the transaction; if a defect trips one up, each in a part of its own."""
        try:
            with self.desk.store.part():
                return [self._one(batch, row) for row in rows]
        except Exception as error:
            if is_trouble(error) or is_fatal(error):
                raise
            logger.exception("rows of a batch failed; they are carried out one by one")
            self.recover()
            return [self._alone(batch, row) for row in rows]

    def _alone(self, batch: sqlite3.Row, row: sqlite3.Row) -> Result:
        try:
            with self.desk.store.part():
                return self._one(batch, row)
        except Exception as error:
            if is_trouble(error) or is_fatal(error):
                raise
            logger.exception("job %s of batch %s was given up", row["uid"], batch["uid"])
            self.recover()
            return ("refused", "internal", None, row["n"])

    def _one(self, batch: sqlite3.Row, row: sqlite3.Row) -> Result:
        if batches.version_of(self.desk.db, row["job"]) != row["version"]:
            return ("changed", "changed", None, row["n"])
        try:
            made = self._ask(batch["action"], row["uid"], batch, Caller(name=batch["applied_by"]))
        except Refused as refused:
            return ("refused", refused.refusal.code, None, row["n"])
        return ("done", None, made, row["n"])

    def _ask(self, action: BatchAction, uid: str, batch: sqlite3.Row, caller: Caller) -> str | None:
        """The single command; the public id of the job that it made, if it makes one."""
        if action == "cancel":
            self.jobs.cancel(JobCommandArgs.model_construct(job=uid, reason=batch["reason"]), caller)
            return None
        if action == "priority":
            wanted: int = json.loads(batch["args"])["priority"]
            self.jobs.priority(
                JobPriorityArgs.model_construct(job=uid, priority=wanted, reason=batch["reason"]), caller
            )
            return None
        answer: dict[str, Any] = self.jobs.rerun(JobRerunArgs.model_construct(job=uid), caller)
        return str(answer["jobs"][0])
