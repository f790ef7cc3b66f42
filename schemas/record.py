"""What may be asked of a job in the name of its record: send it again, end it as failed, stop it with its schedule."""

from schemas.ids import OpaqueId
from schemas.job import Asked, Reasoned

SET_ERROR = "set_error"
"""Why a job failed that somebody ended as failed."""


class OfRecord(Asked):
    """job.retry, record.stop: about one job, by its public id."""

    job: OpaqueId


class SetErrorArgs(OfRecord, Reasoned):
    """job.set_error"""
