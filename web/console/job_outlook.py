"""What would become of a job and its robot if something were asked of it now: pure, and in whole sentences."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from controller.store.queries.matters import CANCELLING_S
from schemas.status import TERMINAL, JobState
from schemas.views import JobRow, Robot
from web.console.language import N_, _

Action = Literal[
    "cancel", "pause", "resume", "again", "undo", "priority", "decide", "release", "rerun", "retry", "set_error"
]
"""`again`, `undo`: what can be decided about a block that failed in debug mode."""
Kind = Literal["at_once", "told_first", "stops", "silent", "again", "same"]
"""It ends at once; its robot is told first; stops, then it ends; is silent; is told once more; nothing changes."""
STANDING = ("rpa", "station")
"""Kinds of robots that carry nothing and are in nobody's way."""

STANDS: dict[str, str] = {
    "queued": N_("It waits; no robot holds it."),
    "assigned": N_("%(robot)s was asked to take it and has not begun."),
    "running": N_("%(robot)s carries it out."),
    "paused": N_("%(robot)s holds it and has paused."),
    "uncertain": N_("%(robot)s is silent, so nobody knows what it does."),
    "cancelling": N_("%(robot)s was told to stop; its answer ends the job."),
    "succeeded": N_("It has succeeded already."),
    "failed": N_("It has failed already."),
    "cancelled": N_("It has been cancelled already."),
}
"""How a job stands, for saying why something is not possible."""
ONLY: dict[Action, str] = {
    "cancel": N_("Only a job that has not ended can be cancelled."),
    "pause": N_("Only a running job can be paused."),
    "resume": N_("Only a paused job can go on."),
    "again": N_("Only a block that failed in debug mode and waits for a person can be run again."),
    "undo": N_("Only a job of which a block failed in debug mode and waits for a person can be undone."),
    "priority": N_("Only a queued job can change its priority."),
    "decide": N_("A person decides only when nobody knows what the robot does, or when it does not answer a cancel."),
    "release": N_("Only a job that may have run before the box was restored needs to be released."),
    "rerun": N_("Only a job that has ended can be executed again."),
    "retry": N_("Only a job that has failed can be sent again."),
    "set_error": N_("Only a job that has not ended can be ended as failed."),
}
FITS: dict[Action, frozenset[JobState]] = {
    "cancel": frozenset(JobState) - TERMINAL,
    "pause": frozenset({JobState.RUNNING}),
    "resume": frozenset({JobState.PAUSED}),
    "again": frozenset({JobState.PAUSED}),
    "undo": frozenset({JobState.PAUSED}),
    "priority": frozenset({JobState.QUEUED}),
    "decide": frozenset({JobState.UNCERTAIN, JobState.CANCELLING}),
    "release": frozenset(JobState) - TERMINAL,
    "rerun": TERMINAL,
    "retry": frozenset({JobState.FAILED}),
    "set_error": frozenset(JobState) - TERMINAL,
}
"""The states in which something can be asked, as in the table of the life of a job."""

_CANCEL: dict[str, dict[str, str]] = {
    "running": {
        "loaded": N_(
            "%(robot)s is told to stop where it is. The load stays on it."
            " If it finishes first, the job ends as succeeded."
        ),
        "moving": N_(
            "%(robot)s is told to stop where it is. Whatever it carries stays on it."
            " If it finishes first, the job ends as succeeded."
        ),
        "standing": N_(
            "%(robot)s is told to stop. What it has done already stays done."
            " If it finishes first, the job ends as succeeded."
        ),
    },
    "paused": {
        "loaded": N_(
            "%(robot)s has paused. It is told to give the job up and stays where it is. The load stays on it."
        ),
        "moving": N_(
            "%(robot)s has paused. It is told to give the job up and stays where it is."
            " Whatever it carries stays on it."
        ),
        "standing": N_("%(robot)s has paused. It is told to give the job up. What it has done already stays done."),
    },
}
_PAUSE = {
    "loaded": N_("%(robot)s finishes the step that it is doing and then stands. The load stays on it."),
    "moving": N_("%(robot)s finishes the step that it is doing and then stands."),
    "standing": N_("%(robot)s finishes the step that it is doing and then waits."),
}
_RESUME = {
    "loaded": N_("%(robot)s goes on from where it paused as soon as it hears this. See that nobody stands in its way."),
    "moving": N_("%(robot)s goes on from where it paused as soon as it hears this. See that nobody stands in its way."),
    "standing": N_("%(robot)s goes on from where it paused as soon as it hears this."),
}
_AGAIN = {
    "moving": N_("%(robot)s runs “%(block)s” again as soon as it hears this, once. See that nobody stands in its way."),
    "standing": N_("%(robot)s runs “%(block)s” again as soon as it hears this, once."),
}
_AFTER_AGAIN = N_("If that succeeds, the job goes on from there. If it fails again, the job waits again.")
_UNDO = {
    "moving": N_(
        "%(robot)s undoes what has finished, the last first: %(blocks)s. It begins as soon as it hears this."
        " See that nobody stands in its way."
    ),
    "standing": N_(
        "%(robot)s undoes what has finished, the last first: %(blocks)s. It begins as soon as it hears this."
    ),
    "nothing": N_(
        "Nothing that has finished has steps that undo it. %(robot)s does not move; what is done stays done."
    ),
}
_AFTER_UNDO = N_("Then the job ends as failed. It is not tried again.")
_WAITS = N_("A block has failed, and %(robot)s waits: run the block again, or leave debug mode.")
_RELEASE = N_(
    "It may be given to a robot again. If it ran before the box was restored, its work is done a second time:"
    " look first how far it got."
)
_RELEASE_HELD = N_("%(robot)s holds it and goes on with it. Only the mark that it may have run before is taken away.")


@dataclass(frozen=True)
class Case:
    """A job with what matters about the fleet: its robot as it is known, and which robots are on hold.

    `cancelling_s`: for how long it has been cancelling, None if it is not. `failed`: name of the block that failed in
    debug mode; `undoes`: names of the blocks that would be undone, the last first.
    """

    job: JobRow
    robot: Robot | None
    on_hold: tuple[str, ...] = ()
    cancelling_s: float | None = None
    failed: str = "–"
    undoes: tuple[str, ...] = ()

    @property
    def waits_for_person(self) -> bool:
        """A block failed in debug mode, and somebody has to decide about it."""
        job = self.job
        return job.debug and job.state == JobState.PAUSED and job.reason is not None and job.reason.code == "debug"

    @property
    def manner(self) -> Literal["loaded", "moving", "standing"]:
        """How its robot is to be spoken of."""
        if self.robot is not None and self.robot.kind in STANDING:
            return "standing"
        return "loaded" if self.robot is not None and self.robot.load else "moving"

    def say(self, text: str) -> str:
        """A sentence about its robot in the language of the page."""
        names = {"robot": self.job.robot or "–", "block": self.failed, "blocks": _and(self.undoes)}
        return _(text, **names, n=round(CANCELLING_S))


def _and(names: tuple[str, ...]) -> str:
    return _(", ").join(_("“%(block)s”", block=name) for name in names)


@dataclass(frozen=True)
class Outlook:
    """What would happen, or why nothing can."""

    kind: Kind
    sentences: tuple[str, ...]

    @property
    def possible(self) -> bool:
        """Whether it can be asked now."""
        return self.kind != "same"


def case_of(job: JobRow, robots: Mapping[str, Robot], cancelling_s: float | None = None) -> Case:
    """A job beside the fleet."""
    held = tuple(sorted(robot.id for robot in robots.values() if robot.holds))
    return Case(job, robots.get(job.robot or ""), held, cancelling_s)


def outlook(case: Case, action: Action) -> Outlook:
    """What would happen if this were asked now."""
    job = case.job
    if job.state not in FITS[action] or (action == "release" and not job.parked):
        return Outlook("same", (case.say(STANDS[job.state]), _(ONLY[action])))
    if action in ("again", "undo", "resume") and case.waits_for_person != (action != "resume"):
        return Outlook("same", (case.say(_WAITS if case.waits_for_person else STANDS[job.state]), _(ONLY[action])))
    if action in ("again", "undo"):
        return Outlook("at_once", _debugged(case, action))
    if action in ("cancel", "release", "set_error") and job.parked and case.on_hold:
        return Outlook("same", _held_up(case))
    if action in ("cancel", "set_error"):
        return _cancel(case, fails=action == "set_error")
    if action == "decide" and job.state == JobState.CANCELLING and (case.cancelling_s or 0.0) < CANCELLING_S:
        early = _("It can be decided when the robot has not answered for %(n)s s.", n=round(CANCELLING_S))
        return Outlook("same", (case.say(STANDS["cancelling"]), early))
    said: dict[Action, str] = {
        "pause": _PAUSE[case.manner],
        "resume": _RESUME[case.manner],
        "release": _RELEASE if job.state == JobState.QUEUED else _RELEASE_HELD,
    }
    return Outlook("at_once", (case.say(said.get(action, STANDS[job.state])),))


def _debugged(case: Case, action: Action) -> tuple[str, ...]:
    """What running the failed block again, or undoing, would do to the robot; a dry run moves nothing."""
    stands = case.manner == "standing" or case.job.mock
    manner = "standing" if stands else "moving"
    if action == "again":
        return case.say(_AGAIN[manner]), case.say(_AFTER_AGAIN)
    return case.say(_UNDO[manner if case.undoes else "nothing"]), case.say(_AFTER_UNDO)


def _held_up(case: Case) -> tuple[str, ...]:
    return (
        _("It may have run before the box was restored, and a robot that is on hold may be running it still."),
        _("This is possible when none of these is on hold any more: %(robots)s.", robots=", ".join(case.on_hold)),
    )


_AFTER = N_(
    "Until it answers, the job is shown as cancelling. If no answer comes for %(n)s s, you can decide in its place."
)


_FAILS_AFTER = N_(
    "Its answer ends the job as failed, and so does %(n)s s without one: then %(robot)s is on hold. Blocks that have"
    " begun and not ended fail with it."
)


def _cancel(case: Case, *, fails: bool) -> Outlook:
    found = _cancelled(case)
    if not fails:
        return found
    if case.job.state == JobState.QUEUED:
        return Outlook("at_once", (_("No robot holds it. It ends at once as failed and is not tried again."),))
    if case.job.state == JobState.ASSIGNED:
        return Outlook(found.kind, (case.say(_ASSIGNED_FAILS), case.say(_FAILS_AFTER)))
    return Outlook(found.kind, (found.sentences[0], case.say(_FAILS_AFTER)))


_ASSIGNED_FAILS = N_("%(robot)s is told first; it has not moved for this job yet.")


def _cancelled(case: Case) -> Outlook:
    state = case.job.state
    if state == JobState.QUEUED:
        return Outlook("at_once", (_("No robot holds it. It ends at once as cancelled and is not tried again."),))
    if state == JobState.ASSIGNED:
        text = N_("%(robot)s is told first; it has not moved for this job yet. Its answer ends the job as cancelled.")
        return Outlook("told_first", (case.say(text), case.say(_AFTER)))
    if state == JobState.UNCERTAIN:
        text = N_("%(robot)s is silent, so nobody knows what it does. It is told to stop as soon as it is heard again.")
        return Outlook("silent", (case.say(text), case.say(_AFTER)))
    if state == JobState.CANCELLING:
        text = N_("%(robot)s was told to stop and has not answered yet. It is told once more.")
        return Outlook("again", (case.say(text), case.say(_AFTER)))
    return Outlook("stops", (case.say(_CANCEL[state][case.manner]), case.say(_AFTER)))
