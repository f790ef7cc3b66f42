"""People at a box: accounts whose password is known, and browsers that hold a session, by one clock for all."""

from functools import cache
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

import config.credentials
import web.auth
import web.login
from config.clock import Instant
from controller.store.queries import accounts
from tests.fakes.box import Box

PASSWORD = "a horse that hums"
HOUR = 3600.0
PAGE = {"HX-Request": "true"}
"""What the console's own pages send."""


@cache
def hashed(password: str = PASSWORD) -> str:
    """Its hash at a cost that tests can pay: the real one takes long on purpose."""
    from argon2 import PasswordHasher

    return PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(password)


class People:
    """Who may come into a box."""

    def __init__(self, box: Box, patch: pytest.MonkeyPatch) -> None:
        self.box = box
        for module in (web.auth, web.login):
            patch.setattr(module, "instant", self.now)
            patch.setattr(module, "steady", lambda: self.box.yard.now)
        patch.setattr(config.credentials, "_NOBODY", [hashed("of nobody")])
        patch.setattr(web.login, "THROTTLE", web.login.Throttle())
        patch.setitem(web.auth._told, "not before", 0.0)

    def now(self) -> Instant:
        """The present, for the web as for the controller."""
        return self.box.yard.instant()

    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.box.yard.now += seconds

    def add(self, user: str, role: str = "operator", **more: Any) -> None:
        """An account whose password is `PASSWORD`."""
        self.box.yard.must("user.add", user=user, role=role, password=hashed(), **more)

    def sign_in(
        self, browser: FlaskClient, user: str, password: str = PASSWORD, *, at: str = "http://localhost", **more: Any
    ) -> TestResponse:
        """Try to come in over the API."""
        return browser.post("/api/v1/session", json={"user": user, "password": password} | more, base_url=at)

    def browser(self, user: str, role: str | None = None, **more: Any) -> FlaskClient:
        """A browser that is signed in; with a role the account is made first."""
        if role is not None:
            self.add(user, role)
        opened = self.box.nobody()
        assert self.sign_in(opened, user, **more).status_code == 204
        return opened

    def role_of(self, browser: FlaskClient) -> str | None:
        """As what the box knows whoever sits at this browser; None: as nobody."""
        answer = browser.get("/api/v1/me")
        return str(answer.json["role"]) if answer.status_code == 200 and answer.json else None

    def audit(self, action: str | None = None) -> list[Any]:
        """Rows of the audit, the newest first."""
        with self.box.app.extensions["yardmaster"].reader.reading() as db:
            return accounts.page_of_audit(db, action=action, limit=200).items


def cookie(answer: TestResponse) -> str:
    """The only cookie that an answer sets, with its flags."""
    (found,) = answer.headers.getlist("Set-Cookie")
    return str(found)
