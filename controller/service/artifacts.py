"""Artifacts: a robot announces what it uploads for its own attempts, within bounds; the web says what became of it."""

import sqlite3
from collections.abc import Callable
from typing import Any

from controller.desk import Desk
from controller.errors import Refused, not_found
from controller.store import artifacts
from schemas.artifact import ArtifactCompleteArgs, ArtifactOpenArgs, ArtifactRefuseArgs
from schemas.commands import Caller

OPEN_FOR_US = 24 * 3600 * 1_000_000
"""An upload that is not finished within a day is forgotten; its robot may announce it again."""
_MB, _GB = 10**6, 10**9
_SAME = ("attempt", "kind", "name", "size", "sha256")


class ArtifactService:
    """What robots send besides reports."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def handlers(self) -> dict[str, Callable[[Any, Caller], dict[str, Any]]]:
        """Command to handler."""
        return {
            "artifact.open": self.open,
            "artifact.complete": self.complete,
            "artifact.refuse": self.refuse,
        }

    def open(self, args: ArtifactOpenArgs, caller: Caller) -> dict[str, Any]:
        """Announce an upload; announcing the same again answers the same."""
        db, us = self.desk.db, self.desk.now.utc_us
        attempt = artifacts.attempt_of(db, args.attempt)
        if attempt is None:
            raise not_found("attempt", str(args.attempt))
        _check_robot(attempt["robot"], caller)
        artifacts.forget_open(db, us - OPEN_FOR_US)
        known = self._known(args)
        if known is not None:
            return {"artifact": known["uid"]}
        self._check_bounds(args)
        values = args.model_dump(exclude={"given"}) | {"job": attempt["job"], "robot": attempt["robot"]}
        artifacts.add(db, values, us)
        return {"artifact": args.artifact}

    def complete(self, args: ArtifactCompleteArgs, caller: Caller) -> dict[str, Any]:
        """All of it is here, as it was announced."""
        if self._of(args.artifact, caller)["state"] != "complete":
            artifacts.end(self.desk.db, args.artifact, "complete", self.desk.now.utc_us, type_=args.type, reason=None)
        return {"artifact": args.artifact}

    def refuse(self, args: ArtifactRefuseArgs, caller: Caller) -> dict[str, Any]:
        """What came was not what was announced."""
        self._of(args.artifact, caller)
        artifacts.end(self.desk.db, args.artifact, "refused", self.desk.now.utc_us, type_=None, reason=args.reason)
        return {"artifact": args.artifact}

    def _known(self, args: ArtifactOpenArgs) -> sqlite3.Row | None:
        """What was announced before, by the robot's own id or by name and hash."""
        db = self.desk.db
        if not args.given:
            return artifacts.same(db, args.attempt, args.name, args.sha256)
        row = artifacts.by_id(db, args.artifact)
        if row is None:
            return None
        if any(row[name] != getattr(args, name) for name in _SAME):
            raise Refused("artifact.exists", "This id belongs to another artifact.")
        if row["state"] == "refused":
            raise Refused("artifact.state", f"This artifact was refused: {row['reason']}")
        return row

    def _check_bounds(self, args: ArtifactOpenArgs) -> None:
        settings = self.desk.settings
        if args.size > settings.artifact_mb * _MB:
            raise Refused("artifact.size", f"An artifact may have at most {settings.artifact_mb} MB.")
        if artifacts.count_of(self.desk.db, args.attempt) >= settings.artifacts_per_attempt:
            text = f"An attempt may have at most {settings.artifacts_per_attempt} artifacts."
            raise Refused("artifact.count", text)
        if artifacts.bytes_kept(self.desk.db) + args.size > settings.artifacts_gb * _GB:
            text = f"All artifacts together may have at most {settings.artifacts_gb:g} GB; old ones have to go first."
            raise Refused("artifact.space", text)

    def _of(self, uid: str, caller: Caller) -> sqlite3.Row:
        row = artifacts.by_id(self.desk.db, uid)
        if row is None:
            raise not_found("artifact", uid)
        _check_robot(row["robot"], caller)
        return row


def _check_robot(robot: str, caller: Caller) -> None:
    if caller.role != "robot" or caller.robot != robot:
        raise Refused("auth.role", "A robot reaches its own attempts only.")
