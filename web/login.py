"""Coming in with a name and a password: checked slowly on purpose, tried seldom, written into the audit."""

import threading
from collections import OrderedDict
from dataclasses import dataclass

from flask import Response, request

from config.clock import instant, steady
from config.credentials import check_password, digest, new_session
from controller.store.queries import accounts
from schemas.commands import Caller
from web.auth import COOKIE, REMEMBERED_US, REST_US, SECURE_COOKIE, need, session_text
from web.backend import Backend
from web.errors import ApiError

FREE_TRIES, LONGEST_WAIT_S, KEPT = 5, 60.0, 10_000
"""After so many failures each further one makes the next wait twice as long; so many names and addresses are kept."""
_AT_ONCE = threading.Semaphore(2)
"""Passwords that are checked at a time: each takes 64 MiB."""


@dataclass
class _Failures:
    count: int = 0
    until: float = 0.0


class Throttle:
    """Failures by name and by address, in memory: a restart forgives, an attacker cannot cause one."""

    def __init__(self) -> None:
        self._failures: OrderedDict[str, _Failures] = OrderedDict()
        self._lock = threading.Lock()

    def check(self, *keys: str) -> None:
        """Raises `ApiError` while one of them has to wait."""
        with self._lock:
            left = max((self._failures[key].until - steady() for key in keys if key in self._failures), default=0.0)
        if left > 0:
            text = f"Too many failures; try again in {left:.0f} s."
            raise ApiError("rate.limited", text, headers={"Retry-After": str(int(left) + 1)})

    def failed(self, *keys: str) -> None:
        """One more failure."""
        with self._lock:
            for key in keys:
                found = self._failures.setdefault(key, _Failures())
                self._failures.move_to_end(key)
                found.count += 1
                if found.count > FREE_TRIES:
                    found.until = steady() + min(LONGEST_WAIT_S, 2.0 ** (found.count - FREE_TRIES))
            while len(self._failures) > KEPT:
                self._failures.popitem(last=False)

    def succeeded(self, key: str) -> None:
        """Whoever knows the password is not guessing; the address stays under watch."""
        with self._lock:
            self._failures.pop(key, None)


THROTTLE = Throttle()


def come_in(backend: Backend, name: str, password: str, *, remember: bool) -> Response:
    """An empty answer with the session's cookie; raises `ApiError` (auth.password, rate.limited, controller.down)."""
    keys = (f"name:{name.lower()}", f"from:{request.remote_addr}")
    THROTTLE.check(*keys)
    with backend.reader.reading() as db:
        stored = accounts.password_of(db, name)
    with _AT_ONCE:
        fits = check_password(stored, password)
    if not fits:
        THROTTLE.failed(*keys)
        backend.ask("session.failed", {"user": name[:200]}, need("open"))
        raise ApiError("auth.password", "Name or password is wrong.")
    THROTTLE.succeeded(keys[0])
    return open_session(backend, name, remember=remember)


def open_session(backend: Backend, name: str, *, remember: bool) -> Response:
    """A new session for somebody who has shown who they are; one that the browser had before ends."""
    leave(backend)
    text, us = new_session(), instant().utc_us
    lasts = REMEMBERED_US if remember else REST_US
    caller = need("open").model_copy(update={"name": name})
    backend.ask("session.open", {"hash": digest(text), "user": name, "expires_at": us + lasts}, caller)
    response = Response(status=204)
    age = lasts // 1_000_000 if remember else None
    response.set_cookie(_cookie(), text, max_age=age, httponly=True, samesite="Lax", secure=request.is_secure, path="/")
    return response


def leave(backend: Backend, caller: Caller | None = None) -> Response:
    """End the session that the browser has, if any; the answer takes its cookie away."""
    text = session_text()
    if text is not None:
        backend.ask("session.close", {"hash": digest(text)}, caller or need("open"))
    response = Response(status=204)
    response.delete_cookie(_cookie(), path="/", httponly=True, samesite="Lax", secure=request.is_secure)
    return response


def _cookie() -> str:
    return SECURE_COOKIE if request.is_secure else COOKIE
