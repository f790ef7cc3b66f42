"""What is asked before a schedule is switched, and switching it."""

from collections.abc import Mapping
from typing import Literal

from flask import Blueprint, Response

from config.clock import instant
from controller.store.queries import schedules
from schemas.views.schedules import Schedule
from web.console import dialogs, schedule_words
from web.console.frame import need_role, reader
from web.console.language import N_, _
from web.errors import not_found

page = Blueprint("schedule_actions", __name__)
Action = Literal["enable", "disable"]
TITLES: Mapping[Action, str] = {
    "enable": N_("Have “%(name)s” fire again?"),
    "disable": N_("Have “%(name)s” fire no more?"),
}
BUTTONS: Mapping[Action, str] = {"enable": N_("Enable the schedule"), "disable": N_("Disable the schedule")}
DONE: Mapping[Action, str] = {
    "enable": N_("“%(name)s” fires again."),
    "disable": N_("“%(name)s” fires no more until somebody enables it."),
}
IMPOSSIBLE: Mapping[Action, str] = {
    "enable": N_("“%(name)s” is enabled already."),
    "disable": N_("“%(name)s” is disabled already."),
}


def read(name: str) -> Schedule:
    """The schedule as it is now; raises `ApiError` if there is none."""
    with reader().reading() as db:
        found = schedules.schedule(db, name, instant().utc_us)
    if found is None:
        raise not_found("schedule", name)
    return found


def follows(action: Action, schedule: Schedule) -> list[str]:
    """What will happen, in whole sentences."""
    if action == "disable":
        return [_("Jobs that it has made go on."), _("What would be due meanwhile is not made later.")]
    past = _("What was due while it was disabled is not made.")
    if schedule.deployment_name is None:
        return [past, _("Its deployment is gone: nothing is made until it is saved with another one.")]
    return [past, _("It makes jobs of the deployment “%(name)s”.", name=schedule.deployment_name)]


@page.get("/schedules/<schedule>/<any(enable, disable):action>")
def show_question(schedule: str, action: Action) -> str:
    """What would happen, asked before it does."""
    need_role("operator")
    found = read(schedule)
    return dialogs.ask(
        "console/schedules/ask.html", action=action, schedule=found, words=schedule_words,
        possible=found.enabled is (action == "disable"), follows=follows(action, found),
        title=_(TITLES[action], name=found.name), button=_(BUTTONS[action]),
        impossible=_(IMPOSSIBLE[action], name=found.name),
    )  # fmt: skip


@page.post("/schedules/<schedule>/<any(enable, disable):action>")
def answer_question(schedule: str, action: Action) -> Response:
    """Do it; asking for what it is already is fine."""
    need_role("operator")
    found = read(schedule)
    dialogs.carry_out(f"schedule.{action}", {"schedule": schedule, "reason": dialogs.field("reason")})
    return dialogs.said(_(DONE[action], name=found.name))
