"""How a job stands and why, in whole sentences; what may be asked of it; the facts under its name."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from schemas.status import JobState
from schemas.views import Event, Job
from web.console.job_attempts import Played
from web.console.job_outlook import Action, Case, case_of, outlook
from web.console.job_waiting import Waits
from web.console.language import N_, _
from web.console.look import Look
from web.console.text import clock, duration

ENDED = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED})
TITLES: dict[str, str] = {
    "queued": N_("Queued for attempt %(k)s of %(n)s."),
    "assigned": N_("Offered to %(robot)s as attempt %(k)s of %(n)s."),
    "running": N_("Running on %(robot)s, attempt %(k)s of %(n)s."),
    "paused": N_("Paused on %(robot)s, attempt %(k)s of %(n)s."),
    "cancelling": N_("Being cancelled on %(robot)s."),
    "uncertain": N_("Nobody knows what %(robot)s does with this job."),
    "succeeded": N_("Succeeded on %(robot)s in attempt %(k)s of %(n)s."),
    "failed": N_("Failed on %(robot)s in attempt %(k)s of %(n)s."),
    "cancelled": N_("Cancelled."),
}
CANCELLED_WHILE: dict[str, str] = {
    "queued": N_("Cancelled by %(who)s while it waited."),
    "assigned": N_("Cancelled by %(who)s while it was offered to a robot."),
    "running": N_("Cancelled by %(who)s while it ran."),
    "paused": N_("Cancelled by %(who)s while it was paused."),
    "uncertain": N_("Cancelled by %(who)s while nobody knew what its robot did."),
}
FAILED: dict[str, str] = {
    "queue_timeout": N_("No robot took it within the %(limit)s that it may wait."),
    "time_limit": N_("The run time limit of %(limit)s was over."),
    "interrupted": N_("It was cut off, and it is not marked as safe to repeat."),
    "silent": N_("Its robot fell silent, and no retries were left."),
    "forced": N_("A person ended it without the robot's word: %(why)s"),
}
"""Why a job failed, where no block failed."""
LOST: dict[str, str] = {"hold": N_("a person decides"), "requeue": N_("it is given to another robot")}
SILENT = ("silent hold",)


@dataclass(frozen=True)
class Standing:
    """One sentence how it stands, then why; `since` counts on (RFC 3339), or it took `took_s`."""

    title: str
    sentences: tuple[str, ...]
    since: str | None
    took_s: float | None


@dataclass(frozen=True)
class Facts:
    """What the sentences are made of; moves are the newest, newest first."""

    job: Job
    look: Look
    played: Sequence[Played]
    moves: Sequence[Event]
    waits: Waits | None
    usual_s: float | None
    blocks: dict[str, str]
    """Place of a block to its name."""

    @property
    def numbers(self) -> dict[str, Any]:
        """Robot, and attempt k of n."""
        job = self.job
        coming = job.state in (JobState.QUEUED, JobState.ASSIGNED)
        k = job.attempt_count + (1 if coming else 0)
        return {"robot": job.robot or _last_robot(self.played), "k": k, "n": max(job.max_retries + 1, k)}

    def last(self, *events: str) -> Event | None:
        """The newest move of these."""
        return next((move for move in self.moves if move.event in events), None)

    def entered(self) -> str | None:
        """Since when the job is in its state."""
        return next((move.at for move in self.moves if move.new == self.job.state), None)


def _last_robot(played: Sequence[Played]) -> str:
    return played[-1].attempt.robot if played else "–"


def standing(facts: Facts) -> Standing:
    """How the job stands."""
    job = facts.job
    title = _(TITLES[job.state], **facts.numbers)
    if job.state == JobState.CANCELLED:
        move = facts.last("cancel", "force", "parent ended")
        title = _(CANCELLED_WHILE.get(job.cancelled_while or "", TITLES["cancelled"]), who=move.who if move else "–")
    elif job.state == JobState.FAILED and not facts.played:
        title = _("Failed before any robot began it.")
    sentences = _parked(job) + _SENTENCES[job.state](facts)
    if job.state in ENDED:
        return Standing(title, sentences, None, None if job.duration_ms is None else job.duration_ms / 1000)
    since = facts.entered() or job.created_at
    if job.state in (JobState.RUNNING, JobState.PAUSED, JobState.CANCELLING) and facts.played:
        since = facts.played[-1].attempt.started_at or since
    return Standing(title, sentences, since, None)


def _parked(job: Job) -> tuple[str, ...]:
    if not job.parked:
        return ()
    return (_("It may have run since the backup that was restored; a person releases or cancels it."),)


def _queued(facts: Facts) -> tuple[str, ...]:
    if facts.job.parked:
        return ()
    if facts.waits is None:
        return (_("The controller does not answer, so nobody knows now why it waits."),)
    return facts.waits.sentences


def _assigned(facts: Facts) -> tuple[str, ...]:
    return (_("%(robot)s has not answered yet.", **facts.numbers),)


def _where(facts: Facts) -> str | None:
    """Name of the block that was begun last and has not ended."""
    if not facts.played:
        return None
    open_ = [one for runs in facts.played[-1].at.values() for one in runs if one.end is None and one.path != "-1"]
    if not open_:
        return None
    last = max(open_, key=lambda one: (one.start or 0.0, one.path.count("/")))
    return last.run.block_name or last.run.block


def _says(facts: Facts) -> list[str]:
    """What the flow says of itself."""
    text = facts.job.state_message
    return [_("It says: “%(text)s”.", text=text)] if text else []


def _running(facts: Facts) -> tuple[str, ...]:
    found = _says(facts)
    decided = facts.last("resume_with_rollback asked", "reRun asked", "paused", "accepted")
    if decided is not None and decided.event == "resume_with_rollback asked":
        found.append(_("It undoes what has finished; then the job ends as failed."))
    where = _where(facts)
    if where is not None:
        found.append(_("It is at “%(block)s”.", block=where))
    if facts.usual_s is not None:
        found.append(_("Jobs like it usually take %(time)s.", time=duration(facts.usual_s, words=True)))
    return tuple(found)


def _stuck(facts: Facts) -> tuple[str, ...]:
    """Why a job in debug mode waits for a person."""
    reason = facts.job.reason
    runs = [one.run for several in facts.played[-1].at.values() for one in several] if facts.played else []
    failed = next((run for run in runs if run.id == facts.job.failed_run), None)
    block = "–" if failed is None else failed.block_name or failed.block
    told = reason.message.rstrip(".。") if reason and reason.message else "–"
    why = _("“%(block)s” failed: %(why)s.", block=block, why=told)
    return why, _("It runs in debug mode, so a person decides: run the block again, or leave debug mode and undo.")


def _paused(facts: Facts) -> tuple[str, ...]:
    if case_of(facts.job, facts.look.by_id).waits_for_person:
        return _stuck(facts)
    asked = facts.last("pause asked")
    found = [_("%(robot)s keeps it and waits until somebody lets it go on.", **facts.numbers)]
    if asked is not None:
        found.append(_("%(who)s asked for it at %(time)s.", who=asked.who, time=clock(asked.at)))
    return tuple(found)


def _cancelling(facts: Facts) -> tuple[str, ...]:
    asked = facts.last("cancel", "set error", "time limit", "parent ended")
    found = []
    if asked is not None:
        told = _("It was told to stop at %(time)s; its answer ends the job.", time=clock(asked.at))
        found.append(told)
    if facts.job.intention == "failed":
        found.append(_("It ends as failed and is not tried again."))
    return tuple(found)


def _uncertain(facts: Facts) -> tuple[str, ...]:
    robot = facts.look.by_id.get(facts.job.robot or "")
    silent = facts.last(*SILENT)
    heard = robot.last_seen if robot is not None else None
    if heard is not None:
        first = _("%(robot)s was last heard at %(time)s.", time=clock(heard), **facts.numbers)
    elif silent is not None:
        first = _("%(robot)s was found silent at %(time)s.", time=clock(silent.at), **facts.numbers)
    else:
        first = _("%(robot)s is silent.", **facts.numbers)
    rest = _("It may still be working, so nobody else gets the job until it is heard again or a person decides.")
    return first, rest


def _succeeded(facts: Facts) -> tuple[str, ...]:
    return tuple(_says(facts))


def _failed(facts: Facts) -> tuple[str, ...]:
    job = facts.job
    code, why = (job.reason.code, job.reason.message) if job.reason else (None, None)
    limit = job.queue_timeout_s if code == "queue_timeout" else job.time_limit_s
    culprit = facts.played[-1].culprit if facts.played else None
    if culprit is not None and culprit.path != "-1" and code not in ("time_limit", "forced"):
        block = facts.blocks.get(culprit.run.path) or culprit.run.block_name or culprit.run.block
        return (_("At “%(block)s”: %(why)s", block=block, why=culprit.run.reason or why or "–"),)
    if code in FAILED:
        return (_(FAILED[code], limit=duration(limit, words=True), why=why or "–"),)
    return (why,) if why else ()


def _cancelled(facts: Facts) -> tuple[str, ...]:
    why = facts.job.reason.message if facts.job.reason else None
    return (_("The reason given: %(why)s", why=why),) if why and not why.startswith("cancelled by ") else ()


_SENTENCES = {
    JobState.QUEUED: _queued,
    JobState.ASSIGNED: _assigned,
    JobState.RUNNING: _running,
    JobState.PAUSED: _paused,
    JobState.CANCELLING: _cancelling,
    JobState.UNCERTAIN: _uncertain,
    JobState.SUCCEEDED: _succeeded,
    JobState.FAILED: _failed,
    JobState.CANCELLED: _cancelled,
}

# ------------------------------------------------------------ what may be asked
ACTIONS: tuple[tuple[Action, str, str], ...] = (
    ("decide", "uncertain", N_("Decide…")),
    ("release", "queued", N_("Release…")),
    ("pause", "paused", N_("Pause…")),
    ("resume", "running", N_("Resume…")),
    ("again", "loop", N_("Run this block again…")),
    ("undo", "undo", N_("Leave debug mode and undo…")),
    ("priority", "up", N_("Priority %(priority)s…")),
    ("retry", "up", N_("Send again…")),
    ("rerun", "loop", N_("Execute again…")),
    ("set_error", "failed", N_("End as failed…")),
    ("cancel", "x", N_("Cancel job…")),
)


@dataclass(frozen=True)
class Button:
    """Something that can be asked of the job now."""

    action: Action
    icon: str
    label: str


def buttons(facts: Facts) -> list[Button]:
    """What is possible now, nothing else."""
    case = _case(facts)
    possible = [row for row in ACTIONS if outlook(case, row[0]).possible]
    if possible and possible[0][0] == "decide":  # a person's word ends it as failed, too, and at once
        possible = [row for row in possible if row[0] != "set_error"]
    if facts.job.state == JobState.CANCELLING:  # asked already; what is left is a person's word
        possible = [row for row in possible if row[0] not in ("cancel", "set_error")]
    return [Button(action, icon, _(label, priority=facts.job.priority)) for action, icon, label in possible]


def _case(facts: Facts) -> Case:
    since = facts.entered() if facts.job.state == JobState.CANCELLING else None
    waits = None if since is None else (facts.look.at - datetime.fromisoformat(since)).total_seconds()
    return case_of(facts.job, facts.look.by_id, waits)
