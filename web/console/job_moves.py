"""What happened to a job, one whole sentence a move: from what to what, who, why."""

from dataclasses import dataclass

from schemas.views import Event
from web.console.job_waiting import REFUSALS
from web.console.language import N_, _

SENTENCES: dict[str, str] = {
    "submitted": N_("Made by %(who)s."),
    "assigned": N_("Offered to %(robot)s."),
    "accepted": N_("%(robot)s took it and began."),
    "rejected": N_("%(robot)s did not take it (%(why)s)."),
    "block": N_("%(robot)s was heard again and goes on."),
    "held": N_("%(robot)s was heard again and holds it."),
    "paused": N_("%(robot)s paused."),
    "paused.debug": N_("A block failed in debug mode (%(why)s); %(robot)s waits for a person."),
    "resumed": N_("%(robot)s goes on."),
    "refused": N_("%(robot)s did not do what was asked (%(why)s)."),
    "refused cancel": N_("%(robot)s could not stop (%(why)s), so the job goes on."),
    "cancelled": N_("%(robot)s stopped."),
    "succeeded": N_("%(robot)s finished it."),
    "failed": N_("Failed on %(robot)s: %(why)s"),
    "interrupted": N_("Cut off on %(robot)s: %(why)s"),
    "no answer": N_("%(robot)s did not answer the offer and is on hold."),
    "silent hold": N_("%(robot)s fell silent; nobody knows what it does."),
    "silent requeue": N_("%(robot)s fell silent and is on hold."),
    "queue time-out": N_("No robot took it in time."),
    "time limit": N_("The run time limit was over; %(robot)s was told to stop."),
    "cancel": N_("%(who)s asked %(robot)s to stop."),
    "cancel.queued": N_("Cancelled by %(who)s."),
    "set error": N_("%(who)s ended it as failed."),
    "parent ended": N_("The job that made it has ended."),
    "pause asked": N_("%(who)s asked %(robot)s to pause."),
    "resume asked": N_("%(who)s asked %(robot)s to go on."),
    "reRun asked": N_("%(who)s asked %(robot)s to run the block again."),
    "resume_with_rollback asked": N_("%(who)s asked %(robot)s to undo and end."),
    "force": N_("%(who)s decided without the robot's word."),
    "priority": N_("%(who)s changed the priority from %(old)s to %(new)s."),
    "released": N_("%(who)s released it."),
    "parked": N_("Parked: it may have run since the backup that was restored."),
    "restore": N_("Taken back from %(robot)s: a backup was restored."),
}
"""One sentence for each kind of move."""
SAYS_WHY = frozenset({
    "cancel", "set error", "pause asked", "resume asked", "reRun asked", "resume_with_rollback asked", "force",
    "priority", "released",
})  # fmt: skip
"""Moves of people: what they gave as a reason stands behind the sentence."""


@dataclass(frozen=True)
class Move:
    """A move as it is shown: `state` only where the job came into another one; `why` is what a person gave."""

    id: int
    at: str
    state: str | None
    sentence: str
    why: str | None


def shown(event: Event) -> Move:
    """A move in the language of the page."""
    state = event.new if event.new != event.old and event.event != "priority" else None
    return Move(event.id, event.at, state, sentence(event), event.why if event.event in SAYS_WHY else None)


def sentence(event: Event) -> str:
    """What happened; a move that is not known stands as it was recorded."""
    kind = "cancel.queued" if event.event == "cancel" and event.robot is None else event.event
    kind = "paused.debug" if kind == "paused" and event.why is not None else kind
    text = SENTENCES.get(kind)
    if text is None:
        return f"{event.event}: {event.why}" if event.why else event.event
    values = {"who": event.who, "robot": event.robot or "–", "old": event.old or "–", "new": event.new or "–"}
    return _(text, **values, why=_why(event))


def _why(event: Event) -> str:
    """The robot's reason; the codes of an offer that was not taken have words."""
    code = (event.code or "").removeprefix("rejected.")
    if event.event == "rejected":
        return _(REFUSALS.get(code, code or "–"))
    return event.why or "–"
