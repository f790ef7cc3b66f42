"""Secrets leave the web sealed: in commands with parameters, what is given for secret inputs becomes a reference."""

import base64
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from config.sealing import Sealer, load_sealer
from controller.store.queries import Connection, Reader
from controller.store.queries.assets import secret_inputs, secret_inputs_of_deployment, secret_inputs_of_job
from schemas.ids import uuid7
from schemas.reference import MAX_SECRET, MIN_SECRET, OF_RUN, SECRET
from schemas.values import text_of

Inputs = Callable[[Connection, Mapping[str, Any]], frozenset[str]]
"""Which of the parameters in a command's arguments are declared secret."""


@lru_cache(maxsize=8)
def sealer_of(data_dir: Path) -> Sealer:
    """That of a box; raises `BadKey`."""
    return load_sealer(data_dir)


def about_asset(name: str) -> str:
    """What the secret of an asset is sealed for."""
    return f"asset:{name}"


def _of_submission(db: Connection, args: Mapping[str, Any]) -> frozenset[str]:
    if isinstance(args.get("deployment"), str):
        return secret_inputs_of_deployment(db, args["deployment"])
    flow, version = args.get("flow"), args.get("flow_version")
    return secret_inputs(db, flow, version if isinstance(version, int) else None) if isinstance(flow, str) else _NONE


def _of_saved(db: Connection, args: Mapping[str, Any]) -> frozenset[str]:
    return secret_inputs(db, args["flow"], args.get("flow_version"))


def _of_job(db: Connection, args: Mapping[str, Any]) -> frozenset[str]:
    return secret_inputs_of_job(db, args["job"])


_NONE: frozenset[str] = frozenset()
_WITH_PARAMETERS: dict[str, Inputs] = {
    "job.submit": _of_submission,
    "deployment.run": _of_submission,
    "deployment.put": _of_saved,
    "job.rerun": _of_job,
}
_BULK = "job.submit_bulk"


def sealed(
    reader: Reader, data_dir: Path, command: str, args: dict[str, Any], asker: str, key: str | None
) -> dict[str, Any]:
    """The arguments with nothing secret in them that can be read.

    What cannot be sealed (no text, too short) is left as it is: the controller refuses it, and keeps nothing of it.
    """
    inputs = _WITH_PARAMETERS.get(command)
    if command == _BULK:
        items = list(args["jobs"])
    elif inputs is not None:
        items = [args]
    else:
        return args
    if not any(isinstance(item, Mapping) and item.get("parameters") for item in items):
        return args
    work = _Work(sealer_of(data_dir), _context(command, args, asker, key))
    with reader.reading() as db:
        done = [work.item(n, item, lambda one: (inputs or _of_submission)(db, one)) for n, item in enumerate(items)]
    if not work.sealed:
        return args
    return ({"jobs": done} if command == _BULK else done[0]) | {"sealed": work.sealed}


def _context(command: str, args: Mapping[str, Any], asker: str, key: str | None) -> tuple[str, ...]:
    """What makes the same secret the same again: a deployment saved twice, a request sent again under its key."""
    if command == "deployment.put":
        return ("deployment", str(args["deployment"]))
    return ("key", asker, key) if key is not None else ("once", uuid7())


class _Work:
    def __init__(self, sealer: Sealer, context: tuple[str, ...]) -> None:
        self._sealer, self._context = sealer, context
        self.sealed: dict[str, str] = {}

    def item(self, number: int, item: Any, inputs: Callable[[Mapping[str, Any]], frozenset[str]]) -> Any:
        """One submission, with references in the place of what was sealed."""
        given = item.get("parameters") if isinstance(item, Mapping) else None
        if not isinstance(given, Mapping) or not given:
            return item
        secret = inputs(item)
        parameters = {
            name: self._reference(f"{number}/{name}", value) if name in secret else value
            for name, value in given.items()
        }
        return {**item, "parameters": parameters}

    def _reference(self, place: str, value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            return value
        text = text_of(value)
        if not text.strip() or not MIN_SECRET <= len(text) <= MAX_SECRET:
            return value
        name = OF_RUN + self._sealer.mark(*self._context, place, text)
        self.sealed[name] = base64.b64encode(self._sealer.seal(text, name)).decode()
        return {SECRET: name}
