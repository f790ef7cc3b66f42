"""What moves: the flow that every job runs, and the driver of one machine, whose motion is the truth."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from edge_agent.operations import Key, Operation, OperationEvent, Telemetry
from schemas.blocks import PURE_KINDS

if TYPE_CHECKING:
    from tests.model.world import Machine, World

CAPABILITIES = (*sorted(PURE_KINDS), "CAgvOperationBp", "stops_with_agent")
BLOCKS = ("-1/1", "-1/3")
"""The operations of the flow that every job runs, with a pure block between them."""


def _operation(block: int) -> dict[str, Any]:
    site = {"type": "Simple", "value": f"S{block}", "required": True}
    return {"id": block, "name": f"b{block}", "blockType": "CAgvOperationBp", "children": {},
            "inputParams": {"targetSiteLabel": site}}  # fmt: skip


_PRINT = {"id": 2, "name": "b2", "blockType": "PrintBp", "children": {},
          "inputParams": {"message": {"type": "Simple", "value": "half way", "required": True}}}  # fmt: skip
_FIRST = _operation(1) | {"rollback": [_operation(11)]}
UNDOES = {"-1/1": "-1/1/11"}
"""Which operation undoes which, where a person leaves debug mode."""
FLOW = {
    "inputParams": [], "outputParams": [],
    "rootBlock": {"id": -1, "name": "-1", "blockType": "RootBp", "inputParams": {},
                  "children": {"default": [_FIRST, _PRINT, _operation(3)]}},
}  # fmt: skip


class Body:
    """The driver of one machine: what moves, and since when; it stops when its agent dies."""

    capabilities: tuple[str, ...] = ("CAgvOperationBp", "stops_with_agent")

    def __init__(self, world: "World", machine: "Machine") -> None:
        self.world, self.machine = world, machine
        self.moving: dict[Key, Operation] = {}
        self.until: dict[Key, float] = {}
        self.emit: Callable[[OperationEvent], None] = machine.events.append

    def start(self, operation: Operation) -> None:
        """It moves from now on."""
        self.world.started(self.machine, operation)
        self.moving[operation.key] = operation
        length = self.world.random.choice((1, 2, 4, 35)) if self.world.chaos else 0
        self.until[operation.key] = self.world.now + length
        self.emit(OperationEvent(operation.key, "taken"))
        self.emit(OperationEvent(operation.key, "carried"))

    def stop(self, key: Key) -> None:
        """Stops, unless its end came first or it cannot."""
        if key in self.moving:
            requeued = self.world.is_requeued(key[0])
            if self.world.chaos and not requeued and self.world.random.random() < 0.1:
                self.emit(OperationEvent(key, "not_stoppable"))
            else:
                del self.moving[key]
                self.emit(OperationEvent(key, "stopped"))

    def resume(self, operation: Operation) -> None:
        """It stopped with its agent, and nobody knows how far it had come."""
        self.emit(OperationEvent(operation.key, "unknown"))

    def tidy(self, key: Key) -> None:
        """Nothing is left behind."""

    def rehearse(self, operation: Operation) -> str | None:
        """It could."""

    def idle(self) -> bool:
        """Nothing moves."""
        return not self.moving

    def telemetry(self) -> Telemetry:
        """Nothing for the screen."""
        return Telemetry()

    def close(self) -> None:
        """The agent is gone."""
        self.moving.clear()

    def step(self) -> None:
        """An operation comes to its end when its time is over."""
        for key, operation in list(self.moving.items()):
            if self.world.now >= self.until[key]:
                del self.moving[key]
                if self.world.slips(operation):
                    self.emit(OperationEvent(key, "failed", reason="the pallet slipped"))
                else:
                    self.world.finished[(operation.attempt, operation.path)] += 1
                    self.emit(OperationEvent(key, "succeeded"))
