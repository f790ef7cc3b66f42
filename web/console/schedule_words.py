"""How schedules, firings and what became of their targets are said."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from schemas.views.schedules import Firing, FiringRow, Schedule
from web.console.language import N_, _, ngettext
from web.console.text import duration
from web.console.words import job_word

SKIPPED = "skipped"
BAD = ("failed", "uncertain", "cancelled")
_ORDER = (*BAD, SKIPPED, "cancelling", "paused", "running", "assigned", "queued", "succeeded")
REASONS: Mapping[str, str] = {
    "missed": N_("It was due while the box was down or its clock was wrong."),
    "caught_up": N_("It was due while the box was down or its clock was wrong, and was made up for later."),
    "overlap": N_("A job of an earlier firing had not ended."),
    "deployment.disabled": N_("The deployment was disabled."),
    "deployment.not_found": N_("The deployment was removed."),
    "robot.not_found": N_("The robot was removed."),
    "request.invalid": N_("The deployment's parameters did not fit its flow any more."),
    "flow.not_found": N_("The flow was removed."),
    "internal": N_("This could not be carried out because of a defect; it is in the log."),
}
"""Why there is no job, by its code; other reasons stand as they were written."""


def when(schedule: Schedule) -> str:
    """Its times, as they were given."""
    if schedule.cron is not None:
        return f"cron {schedule.cron}"
    if schedule.every_s is not None:
        return _every(schedule.every_s)
    return _("once, %(time)s", time=zoned(schedule.at, schedule.zone))


def _every(seconds: int) -> str:
    if seconds % 3600 == 0:
        return _("every %(n)s h", n=seconds // 3600)
    if seconds % 60 == 0:
        return _("every %(n)s min", n=seconds // 60)
    return _("every %(time)s", time=duration(seconds, words=True))


def zoned(value: str | None, zone: str) -> str:
    """A moment in the schedule's own zone; without the year when it is this one, without the day when it is today."""
    if value is None:
        return "–"
    place = _zone(zone)
    local, today = datetime.fromisoformat(value).astimezone(place), datetime.now(place).date()
    if local.date() == today:
        return f"{local:%H:%M:%S}"
    return f"{local:%m-%d %H:%M:%S}" if local.year == today.year else f"{local:%Y-%m-%d %H:%M}"


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):  # it was a zone when the schedule was saved
        return ZoneInfo("UTC")


def whole(value: str | None, zone: str) -> str:
    """A moment with date, offset and zone: for titles."""
    return (
        "" if value is None else f"{datetime.fromisoformat(value).astimezone(_zone(zone)):%Y-%m-%d %H:%M:%S %z} {zone}"
    )


def targets(firing: Firing) -> list[tuple[str, str, int]]:
    """(shape, word, how many) of what became of its targets, the worst first."""
    found = sorted(firing.states.items(), key=lambda one: _ORDER.index(one[0]) if one[0] in _ORDER else len(_ORDER))
    return [(shape_of(state), word_of(state), number) for state, number in found]


def shape_of(state: str) -> str:
    """The symbol of a target's state."""
    return "skip" if state == SKIPPED else state


def word_of(state: str) -> str:
    """A target's state as people read it."""
    return _("Skipped") if state == SKIPPED else job_word(state)


def outcome(firing: Firing) -> str:
    """How a firing came out, as one of `bad`, `no` (nothing was made), `open`, `ok`."""
    if any(firing.states.get(state) for state in BAD):
        return "bad"
    if set(firing.states) <= {SKIPPED}:
        return "no"
    return "ok" if set(firing.states) <= {SKIPPED, "succeeded"} else "open"


def lately(firings: Sequence[Firing]) -> str:
    """How the last firings came out, as one sentence for who cannot see the bars."""
    found = [outcome(one) for one in firings]
    return ngettext(
        "%(n)s firing: %(bad)s with failures, %(no)s without a job.",
        "The last %(n)s firings: %(bad)s with failures, %(no)s without a job.",
        len(found), bad=found.count("bad"), no=found.count("no"),
    )  # fmt: skip


def why(one: Firing | FiringRow) -> str:
    """Why it is as it is, in the language of the page where we know the reason."""
    if one.reason is None:
        return ""
    known = REASONS.get(one.reason.code or "") if not isinstance(one, FiringRow) or one.job is None else None
    return _(known) if known is not None else one.reason.message or one.reason.code or ""
