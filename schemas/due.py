"""When a schedule is due: pure arithmetic over its timing and moments in UTC microseconds."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

SECOND_US = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIELDS = 5
_A_SUNDAY_IN_WINTER = datetime(2023, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Timing:
    """Either a cron expression in a zone, every so many seconds, or once; from (included) until (included)."""

    cron: str | None = None
    every_s: int | None = None
    at_us: int | None = None
    zone: str = "UTC"
    from_us: int | None = None
    until_us: int | None = None


def check_cron(text: str) -> str:
    """A cron expression of five fields that some day fires; raises `ValueError`."""
    if len(text.split()) != _FIELDS:
        raise ValueError("five fields are wanted: minute hour day-of-month month day-of-week")
    try:
        next(CronSim(text, _A_SUNDAY_IN_WINTER))
    except StopIteration as error:
        raise ValueError("this never comes") from error
    except (CronSimError, AssertionError, TypeError, ValueError) as error:  # the library asserts what it cannot read
        raise ValueError(f"not a cron expression: {error or 'it cannot be read'}") from error
    return " ".join(text.split())


def next_after(timing: Timing, us: int) -> int | None:
    """The first due moment after another one; None when there is none any more."""
    after = us if timing.from_us is None else max(us, timing.from_us - 1)
    if timing.at_us is not None:
        found = timing.at_us if timing.at_us > after else None
    elif timing.every_s is not None:
        found = _next_of_grid(timing.every_s * SECOND_US, timing.from_us or 0, after)
    else:
        found = _next_of_cron(timing.cron or "", timing.zone, after)
    return None if found is None or (timing.until_us is not None and found > timing.until_us) else found


def _next_of_grid(step: int, start: int, after: int) -> int:
    """`start`, and every `step` from there."""
    return start if after < start else start + ((after - start) // step + 1) * step


def _next_of_cron(cron: str, zone: str, after: int) -> int | None:
    """Wall-clock times that daylight saving skips come right after the gap; those it repeats come once."""
    try:
        begin = (_EPOCH + timedelta(microseconds=after)).astimezone(ZoneInfo(zone))
        for moment in CronSim(cron, begin):
            found = (moment.astimezone(UTC) - _EPOCH) // timedelta(microseconds=1)
            if found > after:  # in the hour that is repeated the library starts at its first pass
                return found
    except (OverflowError, ValueError):  # beyond the last year that can be written
        return None
    return None


def times_after(timing: Timing, us: int) -> Iterator[int]:
    """All due moments after another one, in order."""
    found = next_after(timing, us)
    while found is not None:
        yield found
        found = next_after(timing, found)


def next_times(timing: Timing, us: int, count: int) -> list[int]:
    """The next due moments, at most so many."""
    return list(islice(times_after(timing, us), count))


def last_until(timing: Timing, after: int, upto: int) -> int | None:
    """The last due moment after the one and not after the other, found by halving: no span is too long."""
    low = next_after(timing, after)
    if low is None or low > upto:
        return None
    high = upto
    while low < high:
        middle = (low + high + 1) // 2
        found = next_after(timing, middle - 1)
        if found is not None and found <= upto:
            low = found
        else:
            high = middle - 1
    return low
