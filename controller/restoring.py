"""Putting a backup in the place of a box's database: checked first, what was there kept aside, robots not confused."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from config.certificates import CA, CA_KEY, Authority
from config.certificates import FOLDER as TLS
from config.clock import steady
from config.disk import sync, write_new
from config.sealing import load_sealer
from controller.backup_files import link_or_copy, sha256
from controller.backups import DATABASE, FORM, MANIFEST
from controller.lock import DataInUse, DataLock
from controller.store import copying
from schemas.artifact import FOLDER

ASIDE, RESTORING = "aside", "restoring"
BEGUN = "begun"
"""In the folder `restoring`: from here on what was there is moved."""
INCARNATION, MARK, KEY = "incarnation", "mark", "key"
MARGIN_BYTES = 16_000_000
"""More than the files themselves must be free: their folders need room, and so does the first start."""
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
    """What it says, without the artifacts that are left out."""
    left_out: list[str]
    """Artifacts that the backup names and whose files in it are missing, damaged or cannot be read."""

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
    """Read all of a backup and hold it against its manifest; raises `CannotRestore` unless its database is whole."""
    manifest = _manifest(folder)
    for name, said in manifest["files"].items():
        try:
            problem = _problem(folder / name, said)
        except OSError as error:
            raise CannotRestore(f"{folder / name} cannot be read: {error.strerror or error}") from error
        if problem is not None:
            raise CannotRestore(problem)
    _check_database(folder / DATABASE)
    return Backup(folder, datetime.fromisoformat(manifest["made_at"]), manifest, _leave_out(folder, manifest))


def _problem(path: Path, said: dict[str, Any]) -> str | None:
    if not path.is_file():
        return f"{path} is missing"
    if path.stat().st_size != said["bytes"] or sha256(path) != said["sha256"]:
        return f"{path} is not what the backup says: it was damaged or changed"
    return None


def _leave_out(folder: Path, manifest: dict[str, Any]) -> list[str]:
    """Take artifacts that cannot be restored out of the manifest; their ids. A picture is not worth the whole box."""
    files = manifest["artifacts"]["files"]
    bad = [place for place, said in files.items() if not _is_whole(folder / FOLDER / place, said)]
    for place in bad:
        del files[place]
    return [Path(place).name for place in bad]


def _is_whole(path: Path, said: dict[str, Any]) -> bool:
    try:
        return _problem(path, said) is None
    except OSError:
        return False


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

    Everything that needs room comes first, and where it fails nothing was changed. Then, until it is done, the folder
    `restoring` says that it has begun, and no box starts. The key, agents' journals and other backups stay. Raises
    `CannotRestore` where there is no room, `OSError`.
    """
    began = steady()
    draft = data_dir / RESTORING
    aside = _prepare(backup, data_dir, draft)
    (draft / INCARNATION).replace(data_dir / INCARNATION)
    sync(data_dir)
    _put_aside(data_dir, aside)
    for name in (FOLDER, DATABASE):  # the database last: with it the box is whole
        if (draft / name).exists():
            (draft / name).rename(data_dir / name)
    sync(data_dir)
    (draft / BEGUN).unlink()
    draft.rmdir()
    return Done(aside, round(steady() - began, 3))


def interrupted(data_dir: Path) -> bool:
    """Whether a restore was cut off there: what the folder holds is neither the old box nor the new one."""
    draft = data_dir / RESTORING
    return (draft / BEGUN).exists() or (draft.exists() and not (data_dir / DATABASE).exists())


def forget_unbegun(data_dir: Path) -> None:
    """What a restore has left that was ended before it changed anything; call it where the box is locked."""
    if not interrupted(data_dir):
        shutil.rmtree(data_dir / RESTORING, ignore_errors=True)


def _prepare(backup: Backup, data_dir: Path, draft: Path) -> Path | None:
    """All that needs room, and the word that it begins; returns where what is there goes (None: there is nothing)."""
    again, aside = interrupted(data_dir), None
    _clear(draft)
    _check_room(backup, data_dir)
    try:
        _lay_out(backup, draft)
        _raise_incarnation(data_dir, draft, backup.incarnation)
        aside = _make_aside(data_dir)
        if not (draft / BEGUN).exists():
            write_new(draft / BEGUN, "")
        sync(draft)
        sync(data_dir)
    except BaseException:
        if not again:  # else there is no whole box to go back to
            shutil.rmtree(draft, ignore_errors=True)
        if aside is not None:
            aside.rmdir()
        raise
    return aside


def _clear(draft: Path) -> None:
    """What one before has laid out; that it had begun stays said."""
    for path in draft.iterdir() if draft.exists() else ():
        if path.name != BEGUN:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _check_room(backup: Backup, data_dir: Path) -> None:
    """Artifacts are linked where they are on the same disk."""
    need = MARGIN_BYTES + int(backup.manifest["files"][DATABASE]["bytes"])
    if backup.folder.stat().st_dev != data_dir.stat().st_dev:
        need += sum(int(one["bytes"]) for one in backup.manifest["artifacts"]["files"].values())
    free = shutil.disk_usage(data_dir).free
    if free < need:
        raise CannotRestore(
            f"there are {free / 1e6:.0f} MB free in {data_dir}, and the restore needs {need / 1e6:.0f}: make room"
        )


def _lay_out(backup: Backup, draft: Path) -> None:
    """Everything that will be needed, on the same disk and synced."""
    draft.mkdir(mode=0o700, exist_ok=True)
    shutil.copyfile(backup.folder / DATABASE, draft / DATABASE)
    sync(draft / DATABASE)
    for place in backup.manifest["artifacts"]["files"]:
        (draft / FOLDER / place).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        link_or_copy(backup.folder / FOLDER / place, draft / FOLDER / place)
    sync(draft)


def _raise_incarnation(data_dir: Path, draft: Path, backed_up: int) -> None:
    """Above all that this box has used; the next start sees that its database is older, and raises it once more."""
    path = data_dir / INCARNATION
    outside = int(path.read_text(encoding="ascii").strip() or 0) if path.exists() else 0
    write_new(draft / INCARNATION, f"{max(outside, backed_up) + 1}\n")


def _old(data_dir: Path) -> list[Path]:
    """The database with all that belongs to it, and the artifacts."""
    old = [*data_dir.glob(f"{DATABASE}*"), data_dir / FOLDER, data_dir / MARK]
    return [path for path in old if path.exists()]


def _make_aside(data_dir: Path) -> Path | None:
    """A new folder for what is there; None: there is nothing."""
    if not _old(data_dir):
        return None
    name = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    aside = data_dir / ASIDE / name
    for n in range(2, 1000):
        if not aside.exists():
            break
        aside = data_dir / ASIDE / f"{name}-{n}"
    aside.mkdir(mode=0o700, parents=True)
    return aside


def _put_aside(data_dir: Path, aside: Path | None) -> None:
    """What is there is moved, so that nothing of it is lost."""
    if aside is None:
        return
    old = _old(data_dir)
    for path in sorted(old, key=lambda path: path.name != DATABASE):  # the database first: its log alone is no box
        path.rename(aside / path.name)
    sync(aside)
    sync(data_dir)
