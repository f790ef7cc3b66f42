"""Every state and every phase has its word and number in every format."""

import pytest

from schemas.codes import ATTEMPT_WORDS, BLOCK_CODES, JOB_CODES, PHASE_REMARKS, SKIPPED, SOURCE_CODES, STOPPED
from schemas.job import Source
from schemas.status import PHASE_STATE, AttemptState, BlockState, JobState, Phase
from schemas.views import BlockRun
from web.compat.task_record_shape import flat_block, outcome

JOBS = {
    "queued": ("等待", 1002, "WAITING"),
    "assigned": ("已分配", 1002, "WAITING"),
    "running": ("运行中", 1001, "RUNNING"),
    "paused": ("运行中 · 已暂停", 2002, "RUNNING"),
    "cancelling": ("运行中 · 取消中", 1001, "RUNNING"),
    "uncertain": ("运行中 · 状态不明", 1001, "RUNNING"),
    "succeeded": ("成功", 1000, "SUCCESS"),
    "failed": ("失败", 2000, "FAIL"),
    "cancelled": ("取消", 2001, "FAIL"),
}
BLOCKS = {
    "not_executed": (1002, 1006, "任务块尚未执行"),
    "running": (1001, 1001, None),
    "succeeded": (1000, 1000, "执行成功"),
    "failed": (2000, 2000, None),
    "cancelled": (2002, 2001, "任务终止"),
}
RUNNING = ("start.begin", "start.success", "monitor.begin", "mock.begin", "cancel.begin", "cancel.failed")
PHASES = (
    dict.fromkeys(("produce.success", "produce.failed"), "not_executed")
    | dict.fromkeys(RUNNING, "running")
    | dict.fromkeys(("monitor.success", "mock.success", "mock.passed"), "succeeded")
    | dict.fromkeys(("start.failed", "monitor.failed", "mock.failed"), "failed")
    | dict.fromkeys(("cancel.success", "canceled"), "cancelled")
)
AFTER = {
    "rollback.begin": "回滚中", "rollback.success": "已回滚", "rollback.failed": "回滚失败",
    "delete.begin": "清理中", "delete.success": "已清理", "delete.failed": "清理失败",
}  # fmt: skip
"""Phases that follow an end: the code stays, the remark says so."""


def run(state: BlockState, phase: Phase, reason: str | None = None) -> BlockRun:
    return BlockRun(
        id="1.1", attempt=1, block="1", block_name="b1", kind="PrintBp", path="-1/1", try_=0, state=state, phase=phase,
        inputs={}, outputs=None, reason=reason, truncated=False, started_at=None, ended_at=None, duration_ms=None,
    )  # fmt: skip


@pytest.mark.parametrize("state", list(JobState))
def test_every_state_of_a_job_through_every_column(state: JobState) -> None:
    code = JOB_CODES[state]
    assert (code.word, code.record, code.scheduled) == JOBS[state]


def test_run_instances_and_targets_that_were_left_out() -> None:
    assert {state.value: ATTEMPT_WORDS[state] for state in AttemptState} == {
        "created": "创建", "running": "运行", "succeeded": "成功", "failed": "失败", "cancelled": "取消",
    }  # fmt: skip
    assert SKIPPED == "SKIP"


@pytest.mark.parametrize("state", list(BlockState))
def test_every_state_of_a_block_through_every_column(state: BlockState) -> None:
    code = BLOCK_CODES[state]
    assert (code.flat, code.nested, code.sentence) == BLOCKS[state]


def test_there_are_22_phases_and_each_is_in_the_table() -> None:
    assert len(Phase) == 22
    assert {phase.value for phase in Phase} == set(PHASES) | set(AFTER)


@pytest.mark.parametrize("phase", list(Phase))
def test_every_phase_through_every_column(phase: Phase) -> None:
    state = PHASE_STATE[phase]
    if state is None:
        assert PHASE_REMARKS[phase] == AFTER[phase]
        for ended, reason, said in (
            (BlockState.SUCCEEDED, None, "执行成功"),
            (BlockState.FAILED, "托盘滑落", "托盘滑落"),
            (BlockState.CANCELLED, None, "任务终止"),
        ):
            block = flat_block(run(ended, phase, reason), {}, "UTC")
            assert (block.status, block.ended_reason) == (BLOCK_CODES[ended].flat, said)
            assert block.remark == f"{said},{AFTER[phase]}"
        return
    assert state == PHASES[phase]
    flat, _nested, sentence = BLOCKS[state]
    block = flat_block(run(state, phase), {}, "UTC")
    assert (block.status, block.ended_reason) == (flat, "执行失败" if state == "failed" else sentence)
    assert outcome(run(state, phase)) == (block.ended_reason, block.remark)


def test_c1_c2_c4_a_blocks_numbers_are_not_a_jobs() -> None:
    """C1, C2: each endpoint writes its own table's code. C4: 1002 is another thing for a job than for a block."""
    assert (BLOCK_CODES[BlockState.NOT_EXECUTED].flat, BLOCK_CODES[BlockState.NOT_EXECUTED].nested) == (1002, 1006)
    assert (BLOCK_CODES[BlockState.CANCELLED].flat, BLOCK_CODES[BlockState.CANCELLED].nested) == (2002, 2001)
    assert JOB_CODES[JobState.QUEUED].record == BLOCK_CODES[BlockState.NOT_EXECUTED].flat == 1002
    assert JOB_CODES[JobState.PAUSED].record == STOPPED == 2002


def test_c26_every_type_of_source_has_one_of_the_four_numbers() -> None:
    types = Source.model_json_schema()["properties"]["type"]["enum"]
    assert {kind: SOURCE_CODES[kind] for kind in types} == {
        "manual": 1, "schedule": 1, "api": 3, "resend": 1, "child": 1, "dispatch": 1, "button": 2, "system": 3,
        "handheld": 4,
    }  # fmt: skip


def test_a_state_without_a_cell_is_an_error_at_import(monkeypatch: pytest.MonkeyPatch) -> None:
    from schemas import codes

    monkeypatch.delitem(codes.JOB_CODES, JobState.PAUSED)
    with pytest.raises(LookupError, match="paused"):
        codes._complete()
