"""Putting a backup in the place of a box's database: checked first, what was there kept aside, robots not confused."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from config.certificates import CA, CA_KEY, Authority
from config.certificates import FOLDER as TLS
from config.clock import steady
from config.sealing import load_sealer
from controller.backups import DATABASE, FORM, MANIFEST, link_or_copy, sha256, sync
from controller.lock import DataInUse, DataLock
from controller.store import copying
from schemas.artifact import FOLDER

ASIDE, RESTORING = "aside", "restoring"
INCARNATION, MARK, KEY = "incarnation", "mark", "key"
PATIENCE_S = 0.5
NO_KEY = bytes(5)
"""How nothing begins that was sealed with any key."""


class CannotRestore(Exception):
    """Nothing was changed; the message is a sentence for people."""


class Backup(NamedTuple):
    """A folder that was found to be a whole backup."""

    folder: Path
    made_at: datetime
    manifest: dict[str, Any]

    @property
    def incarnation(self) -> int:
        """That of the box when the backup was made."""
        return int(self.manifest["incarnation"])


class Done(NamedTuple):
    """What a restore did: where what was there before is now (None: there was nothing), and how long it took."""

    aside: Path | None
    seconds: float


# ---------------------------------------------------------------- looking
def check(folder: Path) -> Backup:
    """Read all of a backup and hold it against its manifest; raises `CannotRestore`."""
    manifest = _manifest(folder)
    files = {**manifest["files"], **{f"{FOLDER}/{n}": one for n, one in manifest["artifacts"]["files"].items()}}
    for name, said in files.items():
        path = folder / name
        if not path.is_file():
            raise CannotRestore(f"{path} is missing")
        if path.stat().st_size != said["bytes"] or sha256(path) != said["sha256"]:
            raise CannotRestore(f"{path} is not what the backup says: it was damaged or changed")
    _check_database(folder / DATABASE)
    return Backup(folder, datetime.fromisoformat(manifest["made_at"]), manifest)


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if found["form"] != FORM:
            raise CannotRestore(f"{folder} was made by a newer version")
        datetime.fromisoformat(found["made_at"])
        if not isinstance(found["files"][DATABASE]["sha256"], str):
            raise TypeError
        found["artifacts"]["files"].items()
        int(found["incarnation"])
        list(found["wrong"])
    except PermissionError as error:
        raise CannotRestore(
            f"{folder} cannot be read by the owner of the data directory: copy it to where he may"
        ) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CannotRestore(f"{folder} is no backup: {MANIFEST} cannot be read") from error
    return dict(found)


def _check_database(path: Path) -> None:
    from controller.store.schema import known

    with copying.opened(path) as db:
        wrong = copying.damage(db)
        if wrong is not None:
            raise CannotRestore(f"{path} is damaged: {wrong}")
        strange = set(copying.migrations(db)) - known()
    if strange:
        raise CannotRestore(f"the backup was made by a newer version (has {', '.join(sorted(strange))})")


def closed_secrets(backup: Backup, data_dir: Path) -> list[str]:
    """What has secrets that the key of this data directory cannot open; raises `BadKey`."""
    head = load_sealer(data_dir).head if (data_dir / KEY).exists() else NO_KEY
    with copying.opened(backup.folder / DATABASE) as db:
        return copying.secrets_of_others(db, head)


def strangers(backup: Backup, data_dir: Path) -> list[str]:
    """Robots whose certificates the authority of this data directory cannot have signed: it is not there, or newer."""
    folder = data_dir / TLS
    with copying.opened(backup.folder / DATABASE) as db:
        robots = copying.certified(db)
    if not robots or not (folder / CA).exists() or not (folder / CA_KEY).exists():
        return [robot for robot, _ in robots]
    try:
        made_us = Authority.load(folder).made_us
    except ValueError:  # half of it is another's, and no box starts with that
        return [robot for robot, _ in robots]
    return [robot for robot, at in robots if at < made_us]


# ---------------------------------------------------------------- doing
@contextmanager
def locked(data_dir: Path) -> Iterator[None]:
    """Nobody runs a box there meanwhile; raises `CannotRestore`."""
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    held: list[DataLock] = []
    try:
        held.append(DataLock.take(data_dir / "broker", PATIENCE_S, holder="yardmaster serve"))
        held.append(DataLock.take(data_dir, PATIENCE_S))
        yield
    except DataInUse as error:
        raise CannotRestore(f"{error}; end it first") from error
    finally:
        for lock in held:
            lock.release()


def restore(backup: Backup, data_dir: Path) -> Done:
    """Put a checked backup in place; call it within `locked`. Cut off anywhere, it may be begun anew.

    Until it is done the folder `restoring` is there, and no box starts. The key, agents' journals and other backups
    stay. Raises `OSError`.
    """
    began = steady()
    draft = data_dir / RESTORING
    shutil.rmtree(draft, ignore_errors=True)
    _lay_out(backup, draft)
    _raise_incarnation(data_dir, backup.incarnation)
    aside = _put_aside(data_dir)
    for name in (FOLDER, DATABASE):  # the database last: with it the box is whole
        if (draft / name).exists():
            (draft / name).rename(data_dir / name)
    sync(data_dir)
    draft.rmdir()
    return Done(aside, round(steady() - began, 3))


def interrupted(data_dir: Path) -> bool:
    """Whether a restore was cut off there: what the folder holds is neither the old box nor the new one."""
    return (data_dir / RESTORING).exists()


def _lay_out(backup: Backup, draft: Path) -> None:
    """Everything that will be needed, on the same disk and synced."""
    draft.mkdir(mode=0o700)
    shutil.copyfile(backup.folder / DATABASE, draft / DATABASE)
    sync(draft / DATABASE)
    for place in backup.manifest["artifacts"]["files"]:
        (draft / FOLDER / place).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        link_or_copy(backup.folder / FOLDER / place, draft / FOLDER / place)
    sync(draft)


def _raise_incarnation(data_dir: Path, backed_up: int) -> None:
    """Above all that this box has used; the next start sees that its database is older, and raises it once more."""
    path = data_dir / INCARNATION
    outside = int(path.read_text(encoding="ascii").strip() or 0) if path.exists() else 0
    draft = path.with_suffix(".new")
    with draft.open("w", encoding="ascii") as file:
        file.write(f"{max(outside, backed_up) + 1}\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    sync(data_dir)


def _put_aside(data_dir: Path) -> Path | None:
    """The database with all that belongs to it, and the artifacts: moved, so that nothing of it is lost."""
    old = [*data_dir.glob(f"{DATABASE}*"), data_dir / FOLDER, data_dir / MARK]
    old = [path for path in old if path.exists()]
    if not old:
        return None
    name = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    aside = data_dir / ASIDE / name
    for n in range(2, 1000):
        if not aside.exists():
            break
        aside = data_dir / ASIDE / f"{name}-{n}"
    aside.mkdir(mode=0o700, parents=True)
    for path in sorted(old, key=lambda path: path.name != DATABASE):  # the database first: its log alone is no box
        path.rename(aside / path.name)
    sync(aside)
    sync(data_dir)
    return aside
