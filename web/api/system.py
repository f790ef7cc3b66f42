"""How the box is: health for monitors, numbers for Prometheus."""

from flask import Response

from schemas.views import Health
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
    return Reply(health, 503 if health.state == "down" else 200)


@routes.get("/metrics", TEXT, base="")
def get_metrics(call: Call) -> Response:
    """Numbers of controller and web in the text format of Prometheus."""
    said = call.backend.query("system.metrics", call.caller)
    metrics = call.backend.metrics
    metrics.controller_up.set(0 if said is None else 1)
    metrics.streams.set(call.backend.live.count)
    text = metrics.text() + ("" if said is None else str(said["text"]))
    return Response(text, content_type=TEXT)
