"""What may be asked of a job in the name of its record: send it again, end it as failed, stop it with its schedule."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

from schemas.ids import OpaqueId
from schemas.job import Asked, Reasoned

SET_ERROR = "set_error"
"""Why a job failed that somebody ended as failed."""


class OfRecord(Asked):
    """job.retry, record.stop: about one job, by its public id."""

    job: OpaqueId


class SetErrorArgs(OfRecord, Reasoned):
    """job.set_error"""


class SetErrorBody(BaseModel):
    """set-error of the AGV task records: fields that it does not know are left out."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    error_reason: Annotated[str, StringConstraints(min_length=1, max_length=2000, pattern=r"\S")]
