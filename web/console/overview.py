"""The overview: how things stand, and what needs a person now."""

from collections.abc import Mapping
from typing import Any

from flask import Blueprint

from web.console.frame import board, need_role, show
from web.console.look import Look

page = Blueprint("overview", __name__)


def facts(look: Look, _query: Mapping[str, str]) -> dict[str, Any]:
    """For the live part."""
    return {"states": look.robots}


@page.get("/")
def show_overview() -> str:
    """The page."""
    need_role("viewer")
    look = board().look()
    return show("console/overview.html", "overview", look, ("overview",), **facts(look, {}))
