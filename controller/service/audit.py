"""The audit: every command that was carried out, by whom, from where, with what it was before and after."""

import json
import sqlite3
from collections.abc import Mapping
from typing import Any

from controller.store import accounts
from schemas.commands import Caller
from schemas.job import Asked

SILENT = frozenset(
    {
        "artifact.complete",
        "artifact.open",
        "artifact.refuse",
        "batch.preview",
        "session.seen",
        "token.used",
    }
)
"""Commands that are no changes worth a row."""
SECRET = frozenset({"password", "hash", "value", "sealed", "secret"})
"""Fields whose values nobody may read in the audit."""
HIDDEN = "•••"
MAX_SHOWN = 50
"""Items of a list, and fields of an object, that a row holds; the rest is counted."""
_SUBJECTS = ("job", "robot", "queue", "schedule", "deployment", "flow", "asset", "user", "token", "batch", "artifact")
_NAMED_AFTER = {"session": "user"}
_ABOUT_OTHERS = frozenset({"deployment.run", "batch.apply"})
"""They make jobs, and are about something else."""
_LEFT_OUT = frozenset({"definition", "parameters", "plan", "nodes", "edges", "capabilities", "failed_jobs"})
"""Kept with the thing itself, and too large, or secret, to be repeated here."""


def subject(action: str, args: Asked, answer: Mapping[str, Any] | None = None) -> str:
    """What a command is about, as `noun:id`: the thing it is named after; of a submission the first job it made."""
    noun = action.partition(".")[0]
    first = _NAMED_AFTER.get(noun, noun)
    made = (answer or {}).get("jobs")
    if action not in _ABOUT_OTHERS and isinstance(made, list) and made and isinstance(made[0], str):
        return f"job:{made[0]}"
    for name in (first, *_SUBJECTS):
        named = getattr(args, name, None) or (answer or {}).get(name)
        if isinstance(named, str):
            return f"{name}:{named}"
    return ""


def before(db: sqlite3.Connection, action: str, args: Asked) -> dict[str, Any] | None:
    """The row that a command is about, as it is before the change."""
    noun, _, name = subject(action, args).partition(":")
    found = accounts.row_of(db, noun, name)
    return None if found is None else shown(_spread(found))


def _spread(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row with its JSON as values, and the body of a definition as fields of its own: as commands name them."""
    spread: dict[str, Any] = {}
    for name, value in row.items():
        read = _as_json(value)
        spread |= read if name == "body" and isinstance(read, dict) else {name: read}
    return spread


def _as_json(value: Any) -> Any:
    if not isinstance(value, str) or value[:1] not in ("{", "["):
        return value
    try:
        return json.loads(value)
    except ValueError:  # what somebody typed
        return value


def shown(value: Any, name: str = "") -> Any:
    """A value as the audit keeps it: secrets hidden, long lists and texts cut."""
    if name in SECRET and value is not None:
        return HIDDEN
    if isinstance(value, Mapping):
        kept = [(str(key), part) for key, part in value.items() if key not in _LEFT_OUT]
        return {key: shown(part, key) for key, part in kept[:MAX_SHOWN]}
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
    given = args.model_dump(mode="json", by_alias=True, exclude_unset=True)
    row = {
        "action": action,
        "subject": subject(action, args, answer),
        "before": was,
        "after": shown(given),
        "why": getattr(args, "reason", None),
    }
    accounts.audit(db, us, caller.model_dump(), row)
