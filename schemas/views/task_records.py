"""AGV task records as factories' systems know them: every field in the document's order, no key more and none less.

Times are those of the site, without a zone and with six digits; null where there is none.
"""

from typing import Any, Literal

from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel

from schemas.views.answers import View

LocalTime = str
Values = dict[str, Any]


class RecordRefusal(View):
    """Every refusal but that of set-error: no data."""

    code: int
    message: str


# ---------------------------------------------------------------- block runs
class ParamDefinition(View):
    """A parameter as the definition has it."""

    type: str
    value: Any
    required: bool


Definitions = dict[str, ParamDefinition]


class RecordBlock(View):
    """The last run of a block, as the flat list shows it."""

    id: str
    block_name: str
    block_id: str
    status: int = Field(description="1000 succeeded, 1001 running, 1002 not executed, 2000 failed, 2002 cancelled")
    started_on: LocalTime | None
    ended_on: LocalTime | None
    ended_reason: str | None
    block_execute_name: str | None
    block_input_params_value: Values
    block_out_params_value: Values | None
    remark: str | None


class RecordBlocks(View):
    """The blocks of a record that have a run."""

    code: Literal[200]
    message: str
    data: list[RecordBlock]


class BlockDetail(View):
    """One block run, whole."""

    id: str
    block_name: str
    block_id: str
    block_config_id: str
    block_input_params: Definitions
    block_input_params_value: Values
    block_out_params_value: Values | None
    block_internal_variables: Values
    block_execute_name: str | None
    task_id: str
    task_record_id: str
    started_on: LocalTime | None
    ended_on: LocalTime | None
    ended_reason: str | None
    status: int
    ctrl_status: int | None
    input_params: Definitions
    internal_variables: Values
    output_params: Values
    version: int | None
    remark: str | None


class BlockAnswer(View):
    """A block run that was found."""

    code: Literal[200]
    message: str
    data: BlockDetail


# ---------------------------------------------------------------- nested results
class Camel(View):
    """Written in camel case."""

    model_config = ConfigDict(alias_generator=to_camel)


class Execution(Camel):
    """What became of a block; all but status, reason and remark are null when it was not executed."""

    record_id: str | None
    status: int
    started_on: LocalTime | None
    ended_on: LocalTime | None
    ended_reason: str | None
    input_params_value: Values | None
    output_params_value: Values | None
    remark: str | None


class NodeLog(Camel):
    """A log line of a block: 0 debug, 1 info, 2 warning, 3 error."""

    log_id: str
    level: int
    created_at: LocalTime
    message: str
    output: Any


class Pass(Camel):
    """One pass of a loop."""

    iteration_index: int
    execution_status: int
    children: "list[ResultNode]"


class ResultNode(Camel):
    """A block of the definition with what became of it."""

    block_id: str
    block_name: str
    block_type: str
    block_type_name: str
    level: int
    input_params: Definitions
    execution_status: int = Field(
        description="1000 succeeded, 1001 running, 1006 not executed, 2000 failed, 2001 cancelled"
    )
    execution_record: Execution
    logs: list[NodeLog]
    children: "list[ResultNode]"
    iterations: list[Pass] = Field(default=[], description="of a loop, when iterations=1 was asked for")


class RecordResults(View):
    """The nested results of a record."""

    code: Literal[200]
    message: str
    data: ResultNode


# ---------------------------------------------------------------- the record
class RecordDetail(View):
    """A record."""

    id: str
    task_id: str
    task_name: str
    task_version: int | None
    status: int = Field(
        description="1000 succeeded, 1001 running, 1002 queued, 2000 failed, 2001 cancelled, 2002 paused"
    )
    input_params: Values
    started_on: LocalTime | None
    ended_on: LocalTime | None
    ended_reason: str | None
    execution_time: int | None
    created_at: LocalTime
    updated_at: LocalTime
    agv_id: str | None
    parent_task_record_id: str | None
    root_task_record_id: str
    state_description: str
    if_have_child_task: bool
    periodic_task: int
    priority: int
    work_stations: str | None
    work_types: str | None
    variables: Values
    source_type: int
    source_system: str | None
    source_user: str | None
    source_device: str | None
    source_ip: str | None
    source_time: str | None
    source_client_info: str | None
    source_remarks: str | None


class DetailAnswer(View):
    """A record that was found."""

    code: Literal[200]
    message: str
    data: RecordDetail


class Stopped(View):
    """How a stopped record ended."""

    task_record_id: str
    status: int
    ended_on: LocalTime
    ended_reason: str


class StopAnswer(View):
    """The record was stopped."""

    code: Literal[200]
    message: str
    data: Stopped


class Retried(View):
    """The record that was sent again, and the new one; `new_task_id` is the definition's."""

    original_task_record_id: str
    new_task_record_id: str
    new_task_id: str
    retry_time: LocalTime
    original_task_name: str
    original_input_params: Values


class RetryAnswer(View):
    """The record was sent again."""

    code: Literal[200]
    message: str
    data: Retried


# ---------------------------------------------------------------- set-error
class FailedBlock(View):
    """A block that set-error made fail."""

    block_id: str
    block_name: str
    status: int


class SetToFailed(View):
    """How a record ended that was set to failed; the time has no fraction."""

    task_record_id: str
    task_status: int
    error_reason: str
    ended_on: LocalTime
    updated_blocks_count: int
    updated_blocks: list[FailedBlock]


class SetErrorAnswer(View):
    """The record was set to failed."""

    success: Literal[True]
    message: str
    data: SetToFailed


class SetErrorRefusal(View):
    """The record was not set to failed."""

    success: Literal[False]
    message: str
    data: None = None


Pass.model_rebuild()
