"""The words and shapes of every state: one table, in the words of the domain."""

from web.console.language import N_, _

JOB_STATES: dict[str, str] = {
    "queued": N_("Queued"),
    "assigned": N_("Assigned"),
    "running": N_("Running"),
    "paused": N_("Paused"),
    "uncertain": N_("Uncertain"),
    "cancelling": N_("Cancelling"),
    "succeeded": N_("Succeeded"),
    "failed": N_("Failed"),
    "cancelled": N_("Cancelled"),
}
ROBOT_STATES: dict[str, str] = {
    "working": N_("Working"),
    "free": N_("Free"),
    "charging": N_("Charging"),
    "draining": N_("Draining"),
    "on_hold": N_("On hold"),
    "offline": N_("Offline"),
    "disabled": N_("Disabled"),
}
"""In the order of the overview."""
ATTEMPT_STATES: dict[str, str] = {
    "created": N_("Created"),
    "running": N_("Running"),
    "succeeded": N_("Succeeded"),
    "failed": N_("Failed"),
    "cancelled": N_("Cancelled"),
}
BLOCK_STATES: dict[str, str] = {
    "not_executed": N_("Not executed"),
    "running": N_("Running"),
    "succeeded": N_("Succeeded"),
    "failed": N_("Failed"),
    "cancelled": N_("Cancelled"),
}
HOLDS: dict[str, str] = {
    "no_answer": N_("It did not answer an assignment."),
    "silent": N_("It went silent while it held a job."),
    "forced": N_("A person ended its job without its word."),
    "foreign": N_("It holds work that this box did not give it."),
    "restored": N_("The box was restored and has not heard from it since."),
    "unreadable": N_("Its journal cannot be read."),
    "new_journal": N_("It came back with another journal."),
    "two_agents": N_("Two agents speak in its name."),
    "ahead": N_("It knows newer attempts than this box."),
    "failures": N_("It failed several jobs in a row."),
    "refusals": N_("It refused several jobs in a row."),
}
"""What a hold's reason means, as a sentence."""
SOURCES: dict[str, str] = {
    "manual": N_("manual"),
    "schedule": N_("schedule"),
    "api": N_("API"),
    "rerun": N_("re-send"),
    "retry": N_("re-send"),
    "resend": N_("re-send"),
    "child": N_("child job"),
    "dispatch": N_("dispatch"),
    "button": N_("button"),
    "system": N_("system"),
    "handheld": N_("handheld"),
}
PERSON_ROLES: dict[str, str] = {"viewer": N_("viewer"), "operator": N_("operator"), "admin": N_("administrator")}
_SHAPES = {"on_hold": "hold", "not_executed": "none", "created": "assigned"}


def shape(state: str) -> str:
    """The name of a state's symbol and colour."""
    return _SHAPES.get(state, state)


def job_word(state: str) -> str:
    """A job's state as people read it; one that we do not know stands as it is."""
    return _(JOB_STATES.get(state, state))


def robot_word(state: str) -> str:
    """A robot's state as people read it."""
    return _(ROBOT_STATES.get(state, state))


def attempt_word(state: str) -> str:
    """An attempt's state as people read it."""
    return _(ATTEMPT_STATES.get(state, state))


def block_word(state: str) -> str:
    """A block's state as people read it."""
    return _(BLOCK_STATES.get(state, state))


def hold_sentence(reason: str) -> str:
    """Why a robot is on hold."""
    return _(HOLDS.get(reason, reason.replace("_", " ")))


def source_word(source: str) -> str:
    """Where a job came from."""
    return _(SOURCES.get(source, source))


def person_word(role: str) -> str:
    """A role as people read it; that of a robot stands as it is."""
    return _(PERSON_ROLES.get(role, role))
