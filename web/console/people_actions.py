"""What an administrator does to accounts: dialogs, and what is shown only once."""

import json
from typing import Any

from flask import Blueprint, Response, render_template, request

from config.credentials import hash_password, new_password
from controller.store.queries import accounts
from schemas.people import PASSWORD_MAX, PASSWORD_MIN
from schemas.views import User
from web.auth import known
from web.console import dialogs
from web.console.frame import reader
from web.console.language import _
from web.console.words import PERSON_ROLES
from web.errors import ApiError, not_found
from web.slugs import is_slug

page = Blueprint("people_actions", __name__)
CHANGED = "people-changed"
"""What the list hears, so that it reads itself anew."""
Errors = dict[str, str]


def dialog(name: str, errors: Errors | None = None, **values: Any) -> Response:
    """One of ours; with what is wrong it is asked again."""
    html = dialogs.ask(
        f"console/people/{name}.html", errors=errors or {}, roles=PERSON_ROLES, given=request.form, **values
    )
    return Response(html, 422 if errors else 200, content_type="text/html")


def done(text: str) -> Response:
    """It was done, and the lists show it."""
    answer = dialogs.said(text)
    answer.headers["HX-Trigger"] = json.dumps(json.loads(answer.headers["HX-Trigger"]) | {CHANGED: True})
    return answer


def once(title: str, secret: str, text: str, **values: Any) -> Response:
    """Something that is shown now and never again."""
    html = render_template("console/people/once.html", title=title, secret=secret, text=text, **values)
    return Response(html, headers={"HX-Trigger": json.dumps({CHANGED: True})}, content_type="text/html")


def _user(name: str) -> User:
    with reader().reading() as db:
        found = accounts.user(db, name)
    if found is None:
        raise not_found("user", name)
    return found


def _is_own(name: str) -> bool:
    asker = known()
    return asker is not None and asker.token is None and asker.name == name


# ---------------------------------------------------------------- accounts
@page.get("/people/add")
def ask_account() -> Response:
    """Name, role, password."""
    return dialog("add")


@page.post("/people/add")
def add_account() -> Response:
    """Add it; a password that is left out is made up and shown once."""
    name, typed = request.form.get("user", "").strip(), request.form.get("password", "")
    errors = _wrong_role() | _wrong_password(typed, optional=True)
    if not is_slug(name):
        errors["user"] = _("Letters, digits, . _ and -, beginning with a letter or digit; at most 64.")
    if errors:
        return dialog("add", errors)
    password = typed or new_password()
    args = {"user": name, "name": dialogs.field("name", 200) or "", "role": request.form["role"]}
    try:
        dialogs.carry_out("user.add", args | {"password": hash_password(password)})
    except ApiError as error:
        if error.code not in ("user.exists", "request.invalid"):
            raise
        return dialog("add", {"user": _("This name is taken; choose another one.")})
    if typed:
        return done(_("%(user)s may sign in now.", user=name))
    return _passwordonce(name, password)


def _passwordonce(name: str, password: str) -> Response:
    title = _("%(user)s signs in with this password. It is shown this once.", user=name)
    text = _("The box keeps only a hash and cannot show it again. Who signs in may change it in the menu at the top.")
    return once(title, password, text, tick=_("I have handed it over"))


def _wrong_role() -> Errors:
    return {} if request.form.get("role") in PERSON_ROLES else {"role": _("Choose a role.")}


def _wrong_password(typed: str, *, optional: bool) -> Errors:
    if (optional and not typed) or PASSWORD_MIN <= len(typed) <= PASSWORD_MAX:
        return {}
    return {"password": _("At least %(n)s characters, at most %(m)s.", n=PASSWORD_MIN, m=PASSWORD_MAX)}


@page.get("/people/<user>/change")
def ask_change(user: str) -> Response:
    """What it is called and what it may do; and the way to what is rarer."""
    return dialog("change", user=_user(user), own=_is_own(user))


@page.post("/people/<user>/change")
def change_account(user: str) -> Response:
    """Change name and role; only what is different, since another role signs the account out."""
    found = _user(user)
    if errors := _wrong_role():
        return dialog("change", errors, user=found, own=_is_own(user))
    asked = {"name": dialogs.field("name", 200) or "", "role": request.form["role"]}
    changes = {name: value for name, value in asked.items() if value != getattr(found, name)}
    if changes:
        dialogs.carry_out("user.change", {"user": user} | changes)
    return done(_("%(user)s is changed.", user=user))


@page.get("/people/<user>/password")
def ask_password(user: str) -> Response:
    """Another password."""
    return dialog("password", user=_user(user), own=_is_own(user))


@page.post("/people/<user>/password")
def give_password(user: str) -> Response:
    """Give it another password; one that is left out is made up and shown once."""
    typed = request.form.get("password", "")
    if errors := _wrong_password(typed, optional=True):
        return dialog("password", errors, user=_user(user), own=_is_own(user))
    password = typed or new_password()
    dialogs.carry_out("user.change", {"user": user, "password": hash_password(password)})
    if typed:
        return done(_("%(user)s has another password and is signed out everywhere.", user=user))
    return _passwordonce(user, password)


@page.get("/people/<user>/lock")
def ask_lock(user: str) -> Response:
    """Lock it, or unlock it."""
    return dialog("lock", user=_user(user), own=_is_own(user))


@page.post("/people/<user>/lock")
def lock_account(user: str) -> Response:
    """Lock or unlock it, as the form says."""
    enabled = request.form.get("enabled") == "yes"
    dialogs.carry_out("user.change", {"user": user, "enabled": enabled})
    if enabled:
        return done(_("%(user)s may sign in again.", user=user))
    return done(_("%(user)s is locked and signed out everywhere.", user=user))


@page.get("/people/<user>/remove")
def ask_remove(user: str) -> Response:
    """Remove it for good."""
    return dialog("remove", user=_user(user), own=_is_own(user))


@page.post("/people/<user>/remove")
def remove_account(user: str) -> Response:
    """Remove it."""
    dialogs.carry_out("user.delete", {"user": user})
    return done(_("%(user)s is removed.", user=user))
