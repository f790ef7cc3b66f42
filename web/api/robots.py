"""Robots: what is stored of them together with what they say."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from flask import request

from controller.store import queries
from controller.store.queries import StoredRobot
from schemas.commands import Caller
from schemas.job import Reasoned
from schemas.robot import Enrol, RobotNote, RobotPut
from schemas.status import RobotState
from schemas.views import EventPage, HeldAttempt, NewCredential, Revoked, Robot, RobotPage, UnknownRobot
from web import enrolment, revoking
from web.asked import OrderedQuery, ReasonQuery, RemoveQuery, RobotsQuery
from web.backend import Backend
from web.errors import invalid, not_found
from web.routes import Call, Reply, Routes
from web.slugs import need_slug, slug

routes = Routes()


def _state(stored: StoredRobot, said: dict[str, Any]) -> RobotState:
    """The worst news first; a robot of which nothing is known now is offline."""
    rules: tuple[tuple[bool, RobotState], ...] = (
        (bool(stored.holds), RobotState.ON_HOLD),
        (not said.get("online"), RobotState.OFFLINE),
        (stored.enabled and bool(stored.held), RobotState.WORKING),
        (not stored.enabled and bool(stored.held), RobotState.DRAINING),
        (not stored.enabled, RobotState.DISABLED),
        (bool(said.get("charging")), RobotState.CHARGING),
    )
    return next((state for fits, state in rules if fits), RobotState.FREE)


def _held(stored: StoredRobot, said: dict[str, Any]) -> list[HeldAttempt]:
    """Attempts the robot holds by our books, with what it says about them; then those only it speaks of."""
    says = {held["attempt"]: held for held in said.get("holds") or ()}
    known = [_with_words(held, says.pop(held.attempt, {})) for held in stored.held]
    foreign = [HeldAttempt(job=h["job"], attempt=h["attempt"], activity=None, path=None) for h in says.values()]
    return known + [_with_words(held, said_of) for held, said_of in zip(foreign, says.values(), strict=True)]


def _with_words(held: HeldAttempt, said: dict[str, Any]) -> HeldAttempt:
    return held.model_copy(update={name: said.get(name) for name in ("activity", "path", "progress")})


def _clock_offset(its_time: str | None, heard: str | None) -> int | None:
    """How far its clock is ahead of ours, by its last heartbeat; the way of the message is in it."""
    try:
        if its_time is None or heard is None:
            return None
        ahead = datetime.fromisoformat(its_time) - datetime.fromisoformat(heard)
    except (ValueError, TypeError):  # a robot may write anything here, also a time without a zone
        return None
    return round(ahead.total_seconds() * 1000)


def robot_view(stored: StoredRobot, said: dict[str, Any]) -> Robot:
    """A robot as it is shown; `said` is empty when nothing is known of it now."""
    heard = {name: said.get(name) for name in ("accepting", "battery", "charging", "position", "load", "last_seen")}
    return Robot(
        id=stored.id,
        name=stored.name,
        kind=stored.kind,
        queues=list(stored.queues),
        tags=list(stored.tags),
        state=_state(stored, said),
        enabled=stored.enabled,
        note=stored.note,
        holds=list(stored.holds),
        held=_held(stored, said),
        capabilities=list(stored.capabilities),
        capacity=stored.capacity,
        version=said.get("version") or stored.version,
        clock_offset_ms=_clock_offset(said.get("time"), said.get("last_seen")),
        **heard,
    )


def robots_now(backend: Backend, caller: Caller) -> tuple[list[Robot], list[UnknownRobot], bool]:
    """Every robot, robots that are heard but unknown, and whether the controller said so (else: as recorded)."""
    live = backend.query("robot.live", caller)
    with backend.reader.reading() as db:
        stored = queries.stored_robots(db)
    said = (live or {}).get("robots", {})
    unknown = [UnknownRobot.model_validate(one) for one in (live or {}).get("unknown", ())]
    return [robot_view(one, said.get(one.id, {})) for one in stored], unknown, live is not None


def _fits(query: RobotsQuery) -> Callable[[Robot], bool]:
    text = (query.q or "").lower()
    tests: list[Callable[[Robot], bool]] = [lambda r: text in r.id.lower() or text in r.name.lower()]
    if query.kind is not None:
        tests.append(lambda r: r.kind == query.kind)
    if query.state is not None:
        tests.append(lambda r: r.state == query.state)
    if query.queue is not None:
        tests.append(lambda r: query.queue in r.queues)
    if query.tag is not None:
        tests.append(lambda r: query.tag in r.tags)
    return lambda r: all(test(r) for test in tests)


@routes.get("/robots", RobotPage, query=RobotsQuery)
def list_robots(call: Call) -> Reply:
    """Robots by id, and robots that are heard but were never added.

    While the controller is down they are shown as recorded, and offline: nothing better is known.
    """
    query: RobotsQuery = call.query
    binding = queries.bind("robots", query.model_dump(exclude={"limit", "after"}))
    after = queries.read_name_cursor(query.after, binding)
    robots, unknown, _ = robots_now(call.backend, call.caller)
    fits = _fits(query)
    found = [robot for robot in robots if robot.id > after and fits(robot)]
    items = found[: query.limit]
    more = queries.name_cursor(binding, items[-1].id) if len(found) > query.limit else None
    return Reply(RobotPage(items=items, next=more, unknown=tuple(unknown)))


def _shown(call: Call, name: str) -> Robot:
    live = call.backend.query("robot.live", call.caller)
    with call.backend.reader.reading() as db:
        stored = queries.stored_robots(db, name)
    if not stored:
        raise not_found("robot", name)
    return robot_view(stored[0], (live or {}).get("robots", {}).get(name, {}))


@routes.get("/robots/<robot>", Robot)
def get_robot(call: Call) -> Reply:
    """One robot."""
    return Reply(_shown(call, call.path["robot"]))


@routes.get("/robots/<robot>/events", EventPage, query=OrderedQuery)
def list_robot_events(call: Call) -> Reply:
    """Every move of a robot, newest first."""
    query: OrderedQuery = call.query
    robot = call.path["robot"]
    with call.backend.reader.reading() as db:
        if not queries.robot_exists(db, robot):
            raise not_found("robot", robot)
        newest = query.order == "newest"
        return Reply(queries.page_of_robot_events(db, robot, newest=newest, limit=query.limit, after=query.after))


@routes.command("PUT", "/robots/<robot>", role="admin", answers={200: Robot, 201: Robot}, body=RobotPut)
def put_robot(call: Call) -> Reply:
    """Add a robot (201), also one that is heard but unknown, or change what the box says about it."""
    name = need_slug(call, "robot")
    body: RobotPut = call.body
    done = call.backend.ask("robot.put", {"robot": name} | body.model_dump(mode="json"), call.caller)
    return Reply(_shown(call, name), 201 if done.ok["created"] else 200)


@routes.command("DELETE", "/robots/<robot>", role="admin", answers={204: None}, query=RemoveQuery)
def delete_robot(call: Call) -> Reply:
    """Remove a robot; refused while it has an attempt or a hold, unless `force=true` with a reason."""
    query: RemoveQuery = call.query
    if query.force and query.reason is None:
        raise invalid("query", "/reason", "missing", "A forced removal needs a reason.")
    call.backend.ask("robot.delete", {"robot": slug(call, "robot")} | query.model_dump(), call.caller)
    return Reply(status=204)


def _switch(call: Call, command: str) -> Reply:
    name = slug(call, "robot")
    args = {"robot": name} | call.body.model_dump(mode="json", exclude_unset=True)
    done = call.backend.ask(command, args, call.caller, call.key)
    return Reply(_shown(call, name), headers=done.headers)


@routes.command("POST", "/robots/<robot>/enable", Robot, body=RobotNote, body_optional=True)
def enable_robot(call: Call) -> Reply:
    """Give it work again."""
    return _switch(call, "robot.enable")


@routes.command("POST", "/robots/<robot>/drain", Robot, body=RobotNote, body_optional=True)
def drain_robot(call: Call) -> Reply:
    """Let it finish what it has and give it nothing new: a pause."""
    return _switch(call, "robot.drain")


@routes.command("POST", "/robots/<robot>/disable", Robot, body=RobotNote, body_optional=True)
def disable_robot(call: Call) -> Reply:
    """Let it finish what it has and give it nothing new: out of use."""
    return _switch(call, "robot.disable")


@routes.command("POST", "/robots/<robot>/release", Robot, body=Reasoned)
def release_robot(call: Call) -> Reply:
    """End its holds by the word of a person who saw it; refused while it says that it moves."""
    return _switch(call, "robot.release")


@routes.command(
    "POST", "/robots/<robot>/credential", role="admin", keyed=False,
    answers={201: NewCredential}, body=Enrol, body_optional=True,
)  # fmt: skip
def enrol_robot(call: Call) -> Reply:
    """Give it a password, or a certificate, for the broker: its only one from now on, and shown only now."""
    name, settings = slug(call, "robot"), call.backend.settings
    made = enrolment.make(settings, name, call.body.kind)
    done = call.backend.ask("robot.enrol", {"robot": name} | made.args, call.caller)
    host = urlsplit(f"//{request.host}").hostname or ""
    return Reply(enrolment.answer(settings, made, name, done.ok["without"], host), 201)


@routes.command("DELETE", "/robots/<robot>/credential", role="admin", answers={200: Revoked}, query=ReasonQuery)
def revoke_robot(call: Call) -> Reply:
    """Let it in no more: its credential and its tokens open nothing, its connection ends, and it gets no work.

    The answer says what was ended, and what could not be: of another's broker, or of one that could not be told yet.
    """
    query: ReasonQuery = call.query
    done = call.backend.ask("robot.revoke", {"robot": slug(call, "robot")} | query.model_dump(), call.caller)
    return Reply(revoking.revoked(done.ok, call.backend.query("doors.state", call.caller)))
