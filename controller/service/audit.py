"""The audit: every command that was carried out, by whom, from where, with what it was before and after."""

import sqlite3
from collections.abc import Mapping
from typing import Any

from controller.store import accounts
from schemas.commands import Caller
from schemas.job import Asked

SILENT = frozenset({"artifact.open", "artifact.complete", "artifact.refuse", "session.seen", "batch.preview"})
"""Commands that are no changes worth a row."""
SECRET = frozenset({"password", "hash", "value", "sealed", "secret"})
"""Fields whose values nobody may read in the audit."""
HIDDEN = "•••"
MAX_SHOWN = 50
"""Items of a list, and fields of an object, that a row holds; the rest is counted."""
_SUBJECTS = ("job", "robot", "queue", "schedule", "deployment", "flow", "asset", "user", "token", "batch", "artifact")
_LEFT_OUT = frozenset({"definition", "parameters", "plan", "nodes", "edges", "areas", "capabilities", "failed_jobs"})
"""Kept with the thing itself, and too large, or secret, to be repeated here."""


def subject(args: Asked, answer: Mapping[str, Any] | None = None) -> str:
    """What a command is about, as `noun:id`; of a submission the first job that it made."""
    for noun in _SUBJECTS:
        named = getattr(args, noun, None)
        if isinstance(named, str):
            return f"{noun}:{named}"
    made = (answer or {}).get("jobs")
    return f"job:{made[0]}" if isinstance(made, list) and made and isinstance(made[0], str) else ""


def before(db: sqlite3.Connection, args: Asked) -> dict[str, Any] | None:
    """The row that a command is about, as it is before the change."""
    noun, _, name = subject(args).partition(":")
    found = accounts.row_of(db, noun, name)
    return None if found is None else shown({key: found[key] for key in found if key not in _LEFT_OUT})


def shown(value: Any, name: str = "") -> Any:
    """A value as the audit keeps it: secrets hidden, long lists and texts cut."""
    if name in SECRET and value is not None:
        return HIDDEN
    if isinstance(value, Mapping):
        return {key: shown(part, str(key)) for key, part in list(value.items())[:MAX_SHOWN]}
    if isinstance(value, list | tuple):
        cut = [shown(part) for part in value[:MAX_SHOWN]]
        return cut if len(value) <= MAX_SHOWN else [*cut, f"and {len(value) - MAX_SHOWN} more"]
    if isinstance(value, bytes):
        return HIDDEN
    return value[:500] if isinstance(value, str) else value


def write(
    db: sqlite3.Connection,
    us: int,
    caller: Caller,
    action: str,
    args: Asked,
    was: Mapping[str, Any] | None,
    answer: Mapping[str, Any],
) -> None:
    """One row about a command that was carried out."""
    if action in SILENT:
        return
    given = {
        key: value for key, value in args.model_dump(mode="json", exclude_unset=True).items() if key not in _LEFT_OUT
    }
    row = {
        "action": action,
        "subject": subject(args, answer),
        "before": was,
        "after": shown(given),
        "why": getattr(args, "reason", None),
    }
    accounts.audit(db, us, caller.model_dump(), row)
