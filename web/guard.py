"""What every request must keep before anything looks into it: where it comes from, how long, how deep, well-formed."""

import re
from typing import TypeVar

from flask import Flask, Response, g, request
from pydantic import BaseModel, ValidationError
from werkzeug.exceptions import ClientDisconnected
from werkzeug.middleware.proxy_fix import ProxyFix

from schemas.decode import BadJson, check_bounds
from schemas.ids import uuid7
from web.errors import ApiError, refused_fields
from web.hosts import Hosts

MIB = 1024 * 1024
DEFAULT_BYTES, FLOW_BYTES, BULK_BYTES = MIB, 2 * MIB, 8 * MIB
MAX_DEPTH = 100
A_YEAR_S = 31_536_000
_NUMBER = re.compile(r"[A-Za-z0-9._-]{8,64}\Z")
_ORIGIN = re.compile(r"(?P<scheme>https?)://(?P<host>[^/]+)\Z")
_PORT = re.compile(r":\d{1,5}\Z")
_LENGTH = re.compile(r"\d{1,12}\Z")
Body = TypeVar("Body", bound=BaseModel)

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
}


def install(app: Flask, allowed: Hosts, *, behind_proxy: bool = False) -> None:
    """Check where requests come from, number them, and answer with headers that keep browsers careful.

    Of a proxy that ends TLS the nearest word about address and protocol is believed, and never one about the host: a
    page with a name of its own could send that, too.
    """
    if behind_proxy:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=0, x_port=0, x_prefix=0)  # type: ignore[method-assign]

    def before() -> None:
        given = request.headers.get("X-Request-Id", "")
        g.request_id = given if _NUMBER.match(given) else uuid7()
        check_origin(allowed)

    def after(response: Response) -> Response:
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        if request.is_secure:
            response.headers.setdefault("Strict-Transport-Security", f"max-age={A_YEAR_S}")
        response.headers["X-Request-Id"] = g.get("request_id", "")
        if request.endpoint != "static":
            response.headers.setdefault("Cache-Control", "no-store")
        return response

    app.before_request(before)
    app.after_request(after)


def check_origin(allowed: Hosts) -> None:
    """A foreign `Host` (a name made to point here) or `Origin` (another site's page) is refused; raises `ApiError`."""
    host = request.headers.get("Host", "").lower()
    if _PORT.sub("", host) not in allowed:
        raise ApiError("auth.origin", "This box is not called by this name; see the setting `names`.")
    origin = request.headers.get("Origin")
    if origin is None:
        return
    found = _ORIGIN.match(origin.lower())
    # A page of the same host that was not encrypted may have been changed on its way.
    if found is None or found["host"] != host or (request.is_secure and found["scheme"] != "https"):
        raise ApiError("auth.origin", "Pages of other sites may not use this box.")


def read_body(model: type[Body], max_bytes: int, *, optional: bool) -> Body:
    """The body as the route's type; an optional one may be left out whole. Raises `ApiError`."""
    length = _length(max_bytes)
    if not length and optional:
        return _parsed(model, b"{}", max_bytes)
    if length is None:
        raise ApiError("request.length", "Content-Length is required.")
    if length:
        _check_type()
    try:
        data = request.get_data(cache=False)
    except ClientDisconnected as error:
        raise ApiError("request.json", "The body ended early.") from error
    if len(data) != length:
        raise ApiError("request.json", "The body is not as long as Content-Length says.")
    return _parsed(model, data, max_bytes)


def body_length(max_bytes: int) -> int:
    """Bytes of a body that is not JSON, which the route reads itself; none is 0. Raises `ApiError`."""
    return _length(max_bytes) or 0


def _length(max_bytes: int) -> int | None:
    """Bytes of the body; None if it comes in chunks or its length is not said."""
    given = request.headers.get("Content-Length")
    if request.headers.get("Transfer-Encoding"):
        raise ApiError("request.length", "Content-Length is required.")
    if given is None or not _LENGTH.match(given):
        return None
    if int(given) > max_bytes:
        raise ApiError("request.size", f"The body may have at most {max_bytes} bytes.")
    return int(given)


def _check_type() -> None:
    if request.mimetype != "application/json" or request.headers.get("Content-Encoding", "identity") != "identity":
        raise ApiError("request.type", "The body must be application/json, not compressed.")
    if request.mimetype_params.get("charset", "utf-8").lower() not in ("utf-8", "utf8"):
        raise ApiError("request.type", "JSON is UTF-8.")


def _parsed(model: type[Body], data: bytes, max_bytes: int) -> Body:
    try:
        check_bounds(data, max_bytes, MAX_DEPTH)
        return model.model_validate_json(data)
    except BadJson as error:
        raise ApiError("request.depth" if error.code == "depth" else "request.json", str(error)) from error
    except ValidationError as error:
        if error.errors(include_url=False, include_input=False)[0]["type"] == "json_invalid":
            raise ApiError("request.json", error.errors(include_url=False, include_input=False)[0]["msg"]) from error
        raise refused_fields(error, "body") from error
