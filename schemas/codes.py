"""What each state is called in each record format: one table, a row a state, a column a format.

The numbers and words are those of the documents that the formats come from; where two of them disagree, each keeps its
own column (docs/formats.md names the decisions). A state without a row is an error when this is imported.
"""

from dataclasses import dataclass

from schemas.status import PHASE_STATE, AttemptState, BlockState, JobState, Phase

STOPPED = 2002
"""What `/stop` answers for a cancelled record, although `/detail` calls it 2001."""
SKIPPED = "SKIP"
"""004: a target that a firing left out; it has no job."""
PERIODIC, NOT_PERIODIC = 1, 0


@dataclass(frozen=True)
class JobCode:
    """A job's state in the formats: the console's word (000), the AGV task record (003), the scheduled task (004)."""

    word: str
    record: int
    scheduled: str


JOB_CODES: dict[JobState, JobCode] = {
    JobState.QUEUED: JobCode("等待", 1002, "WAITING"),
    JobState.ASSIGNED: JobCode("已分配", 1002, "WAITING"),
    JobState.RUNNING: JobCode("运行中", 1001, "RUNNING"),
    JobState.PAUSED: JobCode("运行中 · 已暂停", 2002, "RUNNING"),
    JobState.CANCELLING: JobCode("运行中 · 取消中", 1001, "RUNNING"),
    JobState.UNCERTAIN: JobCode("运行中 · 状态不明", 1001, "RUNNING"),
    JobState.SUCCEEDED: JobCode("成功", 1000, "SUCCESS"),
    JobState.FAILED: JobCode("失败", 2000, "FAIL"),
    JobState.CANCELLED: JobCode("取消", 2001, "FAIL"),
}

ATTEMPT_WORDS: dict[AttemptState, str] = {
    AttemptState.CREATED: "创建",
    AttemptState.RUNNING: "运行",
    AttemptState.SUCCEEDED: "成功",
    AttemptState.FAILED: "失败",
    AttemptState.CANCELLED: "取消",
}
"""Run instances (000)."""


@dataclass(frozen=True)
class BlockCode:
    """A block's state in 003: in `/blocks` and `/block`, in nested results, and its sentence (None: its own reason)."""

    flat: int
    nested: int
    sentence: str | None


BLOCK_CODES: dict[BlockState, BlockCode] = {
    BlockState.NOT_EXECUTED: BlockCode(1002, 1006, "任务块尚未执行"),
    BlockState.RUNNING: BlockCode(1001, 1001, None),
    BlockState.SUCCEEDED: BlockCode(1000, 1000, "执行成功"),
    BlockState.FAILED: BlockCode(2000, 2000, None),
    BlockState.CANCELLED: BlockCode(2002, 2001, "任务终止"),
}

PHASE_REMARKS: dict[Phase, str] = {
    Phase.ROLLBACK_BEGIN: "回滚中",
    Phase.ROLLBACK_SUCCESS: "已回滚",
    Phase.ROLLBACK_FAILED: "回滚失败",
    Phase.DELETE_BEGIN: "清理中",
    Phase.DELETE_SUCCESS: "已清理",
    Phase.DELETE_FAILED: "清理失败",
}
"""Phases after an end: the code stays, the remark says so."""

SOURCE_CODES: dict[str, int] = {
    "manual": 1,
    "schedule": 1,
    "resend": 1,
    "child": 1,
    "dispatch": 1,
    "button": 2,
    "system": 3,
    "api": 3,
    "handheld": 4,
}
"""Source types of ours to 003's four: 1 system dispatch, 2 call button, 3 third-party system, 4 handheld."""


def _complete() -> None:
    """Every state and phase has its row; raises `LookupError`."""
    missing: list[object] = [state for state in JobState if state not in JOB_CODES]
    missing += [state for state in AttemptState if state not in ATTEMPT_WORDS]
    missing += [state for state in BlockState if state not in BLOCK_CODES]
    missing += [phase for phase in Phase if PHASE_STATE[phase] is None and phase not in PHASE_REMARKS]
    if missing:
        raise LookupError(f"no code for {missing}")


_complete()
