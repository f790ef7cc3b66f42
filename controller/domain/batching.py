"""What would become of a job if a batch asked it of it, or why nothing would: pure, from the life of a job."""

from typing import NamedTuple

from controller.domain.lifecycle import LIFE, Cell, Event
from schemas.batch import BatchAction
from schemas.status import TERMINAL, JobState


class Outlook(NamedTuple):
    """Whether something would be asked of it; a code of `schemas.batch.WILL` or `WILL_NOT`."""

    will: bool
    code: str


_CANCELS: dict[JobState, str] = {
    JobState.QUEUED: "at_once",
    JobState.ASSIGNED: "told_first",
    JobState.RUNNING: "stops",
    JobState.PAUSED: "stops",
    JobState.CANCELLING: "again",
    JobState.UNCERTAIN: "silent",
}


def outlook(
    action: BatchAction, state: JobState, *, parked: bool, on_hold: bool, priority: int, wanted: int | None
) -> Outlook:
    """Of a job in this state; `on_hold`: some robot is, `wanted`: the priority that is asked for."""
    if action == "cancel":
        if LIFE[state, Event.CANCEL] == Cell.REFUSE:
            return Outlook(False, "ended")
        return Outlook(False, "held_up") if parked and on_hold else Outlook(True, _CANCELS[state])
    if action == "execute":
        return Outlook(True, "made") if state in TERMINAL else Outlook(False, "not_ended")
    if LIFE[state, Event.PRIORITY] != Cell.CHANGED:
        return Outlook(False, "ended" if state in TERMINAL else "taken")
    return Outlook(False, "equal") if priority == wanted else Outlook(True, "set")
