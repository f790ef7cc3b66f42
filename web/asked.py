"""Query parameters as types: unknown ones, repeated ones and values out of bounds are refused."""

import re
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Annotated, Any, Literal, TypeVar, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema
from werkzeug.datastructures import MultiDict

from controller.store.queries import JobFilter, Order
from schemas.ids import OpaqueId, Slug
from schemas.status import JobState, RobotState
from web.errors import invalid, refused_fields

_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)\Z", re.ASCII)
_DIGITS = re.compile(r"\d{1,16}\Z", re.ASCII)
_MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


def _moment(value: Any) -> Any:
    """RFC 3339 as UTC microseconds."""
    if not isinstance(value, str) or not _MOMENT.match(value):
        raise ValueError("not a time of RFC 3339, like 2026-01-31T08:00:00Z")
    return (datetime.fromisoformat(value.upper()) - _EPOCH) // _MICROSECOND


def _number(value: Any) -> Any:
    if isinstance(value, str):
        if not _DIGITS.match(value):
            raise ValueError("not a whole number")
        return int(value)
    return value


def _truth(value: Any) -> Any:
    if isinstance(value, str):
        if value not in ("true", "false"):
            raise ValueError("true or false")
        return value == "true"
    return value


Moment = Annotated[int, BeforeValidator(_moment), WithJsonSchema({"type": "string", "format": "date-time"})]
DIGITS = BeforeValidator(_number)
"""Reads a whole number of a query; its bounds stand beside it."""
WholeNumber = Annotated[int, Field(ge=1, lt=2**53), BeforeValidator(_number)]
Text = Annotated[str, Field(min_length=1, max_length=200)]
Way = Literal["newest", "oldest"]


class Query(BaseModel):
    """What all queries share: unknown parameters are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class NoQuery(Query):
    """A route without parameters."""


class PageQuery(Query):
    """Which part of a list."""

    limit: Annotated[int, Field(ge=1, le=200), BeforeValidator(_number)] = 50
    after: Annotated[str | None, Field(min_length=1, max_length=500, description="`next` of the page before")] = None


class OrderedQuery(PageQuery):
    """Which part of a list, from which end."""

    order: Way = "newest"


class JobFilters(Query):
    """What the jobs of a list have in common; times from (included) to (excluded)."""

    state: tuple[JobState, ...] = Field(default=(), max_length=20, description="may be repeated")
    deployment: Slug | None = None
    flow: Slug | None = None
    q: Annotated[Text | None, Field(description="part of a deployment's name or id, or how a job's id begins")] = None
    robot: Slug | None = None
    queue: Slug | None = None
    source: Text | None = None
    created_from: Moment | None = None
    created_to: Moment | None = None
    started_from: Moment | None = None
    started_to: Moment | None = None
    ended_from: Moment | None = None
    ended_to: Moment | None = None
    root: Annotated[OpaqueId | None, Field(description="this job and all below it")] = None
    parked: Annotated[
        bool | None, BeforeValidator(_truth), Field(description="it may have run before a restore; a person decides")
    ] = None
    id: tuple[OpaqueId, ...] = Field(default=(), max_length=200, description="these jobs; may be repeated")

    def as_filter(self) -> JobFilter:
        """As the read side takes it."""
        same = self.model_dump(include=set(JobFilters.model_fields) - {"state", "id"})
        states, ids = tuple(sorted({str(state) for state in self.state})), tuple(sorted(set(self.id)))
        return JobFilter(states=states, ids=ids, **same)


class JobsQuery(JobFilters, PageQuery):
    """The list of jobs."""

    order: Order = "newest"


class ResultsQuery(Query):
    """Which attempt, and whether every pass of loops is wanted."""

    attempt: Annotated[WholeNumber | None, Field(description="absent: the last that started")] = None
    iterations: Literal["last", "all"] = "last"


class BlocksQuery(OrderedQuery):
    """Block runs of one attempt."""

    attempt: Annotated[WholeNumber | None, Field(description="absent: the last that started")] = None
    block: Annotated[Text | None, Field(description="a block's id, or a whole path")] = None
    q: Annotated[Text | None, Field(description="part of the path")] = None


class LogsQuery(OrderedQuery):
    """Log lines of a job."""

    attempt: WholeNumber | None = None
    level: Annotated[int, Field(ge=0, le=3), BeforeValidator(_number)] = Field(0, description="at least so serious")
    type_: Annotated[
        Literal["system", "block", "print", "driver", "artifact"] | None, Field(alias="type", description="of one type")
    ] = None
    block: Annotated[Text | None, Field(description="a block's id, or a whole path")] = None
    q: Annotated[Text | None, Field(description="part of the text")] = None


class RobotsQuery(PageQuery):
    """Which robots."""

    kind: Text | None = None
    state: RobotState | None = None
    queue: Slug | None = None
    tag: Text | None = None
    q: Annotated[Text | None, Field(description="part of name or id")] = None


class RemoveQuery(Query):
    """How a robot is removed."""

    force: Annotated[bool, BeforeValidator(_truth)] = False
    reason: Annotated[str | None, Field(min_length=1, max_length=2000, description="required with force")] = None


class ReasonQuery(Query):
    """Why something is done."""

    reason: Annotated[str | None, Field(min_length=1, max_length=2000, description="why; kept with the change")] = None


class SearchQuery(PageQuery):
    """Definitions whose name or id contains a text."""

    q: Text | None = None


class StreamQuery(Query):
    """What a stream is about."""

    topics: Annotated[
        str | None,
        Field(pattern=r"^(jobs|robots|queues|system)(,(jobs|robots|queues|system))*$", description="comma-separated"),
    ] = None
    job: Annotated[OpaqueId | None, Field(description="only this job, with its blocks and logs")] = None


Asked = TypeVar("Asked", bound=BaseModel)


@lru_cache(maxsize=64)
def _lists(model: type[BaseModel]) -> frozenset[str]:
    return frozenset(name for name, field in model.model_fields.items() if get_origin(field.annotation) is tuple)


def read_query(model: type[Asked], given: MultiDict[str, str], *, lenient: bool = False) -> Asked:
    """Parameters as the route's type; `lenient`: unknown ones are left out. Raises `ApiError`."""
    lists = _lists(model)
    values: dict[str, Any] = {}
    for name, found in given.lists():
        if lenient and name not in model.model_fields:
            continue
        if name not in lists and len(found) > 1:
            raise invalid("query", f"/{name}", "repeated", "given more than once")
        values[name] = found if name in lists else found[0]
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise refused_fields(error, "query") from error
