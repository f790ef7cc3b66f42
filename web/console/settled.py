"""What people settled today: holds they ended, jobs they decided about."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from controller.store import queries
from schemas.views import Event, JobRow
from web.backend import Backend
from web.console.language import N_
from web.console.look import Look
from web.console.needs import Text

MOST = 5
_SETTLED: dict[str, tuple[str, str]] = {
    "hold ended": (N_("Somebody released %(robot)s."), N_("%(who)s released %(robot)s.")),
    "force": (N_("Somebody ended “%(job)s” by force."), N_("%(who)s ended “%(job)s” by force.")),
    "released": (N_("Somebody released “%(job)s”."), N_("%(who)s released “%(job)s”.")),
    "cancel": (N_("Somebody cancelled “%(job)s”."), N_("%(who)s cancelled “%(job)s”.")),
}
NOBODY_KNOWN = "local"
"""Who acts while there are no accounts."""
_last: tuple[Backend, int, int, list[dict[str, Any]]] | None = None


def settled_today(look: Look) -> list[dict[str, Any]]:
    """The newest few: {at, text, link}, newest first; read anew only when something has moved. Raises `Unreadable`."""
    global _last  # noqa: PLW0603 - the same few for all screens
    midnight = datetime.now().astimezone().replace(hour=0, minute=0, second=0, microsecond=0)
    since_us = int(midnight.timestamp() * 1_000_000)
    with look.backend.reader.reading() as db:
        newest, kept = queries.last_event(db), _last
        if kept is not None and kept[0] is look.backend and kept[1:3] == (newest, since_us):
            return kept[3]
        events = queries.settled_by_people(db, since_us, MOST)
        jobs = {job.id: job for job in queries.rows_by_uid(db, [e.job for e in events if e.job is not None])}
    found = [_settled_one(event, jobs) for event in events]
    _last = (look.backend, newest, since_us, found)
    return found


def _settled_one(event: Event, jobs: Mapping[str, JobRow]) -> dict[str, Any]:
    somebody, named = _SETTLED[event.event]
    row = jobs.get(event.job or "")
    values = {
        "who": event.who,
        "robot": event.robot,
        "job": "–" if row is None else row.deployment_name or row.deployment or row.flow,
    }
    link = f"/jobs/{event.job}" if event.topic == "job" else None
    return {"at": event.at, "text": Text(somebody if event.who == NOBODY_KNOWN else named, values), "link": link}
