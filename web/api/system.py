"""How the box is: health for monitors, numbers for Prometheus."""

from flask import Response

from controller.store import queries
from schemas.robot import RobotNote
from schemas.views import Drained, Health
from web.errors import ApiError
from web.routes import Call, Reply, Routes

routes = Routes()
TEXT = "text/plain; version=0.0.4; charset=utf-8"


@routes.get("/health", answer=None, role="open", answers={200: Health, 503: Health})
def get_health(call: Call) -> Reply:
    """Say whether the box works: ok, degraded, or down (503)."""
    try:
        said = call.backend.ask("system.health", {}, call.caller).ok
    except ApiError as error:
        parts = {"web": {"state": "ok"}, "controller": {"state": "down"}}
        reason = {"part": "controller", "code": error.code, "message": error.message}
        return Reply(Health(state="down", parts=parts, reasons=[reason]), 503)
    health = Health(state=said["state"], parts={"web": {"state": "ok"}} | said["parts"], reasons=said["reasons"])
    health = health.model_copy(update={"backup": said.get("backup")})
    return Reply(health, 503 if health.state == "down" else 200)


@routes.get("/drain", Drained)
def get_drain(call: Call) -> Reply:
    """Whether the box gives out work, and what still runs."""
    return Reply(_drained(call))


@routes.command("POST", "/drain", Drained, role="admin", body=RobotNote, body_optional=True)
def drain(call: Call) -> Reply:
    """Give out no work until it is taken back, also after a restart; what runs goes on to its end."""
    return _switch(call, "box.drain")


@routes.command("POST", "/undrain", Drained, role="admin", body=RobotNote, body_optional=True)
def undrain(call: Call) -> Reply:
    """Give out work again."""
    return _switch(call, "box.undrain")


@routes.command("POST", "/accept-damage", role="admin", answers={204: None}, body=RobotNote, body_optional=True)
def accept_damage(call: Call) -> Reply:
    """Take the database as it is, though it was found damaged, and back it up again."""
    body = call.body.model_dump(mode="json", exclude_unset=True)
    done = call.backend.ask("box.accept_damage", body, call.caller, call.key)
    return Reply(status=204, headers=done.headers)


def _switch(call: Call, command: str) -> Reply:
    done = call.backend.ask(command, call.body.model_dump(mode="json", exclude_unset=True), call.caller, call.key)
    return Reply(_drained(call), headers=done.headers)


def _drained(call: Call) -> Drained:
    with call.backend.reader.reading() as db:
        return queries.drained(db)


@routes.get("/metrics", TEXT, base="")
def get_metrics(call: Call) -> Response:
    """Numbers of controller and web in the text format of Prometheus."""
    said = call.backend.query("system.metrics", call.caller)
    metrics = call.backend.metrics
    metrics.controller_up.set(0 if said is None else 1)
    metrics.streams.set(call.backend.live.count)
    text = metrics.text() + ("" if said is None else str(said["text"]))
    return Response(text, content_type=TEXT)
