"""What is said about robots: what a hold means, what ends it, what to look at before it is released, what happened."""

from datetime import datetime, timedelta

from schemas.views import Event, Hold, Robot
from web.console.language import N_, _
from web.console.words import hold_sentence, job_word

MAY: dict[str, str] = {
    "no_answer": N_("%(robot)s may have heard the assignment and could still start to move."),
    "silent": N_("%(robot)s went silent while it held a job. It may be on its way, and it may carry a load."),
    "forced": N_("A person ended the job of %(robot)s without its word. It may still be doing it."),
    "foreign": N_("%(robot)s says that it holds work that this box did not give it, and may be doing it."),
    "restored": N_("What %(robot)s did since the backup is not known here. It may be doing it still."),
    "unreadable": N_("The journal of %(robot)s cannot be read, so nobody knows what it was doing."),
    "new_journal": N_("%(robot)s came back with another journal: a new disk, or another machine with its name."),
    "two_agents": N_(
        "Two machines speak in the name of %(robot)s. End the wrong one first, or both may get the same work."
    ),
    "ahead": N_("%(robot)s knows newer attempts than this box. Released, it is on hold again with its next message."),
    "failures": N_("%(robot)s failed several jobs in a row. What broke them may break the next ones as well."),
    "refusals": N_("%(robot)s refused several jobs in a row. What it lacks it may still lack."),
}
"""What may happen when a robot is released, by the reason of its hold."""
_WITH_TIME = N_("%(robot)s may have heard the assignment of %(time)s and could still start to move.")
_ATTEMPT_ENDS = N_("It ends by itself when the robot reports that the attempt is over. Or a person looks.")
_SPEAKS = N_("It ends by itself when the robot says what it holds. Or a person looks.")
_JOURNAL = N_("It ends by itself when only one of its journals has spoken for 25 s and it holds nothing.")
_PERSON = N_("Only a person ends it.")
ENDS: dict[str, str] = {
    "no_answer": _ATTEMPT_ENDS,
    "silent": _ATTEMPT_ENDS,
    "forced": _ATTEMPT_ENDS,
    "foreign": _ATTEMPT_ENDS,
    "restored": _SPEAKS,
    "unreadable": _SPEAKS,
    "new_journal": _JOURNAL,
    "two_agents": _JOURNAL,
    "ahead": N_("It ends when the numbers of this box are above its own, or when its agent starts with a new journal."),
    "failures": _PERSON,
    "refusals": _PERSON,
}
"""What ends a hold, by its reason."""
_CHECK: dict[str, str] = {
    "unreadable": N_("Look at its agent: its disk may be full or broken."),
    "new_journal": N_("Its number plate says that it is the machine you know under this name."),
    "two_agents": N_("Find the second machine or agent with this name, and end the wrong one."),
    "failures": N_("Look at the jobs that failed: is the cause gone?"),
    "refusals": N_("Look at the jobs it refused: is the cause gone?"),
}
"""What to look at as well."""
HEARD = timedelta(seconds=6)
"""As long after its last message a robot counts as heard: three heartbeats."""
STANDING = ("rpa", "station")
"""Kinds of robots that carry nothing and are in nobody's way."""
_EVENTS: dict[str, str] = {
    "added": N_("Added"),
    "changed": N_("Changed"),
    "enabled": N_("Enabled"),
    "drained": N_("Drained"),
    "disabled": N_("Disabled"),
    "removed": N_("Removed"),
    "enrolled": N_("Given a credential"),
    "revoked": N_("Credential revoked"),
    "hold": N_("Put on hold"),
    "hold ended": N_("Hold ended"),
    "journal adopted": N_("New journal adopted"),
    "gap": N_("Reports never arrived"),
}
_BY_THE_BOX: dict[str, str] = {
    "heard for the first time": N_("heard for the first time"),
    "it does not hold the attempt": N_("it does not hold the attempt"),
    "it said what it holds": N_("it said what it holds"),
    "its new journal was adopted": N_("its new journal was adopted"),
    "its numbers are known again": N_("its numbers are known again"),
}
"""Reasons that the controller gives; those of people stand as they were typed."""
KINDS: dict[str, str] = {"agv": N_("AGV"), "rpa": N_("RPA machine"), "station": N_("Station")}


def kind_word(kind: str) -> str:
    """A kind of robots as people read it; one that we do not know stands as it is."""
    return _(KINDS.get(kind, kind))


def may_happen(robot: Robot, hold: Hold, assigned: str | None) -> str:
    """What may happen after a release; `assigned`: when the attempt was offered, as people read it, if it is known."""
    if hold.reason == "no_answer" and assigned is not None:
        return _(_WITH_TIME, robot=robot.id, time=assigned)
    text = MAY.get(hold.reason)
    return hold_sentence(hold.reason) if text is None else _(text, robot=robot.id)


def ends_by(hold: Hold) -> str:
    """What ends a hold."""
    return _(ENDS.get(hold.reason, _PERSON))


def heard_lately(robot: Robot, now: datetime) -> bool:
    """Whether it spoke just now: also a robot on hold may have been silent for long."""
    return robot.last_seen is not None and now - datetime.fromisoformat(robot.last_seen) <= HEARD


def place(robot: Robot) -> str | None:
    """A node of the floor plan, else metres; None if it does not say."""
    where = robot.position or {}
    if where.get("node"):
        return str(where["node"])
    try:
        return f"{float(where['x']):.1f} / {float(where['y']):.1f} m"
    except (KeyError, TypeError, ValueError):
        return None


def before_release(robot: Robot) -> list[str]:
    """Where to go and what to see before a robot is released, in order."""
    where = place(robot)
    if robot.kind in STANDING:
        steps = [_("Look at the machine itself, not at this screen."), _("No program of a job runs there any more.")]
    else:
        steps = [
            _("Go there: %(place)s.", place=where) if where else _("Find it: it does not say where it is."),
            _("It stands still, and nobody is in its way."),
            _("It carries nothing."),
        ]
    reasons = dict.fromkeys(hold.reason for hold in robot.holds)
    return steps + [_(_CHECK[reason]) for reason in reasons if reason in _CHECK]


def seen_words(robot: Robot) -> str:
    """What a person vouches for."""
    if robot.kind in STANDING:
        return _("I have looked: no program of a job runs there any more")
    return _("I have seen it: it stands still and carries nothing")


def event_word(event: Event) -> str:
    """What happened to a robot, or to a job that it held."""
    if event.topic == "job":
        return job_word(event.new or event.event)
    return _(_EVENTS.get(event.event, event.event))


def event_why(event: Event) -> str:
    """Why it happened, as far as it was said."""
    if event.event in ("hold", "hold ended"):
        reason = event.new or event.old or ""
        if event.event == "hold" or event.who == "controller":
            return hold_sentence(reason)
    return _(_BY_THE_BOX.get(event.why or "", event.why or "")) if event.why else ""
