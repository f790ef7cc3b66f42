"""docs/api.md is what the application is: every route with role, body, answer and refusals."""

import pytest

from scripts.api_docs import SCHEMAS, api_page, section
from scripts.wire_docs import DOCS
from web.api import ROUTES
from web.refusals import refusals
from web.routes import Route

PAGE = (DOCS / "api.md").read_text(encoding="utf-8")


def test_the_page_is_up_to_date() -> None:
    assert api_page() == PAGE, "run scripts/docs"


@pytest.mark.parametrize("route", ROUTES, ids=lambda r: r.name)
def test_every_route_says_what_it_takes_answers_and_refuses(route: Route) -> None:
    text = section(route)
    assert text.rstrip() in PAGE
    assert f"Role: {route.role}." in text
    assert "- answers: " in text
    assert all(code in text for codes in refusals(route).values() for code in codes)
    if route.body is not None:
        assert f"*{route.body.__name__}*" in text
    assert all(f"`{field.alias or name}`" in text for name, field in route.query.model_fields.items())


def test_every_type_is_there() -> None:
    assert all(f"### {name}\n" in PAGE for name in SCHEMAS)
