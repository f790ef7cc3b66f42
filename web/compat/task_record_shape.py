"""AGV task records from what is stored: pure functions, one for each thing that the document describes."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, overload

from controller.store.queries.records import BlockRecord, JobRecord
from schemas.blocks import BLOCK_KINDS
from schemas.codes import BLOCK_CODES, JOB_CODES, NOT_PERIODIC, PERIODIC, PHASE_REMARKS, SOURCE_CODES, STOPPED
from schemas.flow import ROOT_ID
from schemas.status import BlockState, JobState
from schemas.views import BlockRun, Job
from schemas.views.task_records import (
    BlockDetail,
    FailedBlock,
    ParamDefinition,
    RecordBlock,
    RecordDetail,
    Retried,
    SetToFailed,
    Stopped,
)
from web.compat import task_record_words as words
from web.compat.times import no_fraction, six_digits

_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00Z")
_MICROSECOND = timedelta(microseconds=1)
KIND = ""
"""Of a block whose definition cannot be read."""


def microseconds(moment: str) -> int:
    """RFC 3339 with a zone as UTC microseconds."""
    return (datetime.fromisoformat(moment) - _EPOCH) // _MICROSECOND


@overload
def local(moment: str, zone: str) -> str: ...
@overload
def local(moment: None, zone: str) -> None: ...
@overload
def local(moment: str | None, zone: str) -> str | None: ...
def local(moment: str | None, zone: str) -> str | None:
    """RFC 3339 as the document writes times: six digits, the site's zone, not named."""
    if moment is None or len(moment) != len("2025-04-30T17:28:19.105648Z") or moment[-1] != "Z":
        return None if moment is None else six_digits(microseconds(moment), zone)
    return _second(moment[:19], zone) + moment[19:26]


@lru_cache(maxsize=4096)
def _second(second: str, zone: str) -> str:
    """A second of UTC in a zone: thousands of blocks end in the same few seconds."""
    return (six_digits(microseconds(second + "Z"), zone) or "")[:19]


def said_time(given: str | None, zone: str) -> str | None:
    """A time that somebody sent: written like ours if it can be read, else as it came."""
    if given is None:
        return None
    try:
        moment = datetime.fromisoformat(given.upper())
    except ValueError:
        return given
    if moment.tzinfo is None:
        return moment.isoformat(timespec="microseconds")
    try:
        return local(moment.isoformat(), zone)
    except (OverflowError, ValueError):
        return given


# ---------------------------------------------------------------- blocks
def block_name(run: BlockRun) -> str:
    """What joins with other systems: the block's name, its number where the definition cannot be read."""
    return run.block_name or run.block


def block_kind(run: BlockRun) -> str:
    """The block's kind; of an unreadable definition only the root's is known."""
    return run.kind or ("RootBp" if run.path == ROOT_ID else KIND)


def outcome(run: BlockRun) -> tuple[str | None, str | None]:
    """(ended_reason, remark): the sentence of its state; the remark also says what came after the end."""
    reason = BLOCK_CODES[run.state].sentence
    if run.state == BlockState.FAILED:
        reason = run.reason or words.FAILED
    after = PHASE_REMARKS.get(run.phase)
    return reason, ",".join(part for part in (reason, after) if part) or None


def definitions(kind: str, definition: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The parameters of a block as its definition has them; `required` is the kind's where it is not written."""
    row = BLOCK_KINDS.get(kind)
    found: dict[str, dict[str, Any]] = {}
    for name, written in (definition.get("inputParams") or {}).items():
        param = row.param(name) if row else None
        fields = written if isinstance(written, Mapping) else {"value": written}
        found[name] = {
            "type": str(fields.get("type") or "Simple"),
            "value": fields.get("value"),
            "required": bool(fields.get("required", param.required if param else False)),
        }
    return found


def values(run: BlockRun, definition: Mapping[str, Any]) -> dict[str, Any]:
    """The evaluated inputs of a run; a text that is written as a plain value (`Simple`) stays as it is written."""
    given = dict(run.inputs or {})
    for name, written in (definition.get("inputParams") or {}).items():
        plain = isinstance(written, Mapping) and (written.get("type") or "Simple") == "Simple"
        # What came as a text is one already, or is hidden: that stays hidden.
        if plain and isinstance(written.get("value"), str) and not isinstance(given.get(name), str | None):
            given[name] = written["value"]
    return given


def outputs(run: BlockRun) -> dict[str, Any] | None:
    """The outputs of a run, null where there are none."""
    return run.outputs or None


def flat_block(run: BlockRun, definition: Mapping[str, Any], zone: str) -> RecordBlock:
    """A block's last run in the flat list."""
    reason, remark = outcome(run)
    return RecordBlock(
        id=run.id,
        block_name=block_name(run),
        block_id=run.block,
        status=BLOCK_CODES[run.state].flat,
        started_on=local(run.started_at, zone),
        ended_on=local(run.ended_at, zone),
        ended_reason=reason,
        block_execute_name=block_kind(run),
        block_input_params_value=values(run, definition),
        block_out_params_value=outputs(run),
        remark=remark,
    )


def block_detail(found: BlockRecord, zone: str) -> BlockDetail:
    """One block run, whole; the scope's entry of the block is what `output_params` holds."""
    run, definition = found.run, found.block.definition if found.block else {}
    name, written = block_name(run), definitions(block_kind(run), definition)
    params = {key: ParamDefinition(**param) for key, param in written.items()}
    reason, remark = outcome(run)
    return BlockDetail(
        id=run.id,
        block_name=name,
        block_id=run.block,
        block_config_id="",
        block_input_params=params,
        block_input_params_value=values(run, definition),
        block_out_params_value=outputs(run),
        block_internal_variables={},
        block_execute_name=block_kind(run),
        task_id=found.flow,
        task_record_id=found.job,
        started_on=local(run.started_at, zone),
        ended_on=local(run.ended_at, zone),
        ended_reason=reason,
        status=BLOCK_CODES[run.state].flat,
        ctrl_status=None,
        input_params=params,
        internal_variables={},
        output_params={"blocks": {name: outputs(run)}},
        version=found.version,
        remark=remark,
    )


# ---------------------------------------------------------------- the record
def why(job: Job) -> str:
    """Why a job failed."""
    return words.why_failed(job.reason.code if job.reason else None, job.reason.message if job.reason else None)


def ended_reason(job: Job) -> str | None:
    """The end's sentence; None before."""
    if job.state == JobState.FAILED:
        return why(job)
    sentences = {JobState.SUCCEEDED: BlockState.SUCCEEDED, JobState.CANCELLED: BlockState.CANCELLED}
    same = sentences.get(job.state)
    return None if same is None else BLOCK_CODES[same].sentence


def detail(record: JobRecord, zone: str, waits: str | None = None) -> RecordDetail:
    """A record; `waits` says why a queued one does."""
    job, source, said = record.job, record.job.source, record.said
    robot = said.robot or record.last_robot
    return RecordDetail(
        id=job.id,
        task_id=job.flow,
        task_name=record.flow_name,
        task_version=job.flow_version,
        status=JOB_CODES[job.state].record,
        input_params=job.parameters,
        started_on=local(job.started_at, zone),
        ended_on=local(job.ended_at, zone),
        ended_reason=ended_reason(job),
        execution_time=job.duration_ms,
        created_at=local(job.created_at, zone),
        updated_at=local(record.updated_at, zone),
        agv_id=robot,
        parent_task_record_id=job.parent,
        root_task_record_id=job.root or job.id,
        state_description=job.state_message or waits or words.stands(job.state, job.robot or robot, why(job)),
        if_have_child_task=record.has_children,
        periodic_task=NOT_PERIODIC if record.firing is None else PERIODIC,
        priority=job.priority,
        work_stations=said.work_stations,
        work_types=said.work_types,
        variables=job.variables,
        source_type=SOURCE_CODES[source.type],
        source_system=source.system,
        source_user=source.user,
        source_device=source.device,
        source_ip=source.ip,
        source_time=said_time(source.time, zone),
        source_client_info=source.client,
        source_remarks=source.remarks,
    )


def stopped(uid: str, ended_at: str, zone: str) -> Stopped:
    """A record that was stopped; here alone the cancelled one is 2002."""
    reason = BLOCK_CODES[BlockState.CANCELLED].sentence or ""
    return Stopped(task_record_id=uid, status=STOPPED, ended_on=local(ended_at, zone), ended_reason=reason)


def retried(old: JobRecord, new: Job, zone: str) -> Retried:
    """A record that was sent again; `new_task_id` holds the definition's id."""
    return Retried(
        original_task_record_id=old.job.id,
        new_task_record_id=new.id,
        new_task_id=new.flow,
        retry_time=local(new.created_at, zone),
        original_task_name=old.flow_name,
        original_input_params=old.job.parameters,
    )


def set_to_failed(uid: str, reason: str, ended_at: str, runs: Iterable[BlockRun], zone: str) -> SetToFailed:
    """A record that was set to failed, with the blocks that failed with it; its time has no fraction."""
    blocks = [
        FailedBlock(block_id=run.block, block_name=block_name(run), status=BLOCK_CODES[run.state].flat) for run in runs
    ]
    return SetToFailed(
        task_record_id=uid,
        task_status=JOB_CODES[JobState.FAILED].record,
        error_reason=reason,
        ended_on=no_fraction(microseconds(ended_at), zone) or "",
        updated_blocks_count=len(blocks),
        updated_blocks=blocks,
    )
