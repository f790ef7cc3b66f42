"""Every state of jobs, attempts and blocks, and how the finer words fold into the shorter ones."""

from enum import StrEnum


class JobState(StrEnum):
    """Where a job is in its life; the allowed changes are in `controller.domain.lifecycle`."""

    QUEUED = "queued"
    ASSIGNED = "assigned"
    RUNNING = "running"
    PAUSED = "paused"
    CANCELLING = "cancelling"
    UNCERTAIN = "uncertain"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


TERMINAL = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED})
ACTIVE = frozenset({JobState.ASSIGNED, JobState.RUNNING, JobState.PAUSED, JobState.CANCELLING, JobState.UNCERTAIN})
"""A robot holds the job, or may hold it."""


class AttemptState(StrEnum):
    """How one execution of a job on one robot stands."""

    CREATED = "created"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class BlockState(StrEnum):
    """The short state of a block run; a block without a row is *not executed*."""

    NOT_EXECUTED = "not_executed"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Phase(StrEnum):
    """The 22 `stage.phase` words that a block run carries."""

    PRODUCE_SUCCESS = "produce.success"
    PRODUCE_FAILED = "produce.failed"
    START_BEGIN = "start.begin"
    START_FAILED = "start.failed"
    START_SUCCESS = "start.success"
    MONITOR_BEGIN = "monitor.begin"
    MONITOR_SUCCESS = "monitor.success"
    MONITOR_FAILED = "monitor.failed"
    ROLLBACK_BEGIN = "rollback.begin"
    ROLLBACK_SUCCESS = "rollback.success"
    ROLLBACK_FAILED = "rollback.failed"
    DELETE_BEGIN = "delete.begin"
    DELETE_SUCCESS = "delete.success"
    DELETE_FAILED = "delete.failed"
    CANCEL_BEGIN = "cancel.begin"
    CANCEL_SUCCESS = "cancel.success"
    CANCEL_FAILED = "cancel.failed"
    CANCELED = "canceled"
    MOCK_BEGIN = "mock.begin"
    MOCK_SUCCESS = "mock.success"
    MOCK_PASSED = "mock.passed"
    MOCK_FAILED = "mock.failed"


PHASE_STATE: dict[Phase, BlockState | None] = {
    Phase.PRODUCE_SUCCESS: BlockState.NOT_EXECUTED,
    Phase.PRODUCE_FAILED: BlockState.NOT_EXECUTED,
    Phase.START_BEGIN: BlockState.RUNNING,
    Phase.START_FAILED: BlockState.FAILED,
    Phase.START_SUCCESS: BlockState.RUNNING,
    Phase.MONITOR_BEGIN: BlockState.RUNNING,
    Phase.MONITOR_SUCCESS: BlockState.SUCCEEDED,
    Phase.MONITOR_FAILED: BlockState.FAILED,
    Phase.ROLLBACK_BEGIN: None,
    Phase.ROLLBACK_SUCCESS: None,
    Phase.ROLLBACK_FAILED: None,
    Phase.DELETE_BEGIN: None,
    Phase.DELETE_SUCCESS: None,
    Phase.DELETE_FAILED: None,
    Phase.CANCEL_BEGIN: BlockState.RUNNING,
    Phase.CANCEL_SUCCESS: BlockState.CANCELLED,
    Phase.CANCEL_FAILED: BlockState.RUNNING,
    Phase.CANCELED: BlockState.CANCELLED,
    Phase.MOCK_BEGIN: BlockState.RUNNING,
    Phase.MOCK_SUCCESS: BlockState.SUCCEEDED,
    Phase.MOCK_PASSED: BlockState.SUCCEEDED,
    Phase.MOCK_FAILED: BlockState.FAILED,
}
"""Short state of each phase; None: the phase follows an end and leaves the short state as it was."""

BLOCK_ENDED = frozenset({BlockState.SUCCEEDED, BlockState.FAILED, BlockState.CANCELLED})


class RobotState(StrEnum):
    """What a robot's row says on the screen, worst news first."""

    ON_HOLD = "on_hold"
    OFFLINE = "offline"
    WORKING = "working"
    DRAINING = "draining"
    DISABLED = "disabled"
    CHARGING = "charging"
    FREE = "free"


class HoldReason(StrEnum):
    """Why a robot gets no new work until somebody or something proves it idle."""

    NO_ANSWER = "no_answer"
    SILENT = "silent"
    FORCED = "forced"
    FOREIGN = "foreign"
    RESTORED = "restored"
    UNREADABLE = "unreadable"
    NEW_JOURNAL = "new_journal"
    TWO_AGENTS = "two_agents"
    AHEAD = "ahead"
    FAILURES = "failures"
    REFUSALS = "refusals"


class LogLevel:
    """Levels of log rows (0 debug to 3 error), as numbers on the wire."""

    DEBUG, INFO, WARNING, ERROR = range(4)
