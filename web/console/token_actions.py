"""What an administrator does to tokens: made, shown once, revoked."""

from flask import Blueprint, Response, request

from config.clock import instant
from config.credentials import digest, new_token
from controller.store.queries import accounts
from schemas.ids import uuid7
from schemas.people import DAYS_MAX
from schemas.views import Token
from web.console import dialogs
from web.console.frame import reader
from web.console.language import N_, _
from web.console.people import AREAS, area_words
from web.console.people_actions import Errors, dialog, done, once
from web.console.words import PERSON_ROLES
from web.errors import not_found
from web.slugs import is_slug

page = Blueprint("token_actions", __name__)
DAY_US = 86_400_000_000
ENDS = (("90", N_("in 90 days")), ("365", N_("in a year")), ("", N_("never")))


@page.get("/people/tokens/add")
def ask_token() -> Response:
    """What it is for, what it may do, and until when."""
    return _tokendialog()


def _tokendialog(errors: Errors | None = None) -> Response:
    chosen = request.form.getlist("area")
    return dialog("token", errors, areas=AREAS, ends=ENDS, chosen=chosen)


@page.post("/people/tokens/add")
def add_token() -> Response:
    """Make it; its text is in this answer and never shown again."""
    given, text, which = request.form, new_token(), uuid7()
    if errors := _wrong_token():
        return _tokendialog(errors)
    role, days = given["role"], given.get("days", "")
    is_robot = role == "robot"
    args = {
        "token": which,
        "name": given["name"].strip(),
        "role": role,
        "areas": [] if is_robot else given.getlist("area"),
        "robot": given["robot"].strip() if is_robot else None,
        "hash": digest(text),
        "expires_at": instant().utc_us + int(days) * DAY_US if days else None,
    }
    dialogs.carry_out("token.create", args)
    title = _("Token “%(name)s” is made. It is shown this once.", name=given["name"].strip())
    text_below = _("The box keeps only a hash and cannot show it again. Make another one in the place of a lost one.")
    return once(
        title,
        text,
        text_below,
        tick=_("I have put it where the program reads it"),
        token=_token(which),
        area_words=area_words,
    )


def _wrong_token() -> Errors:
    given, errors = request.form, Errors()
    if not 0 < len(given.get("name", "").strip()) <= 200:
        errors["name"] = _("Say what it is for, in at most 200 characters.")
    if given.get("role") not in (*PERSON_ROLES, "robot"):
        errors["role"] = _("Choose a role.")
    if given.get("role") == "robot" and not is_slug(given.get("robot", "").strip()):
        errors["robot"] = _("Which robot? Its id, as the list of robots shows it.")
    days = given.get("days", "")
    if days and not (days.isascii() and days.isdigit() and 1 <= int(days) <= DAYS_MAX):
        errors["days"] = _("Choose when it ends.")
    if any(area not in AREAS for area in given.getlist("area")):
        errors["area"] = _("There is no such area.")
    return errors


def _token(which: str) -> Token:
    with reader().reading() as db:
        found = accounts.token(db, which)
    if found is None:
        raise not_found("token", which)
    return found


@page.get("/people/tokens/<token>/revoke")
def ask_revoke(token: str) -> Response:
    """End it."""
    return dialog("revoke", token=_token(token))


@page.post("/people/tokens/<token>/revoke")
def revoke_token(token: str) -> Response:
    """It opens nothing from now on."""
    name = _token(token).name
    dialogs.carry_out("token.revoke", {"token": token})
    return done(_("Token “%(name)s” opens nothing any more.", name=name))
