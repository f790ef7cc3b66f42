"""With which codes each route may refuse: for the document, the manual, and the tests that hold them to it."""

import re
from collections import defaultdict
from collections.abc import Iterator

from web.errors import STATUS
from web.routes import Route

_NOUN = re.compile(r"<(\w+)>")
_CHECK = "/flows/check"
_CONFLICTS: dict[str, tuple[str, ...]] = {
    "jobs": ("deployment.disabled",),
    "job": ("job.state", "job.parked", "job.attempt_changed"),
    "batches": ("batch.stale", "rate.limited"),
    "robots": ("robot.state", "robot.in_use"),
    "queues": ("queue.in_use",),
    "flows": ("flow.in_use",),
    "deployments": ("deployment.in_use", "deployment.disabled"),
    "floor": (),
    "assets": ("asset.in_use", "asset.kind"),
    "artifacts": ("artifact.exists", "artifact.state", "artifact.offset", "artifact.busy", "artifact.count"),
    "schedules": (),
    "session": (),
    "system": (),
    "people": ("user.exists", "user.last_admin"),
}
"""What a command of a module may clash with."""


def _not_found(route: Route) -> Iterator[str]:
    yield from (f"{noun}.not_found" for noun in _NOUN.findall(route.path))
    if route.path == "/stream":
        yield "job.not_found"
    if route.name == "get_floor_plan":
        yield "floor_plan.not_found"
    if route.name in ("submit_jobs", "rerun_job", "retry_job", "run_deployment"):
        yield from ("flow.not_found", "deployment.not_found", "asset.not_found")
    if route.name == "get_secret":
        yield "secret.unreadable"
    if "attempt" in route.query.model_fields:
        yield "attempt.not_found"


def _of_body(route: Route) -> Iterator[str]:
    if route.body is not None:
        yield from ("request.json", "request.depth", "request.length", "request.size", "request.type")
        yield "request.timeout"
    yield "request.invalid"
    if route.upload:
        yield from ("request.length", "request.size", "request.json", "artifact.size", "artifact.mismatch")
        yield "request.timeout"
    if "after" in route.query.model_fields:
        yield "page.cursor"
    if route.name == "get_artifact":
        yield "request.range"
    if route.name == "put_flow":
        yield "flow.invalid"


def _of_commands(route: Route) -> Iterator[str]:
    if not route.commands and not route.upload:
        return
    yield from ("controller.down", "controller.no_answer")
    if route.method == "GET" or route.path == _CHECK:
        return
    yield "store.full"
    yield from _CONFLICTS[route.tag]
    if route.name in ("roll_back_job", "rerun_block"):
        yield from ("job.not_debug", "job.no_failed_block")
    if route.name == "enrol_robot":
        yield from ("robot.own", "robot.broker")
    if route.tag == "artifacts":
        yield from ("artifact.size", "artifact.space")
    if route.keyed:
        yield "idempotency.mismatch"
    if route.if_match:
        yield "version.mismatch"


def _of_all(route: Route) -> Iterator[str]:
    yield from ("auth.origin", "internal", "store.unavailable")
    if route.role != "open":
        yield from ("auth.missing", "auth.invalid", "auth.expired", "auth.role", "auth.csrf")
    if route.name in ("open_session", "change_own_password"):
        yield from ("auth.password", "rate.limited")
    if route.role == "open" and route.body is not None:
        yield "request.busy"
    if route.path in ("/stream", "/exports/jobs.csv"):
        yield "stream.full"
    if route.name == "change_own_password":
        yield "auth.session"


def refusals(route: Route) -> dict[int, list[str]]:
    """Status to codes, both in order."""
    found: dict[int, set[str]] = defaultdict(set)
    for codes in (_of_all(route), _of_body(route), _not_found(route), _of_commands(route)):
        for code in codes:
            found[STATUS[code]].add(code)
    return {status: sorted(found[status]) for status in sorted(found)}
