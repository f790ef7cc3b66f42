"""Small words of a job's page: branches, what a robot says it does, fields of a source."""

from web.console.language import N_, _

BRANCHES: dict[str, str] = {
    "if": N_("if:"),
    "else_if": N_("else if:"),
    "else": N_("else:"),
    "try": N_("try:"),
    "catch": N_("catch:"),
    "rollback": N_("undo:"),
}
ACTIVITIES: dict[str, str] = {
    "waiting": N_("waits for leave to move"),
    "running": N_("works"),
    "paused": N_("has paused"),
    "stopping": N_("is stopping"),
    "rolling_back": N_("is undoing what it did"),
}
FIELDS: dict[str, str] = {
    "system": N_("system"),
    "user": N_("user"),
    "device": N_("device"),
    "ip": N_("address"),
    "time": N_("time"),
    "client": N_("client"),
    "remarks": N_("remarks"),
}


def branch_word(branch: str) -> str:
    """What stands before a block of a branch; one that we do not know stands as it is."""
    return _(BRANCHES.get(branch, f"{branch}:"))


def activity_word(activity: str) -> str:
    """What a robot says that it does."""
    return _(ACTIVITIES.get(activity, activity))


def source_field(name: str) -> str:
    """A field of where a job came from."""
    return _(FIELDS.get(name, name))
