"""The overview: how things stand, and what needs a person now."""

import time
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from flask import Blueprint
from markupsafe import Markup

from controller.store import queries
from schemas.status import RobotState
from schemas.views import Queue
from web.console import estimates, floor, needs, words
from web.console.frame import board, need_role, show
from web.console.language import N_, _, ngettext
from web.console.look import Look
from web.console.settled import settled_today
from web.console.text import moment, number
from web.live import FLEET

page = Blueprint("overview", __name__)
PARTS = ("overview", "overview_needs", "overview_floor", "overview_queues", "overview_hours")
HOURS, RATE_HOURS = 12, 24
ELSEWHERE = 10
"""So many robots that are not on the floor are named."""
OUTCOMES = ("succeeded", "cancelled", "failed")
BAR_STEPS, BAR_LIMIT = 40, 0.75
"""Bars of waiting times grow in so many steps, so that not every second is sent; the limit is marked there."""
_RUNS = frozenset(RobotState) - {RobotState.ON_HOLD, RobotState.OFFLINE, RobotState.DISABLED}
_HOUR_S = 3600
_NO_NUMBER = "–"


def rich(text: str, /, **values: object) -> Markup:
    """A text of ours with its numbers set off; values are text and stay so."""
    return Markup(text) % {name: Markup("<b>%s</b>") % value for name, value in values.items()}  # noqa: S704


# ---------------------------------------------------------------- how things stand
def facts(look: Look, _query: Mapping[str, str]) -> dict[str, Any]:
    """For the part `overview`: the verdict, the facts and the robots by state."""
    states = Counter(robot.state.value for robot in look.robots)
    with look.backend.reader.reading() as db:
        ended = queries.outcomes_since(db, _this_hour() - RATE_HOURS + 1)
        waiting_since = queries.waiting_since(db)
    return {
        "verdict": _verdict(look),
        "robots_fact": _robots_fact(states, len(look.robots)),
        "waiting_fact": _waiting_fact(look.counts.get("queued", 0), waiting_since),
        "rate": _rate(ended),
        "ended": {outcome: ended.get(outcome, 0) for outcome in OUTCOMES},
        "states": [(state, states.get(state, 0)) for state in words.ROBOT_STATES],
    }


def _verdict(look: Look) -> Markup:
    count = needs.count(look)
    if count:
        marked = Markup("<mark>%s</mark>") % count
        text = (
            ngettext(
                "%(n)s thing needs a person. The rest runs.",
                "%(n)s things need a person. The rest runs.",
                count,
                n=marked,
            )
            if any(robot.state in _RUNS and robot.kind != "station" for robot in look.robots)
            else ngettext("%(n)s thing needs a person.", "%(n)s things need a person.", count, n=marked)
        )
        return Markup(text)  # noqa: S704 - a text of ours, and a number
    if is_new(look):
        return Markup("%s") % _("Welcome. No robot is here yet.")
    working = any(robot.state is RobotState.WORKING for robot in look.robots)
    calm = _("Nothing needs a person. Everything runs.") if working else _("Nothing needs a person. All is quiet.")
    return Markup("%s") % calm


def is_new(look: Look) -> bool:
    """Nobody has connected a robot yet; the box brings one station of its own."""
    return not look.unknown and all(robot.kind == "station" for robot in look.robots)


def _robots_fact(states: Mapping[str, int], total: int) -> Markup:
    working = states.get(RobotState.WORKING.value, 0)
    text = N_("%(working)s of %(robots)s robots work")
    return rich(_(text), working=number(working), robots=number(total))


_SINCE = Markup('<time data-since="%(at)s" title="%(moment)s"></time>')


def _waiting_fact(waiting: int, since: str | None) -> Markup:
    if not waiting or since is None:
        return Markup("%s") % _("no job waits")
    running = _SINCE % {"at": since, "moment": moment(since)}
    bold = Markup("<b>%s</b>") % number(waiting)
    return Markup(  # noqa: S704 - a text of ours, a number and a moment
        ngettext(
            "%(n)s job waits, for %(time)s now",
            "%(n)s jobs wait, the oldest for %(time)s",
            waiting,
            n=bold,
            time=running,
        )
    )


def _rate(ended: Mapping[str, int]) -> str:
    """Share of those that could have succeeded: what people cancelled says nothing about the robots."""
    good, bad = ended.get("succeeded", 0), ended.get("failed", 0)
    return f"{_floor_tenth(100 * good / (good + bad))}\u202f%" if good + bad else _NO_NUMBER


def _floor_tenth(percent: float) -> str:
    """Never rounded up: 100 % is said of nothing that failed once."""
    return f"{int(percent * 10) / 10:.1f}".removesuffix(".0")


def _this_hour() -> int:
    return int(time.time()) // _HOUR_S


# ---------------------------------------------------------------- what needs a person
def needs_facts(look: Look, _query: Mapping[str, str]) -> dict[str, Any]:
    """For the part `overview_needs`: the list, and what people settled today."""
    found = needs.found(look)
    return {"needs": found, "more": found.count - len(found.items), "settled": settled_today(look), "new": is_new(look)}


# ---------------------------------------------------------------- the floor
def floor_facts(look: Look, _query: Mapping[str, str]) -> dict[str, Any]:
    """For the part `overview_floor`: the plan, and the robots that are not on it."""
    with look.backend.reader.reading() as db:
        drawing = floor.drawn(queries.floor_plan(db))
        away = [] if drawing is None else [robot for robot in look.robots if not drawing.holds(robot)]
        shown = away[:ELSEWHERE]
        held = {robot.id: robot.held[0].job for robot in shown if robot.held and robot.held[0].job}
        jobs = {job.id: job for job in queries.rows_by_uid(db, held.values())}
        steps = _first_steps(look, db) if is_new(look) else None
    doing = {
        robot: job.deployment_name or job.deployment or job.flow
        for robot, uid in held.items()
        if (job := jobs.get(uid)) is not None
    }
    return {
        "drawing": drawing,
        "away": shown,
        "more_away": len(away) - len(shown),
        "doing": doing,
        "paused": {robot.id for robot in shown if floor.is_paused(robot)},
        "steps": steps,
    }


def _first_steps(look: Look, db: queries.Connection) -> list[tuple[bool, str, str]]:
    """What a new box waits for: whether it was done, what, and how."""
    has_flow = bool(queries.page_of_flows(db, limit=1).items)
    return [
        (False, N_("Connect a robot: start its agent on it, with a file that names the box. It appears here."),
         "yardmaster agent --config agent.toml"),
        (has_flow, N_("Save a flow: what a robot is to do, block by block."), "yardmaster flow save FLOW.json"),
        (bool(sum(look.counts.values())), N_("Give it work."), "yardmaster job submit --flow FLOW --queue main"),
    ]  # fmt: skip


# ---------------------------------------------------------------- queues
def queues_facts(look: Look, _query: Mapping[str, str]) -> dict[str, Any]:
    """For the part `overview_queues`: what waits, against its limit, and who is free next."""
    with look.backend.reader.reading() as db:
        free_in = estimates.free_in_s(look, db)
    return {"queues": [_queue(look, queue, free_in) for queue in look.queues]}


def _queue(look: Look, queue: Queue, free_in: Mapping[str, float]) -> dict[str, Any]:
    wait, limit = queue.oldest_wait_s, queue.wait_limit_s
    free = sum(look.by_id[robot].state is RobotState.FREE for robot in queue.robots if robot in look.by_id)
    return {
        "queue": queue,
        "since": None if wait is None else needs.since(wait, look.at),
        "over": wait is not None and limit is not None and wait > limit,
        "bar": _bar(wait, limit),
        "free": free,
        "next": None if free else _next_free(queue, free_in),
    }


def _bar(wait: float | None, limit: float | None) -> float | None:
    """How far the bar reaches, in percent, when the limit stands at `BAR_LIMIT`; None without a limit."""
    if limit is None:
        return None
    share = min(1.0, BAR_LIMIT * (wait or 0.0) / limit) if limit else float(bool(wait))
    return round(100 * int(share * BAR_STEPS) / BAR_STEPS, 1)


def _next_free(queue: Queue, free_in: Mapping[str, float]) -> tuple[str, str] | None:
    """Which robot is free next, and about when."""
    known = sorted((free_in[robot], robot) for robot in queue.robots if robot in free_in)
    return (known[0][1], about(known[0][0])) if known else None


def about(seconds: float) -> str:
    """A duration that is only estimated: in steps of ten seconds, from a minute on in whole minutes."""
    if seconds < 55:
        return _("%(n)s s", n=max(10, -(-int(seconds) // 10) * 10))
    minutes = max(1, round(seconds / 60))
    if minutes < 60:
        return _("%(n)s min", n=minutes)
    return _("%(hours)s h %(minutes)s min", hours=minutes // 60, minutes=minutes % 60)


# ---------------------------------------------------------------- jobs per hour
def hours_facts(look: Look, _query: Mapping[str, str]) -> dict[str, Any]:
    """For the part `overview_hours`: jobs that ended, by outcome, the running hour last."""
    last = _this_hour()
    first = last - HOURS + 1
    counts: Counter[tuple[int, str]] = Counter()
    with look.backend.reader.reading() as db:
        for one in queries.jobs_per_hour(db, first, last):
            counts[one.hour, one.outcome] += one.n
    hours = [(hour_label(hour), *(counts[hour, outcome] for outcome in OUTCOMES)) for hour in range(first, last + 1)]
    return {"hours": hours, "ended_in_all": sum(counts.values()), "outcomes": OUTCOMES}


def hour_label(hour: int) -> str:
    """When an hour (since 1970 began) begins, in the box's own zone."""
    return f"{datetime.fromtimestamp(hour * _HOUR_S).astimezone():%H:%M}"


# ---------------------------------------------------------------- the page
FACTS = dict(zip(PARTS, (facts, needs_facts, floor_facts, queues_facts, hours_facts), strict=True))


@page.get("/")
def show_overview() -> str:
    """The page."""
    need_role("viewer")
    look = board().look()
    values = {name: value for of_part in FACTS.values() for name, value in of_part(look, {}).items()}
    return show("console/overview.html", "overview", look, (*PARTS, FLEET), fleet=floor.fleet_json(look), **values)
