"""What may be asked of jobs, and the settings that a deployment or a submission fixes."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from schemas.ids import DEFAULT_MAX_RETRIES, DEFAULT_PRIORITY, MaxRetries, OpaqueId, Priority, Seconds, Slug, Text
from schemas.messages import OnLost, Recording


class Asked(BaseModel):
    """What people and systems send us: strict, frozen, unknown fields refused."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False, populate_by_name=True)


class Target(Asked):
    """A queue (one job), or named robots (one job for each)."""

    queue: Slug | None = None
    robots: Annotated[tuple[Slug, ...] | None, Field(strict=False, min_length=1, max_length=1000)] = None

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        if (self.queue is None) == (self.robots is None):
            raise ValueError("give either queue or robots")
        if self.robots is not None and len(set(self.robots)) != len(self.robots):
            raise ValueError("a robot is named twice")
        return self


class Source(Asked):
    """Who asked for the job, kept from submission to record."""

    type: Literal["manual", "schedule", "api", "resend", "child", "dispatch", "button", "system", "handheld"] = "api"
    system: Annotated[str | None, Field(max_length=255)] = None
    user: Annotated[str | None, Field(max_length=255)] = None
    device: Annotated[str | None, Field(max_length=255)] = None
    ip: Annotated[str | None, Field(max_length=64)] = None
    time: Annotated[str | None, Field(max_length=40)] = None
    client: Annotated[str | None, Field(max_length=500)] = None
    remarks: Annotated[str | None, Field(max_length=2000)] = None


Parameters = Annotated[dict[str, Any], Field(description="values of the flow's input parameters, at most 64 KiB")]


class Policies(Asked):
    """Settings of a job; where a deployment gives them, a submission may override them for this run only."""

    target: Target | None = None
    priority: Priority | None = None
    max_retries: MaxRetries | None = None
    parameters: Parameters | None = None
    on_lost: OnLost | None = None
    safe_to_repeat: bool | None = None
    queue_timeout_s: Seconds | None = None
    time_limit_s: Seconds | None = None
    recording: Recording | None = None


DEFAULTS: dict[str, Any] = {
    "priority": DEFAULT_PRIORITY,
    "max_retries": DEFAULT_MAX_RETRIES,
    "parameters": {},
    "on_lost": "hold",
    "safe_to_repeat": False,
    "queue_timeout_s": None,
    "time_limit_s": 86_400.0,
    "recording": "never",
}
"""What holds where neither deployment nor submission says otherwise."""


class JobSubmit(Policies):
    """One submission: a deployment, or a flow with a target."""

    deployment: Slug | None = None
    flow: Slug | None = None
    flow_version: Annotated[int | None, Field(ge=1)] = None
    source: Source | None = None
    mock: bool = False
    debug: bool = False

    @model_validator(mode="after")
    def _what(self) -> Self:
        if (self.deployment is None) == (self.flow is None):
            raise ValueError("give either deployment or flow")
        if self.flow is not None and self.target is None:
            raise ValueError("a flow needs a target")
        if self.flow_version is not None and self.flow is None:
            raise ValueError("flow_version goes with flow")
        return self


class BulkSubmit(Asked):
    """Up to 1,000 submissions; each stands alone, all in one transaction."""

    jobs: Annotated[tuple[Any, ...], Field(strict=False, min_length=1, max_length=1000)]


class DeploymentSave(Policies):
    """A deployment as it is saved; priority, retries and the rest get their defaults."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    flow: Slug
    flow_version: Annotated[int | None, Field(ge=1, description="absent: the latest at each run")] = None
    enabled: bool = True
    note: Text | None = None

    @model_validator(mode="after")
    def _has_target(self) -> Self:
        if self.target is None:
            raise ValueError("target is required")
        return self


class DeploymentRun(Asked):
    """Overrides for one run of a deployment."""

    target: Target | None = None
    priority: Priority | None = None
    max_retries: MaxRetries | None = None
    parameters: Parameters | None = None
    source: Source | None = None


class JobPatch(Asked):
    """The queue-jump: a new priority for a queued job."""

    priority: Priority
    reason: Text | None = None


class JobCommand(Asked):
    """Cancel, pause or resume; `if_attempt` guards against a newer attempt."""

    reason: Text | None = None
    if_attempt: Annotated[int | None, Field(ge=1)] = None


class JobForce(Asked):
    """A person's word about a job whose robot does not answer."""

    outcome: Literal["cancelled", "failed"]
    reason: Annotated[str, Field(min_length=1, max_length=2000)]


class Reasoned(Asked):
    """A change that must say why."""

    reason: Annotated[str, Field(min_length=1, max_length=2000)]


class JobRerun(Asked):
    """A new job like an ended one."""

    parameters: Parameters | None = None
    priority: Priority | None = None


JobIds = Annotated[tuple[OpaqueId, ...], Field(strict=False, min_length=1, max_length=10_000)]
