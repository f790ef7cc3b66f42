"""One's own password, from the menu of the frame."""

from flask import Blueprint, Response, request

from schemas.people import PASSWORD_MAX, PASSWORD_MIN
from web import login
from web.backend import backend
from web.console import dialogs
from web.console.frame import need_role
from web.console.language import _
from web.errors import ApiError

page = Blueprint("me", __name__)


@page.get("/me/password")
def ask_password() -> Response:
    """The present one, and the new one."""
    return _ask({})


@page.post("/me/password")
def change_password() -> Response:
    """Change it; all other screens of this account are signed out."""
    caller = need_role("viewer")
    new = request.form.get("new", "")
    if not PASSWORD_MIN <= len(new) <= PASSWORD_MAX:
        return _ask({"new": _("At least %(n)s characters, at most %(m)s.", n=PASSWORD_MIN, m=PASSWORD_MAX)})
    try:
        came = login.change_password(backend(), caller, request.form.get("password", "")[:PASSWORD_MAX], new)
    except ApiError as error:
        if error.code != "auth.password":
            raise
        return _ask({"password": _("This is not your present password.")})
    done = dialogs.said(_("Your password is changed. Other screens with this account are signed out."))
    for cookie in came.headers.getlist("Set-Cookie"):
        done.headers.add("Set-Cookie", cookie)
    return done


def _ask(errors: dict[str, str]) -> Response:
    html = dialogs.ask("console/me_password.html", errors=errors)
    return Response(html, 422 if errors else 200, content_type="text/html")
