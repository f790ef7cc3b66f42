"""docs/lifecycle.md: the life of a job, made from the one table that decides it."""

from controller.domain import lifecycle
from controller.domain.lifecycle import LIFE, Cell, Event
from schemas.status import JobState

_GOES = {
    Cell.RETRY_FAILURE: (JobState.QUEUED, JobState.FAILED),
    Cell.RETRY_INTERRUPTED: (JobState.QUEUED, JobState.FAILED),
    Cell.RETRY_INTERRUPTED_HOLD: (JobState.QUEUED, JobState.FAILED),
    Cell.QUEUED_HOLD: (JobState.QUEUED,),
    Cell.FORCED: (JobState.CANCELLED, JobState.FAILED),
    Cell.ITS_WORD: (JobState.RUNNING, JobState.PAUSED),
    Cell.BACK: (JobState.RUNNING, JobState.PAUSED),
    Cell.PARKED_QUEUED: (JobState.QUEUED,),
}
_HEAD = """# The life of a job

Made from `controller/domain/lifecycle.py` by `scripts/docs`: the table below is the one that decides. Columns are
states (*ended*: succeeded, failed or cancelled), rows are what happens. Rows of a robot count only for the live attempt
and only from the journal that accepted it; everything else is recorded and moves no job.

"""


def moves() -> dict[tuple[JobState, JobState], list[str]]:
    """Every arrow of the diagram with the events that take it."""
    found: dict[tuple[JobState, JobState], list[str]] = {(JobState.QUEUED, JobState.ASSIGNED): ["dispatch"]}
    for (state, event), cell in LIFE.items():
        goals = _GOES.get(cell) or ((lifecycle.MOVES[cell],) if cell in lifecycle.MOVES else ())
        for goal in goals:
            if goal != state and event != Event.RESTORE:
                found.setdefault((state, goal), []).append(event.value)
    return found


def lifecycle_page() -> str:
    """The whole page."""
    words = " ".join((lifecycle.__doc__ or "").split("Words of the cells. ", 1)[1].split())
    arrows = [f"    {old} --> {new}: {', '.join(events)}" for (old, new), events in moves().items()]
    diagram = "\n".join(["stateDiagram-v2", "    [*] --> queued: submit", *arrows])
    return (
        f"{_HEAD}```\n{lifecycle.table_text()}\n```\n\n**Cells.** {words}\n\n"
        f"## As a diagram\n```mermaid\n{diagram}\n```\n"
    )
