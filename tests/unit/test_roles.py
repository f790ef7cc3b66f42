"""Every route declares a role, and one function decides."""

import re
from pathlib import Path

import pytest
from flask import Flask
from werkzeug.routing import Rule

from schemas.commands import Caller
from web import compat
from web.api import ROUTES as V1
from web.app import create_app
from web.console.pages import BLUEPRINTS
from web.errors import STATUS
from web.roles import AREAS, PEOPLE, Role, allowed
from web.routes import Route
from web.settings import WebSettings

ROUTES = [*V1, *compat.ROUTES]
ROOT = Path(__file__).parents[2]
ROBOT = {"open_artifact", "ask_offset", "add_bytes", "get_secret"}
OPEN = {"get_health", "open_session"}
ADMIN = {
    "put_robot", "delete_robot", "put_queue", "delete_queue", "put_flow", "put_deployment", "delete_deployment",
    "put_schedule", "delete_schedule", "put_asset", "delete_asset",
    "put_floor_plan", "list_users", "add_user", "change_user", "delete_user", "list_tokens", "add_token",
    "revoke_token", "enrol_robot", "revoke_robot", "drain", "undrain", "accept_damage",
    "list_audit",
}  # fmt: skip
OPEN_BESIDE = {"static", "openapi_document", "sign_in.show_sign_in", "sign_in.sign_in", "sign_in.sign_out"}
VIEWER = {"close_session", "change_own_password"}
"""Changes that everybody may make: about themselves."""


@pytest.mark.parametrize("route", ROUTES, ids=lambda r: r.name)
def test_every_route_declares_the_role_it_needs(route: Route) -> None:
    if route.name in OPEN:
        wanted: Role = "open"
    elif route.name in ROBOT:
        wanted = "robot"
    elif route.name in ADMIN:
        wanted = "admin"
    else:
        wanted = "viewer" if route.method == "GET" or route.name in VIEWER else "operator"
    assert route.role == wanted


def beside_the_table(app: Flask) -> list[Rule]:
    """What Flask answers that is no row of the API's table: the console's pages and dialogs, and files."""
    return [rule for rule in app.url_map.iter_rules() if rule.endpoint not in {route.name for route in ROUTES}]


def test_flask_knows_no_route_beside_the_table_and_the_console(tmp_path: Path) -> None:
    app = create_app(WebSettings(tmp_path))
    pages = {blueprint.name for blueprint in BLUEPRINTS}
    others = {rule.endpoint for rule in beside_the_table(app) if rule.endpoint.partition(".")[0] not in pages}
    assert others == {"static", "openapi_document"}


def test_who_has_no_role_sees_no_page_and_no_dialog(tmp_path: Path) -> None:
    """Asked before anything else: an unknown id must not answer differently from a known one."""
    app = create_app(WebSettings(tmp_path))
    client = app.test_client()
    asked = [
        (method, re.sub(r"<[^>]+>", "x", re.sub(r"<any\((\w+)[^>]*>", r"\1", rule.rule)))
        for rule in beside_the_table(app)
        if rule.endpoint not in OPEN_BESIDE
        for method in (rule.methods or set()) - {"OPTIONS"}
    ]
    headers = {"Host": "localhost", "HX-Request": "true"}
    answers = {(method, path): client.open(path, method=method, headers=headers).status_code for method, path in asked}
    assert answers == dict.fromkeys(answers, 401)


def test_names_of_routes_are_unique() -> None:
    assert len({route.name for route in ROUTES}) == len(ROUTES)


def test_roles_include_those_before_them() -> None:
    for i, has in enumerate(PEOPLE):
        for j, needs in enumerate(PEOPLE):
            assert allowed(Caller(name="ann", role=has), needs) == (i >= j)  # type: ignore[arg-type]


def test_a_robot_reaches_what_is_for_robots_and_nothing_else() -> None:
    robot = Caller(name="r1", role="robot", robot="r1")
    assert [role for role in ("open", "robot", *PEOPLE) if allowed(robot, role)] == ["open", "robot"]
    assert not allowed(Caller(name="ann", role="admin"), "robot")
    nobody = Caller(name="nobody", role="nobody")
    assert [role for role in ("open", "robot", *PEOPLE) if allowed(nobody, role)] == ["open"]


def test_every_route_belongs_to_an_area() -> None:
    """Those of the other formats belong to the records."""
    assert {route.tag for route in V1} <= set(AREAS)


def test_every_refusal_of_the_controller_has_a_status() -> None:
    used = set()
    for path in (ROOT / "controller").rglob("*.py"):
        used |= set(
            re.findall(r'(?:Refused|Refusal|ApiError)\(\s*(?:code=)?"([a-z_]+\.[a-z_]+|internal)"', path.read_text())
        )
    for path in (ROOT / "web").rglob("*.py"):
        used |= set(re.findall(r'ApiError\(\s*"([a-z_.]+)"', path.read_text()))
    assert len(used) > 10
    assert used - set(STATUS) == set()
