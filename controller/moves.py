"""How jobs move: the table's cells carried out, with the event row, the outbox and the robot's slot in one go."""

import sqlite3
from typing import Any

from controller.desk import CONTROLLER, Desk, encode
from controller.domain.lifecycle import LIFE, MOVES, Cell, Event, may_retry
from controller.memory import Live, Robot
from controller.store import jobs, reports
from schemas.messages import Cancel, CancelReason, Control, Do
from schemas.record import SET_ERROR
from schemas.status import TERMINAL, AttemptState, JobState, Phase

_ROOT_PHASE = {
    "accepted": Phase.START_BEGIN,
    "rejected": Phase.START_FAILED,
    "refused cancel": Phase.CANCEL_FAILED,
    "cancelled": Phase.CANCEL_SUCCESS,
    "succeeded": Phase.MONITOR_SUCCESS,
    "failed": Phase.MONITOR_FAILED,
    "interrupted": Phase.MONITOR_FAILED,
    "no answer": Phase.PRODUCE_FAILED,
}
_ATTEMPT_END = {
    "rejected": AttemptState.CANCELLED,
    "no answer": AttemptState.CANCELLED,
    "restore": AttemptState.CANCELLED,
    "cancelled": AttemptState.CANCELLED,
    "succeeded": AttemptState.SUCCEEDED,
}


def _root_phase(live: Live, new: JobState, event: str) -> Phase:
    """The root block is the job: where the job ends, so does it; else what became of the attempt."""
    if new == JobState.CANCELLED:
        return Phase.CANCEL_SUCCESS if live.began else Phase.CANCELED
    if new == JobState.FAILED:
        return Phase.MONITOR_FAILED
    return _ROOT_PHASE.get(event, Phase.MONITOR_FAILED)


def revoke_key(robot: str, attempt: int) -> str:
    """One revoke for each robot: whoever claims another's attempt must not stand in the way of its owner's letter."""
    return f"revoke:{attempt}:{robot}"


class Moves:
    """Carries out what the life of a job allows."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    # ------------------------------------------------------------ the one place a live job moves
    def move(
        self,
        live: Live,
        new: JobState,
        event: str,
        *,
        who: str = CONTROLLER,
        code: str | None = None,
        why: str | None = None,
        **changes: Any,
    ) -> None:
        """Bring a live job to a new state; ends its attempt when the robot is done with it."""
        old, us = live.state, self.desk.now.utc_us
        if old == new:
            return
        leaves = new in TERMINAL or new == JobState.QUEUED
        if new in TERMINAL:
            changes |= {"ended_at": us, "reason_code": code, "reason": why}
        elif new == JobState.QUEUED:
            changes |= {"attempt": None, "robot": None, "reason_code": code, "reason": why}
        if leaves and live.debug:
            changes["failed_path"] = None
        jobs.move(self.desk.db, live.job, old, new, live.number, **changes)
        live.state = new
        if new == JobState.QUEUED and changes.get("ready", 1):
            self.desk.memory.waiting[live.target].add(live.need)
        self.desk.counters[("moves", old.value, new.value)] += 1
        self.desk.tell(
            "job", str(event), who, job=live.job, robot=live.robot, attempt=live.number, old=old.value, new=new.value,
            code=code, why=why,
        )  # fmt: skip
        if leaves:
            self._leave(live, new, event, code, why)
        else:
            self.desk.memory.refresh(self.robot(live))

    def _leave(self, live: Live, new: JobState, event: str, code: str | None, why: str | None) -> None:
        """The attempt is over for its job: slot free, letters gone (a revoke stays), children told."""
        desk = self.desk
        end = _ATTEMPT_END.get(event) or (AttemptState.CANCELLED if new == JobState.CANCELLED else AttemptState.FAILED)
        if new == JobState.FAILED and live.intention == "failed":
            end = AttemptState.FAILED  # its robot stopped it, but for the one who asked it failed
        jobs.close_attempt(desk.db, desk.pending, live.number, end, str(event), code, why, desk.now.utc_us)
        reports.root(desk.pending, live.number, _root_phase(live, new, event), desk.now.utc_us, reason=why)
        if new == JobState.FAILED and live.intention_code == SET_ERROR:
            reports.fail_open(desk.db, desk.pending, live.number, live.intention_text, desk.now.utc_us)
        for letter in desk.letters_about(live.number):
            if not letter.key.startswith("revoke:"):
                desk.drop(letter.key)
        desk.memory.remove_live(live)
        if new in TERMINAL:
            desk.memory.forget_job(live.job)
        for child in jobs.open_children(desk.db, live.job, live.number):
            self.cancel(child, Event.PARENT_ENDED, CONTROLLER, "its parent has ended", reason="parent")

    def robot(self, live: Live) -> Robot:
        """The robot of a live attempt."""
        return self.desk.memory.robots[live.robot]

    # ------------------------------------------------------------ cells
    def apply(
        self,
        live: Live,
        event: Event,
        *,
        who: str = CONTROLLER,
        code: str | None = None,
        why: str | None = None,
        **changes: Any,
    ) -> Cell:
        """Carry out the cell of (state, event) for a live job; returns the cell."""
        cell = LIFE[live.state, event]
        if cell == Cell.NOTHING:
            return cell
        if cell == Cell.BACK:
            self._cancel_refused(live, why)
        elif cell in (Cell.RETRY_FAILURE, Cell.RETRY_INTERRUPTED, Cell.RETRY_INTERRUPTED_HOLD):
            self._retry(live, cell, event, code, why, changes)
        elif cell == Cell.QUEUED_HOLD:
            self.move(live, JobState.QUEUED, event, code=code, why=why, **changes)
            self.hold_and_revoke(live, code or event.value)
        elif live.state == JobState.CANCELLING and MOVES.get(cell) in (JobState.CANCELLED, JobState.FAILED):
            self._end_cancel(live, MOVES[cell], event, code, why, changes)
        elif cell in MOVES:
            self.move(live, MOVES[cell], event, who=who, code=code, why=why, **changes)
        return cell

    def _end_cancel(
        self, live: Live, new: JobState, event: Event, code: str | None, why: str | None, changes: dict[str, Any]
    ) -> None:
        """The robot's answer to a cancel; set-error and the time limit end failed, in one terminal move."""
        if live.intention == "failed":
            new, code, why = JobState.FAILED, live.intention_code, live.intention_text
        elif new == JobState.CANCELLED:
            code, why = live.intention_code, live.intention_text
        self.move(live, new, event, code=code, why=why, **changes)

    def _retry(
        self, live: Live, cell: Cell, event: Event, code: str | None, why: str | None, changes: dict[str, Any]
    ) -> None:
        """Another attempt if the rules allow one, else failed; granted attempts use up retries."""
        used = live.used + live.counted
        again = may_retry(
            reported_failure=cell == Cell.RETRY_FAILURE,
            safe=live.safe,
            no_retry=live.no_retry,
            used=used,
            max_retries=live.max_retries,
            child=live.parent is not None,
        )
        changes |= {"used": used}
        if cell == Cell.RETRY_FAILURE or again:
            code = code or ("failed" if cell == Cell.RETRY_FAILURE else "interrupted")
        else:
            code = "interrupted"
        if again:
            self.move(live, JobState.QUEUED, event, code=code, why=why, ready=0, **changes)
            self.desk.memory.avoid[live.job].add(live.robot)
            self.back_off(live.job, used)
        else:
            self.move(live, JobState.FAILED, event, code=code, why=why, **changes)
        if cell == Cell.RETRY_INTERRUPTED_HOLD:
            self.hold_and_revoke(live, "silent")

    def back_off(self, job: int, used: int) -> None:
        """A failed job waits before its next attempt: 5 s, doubling to 60 s."""
        settings = self.desk.settings
        wait = min(settings.retry_max_s, settings.retry_first_s * 2 ** max(0, used - 1))
        self.desk.memory.wake(self.desk.now.mono + wait, "ready", job)

    def _cancel_refused(self, live: Live, why: str | None) -> None:
        """The robot cannot stop: back to what it was; a parent that ended asks again."""
        if self._parent_gone(live):
            self.send_cancel(live, "parent", "its parent has ended")
            return
        back = JobState(live.before or JobState.RUNNING)
        live.intention = live.intention_code = live.intention_text = None
        self.move(
            live,
            back,
            Event.REFUSED_CANCEL,
            code="cancel.refused",
            why=why,
            intention=None,
            intention_code=None,
            intention_text=None,
            before=None,
            cancelled_while=None,
        )
        reports.root(self.desk.pending, live.number, Phase.CANCEL_FAILED, self.desk.now.utc_us, reason=why)

    def _parent_gone(self, live: Live) -> bool:
        if live.parent is None:
            return False
        parent = jobs.by_id(self.desk.db, live.parent)
        state = JobState(parent["state"])
        return state in TERMINAL | {JobState.CANCELLING} or parent["attempt"] != live.parent_attempt

    # ------------------------------------------------------------ queued jobs
    def end_queued(
        self, row: sqlite3.Row, new: JobState, event: str, who: str, code: str | None, why: str | None
    ) -> None:
        """A job that no robot holds ends at once."""
        changes: dict[str, Any] = {"ended_at": self.desk.now.utc_us, "reason_code": code, "reason": why}
        if new == JobState.CANCELLED:
            changes["cancelled_while"] = JobState.QUEUED.value
        jobs.move(self.desk.db, row["id"], JobState.QUEUED, new, row["attempt"], **changes)
        self.desk.counters[("moves", "queued", new.value)] += 1
        self.desk.memory.forget_job(row["id"])
        self.desk.tell("job", event, who, job=row["id"], old="queued", new=new, code=code, why=why)

    # ------------------------------------------------------------ commands to the robot
    def cancel(
        self,
        row: sqlite3.Row,
        event: Event,
        who: str,
        why: str | None,
        *,
        reason: CancelReason = "user",
        intention: str = "cancelled",
        code: str | None = None,
    ) -> Cell:
        """Cancel, set-error, time limit, parent ended: the cell of the job's state, carried out."""
        state = JobState(row["state"])
        cell = LIFE[state, event]
        if state == JobState.QUEUED and cell in MOVES:
            self.end_queued(row, MOVES[cell], event, who, code, why)
        elif cell in (Cell.CANCELLING, Cell.ANEW):
            live = self.desk.memory.live[row["attempt"]]
            self._cancelling(live, event, who, why, reason, intention, code)
        return cell

    def _cancelling(
        self,
        live: Live,
        event: Event,
        who: str,
        why: str | None,
        reason: CancelReason,
        intention: str,
        code: str | None,
    ) -> None:
        text = why or ("cancelled by " + who)
        if code == SET_ERROR and live.intention_code != SET_ERROR:
            self.desk.memory.cancel_since[live.number] = self.desk.now.mono  # its time to answer begins anew
        live.intention, live.intention_code, live.intention_text = intention, code, text
        # A set-error that is refused leaves the job as it was; it ends failed without this, too.
        live.no_retry = live.no_retry or (intention == "failed" and code != SET_ERROR)
        changes: dict[str, Any] = {
            "intention": intention,
            "intention_code": code,
            "intention_text": text,
            "no_retry": int(live.no_retry),
        }
        if live.state != JobState.CANCELLING:
            live.before = live.state if live.state in (JobState.RUNNING, JobState.PAUSED) else JobState.RUNNING
            changes |= {"before": live.before, "cancelled_while": live.state.value}
            self.desk.memory.cancel_since[live.number] = self.desk.now.mono
            self.move(live, JobState.CANCELLING, event, who=who, code=code, why=why, **changes)
        else:
            jobs.change(self.desk.db, live.job, **changes)
            self.desk.tell("job", event, who, job=live.job, robot=live.robot, attempt=live.number, code=code, why=why)
        self.send_cancel(live, reason, who)
        for child in jobs.open_children(self.desk.db, live.job, live.number):
            self.cancel(child, Event.PARENT_ENDED, who, why, reason="parent")

    def send_cancel(self, live: Live, reason: CancelReason, who: str) -> None:
        """Tell the robot, with a new number."""
        number = self._number(live)
        message = Cancel(job=live.uid, attempt=live.number, command=number, reason=reason, by=who[:255])
        self.desk.post(f"cmd:{live.number}", live.robot, "cancel", live.number, number, encode(message))

    def control(
        self, live: Live, do: Do, who: str, why: str | None, *, path: str | None = None, try_: int | None = None
    ) -> None:
        """Pause, resume, and what debug mode knows: the state follows only the robot's row."""
        number = self._number(live)
        message = Control(do=do, job=live.uid, attempt=live.number, command=number, path=path, try_=try_)
        self.desk.post(f"cmd:{live.number}", live.robot, "control", live.number, number, encode(message))
        self.desk.tell("job", f"{do} asked", who, job=live.job, robot=live.robot, attempt=live.number, why=why)

    def _number(self, live: Live) -> int:
        live.command = self.desk.store.number()
        jobs.change(self.desk.db, live.job, command=live.command)
        return live.command

    def hold_and_revoke(self, live: Live, reason: str, note: str | None = None) -> None:
        """The robot gets nothing new until it is proven not to run this attempt."""
        self.desk.hold(self.robot(live), reason, live.number, note)
        self.revoke(live.robot, live.uid, live.number)

    def revoke(self, robot: str, uid: str, attempt: int) -> None:
        """Have a robot end an attempt that is not, or no longer, its own; the letter stays until it answers."""
        letters = self.desk.memory.letters
        key = revoke_key(robot, attempt)
        if key in letters:
            return
        number = self.desk.store.number()
        message = Cancel(job=uid, attempt=attempt, command=number, reason="revoke", by=CONTROLLER)
        command = letters.get(f"cmd:{attempt}")
        if command is not None and command.robot == robot:  # what its owner was told is no business of another robot
            self.desk.drop(command.key)
        self.desk.post(key, robot, "cancel", attempt, number, encode(message))

    # ------------------------------------------------------------ persons
    def force(self, live: Live, new: JobState, who: str, why: str) -> None:
        """A named person's word ends the job; the robot is on hold until it is proven idle."""
        self.move(live, new, Event.FORCE, who=who, code="forced", why=why)
        self.hold_and_revoke(live, "forced", f"{who}: {why}")
