"""Saving the floor plan: checked whole, one version after another."""

from collections.abc import Callable
from itertools import islice
from typing import Any

from controller.desk import Desk
from controller.errors import Refused
from controller.store import floor
from schemas.commands import Caller, FloorPutArgs, Problem
from schemas.floor import floor_problems

_NAMED = 200
"""Problems that are named; a plan may have many thousands."""


class FloorService:
    """The floor plan."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def handlers(self) -> dict[str, Callable[[Any, Caller], dict[str, Any]]]:
        """Command to handler."""
        return {"floor.put": self.put}

    def put(self, args: FloorPutArgs, caller: Caller) -> dict[str, Any]:
        """Replace the plan; one that is as it was keeps its version."""
        before = floor.saved(self.desk.db)
        at = before["version"] if before else 0
        if args.if_match is not None and args.if_match != at:
            raise Refused("version.mismatch", f"The floor plan is at version {at}, not {args.if_match}.")
        found = [Problem(path=p.path, code=p.code, message=p.message) for p in islice(floor_problems(args), _NAMED)]
        if found:
            raise Refused("request.invalid", "The floor plan does not fit together.", tuple(found))
        text = args.model_dump_json(exclude={"if_match"}, by_alias=True)
        if before and before["plan"] == text:
            return {"version": at, "created": False, "changed": False}
        floor.save(self.desk.db, text, at + 1, caller.name, self.desk.now.utc_us)
        self.desk.tell("definition", "floor plan saved", caller.name, new=f"floor plan version {at + 1}")
        return {"version": at + 1, "created": before is None, "changed": True}
