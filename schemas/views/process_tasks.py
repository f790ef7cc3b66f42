"""Tasks of a process (002): every field in the document's order; times are those of the site, without a zone."""

from pydantic import Field, RootModel

from schemas.views.answers import View

LocalTime = str


class ProcessTask(View):
    """A block of a job in one attempt, by its last run."""

    id: str = Field(description="the block run")
    processInstanceId: str = Field(description="the job")  # noqa: N815 - the document's own names
    taskId: str = Field(description="a number as text, unique on the box; a further try of the block keeps it")  # noqa: N815
    name: str
    namespace: str = Field(description="the block's path")
    stone: str | None = Field(description="the block's kind; null where the definition cannot be read")
    createTime: LocalTime = Field(description="yyyy-MM-dd HH:mm:ss")  # noqa: N815
    endTime: LocalTime | None  # noqa: N815
    status: str = Field(description="stage.phase")
    reason: str | None
    params: str = Field(description="JSON: the inputs, with namespace and queue")
    outputs: str | None = Field(description="JSON: the outputs, with type; null while it is open")
    progress: int | None = Field(description="per cent, of the root while the job runs")


class ProcessTasks(RootModel[list[ProcessTask]]):
    """The tasks of one attempt, by createTime."""
