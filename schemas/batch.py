"""One thing asked of many jobs: previewed, named by a hash, applied exactly as previewed."""

from typing import Annotated, Any, Literal, Self

from pydantic import StringConstraints, model_validator

from schemas.ids import OpaqueId, Priority, Text
from schemas.job import Asked, JobIds

BatchAction = Literal["priority", "execute", "cancel"]
BatchState = Literal["collecting", "open", "applying", "applied", "expired"]
"""Being looked at; to be applied within `FRESH_S`; being applied; done; nobody applied it in time."""
RowResult = Literal["done", "refused", "changed", "unchanged"]
"""Carried out; refused as a single command would have been; left alone: changed since the preview; as previewed."""
MAX_JOBS = 10_000
FRESH_S = 600.0
"""So long a preview may be applied."""
Hash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]

WILL: dict[str, str] = {
    "at_once": "No robot holds it; it ends at once.",
    "told_first": "Its robot was asked to take it and has not begun; its answer ends the job.",
    "stops": "Its robot is told to stop; then the job ends.",
    "silent": "Its robot is silent; it is told when it is heard again.",
    "again": "Its robot was told to stop already; it is told once more.",
    "set": "It gets the new priority.",
    "made": "A new job with the same deployment and parameters is made.",
}
"""What would become of a job."""
WILL_NOT: dict[str, str] = {
    "ended": "It has ended already.",
    "held_up": "It may have run before a restore, and a robot that is on hold may be running it still.",
    "equal": "This is its priority already.",
    "taken": "A robot holds it already.",
    "not_ended": "It has not ended; only an ended job can be executed again.",
    "not_found": "There is no such job.",
}
"""Why nothing would become of it."""
CAME_OF: dict[str, str] = {
    "changed": "It has changed since the preview, so it was left alone.",
    "job.state": "In its state this is not possible.",
    "job.parked": WILL_NOT["held_up"],
    "internal": "This could not be carried out because of a defect; it is in the log.",
}
"""What came of it instead, beside the reasons above."""


class _Batch(Asked):
    action: BatchAction
    priority: Priority | None = None

    @model_validator(mode="after")
    def _needs_a_priority(self) -> Self:
        if (self.priority is not None) != (self.action == "priority"):
            raise ValueError("priority goes with the action priority, and with no other")
        return self


class BatchPreviewArgs(_Batch):
    """batch.preview: `filter` is what led to the ids, for the record."""

    ids: JobIds
    filter: dict[str, Any] | None = None


class BatchApply(Asked):
    """Do what was previewed, and nothing else."""

    hash: Hash
    reason: Text | None = None


class BatchApplyArgs(BatchApply):
    """batch.apply"""

    batch: OpaqueId


class BatchWhat(_Batch):
    """What a batch asks, without of which jobs."""


def sentence(code: str) -> str:
    """A code of a row as a sentence."""
    return WILL.get(code) or WILL_NOT.get(code) or CAME_OF.get(code) or CAME_OF["job.state"]
