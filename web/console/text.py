"""Times, durations and numbers as people read them: 24 hours, in the box's own time zone, with seconds."""

from datetime import datetime

from web.console.language import _


def _local(value: str | datetime) -> datetime:
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return moment.astimezone()


def clock(value: str | datetime | None, now: datetime | None = None) -> str:
    """Hours, minutes, seconds; with month and day before when it is not today; a dash for nothing."""
    if value is None:
        return "–"
    local, today = _local(value), (now or datetime.now().astimezone()).date()
    if local.date() == today:
        return f"{local:%H:%M:%S}"
    return f"{local:%m-%d %H:%M:%S}" if local.year == today.year else f"{local:%Y-%m-%d %H:%M}"


def moment(value: str | datetime | None) -> str:
    """Date and time to the second with the zone: for titles."""
    return "" if value is None else _local(value).strftime("%Y-%m-%d %H:%M:%S %z")


def duration(seconds: float | None, *, words: bool = False) -> str:
    """`0.4 s`, `48 s`, `3:12`, `2:03:12`, `3 d 4 h`; with `words` as in sentences: `3 min 12 s`; a dash for nothing."""
    if seconds is None:
        return "–"
    if seconds < 10 and not words:
        return _("%(n)s s", n=f"{max(0.0, seconds):.1f}")
    whole = int(max(0.0, seconds))
    days, hours, minutes, rest = whole // 86400, whole // 3600 % 24, whole // 60 % 60, whole % 60
    if days:
        return _("%(days)s d %(hours)s h", days=days, hours=hours)
    if words:
        return _in_words(hours, minutes, rest)
    if not hours and not minutes:
        return _("%(n)s s", n=rest)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _in_words(hours: int, minutes: int, seconds: int) -> str:
    if hours:
        return _("%(hours)s h %(minutes)s min", hours=hours, minutes=minutes)
    if minutes:
        return _("%(minutes)s min %(seconds)s s", minutes=minutes, seconds=seconds)
    return _("%(n)s s", n=seconds)


def number(value: int) -> str:
    """A whole number with a thin space between thousands."""
    return f"{value:,}".replace(",", "\u202f")


def short_id(uid: str) -> str:
    """The end of a long id, by which people call it."""
    return uid.replace("-", "")[-6:].upper()
