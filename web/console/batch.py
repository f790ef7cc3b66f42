"""One thing asked of several jobs: a preview by outcome, then one by one, then what became of each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from flask import Blueprint, Response, request

from controller.store import queries
from schemas.status import ACTIVE, JobState
from schemas.views import JobRow
from web.console import dialogs, problems
from web.console.batch_preview import SAYS, SHAPES, BatchAction, GroupKind, Line, Preview, preview
from web.console.frame import board, need_role, reader
from web.console.job_actions import given_priority
from web.console.job_outlook import STANDS, Case, case_of
from web.console.language import N_, _
from web.errors import ApiError, invalid

page = Blueprint("batch", __name__)
MOST = 200
"""So many jobs at once: they are asked for one by one while somebody waits."""
LOST = ("controller.down", "controller.no_answer", "store.full")
"""After these the rest is not asked for."""


@dataclass(frozen=True)
class Result:
    """What became of one job; `done`: it was carried out, or a robot was told."""

    job: JobRow
    done: bool
    text: str


def _cases(ids: Sequence[str]) -> list[Case]:
    """The jobs with these ids as they are now, in their order; raises `ApiError`."""
    if not 0 < len(ids) <= MOST:
        raise invalid("body", "/id", "count", _("Between 1 and %(n)s jobs at once.", n=MOST))
    robots = board().look().by_id
    with reader().reading() as db:
        return [case_of(job, robots) for job in queries.rows_by_uid(db, ids)]


@page.post("/jobs/batch/<any(cancel, priority):action>")
def ask_batch(action: BatchAction) -> str:
    """What would become of the ticked jobs (`id`, repeated); with `priority`, as far as one is typed."""
    need_role("operator")
    cases = _cases(list(dict.fromkeys(request.form.getlist("id"))))
    priority = given_priority()
    wrong = "priority" in request.form and request.form["priority"].strip() != "" and priority is None
    return _shown(preview(action, cases, priority), priority, wrong=wrong)


def _shown(found: Preview, priority: int | None, *, wrong: bool = False) -> str:
    return dialogs.ask(
        f"console/jobs/batch_{found.action}.html", found=found, says=SAYS, shapes=SHAPES, priority=priority,
        wrong=wrong, given=request.form,
    )  # fmt: skip


@page.post("/jobs/batch/<any(cancel, priority):action>/apply")
def do_batch(action: BatchAction) -> Response | str:
    """Carry out what the preview said (`job`: its guards), each for itself; what has changed since is left alone."""
    need_role("operator")
    shown = dict(_guards())
    cases = _cases(list(shown))
    priority = given_priority()
    if action == "priority" and priority is None:
        return _shown(preview(action, cases, None), None, wrong=True)
    results = list(_carry_out(action, cases, shown, priority))
    done = [one for one in results if one.done]
    refused = [one for one in results if not one.done]
    return dialogs.ask("console/jobs/batch_result.html", action=action, done=done, refused=refused)


def _guards() -> Iterator[tuple[str, tuple[GroupKind, int | None]]]:
    kinds = {kind: kind for kind in SAYS}
    for text in request.form.getlist("job"):
        uid, _colon, rest = text.partition(":")
        kind, _colon, attempt = rest.partition(":")
        if kind in kinds:
            yield uid, (kinds[kind], int(attempt) if attempt.isdecimal() and len(attempt) < 19 else None)


def _carry_out(
    action: BatchAction, cases: Sequence[Case], shown: dict[str, tuple[GroupKind, int | None]], priority: int | None
) -> Iterator[Result]:
    now = {line.case.job.id: line for group in preview(action, cases, priority).groups for line in group.lines}
    lost = False
    for case in cases:
        kind, attempt = shown[case.job.id]
        if lost:
            yield Result(case.job, False, _("Not asked for: the controller did not answer before."))
        elif _misled(action, now[case.job.id], kind):
            yield Result(case.job, False, _("It has changed since it was shown, so it was left alone."))
        else:
            result, lost = _one(action, case, attempt, priority)
            yield result


def _misled(action: BatchAction, line: Line, shown: GroupKind) -> bool:
    """Whether a robot would be told something that the preview did not say."""
    moving = line.case.job.state in ACTIVE and line.case.job.state != JobState.CANCELLING
    return action == "cancel" and moving and line.kind != shown


def _one(action: BatchAction, case: Case, attempt: int | None, priority: int | None) -> tuple[Result, bool]:
    """Ask for one; whether the controller is lost."""
    reason = dialogs.field("reason")
    args = {"job": case.job.id} | ({} if reason is None else {"reason": reason})
    if action == "priority":
        args |= {"priority": priority}  # type: ignore[dict-item]
    elif attempt is not None:
        args |= {"if_attempt": attempt}  # type: ignore[dict-item]
    try:
        done = dialogs.carry_out(f"job.{action}", args, part=case.job.id)
    except ApiError as error:
        if error.code in ("auth.origin", "auth.role"):
            raise
        return Result(case.job, False, _why(case, error)), error.code in LOST
    if action == "priority":
        return Result(case.job, True, f"{case.job.priority} → {priority}"), False
    told = done.ok["recorded"]
    return Result(
        case.job, True, case.say(N_("%(robot)s is told to stop.")) if told else _("The job is cancelled.")
    ), False


def _why(case: Case, error: ApiError) -> str:
    """Why one was refused, from how it stands now where that says it."""
    if error.code not in ("job.state", "job.attempt_changed"):
        return problems.sentences(error)[1]
    with reader().reading() as db:
        found = queries.rows_by_uid(db, [case.job.id])
    return case_of(found[0], {}).say(STANDS[found[0].state]) if found else problems.sentences(error)[1]
