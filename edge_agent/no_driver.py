"""The driver of an agent without a robot: a station that runs only blocks which need none."""

from collections.abc import Callable

from edge_agent.operations import Key, Operation, OperationEvent, Telemetry


class NoDriver:
    """Refuses every operation; nothing can ever move."""

    capabilities: tuple[str, ...] = ("stops_with_agent",)
    emit: Callable[[OperationEvent], None]

    def start(self, operation: Operation) -> None:
        self.emit(OperationEvent(operation.key, "refused", reason=f"{operation.kind} needs a robot; here is none"))

    def stop(self, key: Key) -> None:
        """There is nothing to stop: its refusal has been said."""

    def resume(self, operation: Operation) -> None:
        self.start(operation)

    def tidy(self, key: Key) -> None:
        self.emit(OperationEvent(key, "tidied"))

    def rehearse(self, operation: Operation) -> str | None:
        return f"{operation.kind} needs a robot; here is none"

    def idle(self) -> bool:
        return True

    def telemetry(self) -> Telemetry:
        return Telemetry()

    def close(self) -> None:
        """Nothing is held."""
