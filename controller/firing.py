"""One firing of a schedule: a row a target, with its job or why there is none, all in one transaction."""

import json
import logging
from datetime import UTC, datetime

from controller.desk import Desk
from controller.errors import Refused
from controller.service.submit import SubmitService
from controller.store import definitions, schedules
from controller.store.failures import is_fatal, is_trouble
from controller.store.schedules import Row, Schedule
from schemas.commands import Caller
from schemas.ids import uuid7
from schemas.job import JobSubmit, Source, Target

logger = logging.getLogger(__name__)

DEFECT = "This could not be carried out because of a defect; it is in the log."


class Firings:
    """Makes firings; a moment that has one is never seen to again."""

    def __init__(self, desk: Desk, submit: SubmitService) -> None:
        self.desk = desk
        self.submit = submit

    def fire(self, schedule: Schedule, due_at: int, code: str | None = None, reason: str | None = None) -> None:
        """Make the jobs that are due; what keeps a target from getting one is said in its row."""
        if schedules.fired(self.desk.db, schedule.id, due_at):
            return
        uid = uuid7(self.desk.now.utc_us // 1000)
        self._write(uid, schedule, due_at, self._rows(uid, schedule, due_at), code, reason)

    def skip(self, schedule: Schedule, due_at: int, code: str, reason: str) -> None:
        """Make no job at all, and say why."""
        if schedules.fired(self.desk.db, schedule.id, due_at):
            return
        flow, targets = self._targets(schedule)
        rows = [Row(_robot(target), flow, code=code, reason=reason) for target in targets]
        self._write(uuid7(self.desk.now.utc_us // 1000), schedule, due_at, rows, code, reason)

    def _write(
        self, uid: str, schedule: Schedule, due_at: int, rows: list[Row], code: str | None, reason: str | None
    ) -> None:
        schedules.add_firing(self.desk.db, uid, schedule, due_at, self.desk.now.utc_us, rows, code, reason)
        made = sum(row.job is not None for row in rows)
        why = reason or next((row.reason for row in rows if row.reason), None)
        self.desk.counters[("firings", "made" if made else "skipped")] += 1
        word = "schedule fired" if made else "schedule skipped"
        self.desk.tell("definition", word, f"schedule:{schedule.id}", new=uid, code=code, why=why)

    # ------------------------------------------------------------ targets
    def _targets(self, schedule: Schedule) -> tuple[str | None, list[str | None]]:
        """The flow, and targets (`q:QUEUE`, `r:ROBOT`) of the deployment as it is now; one nobody when it is gone."""
        row = definitions.deployment(self.desk.db, schedule.saved.deployment)
        if row is None:
            return None, [None]
        target = json.loads(row["body"])["target"]
        if target.get("queue") is not None:
            return row["flow"], [f"q:{target['queue']}"]
        return row["flow"], [f"r:{robot}" for robot in target["robots"]]

    def _rows(self, uid: str, schedule: Schedule, due_at: int) -> list[Row]:
        flow, targets = self._targets(schedule)
        kept = self._kept_out(schedule, targets)
        free = [target for target in targets if target is not None and target not in kept]
        made, refusal = self._submit(uid, schedule, due_at, free) if free else ({}, None)
        found = []
        for target in targets:
            code, reason = kept.get(target) or (refusal if target not in made else None) or (None, None)
            found.append(Row(_robot(target), flow, made.get(target or ""), code, reason))
        return found

    def _kept_out(self, schedule: Schedule, targets: list[str | None]) -> dict[str | None, tuple[str, str]]:
        """Targets that get no job, with code and reason."""
        robots = self.desk.memory.robots
        gone = {t for t in targets if t and t[:2] == "r:" and (t[2:] not in robots or robots[t[2:]].removed)}
        kept: dict[str | None, tuple[str, str]] = {
            target: ("robot.not_found", f"The robot {(target or '')[2:]} was removed.") for target in gone
        }
        if None in targets:
            kept[None] = ("deployment.not_found", f"There is no deployment {schedule.saved.deployment!r} any more.")
        if schedule.saved.overlap == "skip":
            for target, job in schedules.busy_targets(self.desk.db, schedule.id).items():
                kept.setdefault(target, ("overlap", f"The job {job} of an earlier firing has not ended."))
        return kept

    # ------------------------------------------------------------ jobs
    def _submit(
        self, uid: str, schedule: Schedule, due_at: int, targets: list[str]
    ) -> tuple[dict[str, int], tuple[str, str] | None]:
        """Jobs by target, or why the submission was refused; a defect in it must not stop the controller."""
        try:
            with self.desk.store.part():
                self.submit.submit(_submission(schedule, due_at, targets), _caller(schedule), firing=uid)
        except Refused as refused:
            return {}, (refused.refusal.code, _sentence(refused))
        except Exception as error:
            if is_fatal(error) or is_trouble(error):
                raise
            logger.exception("schedule %s could not fire", schedule.id)
            return {}, ("internal", DEFECT)
        return dict(zip(targets, schedules.jobs_of(self.desk.db, uid), strict=True)), None


def _submission(schedule: Schedule, due_at: int, targets: list[str]) -> JobSubmit:
    robots = tuple(target[2:] for target in targets if target[:2] == "r:")
    target = Target(robots=robots) if robots else Target(queue=targets[0][2:])
    given = schedule.saved.source or Source(type="schedule", user=schedule.updated_by)
    due = datetime.fromtimestamp(due_at // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    source = given.model_copy(update={"type": "schedule", "time": given.time or due})
    return JobSubmit(deployment=schedule.saved.deployment, target=target, source=source)


def _caller(schedule: Schedule) -> Caller:
    return Caller(name=f"schedule:{schedule.id}", role="operator")


def _sentence(refused: Refused) -> str:
    """What was refused, with the first thing that is wrong."""
    details = refused.refusal.details
    return refused.refusal.message if not details else f"{refused.refusal.message} {details[0].message}".strip()


def _robot(target: str | None) -> str | None:
    return target[2:] if target is not None and target[:2] == "r:" else None
