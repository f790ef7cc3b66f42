"""Records of scheduled tasks (004): every field in the document's order, each a string or null."""

from pydantic import Field

from schemas.views.answers import View

ZoneTime = str


class TaskRecordDetail(View):
    """What became of one target of a firing."""

    id: str = Field(description="a job, or `{record_id}.{n}` of a target that was left out")
    record_id: str
    desktop_id: str | None = Field(description="the robot; null while a queue's job has none")
    desktop_name: str | None
    exec_status: str = Field(description="WAITING, RUNNING, SUCCESS, FAIL or SKIP")
    exec_script_id: str | None = Field(description="the flow")
    result_code: str | None = Field(description="on FAIL and SKIP only")
    fail_reason: str | None = Field(description="on FAIL and SKIP only")
    start_time: ZoneTime | None = Field(description="yyyy-MM-dd HH:mm:ss, in the row's zone")
    end_time: ZoneTime | None
    time_zone: str


class TaskRecords(View):
    """One page of a firing's rows; `total_count` is that of all."""

    tasks_records_details: list[TaskRecordDetail]
    total_count: int


class TaskRefusal(View):
    """Every refusal of this format; nothing is ever encoded in the last one."""

    error_code: str
    error_msg: str
    error_detail: str
    encoded_authorization_message: None = None
