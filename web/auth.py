"""Who asks: whoever showed a token in a header, or has the console's session in a cookie; nobody otherwise."""

import logging

from flask import g, request

from config.clock import instant
from config.credentials import digest
from controller.client import ControllerDown, NoAnswer
from controller.store.queries import accounts
from controller.store.queries.accounts import Known
from schemas.commands import Caller
from web.backend import backend
from web.errors import ApiError
from web.roles import Role, allowed

logger = logging.getLogger(__name__)

COOKIE, SECURE_COOKIE = "yardmaster", "__Host-yardmaster"
"""The session's cookie, and its name where the connection is encrypted (browsers then hold it to this host)."""
HOUR_US = 3_600_000_000
REST_US, LONGEST_US = 12 * HOUR_US, 7 * 24 * HOUR_US
"""A session ends after so long without a request, and after so long in any case."""
REMEMBERED_US = 90 * 24 * HOUR_US
SEEN_EVERY_US = HOUR_US // 6
SAFE = ("GET", "HEAD", "OPTIONS")
_BEARER = "bearer "


def need(role: Role, area: str | None = None) -> Caller:
    """The caller, who may use what needs this role in this area; raises `ApiError`."""
    if role == "open":
        return _caller(None)
    asker = known()
    if asker is None:
        raise ApiError("auth.missing", "Show a token (Authorization: Bearer …, or X-Auth-Token), or sign in.")
    caller = _caller(asker)
    if not allowed(caller, role):
        raise ApiError("auth.role", f"This needs the role {role}.")
    if asker.areas and area is not None and area not in asker.areas:
        raise ApiError("auth.role", f"This token does not reach the area {area}.")
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


def _caller(asker: Known | None) -> Caller:
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
    with backend().reader.reading() as db:
        found = accounts.by_token(db, digest(text[:500]))
    if found is None:
        raise ApiError("auth.invalid", "This token is not known here.")
    if found.expires_at and found.expires_at <= instant().utc_us:
        raise ApiError("auth.expired", "This token is not valid any more.")
    return found


def _of_session() -> Known | None:
    text, us = session_text(), instant().utc_us
    if text is None:
        return None
    with backend().reader.reading() as db:
        found = accounts.by_session(db, digest(text[:500]), us)
    if found is not None and us - found.seen_at > SEEN_EVERY_US:
        _seen(found, digest(text), us)
    return found


def _seen(found: Known, session: str, us: int) -> None:
    """Say that the session is in use, so that it lasts; one that is remembered has its end already."""
    longest = found.created_at + LONGEST_US
    end = None if found.expires_at > longest else min(us + REST_US, longest)
    try:
        backend().commands.call("session.seen", {"hash": session, "expires_at": end}, _caller(found))
    except (ControllerDown, NoAnswer) as error:
        logger.info("a session could not be prolonged: %s", error)  # it lasts as long as it did
