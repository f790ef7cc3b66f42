"""Who asks: whoever showed a token in a header, or has the console's session in a cookie; nobody otherwise."""

import logging
from collections.abc import Callable, Generator, Iterator
from typing import Any

from flask import g, request

from config.clock import instant, steady
from config.credentials import digest
from controller.client import ControllerDown, NoAnswer
from controller.store.queries import Unreadable, accounts
from controller.store.queries.accounts import Known
from schemas.commands import Caller
from web.backend import Backend, backend
from web.errors import ApiError
from web.roles import ANY_AREA, Role, allowed

logger = logging.getLogger(__name__)

COOKIE, SECURE_COOKIE = "yardmaster", "__Host-yardmaster"
"""The session's cookie, and its name where the connection is encrypted (browsers then hold it to this host)."""
HOUR_US = 3_600_000_000
REST_US, LONGEST_US = 12 * HOUR_US, 7 * 24 * HOUR_US
"""A session ends after so long without a request, and after so long in any case."""
REMEMBERED_US = 90 * 24 * HOUR_US
SEEN_EVERY_US = HOUR_US // 6
"""How exactly it is known when a session or a token was last used: more would be a write for each request."""
LOOK_EVERY_S = 5.0
"""So long after a session or a token has ended its streams may still go on."""
_PAUSE_S = 30.0
"""While the controller does not answer, requests are not held up by telling it who was seen."""
SAFE = ("GET", "HEAD", "OPTIONS")
_BEARER = "bearer "
MAX_TEXT = 500


def need(role: Role, area: str | None = None) -> Caller:
    """The caller, who may use what needs this role in this area; raises `ApiError`.

    What belongs to no area (the console's pages) is not for tokens that are limited to some.
    """
    if role == "open":
        return as_caller(None)
    asker = known()
    if asker is None:
        raise ApiError("auth.missing", "Show a token (Authorization: Bearer …, or X-Auth-Token), or sign in.")
    caller = as_caller(asker)
    if not allowed(caller, role):
        raise ApiError("auth.role", f"This needs the role {role}.")
    if asker.areas and area != ANY_AREA and area not in asker.areas:
        raise ApiError("auth.role", f"This token reaches only the areas {', '.join(asker.areas)}.")
    if asker.token is None and request.method not in SAFE and request.headers.get("HX-Request") != "true":
        raise ApiError("auth.csrf", "With a session only the console's own pages may change anything.")
    return caller


def known() -> Known | None:
    """Who showed what in this request; asked once. Raises `ApiError` for a token that is not good."""
    if "known" not in g:
        text = _token()
        g.known = _of_token(text) if text is not None else _of_session()
    found: Known | None = g.known
    return found


def session_text() -> str | None:
    """What the session's cookie carries."""
    return request.cookies.get(SECURE_COOKIE if request.is_secure else COOKIE)


def as_caller(asker: Known | None) -> Caller:
    """Who asks in this request, as commands and the audit name them."""
    came = {
        "ip": (request.remote_addr or "")[:64] or None,
        "client": request.headers.get("User-Agent", "")[:500] or None,
    }
    if asker is None:
        return Caller(name="nobody", role="nobody", **came)
    return Caller(name=asker.name, role=asker.role, robot=asker.robot, **came)  # type: ignore[arg-type]


def _token() -> str | None:
    given = request.headers.get("Authorization", "")
    if given[: len(_BEARER)].lower() == _BEARER:
        return given[len(_BEARER) :].strip()
    return request.headers.get("X-Auth-Token")


def _of_token(text: str) -> Known:
    us = instant().utc_us
    with backend().reader.reading() as db:
        found = accounts.by_token(db, digest(text[:MAX_TEXT]))
    if found is None:
        raise ApiError("auth.invalid", "This token is not known here.")
    if not found.is_valid(us):
        raise ApiError("auth.expired", "This token is not valid any more.")
    if us - found.seen_at > SEEN_EVERY_US:
        _tell("token.used", {"token": found.token}, found)
    return found


def _of_session() -> Known | None:
    text, us = session_text(), instant().utc_us
    if text is None:
        return None
    with backend().reader.reading() as db:
        found = accounts.by_session(db, digest(text[:MAX_TEXT]), us)
    if found is not None and us - found.seen_at > SEEN_EVERY_US:
        longest = found.created_at + LONGEST_US
        # One that is remembered has its end already.
        end = None if found.expires_at > longest else min(us + REST_US, longest)
        _tell("session.seen", {"hash": digest(text), "expires_at": end}, found)
    return found


_told = {"not before": 0.0}


def _tell(command: str, args: dict[str, Any], found: Known) -> None:
    """Say that a session or a token is in use. It may fail: then it lasts as long as it did, and is said later."""
    if steady() < _told["not before"]:
        return
    try:
        backend().commands.call(command, args, as_caller(found))
    except (ControllerDown, NoAnswer) as error:
        _told["not before"] = steady() + _PAUSE_S
        logger.info("%s could not be said: %s", command, error)


# ---------------------------------------------------------------- streams
def while_known(messages: Iterator[bytes]) -> Generator[bytes]:
    """The messages of a stream, until whoever asked for it is not known any more: signed out, locked, revoked."""
    return _until(messages, _still_known(backend(), _token(), session_text()))


def _until(messages: Iterator[bytes], goes_on: Callable[[], bool]) -> Generator[bytes]:
    look_at = steady() + LOOK_EVERY_S
    for message in messages:
        if steady() >= look_at:
            if not goes_on():
                return
            look_at = steady() + LOOK_EVERY_S
        yield message


def _still_known(where: Backend, token: str | None, session: str | None) -> Callable[[], bool]:
    """To be asked later, when the request is over."""

    def ask() -> bool:
        us = instant().utc_us
        try:
            with where.reader.reading() as db:
                if token is not None:
                    found = accounts.by_token(db, digest(token[:MAX_TEXT]))
                    return found is not None and found.is_valid(us)
                return session is not None and accounts.by_session(db, digest(session[:MAX_TEXT]), us) is not None
        except Unreadable:
            return True  # nothing was said against it, and there is nothing to be read

    return ask
