"""Carrying out a command about people while no controller runs: the data directory is locked for that moment."""

import json
import os
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from config.clock import instant
from controller.core_settings import CoreSettings
from controller.desk import Desk
from controller.errors import Refused
from controller.lock import DataLock
from controller.owner import check_owner
from controller.service import as_refusal, audit
from controller.service.people import PeopleService
from controller.store import accounts
from controller.store.connection import Store
from controller.store.sums_file import sums_of
from schemas.commands import COMMANDS, Caller

DATABASE = "yardmaster.db"
PATIENCE_S = 0.5


def has_people(data_dir: Path) -> bool:
    """Whether anybody has an account; opens (or makes) the database. Raises `DataInUse`."""
    with _Opened(data_dir) as store:
        return accounts.has_users(store.db)


def check(data_dir: Path, budget_s: float) -> None:
    """Look at the database before anything works on it, as far as the time allows; the rest is for the scrub.

    Raises `Damaged`, `DataInUse`.
    """
    if not (data_dir / DATABASE).exists() and not sums_of(data_dir / DATABASE).exists():
        return
    with _Opened(data_dir, check_s=budget_s):
        pass


def carry_out(data_dir: Path, command: str, args: dict[str, Any], caller: Caller) -> dict[str, Any]:
    """One command of `PeopleService`, committed when this returns.

    Raises `DataInUse`, `Refused`, `OSError` (`NotTheOwner` among them), `Damaged`, `sqlite3.Error`.
    """
    with _Opened(data_dir) as store:
        desk = Desk(store, CoreSettings())
        desk.now = instant()
        handler = PeopleService(desk).handlers().get(command)
        if handler is None:
            raise Refused("command.unknown", f"{command} needs the controller.")
        try:
            asked = COMMANDS[command].model_validate_json(json.dumps(args))
        except ValidationError as error:
            refusal = as_refusal(error)
            raise Refused(refusal.code, refusal.message, refusal.details) from error
        with store.transaction():
            was = audit.before(store.db, command, asked)
            answer = handler(asked, caller)
            audit.write(store.db, desk.now.utc_us, caller, command, asked, was, answer)
    return answer


class _Opened:
    """The store under the lock of its directory."""

    def __init__(self, data_dir: Path, check_s: float | None = None) -> None:
        self._data_dir, self._check_s = data_dir, check_s

    def __enter__(self) -> Store:
        check_owner(self._data_dir)
        os.umask(0o077)  # what is made here is for whoever runs the box and nobody else
        self._lock = DataLock.take(self._data_dir, PATIENCE_S)
        try:
            self._store = Store.open(self._data_dir / DATABASE, self._check_s)
        except BaseException:
            self._lock.release()
            raise
        return self._store

    def __exit__(self, *_: object) -> None:
        self._store.close()
        self._lock.release()
