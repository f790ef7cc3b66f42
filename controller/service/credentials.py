"""What robots show to the broker: a credential is made, replaced, or ended; the secret itself never comes here."""

from collections.abc import Callable
from typing import Any, NamedTuple

from controller.desk import Desk, Door
from controller.errors import Refused, invalid, not_found
from controller.memory import Robot
from controller.store import credentials
from schemas.commands import Caller, RobotEnrolArgs, RobotRevokeArgs

STATION = "station"
REVOKED = "its credential was revoked"


class CredentialService:
    """Enrol and revoke."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def handlers(self) -> dict[str, Callable[[Any, Caller], dict[str, Any]]]:
        """Command to handler."""
        return {"robot.enrol": self.enrol, "robot.revoke": self.revoke}

    def _robot(self, name: str) -> Robot:
        robot = self.desk.memory.robots.get(name)
        if robot is None or robot.removed:
            raise not_found("robot", name)
        return robot

    def enrol(self, args: RobotEnrolArgs, caller: Caller) -> dict[str, Any]:
        """The robot's only credential from now on; whoever is connected by another one is thrown off."""
        robot = self._robot(args.robot)
        if self.desk.settings.station and robot.id == STATION:
            raise Refused("robot.own", "The box's own station gets another password at each start by itself.")
        if (args.hash is None) == (args.serial is None):
            raise invalid("/hash", "missing", "Either the hash of a password or the serial number of a certificate.")
        had = credentials.one(self.desk.db, robot.id)
        credentials.put(
            self.desk.db, robot.id, args.hash, args.serial, args.expires_at, caller.name, self.desk.now.utc_us
        )
        self.desk.doors.add(Door.RELOAD if had is None or had["serial"] is None else Door.RESTART)
        self.desk.tell("robot", "enrolled", caller.name, robot=robot.id, new=_kind(args))
        have = {one.robot for one in credentials.good(self.desk.db)} | {STATION}
        without = [r.id for r in self.desk.memory.robots.values() if not r.removed and r.id not in have]
        return {"robot": robot.id, "without": sorted(without)}

    def revoke(self, args: RobotRevokeArgs, caller: Caller) -> dict[str, Any]:
        """Neither broker nor API let it in any more, and it gets no work; asking twice is fine."""
        robot = self._robot(args.robot)
        had = credentials.one(self.desk.db, robot.id)
        ended = end_credential(self.desk, robot.id, caller.name)
        if ended.any:
            self.desk.tell("robot", "revoked", caller.name, robot=robot.id, why=args.reason)
        note = _note(args.reason, had=had is not None)
        self.desk.change_robot(robot, enabled=False, drained=False, note=note)
        self.desk.tell("robot", "disabled", caller.name, robot=robot.id, new="disabled", why=note)
        return {"robot": robot.id, **ended._asdict()}


class Ended(NamedTuple):
    """What opened something until now: the kind of a credential, and how many tokens."""

    credential: str | None
    tokens: int

    @property
    def any(self) -> bool:
        """Whether there was anything to end."""
        return self.credential is not None or self.tokens > 0


def end_credential(desk: Desk, robot: str, who: str) -> Ended:
    """Its password, certificate and tokens open nothing from now on; what did."""
    had, us = credentials.one(desk.db, robot), desk.now.utc_us
    tokens = credentials.revoke_tokens(desk.db, robot, who, us)
    if had is None or had["revoked_at"] is not None:
        return Ended(None, tokens)
    credentials.revoke(desk.db, robot, who, us)
    desk.doors.add(Door.RELOAD if had["serial"] is None else Door.RESTART)
    return Ended(had["kind"], tokens)


def _note(reason: str | None, *, had: bool) -> str | None:
    """Of a robot that never had a credential none was revoked."""
    return ": ".join(part for part in (REVOKED if had else None, reason) if part) or None


def _kind(args: RobotEnrolArgs) -> str:
    return "certificate" if args.hash is None else "password"
