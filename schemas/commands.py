"""What the web and the command line may ask of the controller over its local socket.

A frame is a 4-byte big-endian length and JSON: {id, command, caller, key, args} is answered, after commit, by
{id, ok} or {id, error}. Each command has one args model here and one handler in `controller.service`.
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from schemas.artifact import ArtifactCompleteArgs, ArtifactOpenArgs, ArtifactRefuseArgs
from schemas.asset import AssetPutArgs, OfAsset, SealedSecrets, SecretFetchArgs
from schemas.batch import BatchApplyArgs, BatchPreviewArgs
from schemas.floor import FloorPlanSave
from schemas.ids import OpaqueId, Slug
from schemas.job import (
    Asked,
    BulkSubmit,
    DeploymentRun,
    DeploymentSave,
    JobCommand,
    JobForce,
    JobPatch,
    JobRerun,
    JobSubmit,
    Reasoned,
)
from schemas.people import (
    LoginFailedArgs,
    OfToken,
    OfUser,
    SessionArgs,
    SessionOpenArgs,
    TokenAddArgs,
    UserAddArgs,
    UserChangeArgs,
)
from schemas.record import OfRecord, SetErrorArgs
from schemas.robot import QueuePut, RobotNote, RobotPut
from schemas.schedule import OfSchedule, SchedulePutArgs, ScheduleSwitchArgs

MAX_FRAME = 16 * 1024 * 1024


class Nothing(Asked):
    """A command without arguments."""


class OfJob(Asked):
    """About one job, by its public id."""

    job: OpaqueId


class JobPriorityArgs(OfJob, JobPatch):
    """job.priority"""


class JobCommandArgs(OfJob, JobCommand):
    """job.cancel, job.pause, job.resume"""


class JobForceArgs(OfJob, JobForce):
    """job.force"""


class JobReleaseArgs(OfJob, Reasoned):
    """job.release"""


class WithSecrets(Asked):
    """Parameters may refer to secrets that came along: the web has sealed them."""

    sealed: SealedSecrets = Field(default_factory=dict)


class JobSubmitArgs(JobSubmit, WithSecrets):
    """job.submit"""


class BulkSubmitArgs(BulkSubmit, WithSecrets):
    """job.submit_bulk"""


class JobRerunArgs(OfJob, JobRerun, WithSecrets):
    """job.rerun"""


class JobRollbackArgs(OfJob, JobCommand):
    """job.rollback: leave debug mode, undo what has finished, and fail."""


class JobRerunBlockArgs(OfJob, JobCommand):
    """job.rerun_block: run the block again that failed in debug mode; `run` is the id of its failed run."""

    run: Annotated[str, Field(pattern=r"^[0-9]{1,16}\.[0-9]{1,9}$", description="attempt.n")]


class OfRobot(Asked):
    """About one robot."""

    robot: Slug


class RobotPutArgs(OfRobot, RobotPut):
    """robot.put"""


class RobotDeleteArgs(OfRobot):
    """robot.delete; refused while it has an attempt or a hold, unless forced with a reason."""

    force: bool = False
    reason: str | None = None


class RobotNoteArgs(OfRobot, RobotNote):
    """robot.enable, robot.drain, robot.disable"""


class RobotReleaseArgs(OfRobot, Reasoned):
    """robot.release"""


class RobotEnrolArgs(OfRobot):
    """robot.enrol: the hash of a new password, or the serial number of a new certificate; the web has made it."""

    hash: Annotated[str | None, Field(pattern=r"^\$7\$\d{1,6}\$[A-Za-z0-9+/=]{1,64}\$[A-Za-z0-9+/=]{88}$")] = None
    serial: Annotated[str | None, Field(pattern=r"^[0-9a-f]{1,40}$")] = None
    expires_at: int | None = None


class RobotRevokeArgs(OfRobot, RobotNote):
    """robot.revoke"""


class OfQueue(Asked):
    """About one queue."""

    queue: Slug


class QueuePutArgs(OfQueue, QueuePut):
    """queue.put"""


class FlowSaveArgs(Asked):
    """flow.save; the web has parsed and bounded the definition, the controller checks it again."""

    flow: Slug
    name: Annotated[str, Field(max_length=200)] = ""
    definition: dict[str, Any]
    note: Annotated[str | None, Field(max_length=2000)] = None
    if_match: int | None = None


class FlowCheckArgs(Asked):
    """flow.check (a query)"""

    flow: Slug | None = None
    definition: dict[str, Any]


class DeploymentPutArgs(DeploymentSave, WithSecrets):
    """deployment.put"""

    deployment: Slug
    if_match: int | None = None


class DeploymentRunArgs(DeploymentRun, WithSecrets):
    """deployment.run"""

    deployment: Slug


class OfDeployment(Asked):
    """deployment.delete"""

    deployment: Slug


class FloorPutArgs(FloorPlanSave):
    """floor.put"""

    if_match: int | None = None


COMMANDS: dict[str, type[Asked]] = {
    "job.submit": JobSubmitArgs,
    "job.submit_bulk": BulkSubmitArgs,
    "job.priority": JobPriorityArgs,
    "job.cancel": JobCommandArgs,
    "job.pause": JobCommandArgs,
    "job.resume": JobCommandArgs,
    "job.force": JobForceArgs,
    "job.release": JobReleaseArgs,
    "job.rerun": JobRerunArgs,
    "job.rollback": JobRollbackArgs,
    "job.rerun_block": JobRerunBlockArgs,
    "job.retry": OfRecord,
    "job.set_error": SetErrorArgs,
    "job.waiting": OfJob,
    "batch.preview": BatchPreviewArgs,
    "batch.apply": BatchApplyArgs,
    "record.stop": OfRecord,
    "robot.put": RobotPutArgs,
    "robot.delete": RobotDeleteArgs,
    "robot.enable": RobotNoteArgs,
    "robot.drain": RobotNoteArgs,
    "robot.disable": RobotNoteArgs,
    "robot.release": RobotReleaseArgs,
    "robot.enrol": RobotEnrolArgs,
    "robot.revoke": RobotRevokeArgs,
    "robot.live": Nothing,
    "queue.put": QueuePutArgs,
    "queue.delete": OfQueue,
    "flow.save": FlowSaveArgs,
    "flow.check": FlowCheckArgs,
    "deployment.put": DeploymentPutArgs,
    "deployment.delete": OfDeployment,
    "deployment.run": DeploymentRunArgs,
    "floor.put": FloorPutArgs,
    "asset.put": AssetPutArgs,
    "asset.delete": OfAsset,
    "secret.fetch": SecretFetchArgs,
    "schedule.put": SchedulePutArgs,
    "schedule.delete": OfSchedule,
    "schedule.enable": ScheduleSwitchArgs,
    "schedule.disable": ScheduleSwitchArgs,
    "artifact.open": ArtifactOpenArgs,
    "artifact.complete": ArtifactCompleteArgs,
    "artifact.refuse": ArtifactRefuseArgs,
    "user.add": UserAddArgs,
    "user.change": UserChangeArgs,
    "user.delete": OfUser,
    "token.create": TokenAddArgs,
    "token.revoke": OfToken,
    "token.used": OfToken,
    "session.open": SessionOpenArgs,
    "session.seen": SessionArgs,
    "session.close": SessionArgs,
    "session.failed": LoginFailedArgs,
    "box.drain": RobotNote,
    "box.undrain": RobotNote,
    "box.accept_damage": RobotNote,
    "system.health": Nothing,
    "system.metrics": Nothing,
    "doors.state": Nothing,
}
"""Command name to the type of its arguments."""

QUERIES = frozenset({"job.waiting", "robot.live", "flow.check", "system.health", "system.metrics", "doors.state"})
"""Commands that change nothing: answered at once, without a key."""


CallerRole = Literal["nobody", "robot", "viewer", "operator", "admin"]
"""What who asks may do; nobody has shown nothing, a robot reaches its own attempts."""


class Caller(Asked):
    """Who asks, for the audit."""

    name: Annotated[str, Field(min_length=1, max_length=255)] = "local"
    role: CallerRole = "admin"
    robot: Slug | None = None
    """Whose token was shown, with role robot."""
    ip: Annotated[str | None, Field(max_length=64)] = None
    client: Annotated[str | None, Field(max_length=500)] = None


class Frame(Asked):
    """One request."""

    id: int
    command: str
    caller: Caller = Caller()
    key: Annotated[str | None, Field(max_length=255)] = None
    args: dict[str, Any] = Field(default_factory=dict)


class Problem(Asked):
    """One detail of a refusal: where, a code, a sentence."""

    in_: Annotated[str, Field(alias="in")] = "body"
    path: str = ""
    code: str
    message: str


class Refusal(Asked):
    """Why a command was not carried out; codes are those of docs/api.md."""

    code: str
    message: str
    details: tuple[Problem, ...] = Field(default=(), strict=False)


class Answer(Asked):
    """What came of a frame: `ok` or `error`; `replayed` when its key had been answered before."""

    id: int
    ok: dict[str, Any] | None = None
    error: Refusal | None = None
    replayed: bool = False
