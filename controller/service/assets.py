"""Assets: saved, removed; and secrets, handed to the robots whose attempts need them."""

import base64
import logging
from collections.abc import Callable
from typing import Any

from controller.desk import Desk
from controller.errors import Refused, invalid, not_found
from controller.store import assets
from schemas.asset import MAX_ASSET_BYTES, AssetPutArgs, OfAsset, SecretFetchArgs
from schemas.commands import Caller
from schemas.reference import ASSET, SECRET
from schemas.status import JobState
from schemas.values import BadValue, plain

logger = logging.getLogger(__name__)

_NOT_GRANTED = frozenset({JobState.QUEUED, JobState.ASSIGNED})


class AssetService:
    """Stored values. Of a secret the controller never has more than what was sealed."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def handlers(self) -> dict[str, Callable[[Any, Caller], dict[str, Any]]]:
        """Command to handler."""
        return {"asset.put": self.put, "asset.delete": self.delete, "secret.fetch": self.fetch}

    def put(self, args: AssetPutArgs, caller: Caller) -> dict[str, Any]:
        """Save an asset, new or changed; a secret that is not given again stays."""
        db = self.desk.db
        row = assets.asset(db, args.asset)
        at = row["version"] if row else 0
        if args.if_match is not None and args.if_match != at:
            raise Refused("version.mismatch", f"The asset is at version {at}, not {args.if_match}.")
        sealed = None if args.sealed is None else base64.b64decode(args.sealed)
        if sealed is None and args.value is None:
            sealed = row["sealed"] if row else None
            if sealed is None:
                raise invalid("", "missing", "give a value, or a secret")
        if row and (sealed is None) != (row["sealed"] is None):
            text = "A plain asset cannot become a secret one, nor the other way round: remove it and make a new one."
            raise Refused("asset.kind", text)
        values = {"name": args.name, "value": _plain(args.value), "sealed": sealed, "note": args.note}
        if row and assets.same(row, values):
            return {"id": args.asset, "version": at, "created": False, "changed": False}
        assets.put(db, args.asset, values, at + 1, caller.name, self.desk.now.utc_us)
        self.desk.tell("definition", "asset saved", caller.name, new=f"{args.asset} version {at + 1}")
        return {"id": args.asset, "version": at + 1, "created": row is None, "changed": True}

    def delete(self, args: OfAsset, caller: Caller) -> dict[str, Any]:
        """Remove an asset; refused while a deployment, or a job that has not ended, refers to it."""
        if assets.asset(self.desk.db, args.asset) is None:
            raise not_found("asset", args.asset)
        user = assets.user_of(self.desk.db, args.asset)
        if user is not None:
            raise Refused("asset.in_use", f"The asset is used by {user}.")
        assets.delete(self.desk.db, args.asset)
        self.desk.tell("definition", "asset removed", caller.name, old=args.asset)
        return {"id": args.asset, "version": None, "created": False, "changed": True}

    def fetch(self, args: SecretFetchArgs, caller: Caller) -> dict[str, Any]:
        """What was sealed, for a robot that holds the attempt of a job that refers to it."""
        live = self.desk.memory.live.get(args.attempt)
        if live is None or caller.robot is None or live.robot != caller.robot or live.state in _NOT_GRANTED:
            logger.warning("%s asked for a secret of attempt %s, which it does not have", caller.name, args.attempt)
            raise not_found("attempt", str(args.attempt))
        use = assets.use_of_job(self.desk.db, live.job, args.asset)
        if use is None or use["sealed"] is None:
            logger.warning("%s asked for a secret that job %s does not refer to", caller.name, live.uid)
            raise not_found("secret", args.asset)
        return {"sealed": base64.b64encode(use["sealed"]).decode()}


def _plain(value: Any) -> Any:
    """The value of a plain asset, within its bounds; raises `Refused`."""
    try:
        fitting = plain(value, MAX_ASSET_BYTES)
    except BadValue as error:
        raise invalid("/value", "bad_value", str(error)) from error
    if any(word in part for part in _objects(fitting) for word in (SECRET, ASSET)):
        raise invalid("/value", "reference", "an asset does not refer to others")
    return fitting


def _objects(value: Any) -> list[dict[str, Any]]:
    found, todo = [], [value]
    while todo:
        one = todo.pop()
        if isinstance(one, dict):
            found.append(one)
            todo.extend(one.values())
        elif isinstance(one, list):
            todo.extend(one)
    return found
