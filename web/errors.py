"""Failures as HTTP: one table from codes to statuses, one shape for every refusal, nothing that leaks how we work."""

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from flask import Flask, Response, current_app, g, request
from pydantic import ValidationError
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound, RequestEntityTooLarge

from controller.store.queries import BadCursor, Unreadable
from schemas.commands import Problem
from schemas.views import ErrorAnswer

logger = logging.getLogger(__name__)

_NOUNS = (
    "job",
    "attempt",
    "block",
    "robot",
    "queue",
    "flow",
    "deployment",
    "floor_plan",
    "route",
    "schedule",
    "firing",
    "user",
    "token",
    "batch",
)
STATUS: dict[str, int] = {
    "request.json": 400,
    "request.depth": 400,
    "auth.missing": 401,
    "auth.invalid": 401,
    "auth.expired": 401,
    "auth.password": 401,
    "auth.role": 403,
    "auth.session": 403,
    "auth.csrf": 403,
    "auth.origin": 403,
    **{f"{noun}.not_found": 404 for noun in _NOUNS},
    **{f"{noun}.not_found": 404 for noun in ("project", "task", "record", "process")},
    "artifact.not_found": 404,
    "request.method": 405,
    "request.timeout": 408,
    "job.state": 409,
    "task.state": 409,
    "job.not_debug": 409,
    "job.no_failed_block": 409,
    "job.parked": 409,
    "job.attempt_changed": 409,
    **{f"robot.{word}": 409 for word in ("state", "own", "broker")},
    **{f"{noun}.in_use": 409 for noun in ("robot", "queue", "flow", "deployment")},
    "deployment.disabled": 409,
    **{f"artifact.{word}": 409 for word in ("exists", "state", "offset", "busy", "count")},
    "user.exists": 409,
    **{f"{noun}.not_found": 404 for noun in ("asset", "secret")},
    "asset.in_use": 409,
    "asset.kind": 409,
    "secret.unreadable": 409,
    "user.last_admin": 409,
    "idempotency.mismatch": 409,
    "batch.stale": 409,
    "request.length": 411,
    "version.mismatch": 412,
    "request.size": 413,
    "artifact.size": 413,
    "request.type": 415,
    "request.range": 416,
    "request.invalid": 422,
    "flow.invalid": 422,
    "artifact.mismatch": 422,
    "page.cursor": 422,
    "rate.limited": 429,
    "internal": 500,
    "command.unknown": 500,
    "request.busy": 503,
    "controller.down": 503,
    "store.full": 503,
    "store.unavailable": 503,
    "stream.full": 503,
    "controller.no_answer": 504,
    "artifact.space": 507,
}
"""Code to HTTP status."""
_REFUSED = 409
"""A command was refused for a reason this table does not know by name."""
MAX_DETAILS = 200
SHAPE, FORMATS = "refusals", "formats"
"""Where the application keeps how refusals are shown: to people, and in the formats of other systems."""


class ApiError(Exception):
    """A request that is not carried out; it becomes the answer."""

    def __init__(
        self,
        code: str,
        message: str,
        details: Iterable[Problem] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code, self.message, self.details = code, message, tuple(details)[:MAX_DETAILS]
        self.headers = dict(headers or {})

    @property
    def status(self) -> int:
        """The HTTP status of the code."""
        return STATUS.get(self.code, _REFUSED)


def not_found(noun: str, which: str) -> ApiError:
    """There is no such thing."""
    return ApiError(f"{noun}.not_found", f"There is no {noun} {which[:255]!r}.")


def invalid(where: str, path: str, code: str, message: str) -> ApiError:
    """One part of the request is wrong."""
    return ApiError("request.invalid", message, [Problem(in_=where, path=path, code=code, message=message)])


def refused_fields(error: ValidationError, where: str) -> ApiError:
    """Every field that is wrong, each with its path."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    details = [Problem(in_=where, path=pointer(item["loc"]), code=item["type"], message=item["msg"]) for item in found]
    return ApiError("request.invalid", f"The {where} is not valid.", details)


def pointer(parts: Iterable[Any]) -> str:
    """A JSON pointer (RFC 6901)."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def as_json(error: ApiError) -> Response:
    """The one shape of every refusal to programs."""
    number = str(g.get("request_id", ""))
    body = ErrorAnswer(code=error.code, message=error.message, details=error.details, request_id=number)
    text = body.model_dump_json(by_alias=True)
    return Response(text, error.status, headers=error.headers, content_type="application/json")


def answer(error: ApiError) -> Response:
    """A refusal in the shape that fits who asked; other formats and pages have their own."""
    shape: Callable[[ApiError], Response] = current_app.extensions.get(SHAPE, as_json)
    for beginning, other in current_app.extensions.get(FORMATS, ()):
        if (request.path + "/").startswith(beginning + "/"):
            shape = other
    return shape(error)


def _of_werkzeug(error: HTTPException) -> Response | HTTPException:
    if isinstance(error, MethodNotAllowed):
        allow = ", ".join(sorted(error.valid_methods or ()))
        return answer(ApiError("request.method", f"{request.method} is not possible here.", headers={"Allow": allow}))
    if isinstance(error, NotFound):
        return answer(ApiError("route.not_found", "There is nothing at this address."))
    if isinstance(error, RequestEntityTooLarge):
        return answer(ApiError("request.size", "The body is too large."))
    if error.code is not None and error.code < 400:
        return error
    return answer(ApiError("request.json", "The request cannot be read."))


def _of_anything(error: Exception) -> Response:
    number, path = g.get("request_id"), request.path  # in the sentence, too: lines for people have nothing else
    logger.error("request %s to %r failed", number, path, exc_info=error, extra={"request_id": number, "path": path})
    return answer(ApiError("internal", "Something went wrong; the log has more under this request_id."))


def _unreadable(error: Unreadable) -> Response:
    logger.error("request %s: %s", g.get("request_id"), error, extra={"request_id": g.get("request_id")})
    return answer(ApiError("store.unavailable", "The database cannot be read now.", headers={"Retry-After": "2"}))


def install(app: Flask) -> None:
    """Have every failure answered in one shape."""
    app.register_error_handler(ApiError, answer)
    app.register_error_handler(BadCursor, lambda error: answer(ApiError("page.cursor", f"Cannot go on: {error}.")))
    app.register_error_handler(Unreadable, _unreadable)
    app.register_error_handler(HTTPException, _of_werkzeug)
    app.register_error_handler(Exception, _of_anything)
