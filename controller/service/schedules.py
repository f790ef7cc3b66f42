"""What may be asked of schedules: saved, switched on and off, removed; firings are made by the scheduler."""

from collections.abc import Callable
from typing import Any

from controller.desk import Desk
from controller.errors import Refused, invalid, not_found
from controller.store import definitions, schedules
from controller.store.schedules import Schedule
from schemas.commands import Caller
from schemas.schedule import OfSchedule, SchedulePutArgs, ScheduleSave, ScheduleSwitchArgs


class ScheduleService:
    """Schedules as people change them."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def handlers(self) -> dict[str, Callable[[Any, Caller], dict[str, Any]]]:
        """Command to handler."""
        return {
            "schedule.put": self.put,
            "schedule.delete": self.delete,
            "schedule.enable": lambda args, caller: self._switch(args, caller, on=True),
            "schedule.disable": lambda args, caller: self._switch(args, caller, on=False),
        }

    def put(self, args: SchedulePutArgs, caller: Caller) -> dict[str, Any]:
        """Save a schedule. One that is new, or whose times changed, begins now: what is past does not fire."""
        before = schedules.get(self.desk.db, args.schedule)
        at = before.version if before else 0
        if args.if_match is not None and args.if_match != at:
            raise Refused("version.mismatch", f"The schedule is at version {at}, not {args.if_match}.")
        if definitions.deployment(self.desk.db, args.deployment) is None:
            raise invalid("/deployment", "unknown", f"there is no deployment {args.deployment!r}")
        saved = ScheduleSave.model_validate(args.body())
        if before is not None and before.saved == saved:
            return {"id": args.schedule, "version": at, "created": False, "changed": False}
        self._write(args.schedule, saved, at + 1, _done_until(before, saved, self.desk.now.utc_us), caller.name)
        self.desk.tell("definition", "schedule saved", caller.name, new=f"{args.schedule} version {at + 1}")
        return {"id": args.schedule, "version": at + 1, "created": before is None, "changed": True}

    def _write(self, name: str, saved: ScheduleSave, version: int, done_until: int, who: str) -> None:
        schedules.put(self.desk.db, name, saved, version, done_until, self.desk.now.utc_us, who)
        self._changed(name)

    def _changed(self, name: str) -> None:
        """The scheduler looks at it again; None: it looks at all of them anyway."""
        if self.desk.memory.schedules_changed is not None:
            self.desk.memory.schedules_changed.add(name)

    def delete(self, args: OfSchedule, caller: Caller) -> dict[str, Any]:
        """Nothing fires any more; firings and jobs stay."""
        if schedules.get(self.desk.db, args.schedule) is None:
            raise not_found("schedule", args.schedule)
        schedules.delete(self.desk.db, args.schedule)
        self._changed(args.schedule)
        self.desk.tell("definition", "schedule removed", caller.name, old=args.schedule)
        return {"id": args.schedule, "version": None, "created": False, "changed": True}

    def _switch(self, args: ScheduleSwitchArgs, caller: Caller, *, on: bool) -> dict[str, Any]:
        """Asking for what it is already is fine; what was due while it was off does not fire."""
        found = schedules.get(self.desk.db, args.schedule)
        if found is None:
            raise not_found("schedule", args.schedule)
        if found.enabled is on:
            return {"id": found.id, "version": found.version, "created": False, "changed": False}
        saved = found.saved.model_copy(update={"enabled": on})
        self._write(found.id, saved, found.version + 1, _done_until(found, saved, self.desk.now.utc_us), caller.name)
        word = "schedule enabled" if on else "schedule disabled"
        self.desk.tell("definition", word, caller.name, new=found.id, why=args.reason)
        return {"id": found.id, "version": found.version + 1, "created": False, "changed": True}


def _done_until(before: Schedule | None, saved: ScheduleSave, now_us: int) -> int:
    """From when on it fires.

    Switching on begins at the present, also where a clock that once ran ahead had it wait: a person says so, and a
    moment that was seen to is known by its row and never fires again.
    """
    if before is None or (saved.enabled and not before.enabled):
        return now_us
    return before.done_until if before.saved.timing() == saved.timing() else max(before.done_until, now_us)
