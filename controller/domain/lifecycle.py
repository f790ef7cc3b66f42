"""The life of a job: every state x every event has a cell; a pure table, everything else follows it.

Words of the cells. `=`: nothing changes (recorded only). A state: the job goes there. `retry F`: queued while retries
are left, else failed (a failure that the robot reported). `retry I`: queued only if the job is safe to repeat and
retries are left, else failed (interrupted). `+ hold`: robot on hold and a revoke in the outbox, in the same
transaction. `again`: the same assignment leaves once more, marked `again`. `its word`: paused if the robot says so,
else running. `back`: as it was before the cancel. `command`: a numbered command goes to the robot, the state follows
only its row. `anew`: the cancel goes out with a new number. `409`: refused with a reason. `-`: cannot happen.
"""

from enum import StrEnum

from schemas.status import JobState

_TABLE = """
event          | queued    | assigned       | running        | paused         | cancelling   | uncertain       | ended
accepted       | =         | running        | =              | =              | =            | running         | =
rejected       | =         | queued         | queued         | queued         | cancelled    | queued          | =
block          | =         | =              | =              | =              | =            | running         | =
paused         | =         | paused         | paused         | =              | =            | paused          | =
resumed        | =         | running        | =              | running        | =            | running         | =
noted          | =         | =              | =              | =              | =            | =               | =
refused        | =         | =              | =              | =              | =            | =               | =
refused cancel | =         | =              | =              | =              | back         | =               | =
cancelled      | =         | retry I        | retry I        | retry I        | cancelled    | retry I         | =
succeeded      | =         | succeeded      | succeeded      | succeeded      | succeeded    | succeeded       | =
failed         | =         | retry F        | retry F        | retry F        | failed       | retry F         | =
interrupted    | =         | retry I        | retry I        | retry I        | failed       | retry I         | =
no answer      | -         | queued + hold  | =              | =              | =            | =               | -
silent hold    | -         | =              | uncertain      | uncertain      | =            | =               | -
silent requeue | -         | =              | retry I + hold | retry I + hold | =            | retry I + hold  | -
held           | =         | again          | its word       | its word       | =            | its word        | =
not held       | =         | =              | again          | again          | again        | again           | =
queue time-out | failed    | =              | =              | =              | =            | =               | =
time limit     | =         | =              | cancelling     | cancelling     | =            | =               | =
cancel         | cancelled | cancelling     | cancelling     | cancelling     | anew         | cancelling      | 409
set error      | failed    | cancelling     | cancelling     | cancelling     | anew         | cancelling      | 409
parent ended   | cancelled | cancelling     | cancelling     | cancelling     | =            | cancelling      | =
pause          | 409       | 409            | command        | 409            | 409          | 409             | 409
resume         | 409       | 409            | 409            | command        | 409          | 409             | 409
reRun          | 409       | 409            | 409            | command        | 409          | 409             | 409
rollback       | 409       | 409            | 409            | command        | 409          | 409             | 409
force          | 409       | 409            | 409            | 409            | forced+hold  | forced+hold     | 409
priority       | changed   | 409            | 409            | 409            | 409          | 409             | 409
retry          | 409       | 409            | 409            | 409            | 409          | 409             | new job
release        | unparked  | unparked       | unparked       | unparked       | unparked     | unparked        | 409
restore        | parked    | parked queued  | parked         | parked         | parked       | parked          | =
"""


class Cell(StrEnum):
    """What an event does to a job in a state."""

    NOTHING = "="
    IMPOSSIBLE = "-"
    REFUSE = "409"
    RUNNING = "running"
    PAUSED = "paused"
    QUEUED = "queued"
    QUEUED_HOLD = "queued + hold"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    UNCERTAIN = "uncertain"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    RETRY_FAILURE = "retry F"
    RETRY_INTERRUPTED = "retry I"
    RETRY_INTERRUPTED_HOLD = "retry I + hold"
    BACK = "back"
    AGAIN = "again"
    ITS_WORD = "its word"
    COMMAND = "command"
    ANEW = "anew"
    FORCED = "forced+hold"
    CHANGED = "changed"
    NEW_JOB = "new job"
    UNPARKED = "unparked"
    PARKED = "parked"
    PARKED_QUEUED = "parked queued"


class Event(StrEnum):
    """What can happen to a job; rows of its robot carry the wire's own words."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    BLOCK = "block"
    PAUSED = "paused"
    RESUMED = "resumed"
    NOTED = "noted"
    REFUSED = "refused"
    REFUSED_CANCEL = "refused cancel"
    CANCELLED = "cancelled"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    NO_ANSWER = "no answer"
    SILENT_HOLD = "silent hold"
    SILENT_REQUEUE = "silent requeue"
    HELD = "held"
    NOT_HELD = "not held"
    QUEUE_TIMEOUT = "queue time-out"
    TIME_LIMIT = "time limit"
    CANCEL = "cancel"
    SET_ERROR = "set error"
    PARENT_ENDED = "parent ended"
    PAUSE = "pause"
    RESUME = "resume"
    RERUN = "reRun"
    ROLLBACK = "rollback"
    FORCE = "force"
    PRIORITY = "priority"
    RETRY = "retry"
    RELEASE = "release"
    RESTORE = "restore"


def _read_table() -> dict[tuple[JobState, Event], Cell]:
    header, *rows = [[c.strip() for c in line.split("|")] for line in _TABLE.strip().splitlines()]
    cells: dict[tuple[JobState, Event], Cell] = {}
    for event, *words in rows:
        for column, word in zip(header[1:], words, strict=True):
            states = ("succeeded", "failed", "cancelled") if column == "ended" else (column,)
            cells |= {(JobState(state), Event(event)): Cell(word) for state in states}
    return cells


LIFE = _read_table()
"""(state, event) to cell; complete."""

MOVES: dict[Cell, JobState] = {Cell(state.value): state for state in JobState if state != JobState.ASSIGNED}
"""Cells that name the next state outright (assigned is given by the dispatcher alone)."""


def table_text() -> str:
    """The table as people read it, for the documents."""
    return _TABLE.strip("\n")


def may_retry(*, reported_failure: bool, safe: bool, no_retry: bool, used: int, max_retries: int, child: bool) -> bool:
    """Whether an ended attempt is followed by another: `used` counts granted attempts, this one included."""
    allowed = not no_retry and (reported_failure or safe)
    return allowed and used <= max_retries and not child
