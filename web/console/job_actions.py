"""What is asked before something is done with one job, and doing it."""

from typing import Any

from flask import Blueprint, Response, request
from pydantic import TypeAdapter, ValidationError

from schemas.ids import Priority
from schemas.status import JobState
from web.console import dialogs
from web.console.frame import need_role
from web.console.job_asked import DO, KEEP, TITLES, Asked, read
from web.console.job_outlook import Action
from web.console.language import N_, _
from web.console.text import short_id
from web.errors import ApiError

page = Blueprint("job_actions", __name__)
OWN = ("priority", "decide", "rerun", "retry")
"""Actions whose dialog has fields of its own."""
Errors = dict[str, str]
"""Field to what is wrong with it, in the language of the page."""
_PRIORITY = TypeAdapter(Priority)
_QUESTION = (
    "/jobs/<job>/<any(cancel, pause, resume, again, undo, priority, decide, release, rerun, retry, set_error):action>"
)


def ask(asked: Asked, errors: Errors | None = None, *, changed: bool = False) -> Response:
    """The dialog; with what was filled in and what is wrong with it, if it has been sent."""
    name = asked.action if asked.outlook.possible and asked.action in OWN else "plain"
    html = dialogs.ask(
        f"console/jobs/{name}.html", asked=asked, job=asked.job, title=_(TITLES[asked.action]),
        keep=_(KEEP[asked.action]), do=_(DO[asked.action]), errors=errors or {}, given=request.form, changed=changed,
        tick=needs_tick(asked),
    )  # fmt: skip
    return Response(html, 422 if errors else 200, content_type="text/html")


@page.get(_QUESTION)
def show_question(job: str, action: Action) -> Response:
    """What would happen, asked before it does."""
    need_role("operator")
    return ask(read(job, action))


@page.post(_QUESTION)
def answer_question(job: str, action: Action) -> Response:
    """Do it, unless the form is wrong or what was read there does not hold any more: then ask again."""
    need_role("operator")
    asked = read(job, action)
    if _misled(asked):
        return ask(asked, changed=True)
    if errors := _wrong(asked):
        return ask(asked, errors)
    if action == "decide" and request.form.get("outcome") == "wait":
        return dialogs.said(_("Nothing is changed. The job goes on waiting for its robot."))
    try:
        done = dialogs.carry_out(*_command(asked))
    except ApiError as error:
        if error.code == "job.attempt_changed":
            return ask(read(job, action), changed=True)
        raise
    return dialogs.said(_done(asked, done.ok))


def _misled(asked: Asked) -> bool:
    """Whether what the dialog said would happen to the robot is not what would happen now.

    Asking for the end of a job that has ended, or is being cancelled, moves nothing: the controller refuses it, or
    answers as it did when the form was sent before.
    """
    if asked.action == "again" and asked.outlook.possible:
        return request.form.get("run") != asked.job.failed_run
    harmless = asked.job.state in (JobState.QUEUED, JobState.CANCELLING) or not asked.outlook.possible
    return asked.action in ("cancel", "set_error") and not harmless and request.form.get("kind") != asked.outlook.kind


def _wrong(asked: Asked) -> Errors:
    """What is missing in the form, or makes no sense."""
    action, errors = asked.action, Errors()
    ends = action == "decide" and request.form.get("outcome") != "wait"
    if action in ("priority", "rerun") and given_priority() is None:
        errors["priority"] = _("A whole number from 0 to 5000.")
    if ends and request.form.get("outcome") not in ("failed", "cancelled"):
        errors["outcome"] = _("Choose one.")
    if (ends or action in ("release", "set_error")) and dialogs.field("reason") is None:
        errors["reason"] = _("Say why: this is kept with the job.")
    if (ends or needs_tick(asked)) and request.form.get("seen") != "yes":
        errors["seen"] = _("Tick this first.")
    return errors


def needs_tick(asked: Asked) -> bool:
    """Whether a second run might do what must not be done twice."""
    job = asked.job
    return asked.action in ("rerun", "retry") and not job.safe_to_repeat and job.attempt_count > 0


def given_priority() -> int | None:
    """The priority in the form; None if there is none, or it is not one."""
    text = dialogs.field("priority", 20) or ""
    try:
        return _PRIORITY.validate_python(int(text)) if text.isascii() and text.isdecimal() else None
    except ValidationError:
        return None


def _command(asked: Asked) -> tuple[str, dict[str, Any]]:
    job, reason = {"job": asked.job.id}, dialogs.field("reason")
    why = {} if reason is None else {"reason": reason}
    if asked.action == "priority":
        return "job.priority", job | why | {"priority": given_priority()}
    if asked.action == "rerun":
        return "job.rerun", job | {"priority": given_priority()}
    if asked.action == "retry":
        return "job.retry", job
    if asked.action in ("set_error", "release"):
        return f"job.{asked.action}", job | why
    if asked.action == "decide":
        return "job.force", job | why | {"outcome": request.form["outcome"]}
    return _of_this_attempt(asked, job | why)


_NAMES: dict[Action, str] = {"again": "job.rerun_block", "undo": "job.rollback"}


def _of_this_attempt(asked: Asked, args: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """A command that means the attempt which was shown, and no later one."""
    attempt = dialogs.field("attempt", 20)
    if attempt is not None and attempt.isdecimal():
        args |= {"if_attempt": int(attempt)}
    if asked.action == "again":
        args |= {"run": asked.job.failed_run or dialogs.field("run", 30) or "0.0"}
    return _NAMES.get(asked.action, f"job.{asked.action}"), args


def _done(asked: Asked, answer: dict[str, Any]) -> str:
    """What has happened, as a sentence; `recorded`: a robot was told, its answer is still to come."""
    robot, action = asked.job.robot or "–", asked.action
    if action in ("rerun", "retry"):
        return _("A new job is made: %(id)s.", id=", ".join(short_id(uid) for uid in answer["jobs"]))
    if action == "priority":
        return _("Its priority is %(n)s now.", n=given_priority())
    if action == "release":
        return _("The job is released.")
    if action == "decide":
        text = {"failed": _ENDED_FAILED, "cancelled": _ENDED_CANCELLED}[request.form["outcome"]]
        return _(text, robot=robot)
    if action == "set_error" and not answer["recorded"]:
        return _("The job is ended as failed.")
    if action == "cancel" and not answer["recorded"]:
        return _("The job is cancelled.")
    return _(_TOLD[action], robot=robot)


_TOLD: dict[Action, str] = {
    "cancel": N_("%(robot)s is told to stop."),
    "set_error": N_("%(robot)s is told to stop."),
    "pause": N_("%(robot)s is told to pause."),
    "resume": N_("%(robot)s is told to go on."),
    "again": N_("%(robot)s is told to run the block again."),
    "undo": N_("%(robot)s is told to undo what has finished."),
}
_ENDED_FAILED = N_("The job is ended as failed. %(robot)s is on hold until it is known to stand idle.")
_ENDED_CANCELLED = N_("The job is ended as cancelled. %(robot)s is on hold until it is known to stand idle.")
