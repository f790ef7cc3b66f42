"""What may be asked of schedules, and how one is written down."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, model_validator

from schemas.due import Timing, check_cron
from schemas.ids import Slug, Text
from schemas.job import Asked, Source

Overlap = Literal["allow", "skip"]
MAX_EVERY_S = 31_536_000
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)\Z", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _moment(text: str) -> str:
    """RFC 3339 as it is kept: UTC, microseconds, Z; raises `ValueError`."""
    if not _MOMENT.match(text):
        raise ValueError("not a time of RFC 3339, like 2026-01-31T08:00:00Z")
    try:
        found = datetime.fromisoformat(text.upper()).astimezone(UTC)
    except OverflowError as error:
        raise ValueError("a time between the years 1 and 9999 is wanted") from error
    return found.strftime("%Y-%m-%dT%H:%M:%S.%fZ") if found >= _EPOCH else "1970-01-01T00:00:00.000000Z"


def microseconds(moment: str) -> int:
    """Of a moment as it is kept."""
    return (datetime.fromisoformat(moment) - _EPOCH) // timedelta(microseconds=1)


@lru_cache(maxsize=256)
def _zone(name: str) -> str:
    """A zone by its IANA name; raises `ValueError`."""
    try:
        return ZoneInfo(name).key
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError("an IANA name like Europe/Berlin is wanted") from error


Cron = Annotated[
    str,
    Field(max_length=200, description="minute hour day-of-month month day-of-week, in the schedule's zone"),
    AfterValidator(check_cron),
]
Moment = Annotated[str, Field(max_length=40, json_schema_extra={"format": "date-time"}), AfterValidator(_moment)]
Zone = Annotated[str, Field(max_length=64), AfterValidator(_zone)]


class ScheduleSave(Asked):
    """A schedule as it is saved: exactly one of cron, every_s and at says when."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    deployment: Slug
    cron: Cron | None = None
    every_s: Annotated[
        int | None, Field(ge=1, le=MAX_EVERY_S, description="counted from `from`, else from midnight UTC of 1970")
    ] = None
    at: Annotated[Moment | None, Field(description="once")] = None
    zone: Annotated[Zone | None, Field(description="IANA name; absent: the site's")] = None
    from_: Annotated[Moment | None, Field(alias="from", description="nothing fires before")] = None
    until: Annotated[Moment | None, Field(description="nothing fires after")] = None
    overlap: Annotated[Overlap, Field(description="skip: not while a job of an earlier firing is open")] = "allow"
    catch_up: Annotated[bool, Field(description="what was missed while the box was down is made once")] = False
    enabled: bool = True
    source: Annotated[Source | None, Field(description="kept with its jobs; their type is `schedule`")] = None

    @model_validator(mode="after")
    def _when(self) -> Self:
        if sum(one is not None for one in (self.cron, self.every_s, self.at)) != 1:
            raise ValueError("give exactly one of cron, every_s and at")
        if self.at is not None and (self.from_ is not None or self.until is not None):
            raise ValueError("from and until go with cron or every_s")
        if self.from_ is not None and self.until is not None and self.from_ > self.until:
            raise ValueError("from is later than until")
        return self

    def timing(self) -> Timing:
        """When it is due."""
        at, start, end = (None if one is None else microseconds(one) for one in (self.at, self.from_, self.until))
        return Timing(self.cron, self.every_s, at, self.zone or "UTC", start, end)

    def body(self) -> dict[str, Any]:
        """As it is stored."""
        named = {name: getattr(self, name) for name in ScheduleSave.model_fields}
        return ScheduleSave.model_construct(**named).model_dump(mode="json", by_alias=True, exclude_none=True)


class OfSchedule(Asked):
    """About one schedule."""

    schedule: Slug


class ScheduleNote(Asked):
    """Why a schedule is switched."""

    reason: Text | None = None


class SchedulePutArgs(ScheduleSave, OfSchedule):
    """schedule.put"""

    if_match: int | None = None


class ScheduleSwitchArgs(OfSchedule, ScheduleNote):
    """schedule.enable, schedule.disable"""
