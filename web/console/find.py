"""Finding a job, a robot or a deployment from every page."""

from flask import Blueprint, render_template, request

from controller.store import queries
from web.console.frame import need_role, reader

page = Blueprint("find", __name__)
LONGEST = 200


@page.get("/find")
def find() -> str:
    """The best few that fit, as a list to choose from."""
    need_role("viewer")
    text = request.args.get("q", "").strip()[:LONGEST]
    found: list[object] = []
    if text:
        with reader().reading() as db:
            found = list(queries.find(db, text))
    return render_template("console/found.html", text=text, found=found)
