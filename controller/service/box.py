"""The whole box: drained (what runs goes on, nothing new is given out), and a person who accepts found damage."""

from collections.abc import Callable
from typing import Any

from controller.desk import Desk
from controller.store import findings, standing
from schemas.commands import Caller
from schemas.robot import RobotNote


class BoxService:
    """Commands about the box as a whole."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def handlers(self) -> dict[str, Callable[[Any, Caller], dict[str, Any]]]:
        """Command to handler."""
        return {"box.drain": self.drain, "box.undrain": self.undrain, "box.accept_damage": self.accept_damage}

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

    def accept_damage(self, args: RobotNote, caller: Caller) -> dict[str, Any]:
        """The database is taken as it is, and backed up again; what is still wrong is found anew."""
        found = [one.text for one in findings.findings(self.desk.db) if one.code == findings.BAD_PAGE]
        if found:
            findings.end(self.desk.db, findings.BAD_PAGE)
            self.desk.tell(
                "system",
                "damage_accepted",
                caller.name,
                why=f"{args.reason or 'no reason given'}; accepted: {found[0]}",
            )
        return {}
