"""Coming in with a name and a password: checked slowly on purpose, tried seldom, written into the audit."""

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from flask import Response, request

from config.clock import instant, steady
from config.credentials import check_password, digest, hash_password, new_session
from controller.store.queries import accounts
from schemas.commands import Caller
from web.auth import COOKIE, MAX_TEXT, REMEMBERED_US, REST_US, SECURE_COOKIE, as_caller, known, session_text
from web.backend import Backend
from web.bodies import network_of
from web.errors import ApiError

FREE_BY_NAME, FREE_BY_ADDRESS, FREE_BY_ALL = 5, 20, 50
"""So many failures in a row cost no wait: of a name at an address (many people may sit behind one), of an address
whatever the name, of a name wherever from."""
LONGEST_WAIT_S, LONGEST_OF_ALL_S, FORGOTTEN_S, KEPT = 60.0, 3.0, 900.0, 10_000
"""Waits double up to the first, those of a name wherever from up to the second, or others could keep its owner out; who
does not try for the third begins anew; so many are kept."""
AT_ONCE, PATIENCE_S = 2, 5.0
"""Passwords that are checked at a time (each takes 64 MiB), and how long a further one waits for its turn."""
_TURNS = threading.Semaphore(AT_ONCE)


@dataclass
class _Tries:
    count: int = 0
    last: float = 0.0
    until: float = 0.0


class Throttle:
    """Tries by name at an address, by address and by name, in memory: a restart forgives, an attacker causes none.

    Only whoever tries at an address waits long there: a name's owner is elsewhere, and comes in within seconds.

    A try counts as failed from its beginning, so that many at once are not more than many one after the other.
    """

    def __init__(self) -> None:
        self._tries: OrderedDict[str, _Tries] = OrderedDict()
        self._lock = threading.Lock()

    def begin(self, name: str, address: str) -> None:
        """Take a try; raises `ApiError` while they have to wait."""
        now, bounds = steady(), _bounds(name, network_of(address))
        with self._lock:
            found = {key: self._of(key, now) for key in bounds}
            here, from_here, anywhere = found.values()
            # Where nobody has tried this name, its owner may be: others with many addresses do not stand before them.
            left = max(here.until, from_here.until, anywhere.until if here.count else 0.0) - now
            if left <= 0:
                for key, one in found.items():
                    free, longest = bounds[key]
                    one.count, one.last = one.count + 1, now
                    if (over := one.count - free) >= 0:
                        one.until = now + min(longest, 2.0 ** min(over + 1, 10))
        if left > 0:
            raise too_many(left)

    def _of(self, key: str, now: float) -> _Tries:
        found = self._tries.get(key)
        if found is None or now - found.last > FORGOTTEN_S:
            found = self._tries[key] = _Tries()
        self._tries.move_to_end(key)
        while len(self._tries) > KEPT:
            self._tries.popitem(last=False)
        return found

    def succeeded(self, name: str, address: str) -> None:
        """Whoever knows the password is not guessing. Address and name stay under watch, without this try."""
        here, from_here, anywhere = _bounds(name, network_of(address))
        with self._lock:
            self._tries.pop(here, None)
            for key in (from_here, anywhere):
                found = self._tries.get(key)
                if found is not None:
                    found.count, found.until = found.count - 1, 0.0  # it had waited, or it would not have begun


def _bounds(name: str, network: str) -> dict[str, tuple[int, float]]:
    """What a try counts against: how many are free, and how long one may have to wait."""
    return {
        f"here:{network} {name}": (FREE_BY_NAME, LONGEST_WAIT_S),
        f"from:{network}": (FREE_BY_ADDRESS, LONGEST_WAIT_S),
        f"name:{name}": (FREE_BY_ALL, LONGEST_OF_ALL_S),
    }


def too_many(wait_s: float) -> ApiError:
    """Not now."""
    text = f"Too many tries; try again in {wait_s:.0f} s."
    return ApiError("rate.limited", text, headers={"Retry-After": str(int(wait_s) + 1)})


THROTTLE = Throttle()


def come_in(backend: Backend, name: str, password: str, *, remember: bool) -> Response:
    """An empty answer with the session's cookie; raises `ApiError` (auth.password, rate.limited, controller.down)."""
    _check(backend, name, password, as_caller(None))
    return open_session(backend, name, remember=remember)


def _check(backend: Backend, name: str, password: str, caller: Caller) -> None:
    """Whether the password is that of the account; unknown names and wrong passwords cost and look the same."""
    who = (name.lower(), str(request.remote_addr))
    THROTTLE.begin(*who)
    with backend.reader.reading() as db:
        stored, is_known = accounts.password_of(db, name), accounts.user(db, name) is not None
    with _turn():
        fits = check_password(stored, password)
    if not fits:
        backend.ask("session.failed", {"user": name if is_known else None}, caller)
        raise ApiError("auth.password", "Name or password is wrong.")
    THROTTLE.succeeded(*who)


def change_password(backend: Backend, caller: Caller, present: str, new: str) -> Response:
    """Give whoever is signed in another password; all sessions of the account end and this browser gets a new one.

    Raises `ApiError` (auth.session, auth.password, rate.limited, and those of the controller).
    """
    asker = known()
    if asker is None or asker.token is not None:
        raise ApiError("auth.session", "Only who is signed in has a password; a token has none.")
    _check(backend, asker.name, present, caller)
    backend.ask("user.change", {"user": asker.name, "password": hash_password(new)}, caller)
    return open_session(backend, asker.name, remember=False)


@contextmanager
def _turn() -> Iterator[None]:
    if not _TURNS.acquire(timeout=PATIENCE_S):
        raise too_many(PATIENCE_S)
    try:
        yield
    finally:
        _TURNS.release()


def open_session(backend: Backend, name: str, *, remember: bool) -> Response:
    """A new session for somebody who has shown who they are; one that the browser had before ends."""
    leave(backend)
    text, us = new_session(), instant().utc_us
    lasts = REMEMBERED_US if remember else REST_US
    caller = as_caller(None).model_copy(update={"name": name})
    backend.ask("session.open", {"hash": digest(text), "user": name, "expires_at": us + lasts}, caller)
    response = Response(status=204)
    age = lasts // 1_000_000 if remember else None
    response.set_cookie(_cookie(), text, max_age=age, httponly=True, samesite="Lax", secure=request.is_secure, path="/")
    return response


def leave(backend: Backend) -> Response:
    """End the session that the browser has, if any; the answer takes its cookie away."""
    text = session_text()
    if text is not None:
        with backend.reader.reading() as db:
            found = accounts.by_session(db, digest(text[:MAX_TEXT]), instant().utc_us)
        if found is not None:
            backend.ask("session.close", {"hash": digest(text)}, as_caller(found))
    response = Response(status=204)
    response.delete_cookie(_cookie(), path="/", httponly=True, samesite="Lax", secure=request.is_secure)
    return response


def _cookie() -> str:
    return SECURE_COOKIE if request.is_secure else COOKIE
