"""The whole box drained: what runs goes on, nothing new is given out, over restarts, until somebody takes it back."""

from collections.abc import Callable
from typing import Any

from controller.desk import Desk
from controller.store import standing
from schemas.commands import Caller
from schemas.robot import RobotNote


class BoxService:
    """Commands about the box as a whole."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def handlers(self) -> dict[str, Callable[[Any, Caller], dict[str, Any]]]:
        """Command to handler."""
        return {"box.drain": self.drain, "box.undrain": self.undrain}

    def drain(self, args: RobotNote, caller: Caller) -> dict[str, Any]:
        """Give out nothing new; asked again it changes nothing."""
        if not self.desk.drained:
            standing.drain(self.desk.db, self.desk.now.utc_us, caller.name)
            self.desk.drained = True
            self.desk.tell("system", "drained", caller.name, why=args.reason)
        return {}

    def undrain(self, args: RobotNote, caller: Caller) -> dict[str, Any]:
        """Give out work again."""
        if self.desk.drained:
            standing.undrain(self.desk.db)
            self.desk.drained = False
            self.desk.tell("system", "undrained", caller.name, why=args.reason)
        return {}
