"""What people did, in the words of the page: a word for each command, and what changed field by field."""

import json
from datetime import UTC, datetime
from typing import Any

from schemas.views import AuditRow
from web.console.language import N_, _
from web.console.text import moment

ACTIONS: dict[str, str] = {
    "job.submit": N_("made a job"),
    "job.submit_bulk": N_("made many jobs"),
    "job.priority": N_("changed the priority"),
    "job.cancel": N_("cancelled a job"),
    "job.pause": N_("paused a job"),
    "job.resume": N_("resumed a job"),
    "job.force": N_("ended a job by force"),
    "job.release": N_("released a parked job"),
    "job.rerun": N_("executed a job again"),
    "job.retry": N_("sent a failed job again"),
    "job.set_error": N_("ended a job as failed"),
    "job.rerun_block": N_("ran a block again"),
    "job.rollback": N_("had a job undone"),
    "record.stop": N_("stopped a record"),
    "batch.apply": N_("changed jobs together"),
    "robot.put": N_("added or changed a robot"),
    "robot.delete": N_("removed a robot"),
    "robot.enable": N_("enabled a robot"),
    "robot.drain": N_("drained a robot"),
    "robot.disable": N_("disabled a robot"),
    "robot.release": N_("released a robot from hold"),
    "robot.enrol": N_("gave a robot a credential"),
    "robot.revoke": N_("revoked a robot's credential"),
    "queue.put": N_("changed a queue"),
    "queue.delete": N_("removed a queue"),
    "flow.save": N_("saved a flow"),
    "deployment.put": N_("saved a deployment"),
    "deployment.delete": N_("removed a deployment"),
    "deployment.run": N_("ran a deployment"),
    "floor.put": N_("saved the floor plan"),
    "box.drain": N_("drained the box"),
    "box.undrain": N_("let the box give out work again"),
    "box.accept_damage": N_("accepted damage of the database"),
    "store.accept_pages": N_("took changed pages of the database as they are"),
    "schedule.put": N_("saved a schedule"),
    "schedule.delete": N_("removed a schedule"),
    "schedule.enable": N_("enabled a schedule"),
    "schedule.disable": N_("disabled a schedule"),
    "asset.put": N_("saved an asset"),
    "asset.delete": N_("removed an asset"),
    "secret.fetch": N_("fetched a secret"),
    "user.add": N_("added an account"),
    "user.change": N_("changed an account"),
    "user.delete": N_("removed an account"),
    "token.create": N_("made a token"),
    "token.revoke": N_("revoked a token"),
    "session.open": N_("signed in"),
    "session.close": N_("signed out"),
    "session.failed": N_("gave a wrong password"),
}
NOUNS: dict[str, str] = {
    "job": N_("job"),
    "robot": N_("robot"),
    "queue": N_("queue"),
    "flow": N_("flow"),
    "deployment": N_("deployment"),
    "schedule": N_("schedule"),
    "asset": N_("asset"),
    "user": N_("account"),
    "token": N_("token"),
    "batch": N_("batch"),
    "artifact": N_("artifact"),
}
_PAGES = {"job": "/jobs/", "robot": "/robots/", "schedule": "/schedules/"}
_NOBODY, HIDDEN = "nobody", "•••"
Change = tuple[str, str | None, str | None]
"""Field, before, after; None: it was not there."""


def did(action: str) -> str:
    """What was done; a command that has no word stands as it is."""
    return _(ACTIONS.get(action, action))


def who(name: str) -> str:
    """Whoever did it: an account by its name, everybody else by what they are."""
    kind, colon, rest = name.partition(":")
    if name == _NOBODY:
        return _("nobody known")
    if not colon:
        return name
    words = {"token": N_("token %(name)s"), "box": N_("on the box: %(name)s"), "robot": N_("robot %(name)s")}
    return _(words[kind], name=rest) if kind in words else name


def about(subject: str) -> tuple[str, str, str]:
    """Noun, id, and the page of what it is about (empty if it has none)."""
    noun, _colon, which = subject.partition(":")
    return _(NOUNS.get(noun, noun)), which, _PAGES[noun] + which if noun in _PAGES else ""


def changes(row: AuditRow) -> tuple[list[Change], int]:
    """What is different, and how many fields stayed as they were."""
    before: dict[str, Any] = row.before or {}
    after: dict[str, Any] = row.after or {}
    if row.action.endswith(".delete"):
        return [(name, _text(value, name), None) for name, value in before.items()], 0
    own = row.subject.partition(":")[0]
    asked = [name for name in after if name not in (own, "reason")]
    differ = [name for name in asked if name not in before or not _same(before[name], after[name])]
    found: list[Change] = [
        (name, _text(before[name], name) if name in before else None, _text(after[name], name)) for name in differ
    ]
    return found, len(asked) - len(differ)


def _same(before: Any, after: Any) -> bool:
    """Booleans are numbers in the database; what is hidden may well be different."""
    return bool(before == after) and before != HIDDEN


def _text(value: Any, name: str) -> str:
    if name.endswith("_at") and isinstance(value, int):  # microseconds, as the database keeps them
        return moment(datetime.fromtimestamp(value / 1_000_000, UTC))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
