"""What may be asked of robots and queues."""

import json
from collections.abc import Callable
from typing import Any

from controller.desk import RESERVED, Desk
from controller.errors import Refused, invalid, not_found
from controller.memory import Robot
from controller.moves import Moves, revoke_key
from controller.payload import iso
from controller.service.credentials import end_credential
from controller.store import robots
from schemas.commands import (
    Caller,
    Nothing,
    OfQueue,
    QueuePutArgs,
    RobotDeleteArgs,
    RobotNoteArgs,
    RobotPutArgs,
    RobotReleaseArgs,
)
from schemas.status import JobState


class RobotService:
    """Declare, enable, drain, disable, release, remove; queues; what was heard."""

    def __init__(self, desk: Desk, moves: Moves) -> None:
        self.desk = desk
        self.moves = moves

    def handlers(self) -> dict[str, Callable[[Any, Caller], dict[str, Any]]]:
        """Command to handler."""
        return {
            "robot.put": self.put,
            "robot.delete": self.delete,
            "robot.enable": lambda args, caller: self._switch(args, caller, "enabled"),
            "robot.drain": lambda args, caller: self._switch(args, caller, "drained"),
            "robot.disable": lambda args, caller: self._switch(args, caller, "disabled"),
            "robot.release": self.release,
            "robot.live": self.live,
            "queue.put": self.put_queue,
            "queue.delete": self.delete_queue,
        }

    def _robot(self, name: str) -> Robot:
        robot = self.desk.memory.robots.get(name)
        if robot is None or robot.removed:
            raise not_found("robot", name)
        return robot

    def put(self, args: RobotPutArgs, caller: Caller) -> dict[str, Any]:
        """Add a robot, or change what the box says about it; missing queues are made."""
        if args.robot in RESERVED:
            raise invalid("/robot", "reserved", f"{args.robot!r} is the controller's own name on the broker")
        for queue in args.queues:
            if queue not in self.desk.memory.queues:
                self._make_queue(queue, "", None, caller)
        known = self.desk.memory.robots.get(args.robot)
        created = known is None or known.removed
        if known is None or known.removed:
            robots.insert(self.desk.db, args.robot, args.name, args.kind, args.queues, args.tags, self.desk.now.utc_us)
        else:
            robots.change(
                self.desk.db, args.robot, name=args.name, kind=args.kind, queues=json.dumps(args.queues),
                tags=json.dumps(args.tags),
            )  # fmt: skip
        self.desk.memory.add_robot(args.robot)
        self.desk.tell("robot", "added" if created else "changed", caller.name, robot=args.robot)
        return {"robot": args.robot, "created": created}

    def delete(self, args: RobotDeleteArgs, caller: Caller) -> dict[str, Any]:
        """Refused while it has an attempt or a hold; forced: its jobs end by a person's word, its hold stays."""
        robot = self._robot(args.robot)
        if (robot.slots or robot.holds) and not args.force:
            raise Refused("robot.in_use", "It has a job or is on hold; remove it with force and a reason.")
        if args.force and not args.reason:
            raise Refused("request.invalid", "A forced removal needs a reason.")
        for number in list(robot.slots.values()):
            self.moves.force(self.desk.memory.live[number], JobState.FAILED, caller.name, args.reason or "removed")
        if end_credential(self.desk, robot.id, caller.name).any:
            self.desk.tell("robot", "revoked", caller.name, robot=robot.id, why=args.reason)
        self.desk.change_robot(robot, removed=True, enabled=False)
        self.desk.memory.leave_targets(robot)
        self.desk.tell("robot", "removed", caller.name, robot=args.robot, why=args.reason)
        return {"robot": args.robot, "created": False}

    def _switch(self, args: RobotNoteArgs, caller: Caller, word: str) -> dict[str, Any]:
        """Enabled, drained or disabled; asking for what it is already is fine."""
        robot = self._robot(args.robot)
        enabled, drained = word == "enabled", word == "drained"
        if (robot.enabled, robot.drained) != (enabled, drained) or robot.note != args.reason:
            note = None if enabled else args.reason
            self.desk.change_robot(robot, enabled=enabled, drained=drained, note=note)
            self.desk.tell("robot", word, caller.name, robot=robot.id, new=word, why=args.reason)
        return {"robot": robot.id, "created": False}

    def release(self, args: RobotReleaseArgs, caller: Caller) -> dict[str, Any]:
        """A named person who saw the robot ends its holds, drops their revokes, adopts the journal it uses."""
        robot = self._robot(args.robot)
        if robot.beat and any(h.activity in ("running", "stopping", "rolling_back") for h in robot.beat.holds):
            heard_lately = self.desk.now.mono - robot.heard <= self.desk.settings.heard_s
            if heard_lately:
                raise Refused("robot.state", "It says that it moves; cancel what it holds first.")
        for hold in list(robot.holds):
            if hold.attempt is not None:
                self.desk.drop(revoke_key(robot.id, hold.attempt))
            if hold.reason in ("new_journal", "two_agents") and hold.note:
                self.desk.change_robot(robot, journal=None)
            self.desk.end_hold(robot, hold, args.reason, caller.name)
        self.desk.change_robot(robot, failed_jobs=frozenset(), refusals=0)
        return {"robot": robot.id, "created": False}

    def live(self, _args: Nothing, _caller: Caller) -> dict[str, Any]:
        """What was heard of every robot, for the screen: nothing of this is stored."""
        now, heard_s = self.desk.now.mono, self.desk.settings.heard_s
        found = {name: _heard(r, now, heard_s) for name, r in self.desk.memory.robots.items() if not r.removed}
        strangers = [
            {"robot": name, "kind": kind, "since": iso(us)} for name, (kind, us) in self.desk.memory.unknown.items()
        ]
        return {"robots": found, "unknown": strangers}

    # ------------------------------------------------------------ queues
    def put_queue(self, args: QueuePutArgs, caller: Caller) -> dict[str, Any]:
        """Make or change a queue."""
        created = args.queue not in self.desk.memory.queues
        self._make_queue(args.queue, args.name, args.wait_limit_s, caller)
        return {"id": args.queue, "version": None, "created": created, "changed": True}

    def _make_queue(self, queue: str, name: str, wait_limit_s: float | None, caller: Caller) -> None:
        robots.put_queue(self.desk.db, queue, name, wait_limit_s)
        self.desk.memory.queues.add(queue)
        self.desk.tell("queue", "saved", caller.name, new=queue)

    def delete_queue(self, args: OfQueue, caller: Caller) -> dict[str, Any]:
        """Only a queue that nobody uses."""
        if args.queue not in self.desk.memory.queues:
            raise not_found("queue", args.queue)
        members = [r.id for r in self.desk.memory.robots.values() if args.queue in r.queues and not r.removed]
        if members or robots.queue_in_use(self.desk.db, args.queue):
            raise Refused("queue.in_use", "Robots, open jobs or deployments use this queue.")
        robots.delete_queue(self.desk.db, args.queue)
        self.desk.memory.queues.discard(args.queue)
        self.desk.tell("queue", "removed", caller.name, old=args.queue)
        return {"id": args.queue, "version": None, "created": False, "changed": True}


def _heard(robot: Robot, now: float, heard_s: float) -> dict[str, Any]:
    beat = robot.beat
    online = now - robot.heard <= heard_s
    if beat is None:
        return {"online": online, "last_seen": None}
    shown = beat.model_dump(
        mode="json",
        include={"holds", "accepting", "battery", "charging", "position", "load", "version", "time"},
        exclude_none=True,
    )
    return {"online": online, "last_seen": iso(robot.beat_us)} | shown
