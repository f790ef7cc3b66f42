"""What is asked before something is done with a robot, and doing it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from flask import Blueprint, Response, request

from controller.store import queries
from schemas.views import JobRow, Robot
from web.console import dialogs, robot_words
from web.console.frame import board, need_role, reader
from web.console.language import N_, _, ngettext
from web.console.look import Look
from web.console.robots import LOOKED_AT, assigned_at
from web.console.text import clock
from web.console.words import hold_sentence
from web.errors import not_found

page = Blueprint("robot_actions", __name__)
Action = Literal["enable", "drain", "disable", "release"]
TITLES: Mapping[Action, str] = {
    "enable": N_("Give %(robot)s work again?"),
    "drain": N_("Drain %(robot)s?"),
    "disable": N_("Take %(robot)s out of use?"),
    "release": N_("Release %(robot)s from hold?"),
}
BUTTONS: Mapping[Action, str] = {
    "enable": N_("Enable %(robot)s"),
    "drain": N_("Drain %(robot)s"),
    "disable": N_("Disable %(robot)s"),
    "release": N_("Release %(robot)s"),
}
DONE: Mapping[Action, str] = {
    "enable": N_("%(robot)s gets work again."),
    "drain": N_("%(robot)s gets nothing new until somebody enables it."),
    "disable": N_("%(robot)s is out of use until somebody enables it."),
    "release": N_("%(robot)s is released from hold."),
}
IMPOSSIBLE: Mapping[Action, str] = {
    "enable": N_("%(robot)s is enabled already."),
    "drain": N_("%(robot)s gets nothing new already."),
    "disable": N_("%(robot)s gets nothing new already."),
    "release": N_("%(robot)s is not on hold. It may have been released meanwhile, or its hold ended by itself."),
}
NEEDS_REASON: tuple[Action, ...] = ("disable", "release")


@dataclass(frozen=True)
class Asked:
    """A robot as it is while the question is asked, with the jobs it holds."""

    action: Action
    robot: Robot
    jobs: list[JobRow]
    look: Look

    @property
    def possible(self) -> bool:
        """Whether there is anything to ask."""
        if self.action == "release":
            return bool(self.robot.holds)
        return self.robot.enabled is (self.action != "enable")

    @property
    def waiting(self) -> int:
        """Jobs that wait in its queues."""
        return sum(queue.waiting for queue in self.look.queues if queue.id in self.robot.queues)

    @property
    def job_names(self) -> str:
        """What it holds, in the order it was given."""
        return _(", ").join(_("“%(name)s”", name=job.deployment_name or job.flow) for job in self.jobs)

    @property
    def left_alone(self) -> list[str]:
        """Its queues that nobody else would serve."""
        others = {name for one in self.look.robots if one.id != self.robot.id and one.enabled for name in one.queues}
        return [name for name in self.robot.queues if name not in others]


def read(name: str, action: Action) -> Asked:
    """What is known now; raises `ApiError` if there is no such robot."""
    look = board().look()
    robot = look.by_id.get(name)
    if robot is None:
        raise not_found("robot", name)
    with reader().reading() as db:
        jobs = queries.rows_by_uid(db, [held.job for held in robot.held if held.job])
    return Asked(action, robot, jobs, look)


def will_happen(asked: Asked) -> list[str]:
    """What follows, in whole sentences."""
    if asked.action == "release":
        return _after_release(asked)
    return _after_enable(asked) if asked.action == "enable" else _after_rest(asked)


def _after_enable(asked: Asked) -> list[str]:
    robot = asked.robot.id
    if asked.robot.holds:
        return [_("Its hold stays: %(robot)s gets no work until it is released as well.", robot=robot)]
    if asked.robot.state == "offline":
        return [_("%(robot)s is not heard now. It gets work as soon as it speaks again.", robot=robot)]
    return [_("%(robot)s gets new work at once and may start to move.", robot=robot), _line(asked)]


def _line(asked: Asked) -> str:
    if not asked.waiting:
        return _("Nothing waits in its queues now.")
    return ngettext("%(n)s job waits in its queues.", "%(n)s jobs wait in its queues.", asked.waiting)


def _after_rest(asked: Asked) -> list[str]:
    robot = asked.robot.id
    first = (
        _("%(robot)s finishes %(jobs)s first, then gets nothing new.", robot=robot, jobs=asked.job_names)
        if asked.jobs
        else _("%(robot)s holds nothing, so it gets nothing new from now on. It stays where it is.", robot=robot)
    )
    until = _("Somebody has to enable it again; it does not come back by itself.")
    alone = asked.left_alone
    if not alone:
        return [first, until]
    names = _(", ").join(alone)
    return [first, until, _("No other robot serves %(queues)s: jobs for it wait until then.", queues=names)]


def _after_release(asked: Asked) -> list[str]:
    robot = asked.robot.id
    found = []
    if len(asked.robot.holds) > 1:
        found.append(ngettext("This ends its %(n)s hold.", "This ends all its %(n)s holds.", len(asked.robot.holds)))
    if not asked.robot.enabled:
        return [*found, _("It is disabled as well: it gets no work until somebody enables it.")]
    if not robot_words.heard_lately(asked.robot, asked.look.at):
        return [*found, _("%(robot)s is not heard now. It gets work as soon as it speaks again.", robot=robot)]
    return [*found, _("After release %(robot)s gets new work at once.", robot=robot), _line(asked)]


def risks(asked: Asked) -> list[tuple[str, str]]:
    """Of every hold: what it means, and what may happen."""
    if asked.action != "release" or not asked.robot.holds:
        return []
    with reader().reading() as db:
        events = queries.page_of_robot_events(db, asked.robot.id, limit=LOOKED_AT).items
    offered = assigned_at(events, asked.robot)
    return [
        (hold_sentence(one.reason), robot_words.may_happen(asked.robot, one, _clock(offered.get(one.attempt or 0))))
        for one in asked.robot.holds
    ]


def _clock(at: str | None) -> str | None:
    return None if at is None else clock(at)


Errors = dict[str, str]
"""Field to what is wrong with it."""


def ask(asked: Asked, errors: Errors | None = None) -> Response:
    """The dialog; with what was filled in and what is wrong with it, if it was sent."""
    words = {table: _(texts[asked.action], robot=asked.robot.id) for table, texts in _TEXTS.items()}
    html = dialogs.ask(
        "console/robots/ask.html", asked=asked, robot=asked.robot, follows=will_happen(asked), risks=risks(asked),
        needs_reason=asked.action in NEEDS_REASON, steps=robot_words.before_release(asked.robot),
        seen=robot_words.seen_words(asked.robot), errors=errors or {}, given=request.form, **words,
    )  # fmt: skip
    return Response(html, 422 if errors else 200, content_type="text/html")


_TEXTS = {"title": TITLES, "button": BUTTONS, "impossible": IMPOSSIBLE}


@page.get("/robots/<robot>/<any(enable, drain, disable, release):action>")
def show_question(robot: str, action: Action) -> Response:
    """What would happen, asked before it does."""
    need_role("operator")
    return ask(read(robot, action))


@page.post("/robots/<robot>/<any(enable, drain, disable, release):action>")
def answer_question(robot: str, action: Action) -> Response:
    """Do it, unless something is missing in the form; what was done already by this very form is fine."""
    need_role("operator")
    asked = read(robot, action)
    if errors := _wrong(action):
        return ask(asked, errors)
    dialogs.carry_out(f"robot.{action}", {"robot": robot, "reason": dialogs.field("reason")})
    return dialogs.said(_(DONE[action], robot=robot))


def _wrong(action: Action) -> Errors:
    """What is missing in the form."""
    errors = Errors()
    if action in NEEDS_REASON and dialogs.field("reason") is None:
        errors["reason"] = _("Say why: people will read it.")
    if action == "release" and request.form.get("seen") != "yes":
        errors["seen"] = _("Only somebody who has seen it may release it.")
    return errors
