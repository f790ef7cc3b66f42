"""What may be asked of a job: the life of a job decides, here only the words are found."""

import sqlite3
from collections.abc import Callable
from typing import Any

from controller.desk import Desk
from controller.dispatcher import Dispatcher
from controller.domain.lifecycle import LIFE, Cell, Event
from controller.errors import Refused, not_found
from controller.memory import Live
from controller.moves import Moves
from controller.payload import iso
from controller.service.submit import SubmitService
from controller.store import jobs
from schemas.commands import (
    Caller,
    JobCommandArgs,
    JobForceArgs,
    JobPriorityArgs,
    JobReleaseArgs,
    JobRerunArgs,
    OfJob,
)
from schemas.messages import Do
from schemas.status import ACTIVE, TERMINAL, JobState

_DONE = {Event.CANCEL: "cancelled", Event.PAUSE: "paused", Event.RESUME: "resumed", Event.FORCE: "ended by force"}
_SHOWN = 200
"""Robots whose reasons are listed for one waiting job."""


class JobService:
    """Cancel, pause, resume, force, release, priority, rerun; and why a job waits."""

    def __init__(self, desk: Desk, moves: Moves, dispatcher: Dispatcher, submit: SubmitService) -> None:
        self.desk = desk
        self.moves = moves
        self.dispatcher = dispatcher
        self.submit = submit

    def handlers(self) -> dict[str, Callable[[Any, Caller], dict[str, Any]]]:
        """Command to handler."""
        return {
            "job.priority": self.priority,
            "job.cancel": self.cancel,
            "job.pause": lambda args, caller: self._control(args, caller, Event.PAUSE),
            "job.resume": lambda args, caller: self._control(args, caller, Event.RESUME),
            "job.force": self.force,
            "job.release": self.release,
            "job.rerun": self.rerun,
            "job.waiting": self.waiting,
        }

    def _job(self, uid: str, if_attempt: int | None = None) -> sqlite3.Row:
        row = jobs.by_uid(self.desk.db, uid)
        if row is None:
            raise not_found("job", uid)
        if if_attempt is not None and row["attempt"] != if_attempt:
            raise Refused("job.attempt_changed", f"The job is in attempt {row['attempt']}, not in {if_attempt}.")
        return row

    def _refuse(self, row: sqlite3.Row, event: Event) -> Refused:
        return Refused("job.state", f"A job that is {row['state']} cannot be {_DONE[event]}.")

    def _live(self, row: sqlite3.Row) -> Live:
        return self.desk.memory.live[row["attempt"]]

    # ------------------------------------------------------------ commands
    def priority(self, args: JobPriorityArgs, caller: Caller) -> dict[str, Any]:
        """The queue-jump, for a queued job only."""
        row = self._job(args.job)
        if LIFE[JobState(row["state"]), Event.PRIORITY] != Cell.CHANGED:
            raise Refused("job.state", f"Only a queued job can change its priority; this one is {row['state']}.")
        if row["priority"] != args.priority:
            jobs.change(self.desk.db, row["id"], priority=args.priority)
            self.desk.tell(
                "job", "priority", caller.name, job=row["id"], old=str(row["priority"]), new=str(args.priority),
                why=args.reason,
            )  # fmt: skip
        return {"job": args.job, "recorded": False}

    def cancel(self, args: JobCommandArgs, caller: Caller) -> dict[str, Any]:
        """Queued: at once. Held by a robot: the robot is told, its answer is the truth."""
        row = self._job(args.job, args.if_attempt)
        if row["parked"] and any(r.holds for r in self.desk.memory.robots.values()):
            raise Refused("job.parked", "It may have run since the backup; not before every robot was heard.")
        cell = self.moves.cancel(row, Event.CANCEL, caller.name, args.reason)
        if cell == Cell.REFUSE:
            raise self._refuse(row, Event.CANCEL)
        return {"job": args.job, "recorded": row["state"] in ACTIVE}

    def _control(self, args: JobCommandArgs, caller: Caller, event: Event) -> dict[str, Any]:
        row = self._job(args.job, args.if_attempt)
        if LIFE[JobState(row["state"]), event] != Cell.COMMAND:
            raise self._refuse(row, event)
        if event == Event.RESUME and row["failed_path"] is not None:
            text = "A block failed in debug mode: run it again, or leave debug mode and undo what has finished."
            raise Refused("job.state", text)
        do: Do = "pause" if event == Event.PAUSE else "resume"
        self.moves.control(self._live(row), do, caller.name, args.reason)
        return {"job": args.job, "recorded": True}

    def force(self, args: JobForceArgs, caller: Caller) -> dict[str, Any]:
        """A person's word, where no robot answers: uncertain at once, cancelling after 30 s."""
        row = self._job(args.job)
        state = JobState(row["state"])
        if LIFE[state, Event.FORCE] != Cell.FORCED:
            raise self._refuse(row, Event.FORCE)
        live = self._live(row)
        since = self.desk.memory.cancel_since.get(live.number, self.desk.now.mono)
        left = self.desk.settings.force_s - (self.desk.now.mono - since)
        if state == JobState.CANCELLING and left > 0:
            raise Refused("job.state", f"The robot has {left:.0f} s left to answer the cancel.")
        self.moves.force(live, JobState(args.outcome), caller.name, args.reason)
        return {"job": args.job, "recorded": False}

    def release(self, args: JobReleaseArgs, caller: Caller) -> dict[str, Any]:
        """A job parked by a restore may be dispatched again."""
        row = self._job(args.job)
        if not row["parked"]:
            raise Refused("job.state", "This job is not parked.")
        if any(r.holds for r in self.desk.memory.robots.values()):
            raise Refused("job.parked", "A robot is still on hold; it may be running this job.")
        jobs.change(self.desk.db, row["id"], parked=0)
        if row["state"] == JobState.QUEUED:
            self._queue_again(row)
        self.desk.tell("job", "released", caller.name, job=row["id"], why=args.reason)
        return {"job": args.job, "recorded": False}

    def _queue_again(self, row: sqlite3.Row) -> None:
        if row["ready"]:
            self.desk.memory.waiting[row["target"]].add(row["need"])
        else:
            self.desk.memory.wake(self.desk.now.mono, "ready", row["id"])
        if row["queue_timeout_s"] is not None:
            self.desk.memory.wake(self.desk.now.mono + row["queue_timeout_s"], "queue", row["id"])

    def rerun(self, args: JobRerunArgs, caller: Caller) -> dict[str, Any]:
        """A new job like an ended one."""
        row = self._job(args.job)
        if row["state"] not in TERMINAL:
            raise Refused("job.state", f"Only an ended job can be executed again; this one is {row['state']}.")
        return {"jobs": [self.submit.again(row, caller, args.parameters, args.priority, args.sealed)]}

    # ------------------------------------------------------------ why is it waiting
    def waiting(self, args: OfJob, _caller: Caller) -> dict[str, Any]:
        """Place in the queue and, robot by robot, why it does not take the job: the dispatcher's own refusals."""
        row = self._job(args.job)
        if row["state"] != JobState.QUEUED:
            return {"position": None, "reasons": []}
        reasons = [self._reason(None, code, text) for code, text in self._own_reasons(row)]
        ahead = jobs.ahead_of(self.desk.db, row["target"], row["priority"], row["id"])
        if not reasons:
            reasons = self._robots(row, ahead)
        return {"position": ahead + 1, "reasons": reasons}

    def _own_reasons(self, row: sqlite3.Row) -> list[tuple[str, str]]:
        found = []
        if row["parked"]:
            found.append(("parked", "It may have run since the backup that was restored; a person decides."))
        if not row["ready"]:
            found.append(("backing_off", f"It waits before its next attempt: {row['reason'] or 'the last one failed'}"))
        if self.desk.drained:
            found.append(("drained", "The box is drained: what runs goes on, nothing new is given out."))
        if self.desk.tight:
            found.append(("full", "The disk of the box is full: nothing new is given out until there is room."))
        if not self.desk.connected:
            found.append(("broker", "The broker is not reachable."))
        return found

    def _robots(self, row: sqlite3.Row, ahead: int) -> list[dict[str, Any]]:
        memory, found = self.desk.memory, []
        candidates = [r for r in memory.robots.values() if row["target"] in r.targets and not r.removed]
        if not candidates:
            return [self._reason(None, "no_robots", f"No robot serves {row['target'][2:]}.")]
        for robot in candidates[:_SHOWN]:
            whys = self.dispatcher.refusals(robot, row["id"], row["need"])
            found += [self._reason(robot.id, why.code, f"{robot.name or robot.id} {why.message}.") for why in whys]
            if not whys:
                text = f"{ahead} jobs are before it" if ahead else "it is the next one"
                found.append(self._reason(robot.id, "next", f"{robot.name or robot.id} is free; {text}."))
        return found

    def _reason(self, robot: str | None, code: str, message: str) -> dict[str, Any]:
        since = None
        if robot is not None and code.startswith("hold."):
            known = [h.since for h in self.desk.memory.robots[robot].holds if f"hold.{h.reason}" == code]
            since = iso(known[0]) if known else None
        return {"robot": robot, "code": code, "message": message, "since": since}
