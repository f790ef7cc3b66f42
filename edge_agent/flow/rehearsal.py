"""Dry runs: what an operation would do, told without moving anything."""

from collections.abc import Mapping
from typing import Any

from edge_agent.flow.engine import Engine
from edge_agent.flow.frame import Run
from edge_agent.flow.signals import Failed
from edge_agent.operations import Operation
from schemas.blocks import BLOCK_KINDS
from schemas.status import Phase

SITE = "targetSiteLabel"


def rehearse(engine: Engine, operation: Operation, run: Run) -> dict[str, Any]:
    """Carry out an operation in thought; its outputs are null. Raises `Failed` where the robot could not do it."""
    reason = engine.host.rehearse(operation)
    if reason is not None:
        engine.end(run, Phase.MOCK_FAILED, reason=reason)
        raise Failed(reason, run.path)
    outputs = dict.fromkeys(BLOCK_KINDS[operation.kind].outputs)
    phase = Phase.MOCK_PASSED if _has_nothing_to_do(engine, operation) else Phase.MOCK_SUCCESS
    arrive(engine, operation.inputs)
    engine.end(run, phase, outputs=outputs)
    return outputs


def arrive(engine: Engine, inputs: Mapping[str, Any]) -> None:
    """In thought the robot stands where the operation has sent it."""
    if inputs.get(SITE):
        engine.dry_site = str(inputs[SITE])


def _has_nothing_to_do(engine: Engine, operation: Operation) -> bool:
    """It only reads, or sends the robot nowhere but where it would stand already."""
    if BLOCK_KINDS[operation.kind].reads:
        return True
    given = {name for name, value in operation.inputs.items() if value is not None}
    here = engine.dry_site or engine.parts.world.standing()
    return given == {SITE} and operation.inputs[SITE] == here
