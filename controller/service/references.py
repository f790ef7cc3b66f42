"""References in parameters: assets are put in, secrets stay references, and each run knows what it refers to."""

import base64
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from controller.errors import Refused
from controller.store import assets
from schemas.commands import Problem
from schemas.flow import read_inputs
from schemas.reference import ASSET, MAX_SECRET, MIN_SECRET, OF_RUN, is_secret, replaced, secrets_in
from schemas.values import is_blank


@dataclass(frozen=True)
class Settled:
    """Parameters with their assets put in, the plain assets among them, and their secrets (None: an asset's)."""

    parameters: dict[str, Any]
    assets: frozenset[str] = frozenset()
    secrets: dict[str, bytes | None] = field(default_factory=dict)


def settle(
    db: sqlite3.Connection,
    definition: Mapping[str, Any],
    parameters: Mapping[str, Any],
    sealed: Mapping[str, str],
    before: Iterable[str] = (),
) -> Settled:
    """Look up everything that parameters refer to; raises `Refused` with every reference that leads nowhere.

    `sealed` has the secrets that came along, as Base64; `before` names runs and deployments whose own may be used.
    """
    search = _Search(db, sealed, tuple(before))
    settled = {name: search.value(name, value) for name, value in parameters.items()}
    search.problems += _unsealed(definition, settled)
    if search.problems:
        raise Refused("request.invalid", "The parameters do not fit the flow.", tuple(search.problems))
    return Settled(settled, frozenset(search.assets), search.secrets)


class _Search:
    def __init__(self, db: sqlite3.Connection, sealed: Mapping[str, str], before: tuple[str, ...]) -> None:
        self._db, self._sealed, self._before = db, sealed, before
        self.secrets: dict[str, bytes | None] = {}
        self.assets: set[str] = set()
        self.problems: list[Problem] = []

    def value(self, name: str, value: Any) -> Any:
        """One parameter with its assets put in."""
        for secret in secrets_in(value):
            self._secret(name, secret)
        return replaced(value, ASSET, lambda asset: self._asset(name, asset))

    def _secret(self, name: str, secret: str) -> None:
        if secret.startswith(OF_RUN):
            own = self._own(secret)
            if own is None:
                self._wrong(name, "this secret belongs to something else; give it again")
            self.secrets[secret] = own
            return
        row = assets.asset(self._db, secret)
        if row is None:
            self._wrong(name, f"there is no asset {secret[:64]!r}")
        elif row["sealed"] is None:
            self._wrong(name, f"the asset {secret!r} is not secret; refer to it by $asset")
        else:
            self.secrets[secret] = None

    def _own(self, secret: str) -> bytes | None:
        """A secret that came along, or that one of those before has."""
        if secret in self._sealed:
            return base64.b64decode(self._sealed[secret])
        found = (assets.kept(self._db, run).get(secret) for run in self._before)
        return next((sealed for sealed in found if sealed is not None), None)

    def _asset(self, name: str, asset: str) -> Any:
        row = assets.asset(self._db, asset)
        if row is None:
            self._wrong(name, f"there is no asset {asset[:64]!r}")
        elif row["sealed"] is not None:
            self._wrong(name, f"the asset {asset!r} is secret; refer to it by $secret")
        else:
            self.assets.add(asset)
            return json.loads(row["value"])
        return None

    def _wrong(self, name: str, message: str) -> None:
        self.problems.append(Problem(path=f"/parameters/{name}", code="reference", message=message))


def _unsealed(definition: Mapping[str, Any], parameters: Mapping[str, Any]) -> Iterator[Problem]:
    """Values of secret inputs that nobody has sealed must not be stored."""
    for param in read_inputs(definition)[0]:
        value = parameters.get(param.name)
        if param.secret and not is_blank(value) and not is_secret(value):
            message = (
                f"it is secret: give a text of {MIN_SECRET} to {MAX_SECRET} characters, or refer to a secret asset"
            )
            yield Problem(path=f"/parameters/{param.name}", code="secret", message=message)


def passed_on(db: sqlite3.Connection, run: str) -> dict[str, bytes | None]:
    """The secrets of a run, for another one with the same parameters; raises `Refused` if a secret asset is gone."""
    kept = assets.kept(db, run)
    for name in (name for name, sealed in kept.items() if sealed is None):
        row = assets.asset(db, name)
        if row is None or row["sealed"] is None:
            text = f"There is no secret asset {name!r} any more, and the parameters refer to it."
            raise Refused("asset.not_found", text, (Problem(in_="assets", path=f"/{name}", code="gone", message=text),))
    return kept
