"""What all answers share: frozen types, pages of lists, refusals."""

from typing import Annotated, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from schemas.commands import Problem

Time = Annotated[str, Field(json_schema_extra={"format": "date-time"}, description="RFC 3339, UTC, microseconds, Z")]
Item = TypeVar("Item")


class View(BaseModel):
    """What all answers share: nothing is added on the way and nothing changes."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Page(View, Generic[Item]):
    """One page of a list; go on with `after=next` while `next` is given (a page may be short, even empty)."""

    items: list[Item]
    next: str | None = None


class ErrorAnswer(View):
    """Every refusal: a code, a sentence, the places it is about, and a number to find it in the log."""

    code: str
    message: str
    details: tuple[Problem, ...] = ()
    request_id: str


class Reason(View):
    """Why something stands as it does."""

    code: str | None
    message: str | None
