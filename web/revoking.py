"""What a revoke has ended, and what it could not end: the broker of a box may be another's, open, or not told yet."""

from typing import Any

from schemas.views import Revoked

FOREIGN = "The broker knows nothing of this box's credentials: what the robot shows to it has to be ended there."
OPEN = (
    "The broker of the box asks nobody for a credential yet, so it may come in again, under any name: enrol"
    ' a robot (or set mqtt_passwords = "on").'
)
STALE = "The broker could not be told yet, so it may still be let in; this is tried again every second ({why})."
UNKNOWN = "Whether the broker was told could not be found out; health says `doors.stale` while it was not."
LATER = "Its live connection ends within 15 s, when the broker is started again."
NOTHING = "It had no credential that was still good."


def revoked(ended: dict[str, Any], doors: dict[str, Any] | None) -> Revoked:
    """From the controller's answer and what it says about the doors (None: it says nothing)."""
    left = _left(doors)
    notes = [NOTHING] if ended["credential"] is None else []
    notes += [] if left is None else [left]
    if doors is not None and doors["ends_later"] and ended["credential"] == "certificate":
        notes.append(LATER)
    return Revoked(**ended, shut=left is None, notes=notes)


def _left(doors: dict[str, Any] | None) -> str | None:
    """Why it may still come in."""
    if doors is None:
        return UNKNOWN
    if doors["broker"] != "locked":
        return FOREIGN if doors["broker"] == "foreign" else OPEN
    return None if doors["stale"] is None else STALE.format(why=doors["stale"])
