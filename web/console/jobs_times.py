"""Periods as people write them: the last 24 h, or from and to in the box's own time."""

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from web.console.language import N_, _, ngettext

_SINCE = re.compile(r"(\d{1,5})([mhd])\Z", re.ASCII)
_DAY = re.compile(r"\d{4}-\d\d-\d\d\Z", re.ASCII)
_UNITS = {"m": 60, "h": 3600, "d": 86400}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SINCE = ("1h", "8h", "24h", "7d", "30d")
"""Those that the form offers."""
_LABELS: dict[str, tuple[str, str]] = {
    "created": (N_("created from"), N_("created before")),
    "started": (N_("started from"), N_("started before")),
    "ended": (N_("ended from"), N_("ended before")),
}
_WITHIN = {"created": N_("created within"), "started": N_("started within"), "ended": N_("ended within")}


class Unclear(ValueError):
    """A time that cannot be understood, or a period that holds nothing; `names` are the fields at fault."""

    def __init__(self, message: str, *names: str) -> None:
        super().__init__(message)
        self.message, self.names = message, names


@dataclass(frozen=True)
class Window:
    """A period in microseconds, from (included) to (excluded), and the fields as they were written."""

    start: int | None = None
    end: int | None = None
    fields: tuple[tuple[str, str], ...] = ()

    @property
    def given(self) -> bool:
        """Whether there is any bound."""
        return bool(self.fields)

    def pairs(self) -> list[tuple[str, str]]:
        """For the address."""
        return list(self.fields)

    def without(self, name: str) -> "Window":
        """The same without one bound."""
        fields = tuple(pair for pair in self.fields if pair[0] != name)
        return replace(self, fields=fields, **{"end" if name == "to" else "start": None})

    def shown(self, by: str) -> list[tuple[str, str, str]]:
        """For chips: field, label, value."""
        labels = {"since": _(_WITHIN[by]), "from": _(_LABELS[by][0]), "to": _(_LABELS[by][1])}
        bounds = {"from": self.start, "to": self.end}
        return [
            (name, labels[name], span(value) if name == "since" else written(bounds[name]))
            for name, value in self.fields
        ]


ALWAYS = Window()


def span(since: str) -> str:
    """`24h` as people read it; empty if it is no such span."""
    found = _SINCE.match(since)
    if found is None:
        return ""
    n = int(found[1])
    if found[2] == "m":
        return ngettext("the last minute", "the last %(n)s min", n)
    if found[2] == "h":
        return ngettext("the last hour", "the last %(n)s h", n)
    return ngettext("the last day", "the last %(n)s days", n)


def written(microseconds: int | None) -> str:
    """An instant in the box's own time, as it can be typed again."""
    if microseconds is None:
        return ""
    local = (_EPOCH + timedelta(microseconds=microseconds)).astimezone()
    return f"{local:%Y-%m-%d %H:%M}" + (f":{local:%S}" if local.second else "")


def read_window(times: dict[str, str], opened_us: int, now_us: int) -> Window:
    """A period from the fields `since`, `from`, `to`; raises `Unclear`."""
    if "since" in times and "from" in times:
        raise Unclear(_("It begins twice: give either a span or a beginning."), "since")
    start = _since(times["since"], opened_us) if "since" in times else _bound(times, "from")
    end = _bound(times, "to")
    if start is not None and start > now_us:
        raise Unclear(_("That time has not come yet."), "from")
    if start is not None and end is not None and start >= end:
        raise Unclear(_("The period ends before it begins."), "from" if "from" in times else "since", "to")
    return Window(start, end, tuple(times.items()))


def _since(text: str, opened_us: int) -> int:
    found = _SINCE.match(text)
    if found is None or not int(found[1]):
        raise Unclear(_("Not a span like 30m, 24h or 7d."), "since")
    return max(0, opened_us - int(found[1]) * _UNITS[found[2]] * 1_000_000)


def _bound(times: dict[str, str], name: str) -> int | None:
    """An instant; a day alone as an end means that day wholly."""
    if name not in times:
        return None
    try:
        moment = datetime.fromisoformat(times[name])
        if name == "to" and _DAY.match(times[name]):
            moment += timedelta(days=1)
        return max(0, (moment.astimezone() - _EPOCH) // timedelta(microseconds=1))
    except (ValueError, OverflowError) as error:
        raise Unclear(_("Not a time like 2026-01-31 08:00."), name) from error
