"""Making jobs: settings of the deployment and of this run laid over the defaults, inputs bound, targets known."""

from typing import Any

from pydantic import ValidationError

from controller.desk import Desk
from controller.errors import Refused, invalid, not_found
from controller.payload import fits
from controller.service.references import passed_on, settle
from controller.store import assets, definitions, jobs
from controller.store.connection import to_json
from schemas.commands import BulkSubmitArgs, Caller, DeploymentRunArgs, JobSubmitArgs, Problem, Refusal
from schemas.flow_bind import bind_inputs
from schemas.ids import uuid7
from schemas.job import DEFAULTS, DeploymentSave, JobSubmit, Source, Target

_POLICIES = (
    "target", "priority", "max_retries", "parameters", "on_lost", "safe_to_repeat", "queue_timeout_s",
    "time_limit_s", "recording",
)  # fmt: skip


class SubmitService:
    """Submissions, one or many, of deployments or flows."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def run(self, args: DeploymentRunArgs, caller: Caller) -> dict[str, Any]:
        """Run a deployment; changes count for this run only."""
        given = {k: getattr(args, k) for k in DeploymentRunArgs.model_fields}
        return self.submit(JobSubmitArgs(**given), caller)

    def submit_bulk(self, args: BulkSubmitArgs, caller: Caller) -> dict[str, Any]:
        """Up to 1,000; each stands alone, all in this transaction."""
        items = [self._item(index, raw, args.sealed, caller) for index, raw in enumerate(args.jobs)]
        accepted = sum("jobs" in item for item in items)
        return {"items": items, "accepted": accepted, "refused": len(items) - accepted}

    def _item(self, index: int, raw: Any, sealed: dict[str, str], caller: Caller) -> dict[str, Any]:
        from controller.service import as_refusal

        try:
            one = JobSubmit.model_validate_json(to_json(raw))
            with_secrets = JobSubmitArgs.model_construct(one.model_fields_set, **dict(one), sealed=sealed)
            return {"index": index, "jobs": self.submit(with_secrets, caller)["jobs"]}
        except Refused as refused:
            refusal = refused.refusal
        except ValidationError as error:
            refusal = as_refusal(error)
        at = f"/jobs/{index}"
        details = tuple(p.model_copy(update={"path": at + p.path}) for p in refusal.details)
        refusal = Refusal(code=refusal.code, message=refusal.message, details=details)
        return {"index": index, "error": refusal.model_dump(by_alias=True)}

    def submit(self, args: JobSubmit, caller: Caller, *, firing: str | None = None) -> dict[str, Any]:
        """One submission: one job for a queue, N for N robots; it is refused before anything is written."""
        settings = self._settings(args)
        if args.mock and args.max_retries is None:
            settings["max_retries"] = 0  # a dry run comes to the same end however often it is made
        version = self._version(settings)
        sealed = args.sealed if isinstance(args, JobSubmitArgs) else {}
        own = () if args.deployment is None else (assets.owner(args.deployment),)
        settled = settle(self.desk.db, version.definition, settings["parameters"], sealed, own)
        inputs = self._inputs(version, settled.parameters)
        targets = self._targets(settings["target"])
        refuse_orchestration(self.desk, version, settings["target"])
        common = self._row(args, settings, version, inputs, caller) | {"firing": firing}
        assets.keep(self.desk.db, common["run"], settled.secrets)
        return {"jobs": [self.make(common, target) for target in targets]}

    def again(
        self,
        row: Any,
        caller: Caller,
        parameters: dict[str, Any] | None,
        priority: int | None,
        sealed: dict[str, str] | None = None,
    ) -> str:
        """A new job like an ended one, with the same flow version and target."""
        changes: dict[str, Any] = {"rerun_of": row["uid"]}
        secrets = None
        if parameters is not None:
            version = self.desk.version(row["flow_version"])
            settled = settle(self.desk.db, version.definition, parameters, sealed or {}, (row["run"],))
            changes["parameters"], secrets = self._inputs(version, settled.parameters), settled.secrets
        if priority is not None:
            changes["priority"] = priority
        return self.like(row, caller, changes, secrets)

    def like(
        self, row: Any, caller: Caller, changes: dict[str, Any], secrets: dict[str, bytes | None] | None = None
    ) -> str:
        """A new job with the flow version, inputs, target and policies of another, but for the changes.

        `secrets`: those that changed parameters refer to; None: the parameters are the other's, and so are they.
        """
        uses = passed_on(self.desk.db, row["run"]) if secrets is None else secrets
        same = (
            "flow", "flow_version", "need", "deployment", "max_retries", "on_lost", "safe", "queue_timeout_s",
            "time_limit_s", "recording", "debug", "mock", "source", "parameters", "priority",
        )  # fmt: skip
        common = {k: row[k] for k in same} | {
            "source_type": "resend",
            "run": uuid7(self.desk.now.utc_us // 1000),
            "created_by": caller.name,
            "created_at": self.desk.now.utc_us,
        }
        assets.keep(self.desk.db, common["run"], uses)
        return self.make(common | changes, row["target"])

    # ------------------------------------------------------------ parts
    def _settings(self, args: JobSubmit) -> dict[str, Any]:
        given = {k: getattr(args, k) for k in _POLICIES if getattr(args, k) is not None}
        if args.deployment is None:
            return DEFAULTS | given | {"flow": args.flow, "flow_version": args.flow_version}
        row = definitions.deployment(self.desk.db, args.deployment)
        if row is None:
            raise not_found("deployment", args.deployment)
        if not row["enabled"]:
            raise Refused("deployment.disabled", f"The deployment {args.deployment!r} is disabled.")
        saved = DeploymentSave.model_validate_json(row["body"])
        base = {k: getattr(saved, k) for k in _POLICIES if getattr(saved, k) is not None}
        merged = DEFAULTS | base | given
        merged["parameters"] = (saved.parameters or {}) | (args.parameters or {})
        return merged | {"flow": saved.flow, "flow_version": saved.flow_version}

    def _version(self, settings: dict[str, Any]) -> definitions.FlowVersion:
        found = definitions.version_id(self.desk.db, settings["flow"], settings["flow_version"])
        if found is None:
            wanted = settings["flow"] + (f" version {settings['flow_version']}" if settings["flow_version"] else "")
            raise not_found("flow", wanted)
        if settings["on_lost"] == "requeue" and not settings["safe_to_repeat"]:
            raise invalid("/on_lost", "policy", "requeue needs safe_to_repeat: true")
        return self.desk.version(found)

    def _inputs(self, version: definitions.FlowVersion, parameters: dict[str, Any]) -> str:
        inputs, problems = bind_inputs(version.definition, parameters)
        if problems:
            details = tuple(Problem(path=f"/parameters/{p.path}", code=p.code, message=p.message) for p in problems)
            raise Refused("request.invalid", "The parameters do not fit the flow.", details)
        text = to_json(inputs)
        if not fits(text, version.bundle):
            raise invalid("/parameters", "size", "with these parameters the assignment would be larger than 1 MiB")
        return text

    def _targets(self, target: Target) -> list[str]:
        if target.queue is not None:
            if target.queue not in self.desk.memory.queues:
                raise invalid("/target/queue", "unknown", f"there is no queue {target.queue!r}")
            return [f"q:{target.queue}"]
        known = self.desk.memory.robots
        unknown = [r for r in target.robots or () if r not in known or known[r].removed]
        if unknown:
            raise invalid("/target/robots", "unknown", f"there is no robot {', '.join(unknown)}")
        return [f"r:{robot}" for robot in target.robots or ()]

    def _row(
        self, args: JobSubmit, settings: dict[str, Any], version: definitions.FlowVersion, inputs: str, caller: Caller
    ) -> dict[str, Any]:
        source = args.source or Source(ip=caller.ip, client=caller.client)
        return {
            "run": uuid7(self.desk.now.utc_us // 1000),
            "priority": settings["priority"],
            "need": version.need,
            "flow": version.flow,
            "flow_version": version.id,
            "deployment": args.deployment,
            "parameters": inputs,
            "max_retries": settings["max_retries"],
            "on_lost": settings["on_lost"],
            "safe": int(settings["safe_to_repeat"]),
            "queue_timeout_s": settings["queue_timeout_s"],
            "time_limit_s": settings["time_limit_s"],
            "recording": settings["recording"],
            "debug": int(args.debug),
            "mock": int(args.mock),
            "source": source.model_dump_json(exclude_none=True),
            "source_type": source.type,
            "created_by": caller.name,
            "created_at": self.desk.now.utc_us,
        }

    def make(self, common: dict[str, Any], target: str) -> str:
        """One queued job under a target; returns its public id."""
        uid = uuid7(self.desk.now.utc_us // 1000)
        job = jobs.insert(self.desk.db, common | {"uid": uid, "target": target})
        self.desk.memory.waiting[target].add(common["need"])
        if common["queue_timeout_s"] is not None:
            self.desk.memory.wake(self.desk.now.mono + common["queue_timeout_s"], "queue", job)
        self.desk.counters[("moves", "-", "queued")] += 1
        self.desk.tell("job", "submitted", common["created_by"], job=job, new="queued")
        return uid


def refuse_orchestration(desk: Desk, version: definitions.FlowVersion, target: Target) -> None:
    """A station would have to make child jobs of a CSelectAgvBp, which it cannot do yet."""
    if "CSelectAgvBp" not in desk.memory.needs[version.need]:
        return
    robots = desk.memory.robots.values()
    if target.queue is not None:
        kinds = {r.kind for r in robots if target.queue in r.queues and not r.removed}
    else:
        kinds = {r.kind for r in robots if r.id in (target.robots or ())}
    if kinds == {"station"}:
        raise invalid("/target", "station", "a station cannot run a flow that selects an AGV (CSelectAgvBp) yet")
