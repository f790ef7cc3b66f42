"""Times as the formats write them: without a zone, in that of the site or of the record."""

from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo


@lru_cache(maxsize=64)
def zone(name: str) -> ZoneInfo:
    """A zone by its IANA name; raises `ZoneInfoNotFoundError`."""
    return ZoneInfo(name)


def _local(us: int, name: str) -> datetime:
    # Not `fromtimestamp(us / 1e6)`: a float has no room for microseconds.
    seconds, rest = divmod(us, 1_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest).astimezone(zone(name))


def six_digits(us: int | None, name: str) -> str | None:
    """UTC microseconds as `2025-04-30T17:28:19.105648` (003): always six digits, no zone."""
    return None if us is None else _local(us, name).strftime("%Y-%m-%dT%H:%M:%S.%f")


def no_fraction(us: int | None, name: str) -> str | None:
    """UTC microseconds as `2025-04-30T17:28:19` (003, set-error)."""
    return None if us is None else _local(us, name).strftime("%Y-%m-%dT%H:%M:%S")


def with_blank(us: int | None, name: str) -> str | None:
    """UTC microseconds as `2018-08-06 14:27:48` (002, 004)."""
    return None if us is None else _local(us, name).strftime("%Y-%m-%d %H:%M:%S")
