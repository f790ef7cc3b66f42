"""Why a job waits, robot by robot: the dispatcher's own list in the reader's language, and who is ahead in line."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from controller.store import queries
from schemas.blocks import BLOCK_KINDS
from schemas.views import Job, JobRow, Robot, Waiting, WaitingReason, WaitsAhead
from web.console import estimates
from web.console.language import N_, _, ngettext, spoken
from web.console.look import SCREEN, Look
from web.console.text import clock
from web.console.words import hold_sentence
from web.errors import ApiError

AHEAD = 5
SOON_S = 45.0
"""Nearer than this, "about 1 minute" would be too much."""
OTHERS = 200
ROBOT: dict[str, str] = {
    "removed": N_("It has been removed."),
    "disabled": N_("It gets no new work until somebody enables it."),
    "disabled.note": N_("It gets no new work until somebody enables it: %(note)s"),
    "offline": N_("It has not been heard yet."),
    "offline.since": N_("It was last heard at %(time)s."),
    "not_accepting": N_("It says that it takes no work now."),
    "foreign": N_("It holds something that this box never gave it."),
    "busy": N_("It works on another job."),
    "not_capable": N_("It cannot do what this flow needs."),
    "not_capable.kinds": N_("It cannot do what this flow needs: %(kinds)s."),
    "refused": N_("It did not take this job; it is asked again soon."),
    "refused.why": N_("It did not take this job (%(why)s); it is asked again soon."),
    "refused.lasting": N_("It did not take this job (%(why)s); it is asked again when it can do more."),
    "next": N_("It is free and takes what is next in line."),
}
"""Why one robot does not take the job, by the dispatcher's codes; holds have sentences of their own."""
JOB: dict[str, str] = {
    "parked": N_("It may have run since the backup that was restored; a person decides."),
    "backing_off": N_("It waits a moment before its next attempt."),
    "broker": N_("The broker cannot be reached, so no robot can be given work."),
    "no_robots": N_("No robot serves this queue."),
    "drained": N_("The whole box is drained: what runs goes on, nothing new is given out."),
    "full": N_("The disk of the box is full: nothing new is given out until there is room."),
}
"""Why the job itself cannot go to any robot now."""
REFUSALS: dict[str, str] = {
    "busy": N_("it was busy"),
    "draining": N_("it was being drained"),
    "no answer": N_("it did not answer"),
    "unknown_block_kind": N_("it does not know a block of the flow"),
    "bad_parameters": N_("it cannot read the parameters"),
    "too_large": N_("the job is too large for it"),
    "stale": N_("it knows a newer attempt"),
}
"""What a robot says when it does not take a job."""
_ABLE, _TOOK = re.compile(r"cannot do (.+)\.$"), re.compile(r"did not take it \((.*)\), (until|asked)")


@dataclass(frozen=True)
class WaitRow:
    """One robot that could have the job: its state, what keeps it, and how it comes free.

    `able`: it can do what the flow needs; `next_free`: nothing keeps it from taking what is next in line.
    """

    robot: Robot
    sentences: tuple[str, ...]
    since: str | None
    busy_with: tuple[JobRow, ...]
    free_in_s: float | None
    on_hold: bool
    able: bool
    next_free: bool

    @property
    def free_text(self) -> str | None:
        """When it is free, roughly, as people say it."""
        return None if self.free_in_s is None else about(self.free_in_s)


@dataclass(frozen=True)
class Waits:
    """Why a queued job waits; `sentences` is the short of it."""

    sentences: tuple[str, ...]
    own: tuple[str, ...]
    rows: tuple[WaitRow, ...]
    others: tuple[Robot, ...]
    ahead: WaitsAhead


def about(seconds: float) -> str:
    """A rough time as people say it, as a sentence about a robot."""
    if seconds < SOON_S:
        return _("Less than a minute from free.")
    return ngettext("About %(n)s minute from free.", "About %(n)s minutes from free.", max(1, round(seconds / 60)))


def waits(look: Look, db: queries.Connection, job: Job, number: int) -> Waits | None:
    """Asked of the controller; None while it does not answer."""
    try:
        found = Waiting.model_validate(look.backend.ask("job.waiting", {"job": job.id}, SCREEN).ok)
    except ApiError:
        return None
    ahead = queries.waits_ahead(db, number, limit=AHEAD)
    own = tuple(own_sentence(one, job) for one in found.reasons if one.robot is None)
    rows = _rows(look, db, found.reasons)
    listed = {row.robot.id for row in rows}
    others = tuple(robot for robot in look.robots if robot.id not in listed)[:OTHERS] if rows else ()
    return Waits(_short(job, own, rows, found.position), own, rows, others, ahead)


def own_sentence(reason: WaitingReason, job: Job) -> str:
    """Why the job itself cannot go."""
    if reason.code == "backing_off" and job.reason and job.reason.message:
        return _("It waits a moment before its next attempt; the last one ended with: %(why)s", why=job.reason.message)
    return _(JOB.get(reason.code, reason.message))


def robot_sentence(reason: WaitingReason, robot: Robot | None) -> str:
    """Why a robot does not take the job; a code that is not known stands as the dispatcher wrote it."""
    if reason.code.startswith("hold."):
        return hold_sentence(reason.code.removeprefix("hold."))
    code, more = _detail(reason, robot)
    text = ROBOT.get(code, reason.message)
    return _(text, **more) if more else _(text)


def _detail(reason: WaitingReason, robot: Robot | None) -> tuple[str, dict[str, str]]:
    """The fuller sentence of a code, with its values, where what it needs is known."""
    code, message = reason.code, reason.message
    if code == "disabled" and robot is not None and robot.note:
        return "disabled.note", {"note": robot.note}
    if code == "offline" and robot is not None and robot.last_seen:
        return "offline.since", {"time": clock(robot.last_seen)}
    if code == "not_capable" and (kinds := _ABLE.search(message)):
        return "not_capable.kinds", {"kinds": ", ".join(map(_kind, kinds[1].split(", ")))}
    if code == "refused" and (took := _TOOK.search(message)):
        return ("refused.lasting" if took[2] == "until" else "refused.why"), {"why": _(REFUSALS.get(took[1], took[1]))}
    return code, {}


def _kind(name: str) -> str:
    known = BLOCK_KINDS.get(name)
    return getattr(known.name, spoken()) if known else name


def _rows(look: Look, db: queries.Connection, reasons: Sequence[WaitingReason]) -> tuple[WaitRow, ...]:
    by_robot: dict[str, list[WaitingReason]] = defaultdict(list)
    for one in reasons:
        if one.robot is not None:
            by_robot[one.robot].append(one)
    free = estimates.free_in_s(look, db)
    robots = [robot for name in by_robot if (robot := look.by_id.get(name)) is not None]
    held = [one.job for robot in robots for one in robot.held if one.job is not None]
    jobs = {job.id: job for job in queries.rows_by_uid(db, held)}
    rows = [_row(robot, by_robot[robot.id], free, jobs) for robot in robots]
    return tuple(sorted(rows, key=_nearness))


def _nearness(row: WaitRow) -> tuple[bool, bool, bool, float, str]:
    return not row.able, row.on_hold, row.free_in_s is None, row.free_in_s or 0.0, row.robot.id


def _row(robot: Robot, reasons: list[WaitingReason], free: Mapping[str, float], jobs: Mapping[str, JobRow]) -> WaitRow:
    codes = {one.code for one in reasons}
    busy = (
        tuple(jobs[one.job] for one in robot.held if one.job is not None and one.job in jobs) if "busy" in codes else ()
    )
    heard = robot.last_seen is not None  # nobody knows what a robot can do that was never heard
    unable = heard and "not_capable" in codes
    unsaid = {"busy"} if busy else set()
    unsaid |= set() if heard else {"not_capable"}
    said = [one for one in reasons if one.code not in unsaid]
    only_busy = codes == {"busy"}
    return WaitRow(
        robot,
        tuple(robot_sentence(one, robot) for one in said),
        next((one.since for one in reasons if one.since), None),
        busy,
        free.get(robot.id) if only_busy else None,
        any(code.startswith("hold.") for code in codes),
        not unable,
        codes == {"next"},
    )


# ------------------------------------------------------------ the short of it
def _short(job: Job, own: tuple[str, ...], rows: tuple[WaitRow, ...], position: int | None) -> tuple[str, ...]:
    if own:
        return own
    able = tuple(row for row in rows if row.able)
    if rows and not able:
        return (_none_of(job, rows),)
    found = [_all_of(job, rows, able)] if rows else []
    nearest = able[0] if able and able[0].free_in_s is not None else None
    if nearest is not None and nearest.free_in_s is not None:
        found.append(_nearest(nearest.robot.id, nearest.free_in_s))
    if position is not None:
        ahead = position - 1
        first = _("It is the first in line.")
        line = ngettext("%(n)s job is before it in line.", "%(n)s jobs are before it in line.", ahead)
        found.append(line if ahead else first)
    return tuple(found)


def _none_of(job: Job, rows: tuple[WaitRow, ...]) -> str:
    """It waits in vain, however free they are."""
    if job.target.queue is None:
        return _("%(robot)s cannot do what its flow needs, so it waits in vain.", robot=rows[0].robot.id)
    text = N_("No robot of the queue “%(queue)s” can do what its flow needs, so it waits in vain.")
    return _(text, queue=job.target.queue)


def _all_of(job: Job, rows: tuple[WaitRow, ...], able: tuple[WaitRow, ...]) -> str:
    free = [row for row in able if row.next_free]
    if free:
        return _("%(robot)s is free and takes what is next in line.", robot=free[0].robot.id)
    queue = job.target.queue
    if queue is None:
        one = rows[0]
        return _("It may go to %(robot)s only, which has no room for it now.", robot=one.robot.id)
    if len(able) == 1:
        text = N_("%(robot)s, the only robot of the queue “%(queue)s” that can do it, has no room for it now.")
        whole = N_("The only robot of the queue “%(queue)s” has no room for it now.")
        return _(text if len(rows) > 1 else whole, queue=queue, robot=able[0].robot.id)
    text = N_("All %(n)s robots of the queue “%(queue)s” are busy, on hold or not there.")
    some = N_("All %(n)s robots of the queue “%(queue)s” that can do it are busy, on hold or not there.")
    return _(text if len(able) == len(rows) else some, n=len(able), queue=queue)


def _nearest(robot: str, seconds: float) -> str:
    if seconds < SOON_S:
        return _("%(robot)s is less than a minute from free.", robot=robot)
    minutes = max(1, round(seconds / 60))
    return ngettext(
        "%(robot)s is about %(n)s minute from free.", "%(robot)s is about %(n)s minutes from free.", minutes,
        robot=robot,
    )  # fmt: skip
