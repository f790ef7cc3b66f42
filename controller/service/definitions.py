"""Saving flows and deployments: checked whole, versioned, never changed in place."""

import hashlib
from collections.abc import Callable
from typing import Any

from controller.desk import Desk
from controller.errors import Refused, invalid, not_found
from controller.payload import fits
from controller.service.references import Settled, settle
from controller.service.submit import refuse_orchestration
from controller.store import assets, definitions
from controller.store.connection import to_json
from schemas.commands import (
    Caller,
    DeploymentPutArgs,
    FlowCheckArgs,
    FlowSaveArgs,
    OfDeployment,
    Problem,
)
from schemas.flow_bind import bind_inputs
from schemas.flow_check import FlowCheck, check_flow


class DefinitionService:
    """Flows and deployments."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def handlers(self) -> dict[str, Callable[[Any, Caller], dict[str, Any]]]:
        """Command to handler."""
        return {
            "flow.check": self.check,
            "flow.save": self.save,
            "deployment.put": self.put_deployment,
            "deployment.delete": self.delete_deployment,
        }

    # ------------------------------------------------------------ flows
    def _check(self, flow: str | None, definition: dict[str, Any]) -> FlowCheck:
        def resolve(name: str) -> dict[str, Any] | None:
            version = definitions.version(self.desk.db, name, None)
            return version.definition if version else None

        return check_flow(definition, flow or "", resolve)

    def check(self, args: FlowCheckArgs, _caller: Caller) -> dict[str, Any]:
        """Every problem of a definition, with its block's path; nothing is saved."""
        found = self._check(args.flow, args.definition).problems
        return {"problems": [{"path": p.path, "code": p.code, "message": p.message} for p in found]}

    def save(self, args: FlowSaveArgs, caller: Caller) -> dict[str, Any]:
        """The next version, if anything changed; sub-flows are fixed at what they are now."""
        newest = definitions.latest(self.desk.db, args.flow)
        at = newest["version"] if newest else 0
        if args.if_match is not None and args.if_match != at:
            raise Refused("version.mismatch", f"The flow is at version {at}, not {args.if_match}.")
        checked = self._check(args.flow, args.definition)
        if checked.problems:
            details = tuple(Problem(path=p.path, code=p.code, message=p.message) for p in checked.problems[:1000])
            raise Refused("flow.invalid", f"The flow has {len(checked.problems)} problems.", details)
        text, bundle = to_json(args.definition), _bundle(args.flow, at + 1, args.definition, checked)
        subs = _sub_text(checked)
        digest = hashlib.sha256((text + subs).encode()).hexdigest()
        if newest and newest["hash"] == digest:
            definitions.rename(self.desk.db, args.flow, args.name or args.flow)
            return {"id": args.flow, "version": at, "created": False, "changed": False}
        if not fits("{}", bundle):
            raise invalid("/definition", "size", "larger than an assignment may be")
        need = definitions.need(self.desk.db, checked.needs)
        self.desk.memory.needs[need] = checked.needs
        definitions.add_version(
            self.desk.db, args.flow, args.name or args.flow, at + 1, text, bundle, digest, need, args.note, caller.name,
            self.desk.now.utc_us,
        )  # fmt: skip
        self.desk.tell("definition", "flow saved", caller.name, new=f"{args.flow} version {at + 1}", why=args.note)
        return {"id": args.flow, "version": at + 1, "created": newest is None, "changed": True}

    # ------------------------------------------------------------ deployments
    def put_deployment(self, args: DeploymentPutArgs, caller: Caller) -> dict[str, Any]:
        """Save a deployment after the checks that each of its runs would meet."""
        before = definitions.deployment(self.desk.db, args.deployment)
        at = before["version"] if before else 0
        if args.if_match is not None and args.if_match != at:
            raise Refused("version.mismatch", f"The deployment is at version {at}, not {args.if_match}.")
        settled = self._check_deployment(args)
        body = args.model_dump(mode="json", exclude={"deployment", "if_match", "sealed"}, exclude_none=True)
        owner = assets.owner(args.deployment)
        assets.forget(self.desk.db, owner)
        assets.keep(self.desk.db, owner, settled.secrets | dict.fromkeys(settled.assets))
        if before and before["body"] == to_json(body):
            return {"id": args.deployment, "version": at, "created": False, "changed": False}
        definitions.put_deployment(self.desk.db, args.deployment, body, at + 1, self.desk.now.utc_us)
        self.desk.tell("definition", "deployment saved", caller.name, new=f"{args.deployment} version {at + 1}")
        return {"id": args.deployment, "version": at + 1, "created": before is None, "changed": True}

    def _check_deployment(self, args: DeploymentPutArgs) -> Settled:
        version = definitions.version(self.desk.db, args.flow, args.flow_version)
        if version is None:
            raise invalid("/flow", "unknown", f"there is no flow {args.flow!r} (version {args.flow_version or 'any'})")
        target = args.target
        if target and target.queue is not None and target.queue not in self.desk.memory.queues:
            raise invalid("/target/queue", "unknown", f"there is no queue {target.queue!r}")
        unknown = [r for r in (target.robots if target else None) or () if r not in self.desk.memory.robots]
        if unknown:
            raise invalid("/target/robots", "unknown", f"there is no robot {', '.join(unknown)}")
        if target is not None:
            refuse_orchestration(self.desk, version, target)
        if args.on_lost == "requeue" and not args.safe_to_repeat:
            raise invalid("/on_lost", "policy", "requeue needs safe_to_repeat: true")
        own = (assets.owner(args.deployment),)
        settled = settle(self.desk.db, version.definition, args.parameters or {}, args.sealed, own)
        _, problems = bind_inputs(version.definition, settled.parameters)
        wrong = [p for p in problems if p.code != "missing_parameter"]  # what is missing may come with the run
        if wrong:
            details = tuple(Problem(path=f"/parameters/{p.path}", code=p.code, message=p.message) for p in wrong)
            raise Refused("request.invalid", "The parameters do not fit the flow.", details)
        return settled

    def delete_deployment(self, args: OfDeployment, caller: Caller) -> dict[str, Any]:
        """Jobs keep their copy of it; refused while some wait or run."""
        if definitions.deployment(self.desk.db, args.deployment) is None:
            raise not_found("deployment", args.deployment)
        busy = self.desk.store.one(
            "select 1 from jobs where deployment = ? and ended_at is null limit 1", args.deployment
        )
        if busy is not None:
            raise Refused("deployment.in_use", "Jobs of this deployment wait or run.")
        definitions.delete_deployment(self.desk.db, args.deployment)
        assets.forget(self.desk.db, assets.owner(args.deployment))
        self.desk.tell("definition", "deployment removed", caller.name, old=args.deployment)
        return {"id": args.deployment, "version": None, "created": False, "changed": True}


def _bundle(flow: str, version: int, definition: dict[str, Any], checked: FlowCheck) -> str:
    """What an assignment carries: the definition and, by id, all that it calls."""
    whole = {"id": flow, "version": version, **definition, "subFlows": checked.sub_flows}
    return to_json(whole)


def _sub_text(checked: FlowCheck) -> str:
    return to_json(dict(sorted(checked.sub_flows.items())))
