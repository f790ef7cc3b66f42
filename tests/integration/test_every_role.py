"""Every address of the box for everybody there is: let in exactly as declared, refused by default, in its own shape."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from config.clock import instant
from config.credentials import digest, new_session
from schemas.commands import Caller
from tests.fakes.box import Box
from tests.fakes.people import PAGE, hashed
from web import compat
from web.api import ROUTES
from web.auth import REST_US
from web.console.frame import ROLES
from web.console.pages import BLUEPRINTS
from web.roles import PEOPLE, Role
from web.routes import Route

API = {route.name: route for route in ROUTES}
COMPAT = {route.name: route for route in compat.ROUTES}
OPEN = {"static", "openapi_document"}
"""They say nothing about the plant."""
PAGES = {blueprint.name for blueprint in BLUEPRINTS}
REFUSED = (401, 403)
ASKERS = ["nobody", "robot", *(f"{role} by {how}" for role in PEOPLE for how in ("token", "session"))]


class Everybody:
    """Shows what somebody has."""

    def __init__(self, box: Box) -> None:
        self.box = box
        self.tokens: dict[str, str] = {role: box.token(role, role) for role in PEOPLE}
        self.tokens["robot"] = box.token("r1", "robot", "r1")
        for role in PEOPLE:
            box.yard.must("user.add", user=role, role=role, password=hashed())

    def ask(self, who: str, rule: Rule, method: str) -> TestResponse:
        """One request; a session is new each time, since some requests end it."""
        role, _, how = who.partition(" by ")
        http, shown = self.box.nobody(), dict(PAGE)
        if how == "session":
            http.set_cookie("yardmaster", self._session(role))
        elif role != "nobody":
            shown["X-Auth-Token"] = self.tokens[role]
        path = re.sub(r"<(?:any\((\w+)[^)]*\):\w+|int:\w+|[^>]+)>", lambda found: found[1] or "7", rule.rule)
        answer = http.open(path, method=method, headers=shown, buffered=False)
        if answer.mimetype == "text/event-stream":
            answer.close()
        return answer

    def _session(self, user: str) -> str:
        text, end = new_session(), instant().utc_us + REST_US
        self.box.controller.call("session.open", {"hash": digest(text), "user": user, "expires_at": end}, Caller())
        return text


@pytest.fixture(scope="module")
def everybody(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Everybody]:
    """One box for all: nothing here exists, so nothing is changed."""
    made = Box(tmp_path_factory.mktemp("box"))
    yield Everybody(made)
    made.close()


def declared(box: Box, endpoint: str) -> Role:
    """What an address needs, as it says itself; fails for one that says nothing."""
    if endpoint in OPEN:
        return "open"
    if endpoint.partition(".")[0] in PAGES and "." in endpoint:
        role: Role = box.app.extensions[ROLES][endpoint]
        return role
    return (API | COMPAT)[endpoint].role


def may(who: str, role: Role) -> bool:
    """What the roles mean, said once more in other words than the product's."""
    if role == "open":
        return True
    name = who.partition(" ")[0]
    if role == "robot" or name in ("robot", "nobody"):
        return name == role
    return {"viewer": 1, "operator": 2, "admin": 3}[name] >= {"viewer": 1, "operator": 2, "admin": 3}[role]


HEADS = {route.rule for route in (*API.values(), *COMPAT.values()) if route.method == "HEAD"}


def methods(rule: Rule) -> list[str]:
    """Those that this rule answers; HEAD of what is read is its GET, unless it is an address of its own."""
    found = (rule.methods or set()) - {"OPTIONS"}
    return sorted(found - {"HEAD"} if "GET" in found and rule.rule in HEADS else found)


def rules(box: Box) -> list[Rule]:
    return sorted(box.app.url_map.iter_rules(), key=lambda rule: (rule.rule, rule.endpoint))


@pytest.mark.parametrize("who", ASKERS)
def test_everybody_reaches_exactly_what_is_declared(everybody: Everybody, who: str) -> None:
    wrong, seen = [], 0
    for rule in rules(everybody.box):
        role = declared(everybody.box, rule.endpoint)
        for method in methods(rule):
            answer, seen = everybody.ask(who, rule, method), seen + 1
            if may(who, role):
                let_in = answer.status_code not in REFUSED or rule.endpoint in OWN_REASONS
                wrong += [] if let_in else [f"{method} {rule} ({role}): {answer.status_code} {answer.text[:300]}"]
            else:
                wrong += [f"{method} {rule} ({role}): {why}" for why in not_refused(who, rule, answer)]
    assert wrong == []
    assert seen > 100


OWN_REASONS = {
    "change_own_password", "me.change_password", "open_session", "sign_in.sign_in", "sign_in.sign_out", "get_secret",
}  # fmt: skip
"""They refuse for reasons of their own: a wrong password, a token that has none, an attempt that is another's."""


def not_refused(who: str, rule: Rule, answer: TestResponse) -> Iterator[str]:
    """What is wrong about a refusal."""
    wanted = 401 if who == "nobody" else 403
    if answer.status_code != wanted:
        yield f"{answer.status_code} instead of {wanted}"
    elif answer.request.method != "HEAD":
        yield from wrong_shape(rule, answer, "auth.missing" if who == "nobody" else "auth.role")


def wrong_shape(rule: Rule, answer: TestResponse, code: str) -> Iterator[str]:
    """Each format refuses in its own words."""
    if rule.endpoint in COMPAT:
        yield from wrong_envelope(rule.rule, answer)
    elif rule.endpoint in API or rule.rule in ("/live",):
        body = answer.json or {}
        if set(body) != {"code", "message", "details", "request_id"} or body["code"] != code:
            yield f"shape {answer.text[:200]}"
    elif "<dialog" not in answer.text or code not in answer.text or answer.headers.get("HX-Retarget") != "#dialogs":
        yield f"no dialog: {answer.text[:200]}"


ENVELOPES = {
    "/api/vwed-task-record/set-error": {"success", "message", "data"},
    "/api/vwed-task-record": {"code", "message"},
    "/task": {"code", "message", "details", "request_id"},
    "/v2": {"error_code", "error_msg", "error_detail", "encoded_authorization_message"},
}
"""Address to the keys of a refusal, as docs/formats.md says."""


def wrong_envelope(path: str, answer: TestResponse) -> Iterator[str]:
    keys = next(keys for beginning, keys in ENVELOPES.items() if path.startswith(beginning))
    body: Any = json.loads(answer.text)
    if set(body) != keys:
        yield f"keys {sorted(body)} instead of {sorted(keys)}"
    if body.get("code", answer.status_code) != answer.status_code and "request_id" not in body:
        yield f"code {body['code']} beside status {answer.status_code}"


def test_an_address_that_declares_nothing_does_not_exist(everybody: Everybody) -> None:
    for rule in rules(everybody.box):
        assert declared(everybody.box, rule.endpoint) in ("open", "robot", *PEOPLE)


def test_what_is_open_is_known_by_name(everybody: Everybody) -> None:
    found = {rule.endpoint for rule in rules(everybody.box) if declared(everybody.box, rule.endpoint) == "open"}
    assert found == {
        "static", "openapi_document", "get_health", "open_session",
        "sign_in.show_sign_in", "sign_in.sign_in", "sign_in.sign_out",
    }  # fmt: skip


def test_pages_with_a_form_are_for_operators_and_those_of_administrators_for_them(everybody: Everybody) -> None:
    roles: dict[str, Role] = everybody.box.app.extensions[ROLES]
    admin = {name for name, role in roles.items() if role == "admin"}
    assert {name.partition(".")[0] for name in admin} == {
        "robot_accept", "people", "people_actions", "token_actions", "audit", "assets",
    }  # fmt: skip
    forms = {
        rule.endpoint for rule in rules(everybody.box) if rule.endpoint in roles and "POST" in (rule.methods or ())
    }
    viewers = {name for name in forms if roles[name] == "viewer"}
    assert viewers == {"me.change_password"}, "about themselves"


@pytest.mark.parametrize("route", [*API.values(), *COMPAT.values()], ids=lambda route: f"{route.method} {route.rule}")
def test_a_bad_token_is_401_everywhere(everybody: Everybody, route: Route) -> None:
    path = re.sub(r"<[^>]+>", "7", route.rule)
    answer = everybody.box.nobody().open(path, method=route.method, headers={"X-Auth-Token": "ymt_wrong"})
    if route.role == "open":
        assert answer.status_code not in REFUSED or route.name == "open_session"
    else:
        assert answer.status_code == 401
        if route.name in COMPAT and route.method != "HEAD":
            assert list(wrong_envelope(route.rule, answer)) == []


def test_unknown_addresses_say_nothing_to_nobody(everybody: Everybody, tmp_path: Path) -> None:
    del tmp_path
    http = everybody.box.nobody()
    assert http.get("/nowhere", headers={"Accept": "text/html"}).status_code == 303
    assert http.get("/api/v1/nowhere").status_code == 404
