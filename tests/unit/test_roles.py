"""Every route declares a role, and one function decides."""

import re
from pathlib import Path

import pytest

from schemas.commands import Caller
from web import WebSettings, create_app
from web.api import ROUTES
from web.errors import STATUS
from web.roles import ROLES, Role, allowed
from web.routes import Route

ROOT = Path(__file__).parents[2]
OPEN = {"get_health"}
ADMIN = {
    "put_robot", "delete_robot", "put_queue", "delete_queue", "put_flow", "put_deployment", "delete_deployment",
    "put_floor_plan",
}  # fmt: skip


@pytest.mark.parametrize("route", ROUTES, ids=lambda r: r.name)
def test_every_route_declares_the_role_it_needs(route: Route) -> None:
    if route.name in OPEN:
        wanted: Role = "open"
    elif route.name in ADMIN:
        wanted = "admin"
    else:
        wanted = "viewer" if route.method == "GET" else "operator"
    assert route.role == wanted


def test_flask_knows_no_route_beside_the_table(tmp_path: Path) -> None:
    app = create_app(WebSettings(tmp_path))
    beside = {rule.endpoint for rule in app.url_map.iter_rules()} - {route.name for route in ROUTES}
    assert beside == {"static", "openapi_document", "pages.show_board"}


def test_names_of_routes_are_unique() -> None:
    assert len({route.name for route in ROUTES}) == len(ROUTES)


def test_roles_include_those_before_them() -> None:
    for i, has in enumerate(ROLES[1:], 1):
        for j, needs in enumerate(ROLES):
            assert allowed(Caller(name="ann", role=has), needs) == (i >= j)  # type: ignore[arg-type]


def test_the_local_caller_may_do_everything() -> None:
    assert all(allowed(Caller(name="local", role="viewer"), role) for role in ROLES)


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
