"""Everything that may be asked of the controller: one handler a command, answers remembered by their keys."""

import hashlib
import json
import logging
from collections.abc import Callable
from typing import Any

from pydantic import ValidationError

from controller.desk import Desk
from controller.dispatcher import Dispatcher
from controller.errors import Refused
from controller.moves import Moves
from controller.service import audit
from controller.service.artifacts import ArtifactService
from controller.service.assets import AssetService
from controller.service.batch_rows import RowWork
from controller.service.batches import BatchService
from controller.service.box import BoxService
from controller.service.credentials import CredentialService
from controller.service.debug import DebugService
from controller.service.definitions import DefinitionService
from controller.service.floor import FloorService
from controller.service.jobs import JobService
from controller.service.people import PeopleService
from controller.service.records import RecordService
from controller.service.robots import RobotService
from controller.service.schedules import ScheduleService
from controller.service.submit import SubmitService
from controller.store import definitions
from controller.store.connection import to_json
from schemas.commands import COMMANDS, QUERIES, Answer, Caller, Frame, Problem, Refusal
from schemas.job import Asked

logger = logging.getLogger(__name__)

Handler = Callable[[Any, Caller], dict[str, Any]]
_NOT_KEPT = ("request.invalid", "flow.invalid", "internal")
"""Refusals that a corrected request with the same key may overcome."""


class Service:
    """Answers frames."""

    def __init__(self, desk: Desk, moves: Moves, dispatcher: Dispatcher) -> None:
        self.desk = desk
        self.submit = submit = SubmitService(desk)
        self.schedules = ScheduleService(desk)
        job = JobService(desk, moves, dispatcher, submit)
        robot = RobotService(desk, moves)
        definition = DefinitionService(desk)
        self.batches = BatchService(desk, RowWork(desk, job, desk.memory.load))
        self.handlers: dict[str, Handler] = {
            "job.submit": submit.submit,
            "job.submit_bulk": submit.submit_bulk,
            "deployment.run": submit.run,
            **job.handlers(),
            **self.batches.handlers(),
            **DebugService(desk, moves).handlers(),
            **RecordService(desk, moves, submit).handlers(),
            **robot.handlers(),
            **CredentialService(desk).handlers(),
            **definition.handlers(),
            **FloorService(desk).handlers(),
            **BoxService(desk).handlers(),
            **ArtifactService(desk).handlers(),
            **PeopleService(desk).handlers(),
            **AssetService(desk).handlers(),
            **self.schedules.handlers(),
        }

    def answer(self, frame: Frame) -> Answer:
        """Carry out one frame; a refusal leaves no trace but its answer."""
        handler, model = self.handlers.get(frame.command), COMMANDS.get(frame.command)
        if handler is None or model is None:
            text = f"There is no command {frame.command[:64]!r}."
            return Answer(id=frame.id, error=Refusal(code="command.unknown", message=text))
        try:
            args = model.model_validate_json(json.dumps(frame.args))
        except (ValidationError, ValueError) as error:
            return Answer(id=frame.id, error=as_refusal(error))
        if frame.command in QUERIES or frame.key is None:
            return self._carry_out(frame, handler, args)
        return self._once(frame, handler, args)

    def _once(self, frame: Frame, handler: Handler, args: Asked) -> Answer:
        """A key is answered once: later askers get the first answer, with another body a refusal."""
        digest = hashlib.sha256(to_json([frame.command, frame.args]).encode()).hexdigest()
        caller, key = frame.caller.name, frame.key or ""
        before = definitions.answered(self.desk.db, caller, key)
        if before is not None and before["hash"] != digest:
            text = "This Idempotency-Key was used for another request."
            return Answer(id=frame.id, error=Refusal(code="idempotency.mismatch", message=text))
        if before is not None:
            kept = Answer.model_validate_json(before["answer"])
            return kept.model_copy(update={"id": frame.id, "replayed": True})
        answer = self._carry_out(frame, handler, args)
        if answer.error is None or not _may_be_mended(answer.error.code):
            text, us = answer.model_dump_json(by_alias=True), self.desk.now.utc_us
            definitions.remember(self.desk.db, caller, key, frame.command, digest, text, us)
        return answer

    def _carry_out(self, frame: Frame, handler: Handler, args: Asked) -> Answer:
        try:
            with self.desk.store.part():
                if frame.command in QUERIES:
                    return Answer(id=frame.id, ok=handler(args, frame.caller))
                was = audit.before(self.desk.db, frame.command, args)
                ok = handler(args, frame.caller)
                audit.write(self.desk.db, self.desk.now.utc_us, frame.caller, frame.command, args, was, ok)
                return Answer(id=frame.id, ok=ok)
        except Refused as refused:
            return Answer(id=frame.id, error=refused.refusal)


def _may_be_mended(code: str) -> bool:
    return code in _NOT_KEPT or code.endswith(".not_found")


def as_refusal(error: Exception) -> Refusal:
    """Every problem of a body, each with its path."""
    if not isinstance(error, ValidationError):
        return Refusal(code="request.invalid", message="The request cannot be read.")
    found = error.errors(include_url=False, include_context=False, include_input=False)
    details = tuple(
        Problem(path="/" + "/".join(str(part) for part in e["loc"]), code=e["type"], message=e["msg"]) for e in found
    )
    return Refusal(code="request.invalid", message="The request is not valid.", details=details)
