"""Adding a robot that speaks and is not known: what it claims, where it is to work, and doing it."""

import re
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, request
from pydantic import TypeAdapter, ValidationError

from schemas.ids import Slug
from schemas.robot import Tag
from schemas.views import UnknownRobot
from web.console import dialogs, robot_words
from web.console.frame import board, need_role
from web.console.language import _
from web.console.look import Look
from web.errors import not_found

page = Blueprint("robot_accept", __name__)
MOST = 32
"""Queues and tags that a robot may have."""
_SLUG = TypeAdapter(Slug)
_TAG = TypeAdapter(Tag)
_BETWEEN = re.compile(r"[,，、;；\s]+")
Errors = dict[str, str]
"""Field to what is wrong with it."""


@dataclass(frozen=True)
class Given:
    """What was filled in."""

    name: str
    queues: tuple[str, ...]
    new_queue: str
    tags: tuple[str, ...]
    seen: bool

    @classmethod
    def read(cls) -> "Given":
        """From the form; raises `ApiError` for a field that is too long."""
        tags = _BETWEEN.split(dialogs.field("tags") or "")
        return cls(
            name=dialogs.field("name", 200) or "",
            queues=tuple(dict.fromkeys(request.form.getlist("queue")))[: MOST - 1],
            new_queue=dialogs.field("new_queue", 64) or "",
            tags=tuple(dict.fromkeys(tag for tag in tags if tag)),
            seen=request.form.get("seen") == "yes",
        )

    @property
    def wanted(self) -> tuple[str, ...]:
        """All queues, the new one too."""
        return tuple(dict.fromkeys((*self.queues, *([self.new_queue] if self.new_queue else ()))))

    def wrong(self) -> Errors:
        """What is missing, or cannot be."""
        errors = Errors()
        if not all(_reads(_SLUG, one) for one in self.wanted):
            errors["queue"] = _("A queue is called by letters, digits, . _ - and begins with a letter or digit.")
        elif not self.wanted:
            errors["queue"] = _("Choose at least one: without a queue it gets no work of a queue.")
        if len(self.tags) > MOST or not all(_reads(_TAG, one) for one in self.tags):
            errors["tags"] = _("At most 32 tags of 64 characters each.")
        if not self.seen:
            errors["seen"] = _("Only somebody who knows the machine may add it.")
        return errors


def _reads(adapter: TypeAdapter[str], value: str) -> bool:
    try:
        adapter.validate_python(value)
    except ValidationError:
        return False
    return True


def _ask(look: Look, found: UnknownRobot, given: Given | None, errors: Errors) -> Response:
    html = dialogs.ask(
        "console/robots/accept.html", found=found, look=look, given=given, errors=errors, words=robot_words
    )
    return Response(html, 422 if errors else 200, content_type="text/html")


def _read(name: str) -> tuple[Look, UnknownRobot | None]:
    """What is known of a stranger; None if it was added meanwhile. Raises `ApiError` if nobody knows it."""
    look = board().look()
    found = next((one for one in look.unknown if one.robot == name), None)
    if found is None and name not in look.by_id:
        raise not_found("robot", name)
    return look, found


@page.get("/robots/<robot>/accept")
def show_stranger(robot: str) -> Response:
    """What it claims, and what it is to be here."""
    need_role("admin")
    look, found = _read(robot)
    return _known(robot) if found is None else _ask(look, found, None, {})


def _known(robot: str) -> Response:
    """Somebody added it: what they said about it is not written over."""
    return Response(dialogs.ask("console/robots/known.html", robot=robot), content_type="text/html")


@page.post("/robots/<robot>/accept")
def add_stranger(robot: str) -> Response:
    """Add it."""
    need_role("admin")
    look, found = _read(robot)
    if found is None:
        return _known(robot)
    given = Given.read()
    if errors := given.wrong():
        return _ask(look, found, given, errors)
    dialogs.carry_out("robot.put", _declared(found, given))
    return dialogs.said(_("%(robot)s is added and gets work.", robot=robot))


def _declared(found: UnknownRobot, given: Given) -> dict[str, Any]:
    kind = found.kind or "agv"  # what it is, its next heartbeat says again
    return {"robot": found.robot, "name": given.name, "kind": kind, "queues": given.wanted, "tags": given.tags}
