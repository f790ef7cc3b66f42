"""Routes as rows of one table: method, path, role, what comes in, what goes out; Flask and the document read it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flask import Blueprint, Response, g, request
from pydantic import BaseModel

from schemas.commands import Caller
from web.asked import NoQuery, read_query
from web.auth import need
from web.backend import Backend, backend
from web.errors import invalid
from web.guard import DEFAULT_BYTES, read_body
from web.roles import AREAS, Role

API = "/api/v1"
JSON_TYPE = "application/json"
_KEY = re.compile(r"[\x21-\x7e]{1,255}\Z")
_VERSION = re.compile(r'"(\d{1,15})"\Z')
NEVER = -1
"""A version that no definition has: what an unreadable `If-Match` asks for."""


@dataclass(frozen=True)
class Call:
    """One request, checked: its parts fit the route's types and the caller may use the route."""

    path: Mapping[str, Any]
    query: Any
    body: Any
    caller: Caller
    key: str | None
    if_match: int | None
    backend: Backend


@dataclass(frozen=True)
class Reply:
    """What a route answers; a view is written as JSON."""

    view: BaseModel | None = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


View = Callable[[Call], Reply | Response]


@dataclass(frozen=True)
class Route:
    """One row of the table; `answers` maps a status to its type, None: an empty body, a text: its media type."""

    method: str
    path: str
    role: Role
    view: View
    answers: Mapping[int, Any]
    body: type[BaseModel] | None = None
    body_optional: bool = False
    max_bytes: int = DEFAULT_BYTES
    query: type[BaseModel] = NoQuery
    keyed: bool = False
    if_match: bool = False
    commands: bool = False
    base: str = API
    upload: bool = False
    """The body is bytes, from `Upload-Offset` on, which the route reads itself."""
    lenient: bool = False
    """Unknown query parameters are left out instead of refused."""
    title: str | None = None
    """What the document calls its group; its module's name if it has none."""
    own_answers: bool = False
    """`answers` names every status, refusals too: a format of its own."""

    @property
    def rule(self) -> str:
        """The whole path, as Flask writes it."""
        return self.base + self.path

    @property
    def name(self) -> str:
        """The function's name: what endpoint and operation are called."""
        return self.view.__name__

    @property
    def summary(self) -> str:
        """What it does, in one line."""
        return (self.view.__doc__ or "").strip().splitlines()[0].rstrip(".")

    @property
    def tag(self) -> str:
        """The module it lives in."""
        return self.view.__module__.rpartition(".")[2]


class Routes:
    """The routes of one module."""

    def __init__(self) -> None:
        self.rows: list[Route] = []

    def add(self, method: str, path: str, role: Role, answer: Any = None, **more: Any) -> Callable[[View], View]:
        """Declare a route; `answer` is what 200 carries, `answers` says more."""
        answers = more.pop("answers", {200: answer})

        def declare(view: View) -> View:
            self.rows.append(Route(method, path, role, view, answers, **more))
            return view

        return declare

    def get(self, path: str, answer: Any, role: Role = "viewer", **more: Any) -> Callable[[View], View]:
        """A route that reads."""
        return self.add("GET", path, role, answer, **more)

    def command(
        self, method: str, path: str, answer: Any = None, role: Role = "operator", **more: Any
    ) -> Callable[[View], View]:
        """A route that asks the controller; a POST may carry a key."""
        keyed = more.pop("keyed", method == "POST")
        return self.add(method, path, role, answer, commands=True, keyed=keyed, **more)


def mount(target: Blueprint | Any, route: Route) -> None:
    """Have Flask answer a route."""

    def run(**path: Any) -> Response:
        return _respond(_run(route, path))

    run.route = route  # type: ignore[attr-defined]
    target.add_url_rule(
        route.rule, endpoint=route.name, view_func=run, methods=[route.method], provide_automatic_options=False
    )


def _run(route: Route, path: dict[str, Any]) -> Reply | Response:
    g.route = route
    caller = need(route.role, AREAS.get(route.tag, "records"))
    body = read_body(route.body, route.max_bytes, optional=route.body_optional) if route.body else None
    call = Call(
        path=path,
        query=read_query(route.query, request.args, lenient=route.lenient),
        body=body,
        caller=caller,
        key=_key() if route.keyed else None,
        if_match=_if_match() if route.if_match else None,
        backend=backend(),
    )
    return route.view(call)


def _key() -> str | None:
    given = request.headers.get("Idempotency-Key")
    if given is not None and not _KEY.match(given):
        raise invalid("header", "/Idempotency-Key", "format", "1 to 255 visible ASCII characters")
    return given


def _if_match() -> int | None:
    """The version the caller has seen; `*` is any, so it guards nothing but existence, which PUT does not ask for."""
    given = request.headers.get("If-Match")
    if given is None or given == "*":
        return None
    found = _VERSION.match(given)
    return int(found[1]) if found else NEVER


def _respond(reply: Reply | Response) -> Response:
    if isinstance(reply, Response):
        return reply
    text = "" if reply.view is None else reply.view.model_dump_json(by_alias=True)
    kind = JSON_TYPE if reply.view is not None else None
    return Response(text, reply.status, headers=dict(reply.headers), content_type=kind)


__all__ = ["API", "Call", "Reply", "Route", "Routes", "mount"]
