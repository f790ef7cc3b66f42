"""The robots: what each holds, how it is, why it gets no work, and what to look at before that changes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from flask import Blueprint, make_response, redirect, render_template, request
from flask.typing import ResponseReturnValue

from controller.store import queries
from schemas.status import TERMINAL
from schemas.views import Event, HeldAttempt, JobRow, Robot
from web.console import robot_words
from web.console.frame import board, need_role, reader, show
from web.console.language import spoken
from web.console.look import Look
from web.console.parts import MAX_KEY
from web.console.robot_list import PAGE, Filters, choices, choose
from web.console.words import ROBOT_STATES, hold_sentence
from web.errors import invalid, not_found

page = Blueprint("robots", __name__)
LOW = 20.0
"""Below so many per cent a battery is worth a look."""
ODD_CLOCK_MS = 2_000
STRANGERS = 5
"""So many unknown robots are named; more are counted."""
EVENTS, LOOKED_AT = 8, 40


@dataclass(frozen=True)
class Held:
    """An attempt in a robot's hand, with its job where the box knows it, and the block that runs."""

    attempt: HeldAttempt
    job: JobRow | None
    block: str | None


def held_by(robots: list[Robot]) -> dict[str, list[Held]]:
    """What these robots hold, by robot."""
    uids = {held.job for robot in robots for held in robot.held if held.job}
    if not uids:
        return {robot.id: [Held(one, None, None) for one in robot.held] for robot in robots}
    with reader().reading() as db:
        jobs = {job.id: job for job in queries.rows_by_uid(db, uids)}
        return {robot.id: list(_of_robot(db, robot, jobs)) for robot in robots}


def _of_robot(db: queries.Connection, robot: Robot, jobs: Mapping[str, JobRow]) -> Iterator[Held]:
    """Without what has ended by our books while its last word is a moment old: a robot that insists is on hold."""
    for one in robot.held:
        job = jobs.get(one.job or "")
        if job is None or job.state not in TERMINAL or robot.holds:
            yield Held(one, job, _block(db, one))


def _block(db: queries.Connection, held: HeldAttempt) -> str | None:
    """The name of the block that the robot says it is at."""
    job = queries.job_id(db, held.job) if held.job and held.path else None
    index = None if job is None else queries.index_of_job(db, job)
    block = None if index is None else index.at(held.path or "")
    if block is None:
        return held.path
    return None if block.level == 0 else block.name


def facts(look: Look, query: Mapping[str, str]) -> dict[str, Any]:
    """For the live list."""
    asked = Filters.read(query)
    shown = choose(look.robots, asked)
    return _words() | {
        "asked": asked,
        "shown": shown,
        "held": held_by(shown.robots),
        "choices": choices(look.robots),
        "states": ROBOT_STATES,
        "strangers": look.unknown[:STRANGERS],
        "more_strangers": max(0, len(look.unknown) - STRANGERS),
        "at_rest": [robot for robot in look.robots if robot.state.value in ("on_hold", "offline")],
        "page": PAGE,
    }


def _words() -> dict[str, Any]:
    return {"words": robot_words, "hold_sentence": hold_sentence, "low": LOW, "odd_ms": ODD_CLOCK_MS}


def about(look: Look, query: Mapping[str, str]) -> dict[str, Any]:
    """For the live part about one robot, below its row: `id` is None if it is not there any more."""
    robot = look.by_id.get(query.get("id", ""))
    if robot is None:
        return {"robot": None, "id": query.get("id", "")}
    with reader().reading() as db:
        found = queries.page_of_robot_events(db, robot.id, limit=LOOKED_AT).items
        events = newest_of_attempts(found)[:EVENTS]
        jobs = {job.id: job for job in queries.rows_by_uid(db, {one.job for one in events if one.job})}
    return _words() | {
        "robot": robot,
        "id": robot.id,
        "held": held_by([robot])[robot.id],
        "events": events,
        "jobs": jobs,
        "assigned": assigned_at(found, robot),
    }


def newest_of_attempts(events: list[Event]) -> list[Event]:
    """Moves of the robot itself, and how each attempt stands or ended; newest first, as they are given."""
    of_attempt = {one.attempt: one for one in reversed(events) if one.topic == "job" and one.new}
    return [one for one in events if one.topic != "job" or of_attempt.get(one.attempt) is one]


def assigned_at(events: list[Event], robot: Robot) -> dict[int, str]:
    """When the attempts of a robot's holds were offered to it, as far as its newest moves say so."""
    wanted = {hold.attempt for hold in robot.holds}
    return {one.attempt: one.at for one in events if one.event == "assigned" and one.attempt in wanted and one.attempt}


@page.get("/robots")
def show_robots() -> str:
    """The page."""
    need_role("viewer")
    look, asked = board().look(), Filters.read(request.args)
    part = f"robots?{asked.query}" if asked.query else "robots"
    if len(part) + len(spoken()) + 1 > MAX_KEY:
        raise invalid("query", "", "too_long", "These filters are too long.")
    return show("console/robots.html", "robots", look, (part,), **facts(look, vars(asked)))


@page.get("/robots/<robot>")
def show_robot(robot: str) -> ResponseReturnValue:
    """A robot has its place in the list."""
    need_role("viewer")
    if robot not in board().look().by_id:
        raise not_found("robot", robot)
    return redirect(f"/robots#{quote(robot)}")


@page.get("/robots/<robot>/about")
def show_about(robot: str) -> ResponseReturnValue:
    """What stands below a robot's row when it is opened; then it is kept live."""
    need_role("viewer")
    look = board().look()
    found = about(look, {"id": robot})
    if found["robot"] is None:
        raise not_found("robot", robot)
    return make_response(render_template("console/parts/robot.html", look=look, lang=spoken(), **found))
