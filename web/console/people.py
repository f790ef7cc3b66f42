"""People and tokens: who may come into this box, for administrators."""

from dataclasses import dataclass
from datetime import UTC, timedelta

from flask import Blueprint, request

from config.clock import instant
from controller.store.queries import accounts
from schemas.people import Area
from schemas.views import Token, User
from web.console.frame import board, reader, show
from web.console.language import N_, _

page = Blueprint("people", __name__)
AREAS: dict[Area, str] = {
    "jobs": N_("Jobs"),
    "records": N_("Records in other formats"),
    "robots": N_("Robots and queues"),
    "definitions": N_("Flows, deployments, schedules, floor plan"),
    "people": N_("People and tokens"),
    "system": N_("Health, figures, live news"),
}
LISTED = 200
SOON = timedelta(days=30)


@dataclass(frozen=True)
class Listed:
    """What the page shows; `users_after` and `tokens_after` lead on."""

    users: list[User]
    users_after: str | None
    tokens: list[Token]
    tokens_after: str | None
    everything: bool


def area_words(areas: list[Area]) -> str:
    """What a token is limited to."""
    return _(", ").join(_(AREAS[area]) for area in areas)


def listed() -> Listed:
    """As the address asks: tokens that open nothing any more only with `all=1`."""
    given, everything = request.args, request.args.get("all") == "1"
    with reader().reading() as db:
        users = accounts.page_of_users(db, LISTED, given.get("users") or None)
        valid_at = None if everything else instant().utc_us
        tokens = accounts.page_of_tokens(db, LISTED, given.get("tokens") or None, valid_at)
    return Listed(users.items, users.next, tokens.items, tokens.next, everything)


@page.get("/people")
def show_people() -> str:
    """The page."""
    look = board().look()
    now, soon = (moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ") for moment in (look.at, look.at + SOON))
    return show("console/people.html", "people", look, listed=listed(), now=now, soon=soon, area_words=area_words)
