"""The robots: what each holds, how it is, why it gets no work."""

from collections.abc import Mapping
from typing import Any

from flask import Blueprint

from web.console.frame import board, need_role, show
from web.console.look import Look

page = Blueprint("robots", __name__)


def facts(look: Look, _query: Mapping[str, str]) -> dict[str, Any]:
    """For the live part."""
    return {"robots": look.robots}


@page.get("/robots")
def show_robots() -> str:
    """The page."""
    need_role("viewer")
    look = board().look()
    return show("console/robots.html", "robots", look, ("robots",), **facts(look, {}))
