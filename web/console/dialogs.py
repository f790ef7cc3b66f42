"""Questions that are asked before something is done, and what is said when it was."""

import json
from typing import Any

from flask import Response, current_app, render_template, request

from schemas.ids import uuid7
from web.backend import Done, backend
from web.console.frame import ROLES, need_role
from web.console.language import spoken
from web.errors import ApiError, invalid

FIELD = 2_000


def ask(template: str, **values: Any) -> str:
    """A dialog's markup; its form carries `key`, so that pressing twice does it once."""
    return render_template(template, key=uuid7(), lang=spoken(), **values)


def said(text: str) -> Response:
    """It was done: the dialog closes, the screen says so, live parts show it."""
    return Response("", 200, headers={"HX-Trigger": json.dumps({"said": text})}, content_type="text/html")


def field(name: str, limit: int = FIELD) -> str | None:
    """A field of the form, without blanks around it; None when it is empty. Raises `ApiError` when too long."""
    given = request.form.get(name, "").strip()
    if len(given) > limit:
        raise invalid("body", f"/{name}", "too_long", f"At most {limit} characters.")
    return given or None


def carry_out(command: str, args: dict[str, Any], part: str | None = None) -> Done:
    """Ask the controller in the name of who sent the form; raises `ApiError`.

    A form that asks for several things names each `part`, so that each is done once. Only our own pages send the
    header, other sites cannot: this is what stands against forged requests.
    """
    if request.headers.get("HX-Request") != "true":
        raise ApiError("auth.origin", "Forms are sent by the console's own pages only.")
    asker = need_role(current_app.extensions[ROLES].get(request.endpoint, "operator"))
    key = field("key", 200)
    return backend().ask(command, args, asker, key if key is None or part is None else f"{key}:{part}")
