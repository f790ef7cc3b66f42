"""Signing in and out: the only page that nobody has to be known for."""

import re

from flask import Blueprint, Response, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from web import login
from web.auth import need
from web.backend import backend
from web.console.frame import theme
from web.console.language import TAG, _, spoken
from web.console.problems import COME_IN
from web.errors import ApiError

page = Blueprint("sign_in", __name__)
DEMO = "demo"
"""The account that a demonstration offers with one click."""
_OURS = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]{0,2000}\Z")
"""A path of this box, and nothing that a browser could take for another site: no second slash, backslash or blank."""


def _where_to() -> str:
    """The page that was asked for; only one of this box, and not this one."""
    given = request.values.get("to", "/")
    return given if _OURS.match(given) and not given.startswith(("/sign-in", "/sign-out")) else "/"


def _show(status: int = 200, said: str = "", name: str = "") -> Response:
    html = render_template(
        "console/sign_in.html", to=_where_to(), said=said, name=name, demo=_is_demo(), lang=spoken(),
        tag=TAG[spoken()], theme=theme(),
    )  # fmt: skip
    return Response(html, status, content_type="text/html; charset=utf-8")


def _is_demo() -> bool:
    return backend().settings.demo and request.remote_addr in ("127.0.0.1", "::1")


@page.get("/sign-in")
def show_sign_in() -> Response:
    """Name and password; a demonstration on this machine offers to come in with one click."""
    return _show()


@page.post("/sign-in")
def sign_in() -> AnyResponse:
    """Come in, and go on to the page that was asked for."""
    name = request.form.get("user", "").strip()[:64]
    try:
        if _is_demo() and "demo" in request.form:
            came = login.open_session(backend(), DEMO, remember=False)
        else:
            remember = request.form.get("remember") == "1"
            came = login.come_in(backend(), name, request.form.get("password", "")[:200], remember=remember)
    except ApiError as error:
        refused = _show(error.status, _sentence(error), name)
        refused.headers.extend(error.headers)
        return refused
    there = redirect(_where_to(), 303)
    for cookie in came.headers.getlist("Set-Cookie"):
        there.headers.add("Set-Cookie", cookie)
    return there


def _sentence(error: ApiError) -> str:
    if error.code == "auth.password":
        return _("Name or password is wrong.")
    if error.code == "rate.limited":
        return _("Too many tries. Wait %(s)s s, then try again.", s=error.headers["Retry-After"])
    if error.code == "user.not_found":
        return _("This account is locked or was removed.")
    return _("The controller does not answer, so nobody can sign in now. It starts again by itself.")


@page.post("/sign-out")
def sign_out() -> AnyResponse:
    """End the session; one that has ended meanwhile is no failure."""
    try:
        need("viewer")
        gone = login.leave(backend())
    except ApiError as error:
        if error.code not in COME_IN:
            raise
        gone = Response()
    gone.status_code = 200
    gone.headers["HX-Redirect"] = "/sign-in"
    return gone
