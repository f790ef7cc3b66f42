"""From what columns hold to what answers show: times, JSON, targets, reasons."""

import json
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, overload

from schemas.job import Target
from schemas.views import Reason

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = 253_402_300_799_999_999
"""The end of the year 9999, the last moment that can be written."""


@overload
def rfc3339(us: int) -> str: ...
@overload
def rfc3339(us: None) -> None: ...
def rfc3339(us: int | None) -> str | None:
    """UTC microseconds as RFC 3339 with microseconds and Z."""
    if us is None:
        return None
    second, rest = divmod(min(max(us, 0), _LAST), 1_000_000)
    return f"{_second(second)}.{rest:06d}Z"


@lru_cache(maxsize=4096)
def _second(second: int) -> str:
    """Thousands of rows lie in the same few seconds."""
    return (_EPOCH + timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%S")


def duration_ms(start: int | None, end: int | None) -> int | None:
    """Milliseconds between two instants; never negative, whatever the wall clock did meanwhile."""
    return None if start is None or end is None else max(0, round((end - start) / 1000))


def from_json(text: str | None) -> Any:
    """The value of a JSON column."""
    return None if text is None else json.loads(text)


def target(text: str) -> Target:
    """`q:QUEUE` or `r:ROBOT` as people give it."""
    name = text[2:]
    return Target.model_construct(queue=name) if text.startswith("q:") else Target.model_construct(robots=(name,))


def reason(code: str | None, message: str | None) -> Reason | None:
    """Why, if there is a why."""
    return None if code is None and message is None else Reason(code=code, message=message)
