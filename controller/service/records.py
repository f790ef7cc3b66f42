"""What integrators ask of records: send a failed one again, end one as failed, stop one together with its schedule."""

import json
import sqlite3
from collections.abc import Callable
from typing import Any

from controller.desk import Desk
from controller.domain.lifecycle import LIFE, Cell, Event
from controller.errors import Refused, not_found
from controller.moves import Moves
from controller.service.submit import SubmitService
from controller.store import accounts, jobs, records
from controller.store.connection import to_json
from schemas.commands import Caller, Problem
from schemas.record import SET_ERROR, OfRecord, SetErrorArgs
from schemas.status import ACTIVE, JobState

MAX_REMARKS = 2000


class RecordService:
    """job.retry, job.set_error, record.stop."""

    def __init__(self, desk: Desk, moves: Moves, submit: SubmitService) -> None:
        self.desk = desk
        self.moves = moves
        self.submit = submit

    def handlers(self) -> dict[str, Callable[[Any, Caller], dict[str, Any]]]:
        """Command to handler."""
        return {"job.retry": self.retry, "job.set_error": self.set_error, "record.stop": self.stop}

    def _job(self, uid: str) -> sqlite3.Row:
        row = jobs.by_uid(self.desk.db, uid)
        if row is None:
            raise not_found("job", uid)
        return row

    def retry(self, args: OfRecord, caller: Caller) -> dict[str, Any]:
        """A new job like one that failed: what it does, how urgent, for whom, who asked and when stay the same."""
        row = self._job(args.job)
        if LIFE[JobState(row["state"]), Event.RETRY] != Cell.NEW_JOB or row["state"] != JobState.FAILED:
            raise _in_state(row, "Only a failed job can be sent again")
        if not records.has_definition(self.desk.db, row["flow_version"]):
            raise Refused("flow.not_found", f"The flow {row['flow']!r} of this job is gone.")
        changes = {"retried_from": row["uid"], "source": _marked(row)}
        return {"jobs": [self.submit.like(row, caller, changes)]}

    def set_error(self, args: SetErrorArgs, caller: Caller) -> dict[str, Any]:
        """A cancel that ends failed: a queued job at once, else with its robot's answer, or without one after 30 s."""
        row = self._job(args.job)
        self._refuse_parked(row)
        cell = self.moves.cancel(row, Event.SET_ERROR, caller.name, args.reason, intention="failed", code=SET_ERROR)
        if cell == Cell.REFUSE:
            raise _in_state(row, "Only a job that has not ended can be ended as failed")
        return {"job": args.job, "recorded": row["state"] in ACTIVE}

    def stop(self, args: OfRecord, caller: Caller) -> dict[str, Any]:
        """Cancel a job and let the schedule that made it fire no more."""
        row = self._job(args.job)
        self._refuse_parked(row)
        cell = self.moves.cancel(row, Event.CANCEL, caller.name, None)
        if cell == Cell.REFUSE:
            raise _in_state(row, "Only a job that has not ended can be stopped")
        schedule = self._disable(row["firing"], args.job, caller) if row["firing"] is not None else None
        return {"job": args.job, "recorded": row["state"] in ACTIVE, "schedule": schedule}

    def _disable(self, firing: str, job: str, caller: Caller) -> str | None:
        us = self.desk.now.utc_us
        schedule = records.disable_schedule(self.desk.db, firing, caller.name, us)
        if schedule is not None:
            row = {
                "action": "schedule.disable", "subject": f"schedule:{schedule}", "before": {"enabled": 1},
                "after": {"enabled": 0}, "why": f"the record {job} was stopped",
            }  # fmt: skip
            accounts.audit(self.desk.db, us, caller.model_dump(), row)
            self.desk.tell("definition", "schedule disabled", caller.name, new=schedule, why=str(row["why"]))
        return schedule

    def _refuse_parked(self, row: sqlite3.Row) -> None:
        if row["parked"] and any(robot.holds for robot in self.desk.memory.robots.values()):
            raise Refused("job.parked", "It may have run since the backup; not before every robot was heard.")


def _in_state(row: sqlite3.Row, only: str) -> Refused:
    """Refused because of the state, which is named so that every format can write its own number."""
    text = f"{only}; this one is {row['state']}."
    return Refused("job.state", text, (Problem(in_="state", code=str(row["state"]), message=text),))


def _marked(row: sqlite3.Row) -> str:
    """The source of a job that is sent again: as it was, with a mark before its remarks."""
    source = {"type": row["source_type"]} | json.loads(row["source"])
    old = source.get("remarks")
    mark = f"重发任务(原记录 {row['uid']})"
    return to_json(source | {"remarks": (f"{mark} {old}" if old else mark)[:MAX_REMARKS]})
