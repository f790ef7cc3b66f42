"""Schedules: when each fires next, how it came out lately, and what became of each target of a firing."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, request

from config.clock import instant
from controller.store.queries import schedules
from schemas.views.schedules import Schedule
from web.console import schedule_words
from web.console.frame import board, need_role, reader, show
from web.console.look import Look
from web.console.parts import MAX_KEY
from web.errors import invalid, not_found

page = Blueprint("schedules", __name__)
LISTED, LATELY, FIRINGS = 200, 12, 30
AHEAD = timedelta(seconds=60)


def facts(_look: Look, query: Mapping[str, str]) -> dict[str, Any]:
    """For the live list."""
    with reader().reading() as db:
        found = schedules.page_of_schedules(db, instant().utc_us, limit=LISTED, after=query.get("after"))
        lately = schedules.recent_firings(db, [one.id for one in found.items], LATELY)
    return {"words": schedule_words, "schedules": found.items, "more": found.next, "lately": lately}


def about(look: Look, query: Mapping[str, str]) -> dict[str, Any]:
    """For the live part about one schedule: `schedule` is None when it is gone and only its firings are left."""
    name = query.get("id", "")
    with reader().reading() as db:
        found = schedules.schedule(db, name, instant().utc_us)
        firings = schedules.page_of_firings(db, name, FIRINGS, query.get("after"))
    return {
        "words": schedule_words,
        "id": name,
        "schedule": found,
        "firings": firings.items,
        "older": firings.next,
        "first": not query.get("after"),
        "waits": found is not None and _waits(found, look),
    }


def _waits(schedule: Schedule, look: Look) -> bool:
    """Whether the clock of the box once ran ahead, so that nothing fires before that moment."""
    return schedule.enabled and schedule.done_until > (look.at + AHEAD).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def firing(_look: Look, query: Mapping[str, str]) -> dict[str, Any]:
    """For the live part about one firing."""
    uid = query.get("id", "")
    with reader().reading() as db:
        found = schedules.firing(db, uid)
        schedule = None if found is None else schedules.schedule(db, found.schedule, instant().utc_us)
    return {"words": schedule_words, "id": uid, "firing": found, "schedule": schedule}


def part(name: str, **query: str) -> str:
    """A live part with its query; raises `ApiError` when that is too long to be kept live."""
    given = {key: value for key, value in query.items() if value}
    found = f"{name}?{urlencode(given)}" if given else name
    if len(found) > MAX_KEY - 3:
        raise invalid("query", "", "too_long", "This address is too long.")
    return found


@page.get("/schedules")
def show_schedules() -> str:
    """The page."""
    need_role("viewer")
    look, query = board().look(), {"after": request.args.get("after", "")}
    return show("console/schedules.html", "schedule", look, (part("schedules", **query),), **facts(look, _given(query)))


def _given(query: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in query.items() if value}


@page.get("/schedules/<schedule>")
def show_schedule(schedule: str) -> str:
    """One schedule with its firings; of one that was removed, the firings."""
    need_role("viewer")
    look, query = board().look(), {"id": schedule, "after": request.args.get("after", "")}
    found = about(look, _given(query))
    if found["schedule"] is None and not found["firings"]:
        raise not_found("schedule", schedule)
    return show("console/schedule.html", "schedule", look, (part("schedule", **query),), **found)


@page.get("/firings/<uid>")
def show_firing(uid: str) -> str:
    """One firing with a row for each target."""
    need_role("viewer")
    look = board().look()
    found = firing(look, {"id": uid})
    if found["firing"] is None:
        raise not_found("firing", uid)
    return show("console/firing.html", "schedule", look, (part("firing", id=uid),), **found)
