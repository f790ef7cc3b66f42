"""Backups: folders with a copy of the database and the artifacts, checked before they count; so many are kept."""

import json
import logging
import re
import shutil
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from config.clock import steady
from config.disk import sync, write_new, write_private
from controller.backup_files import bring, sha256
from controller.lock import DataInUse, DataLock
from controller.store import copying
from controller.store.findings import BAD_PAGE, findings
from controller.store.pages import bad_page, bad_pages
from controller.store.queries.reader import Reader, Unreadable
from controller.store.sums_file import Unusable
from schemas.artifact import FOLDER

log = logging.getLogger(__name__)

DATABASE, MANIFEST, BACKUPS = "yardmaster.db", "manifest.json", "backups"
STATE = "backup.json"
"""In the data directory: what became of the last backups, for whoever asks how the box is."""
PARTIAL = ".partial"
_NAME = re.compile(r"\d{8}T\d{6}Z(-\d+)?", re.ASCII)
"""Of a backup's folder; whatever has another name beside it is somebody else's."""
FORM = 1
_ROOM = 1.1
CLOCK_US = 30_000_000
"""By so much a moment may be ahead of the clock and be believed: time services correct small errors."""


class BackupFailed(Exception):
    """There is no new backup; the message is a sentence for people."""


class Made(NamedTuple):
    """A backup that was made and checked."""

    folder: Path
    bytes: int
    artifacts: int
    missing: int
    damaged: list[str]
    """Artifacts whose files are not what was uploaded; they are left out."""
    lost: int
    """These, and those that are missing though nobody has cleared them away."""
    seconds: float
    wrong: list[str]
    """What its chains say against it, or why its pages could not be compared with their sums; such a backup is kept,
    and no older one is removed."""


class State(NamedTuple):
    """What `DATA/backup.json` says: moments in UTC microseconds, which may be wrong, as the clock was."""

    good_at: int | None = None
    folder: str | None = None
    failed_at: int | None = None
    """The last one failed then; None: it did not."""
    why: str | None = None
    artifacts_lost: int = 0
    """How many artifacts the last good one had to leave out, because their files are missing or damaged."""


def make(data_dir: Path, to: Path | None = None, keep: int | None = None) -> Made:
    """Make a backup of a box, running or not, below `to` (its own `backups` if None), and remove all but `keep`.

    It is written aside, checked and synced, and has its name only then. Raises `BackupFailed`; either end is noted in
    the data directory.
    """
    place = to or data_dir / BACKUPS
    try:
        made = _made(data_dir, place, keep)
    except BackupFailed as failed:
        _note(data_dir, state(data_dir)._replace(failed_at=_now(), why=str(failed)))
        raise
    _note(data_dir, State(good_at=_now(), folder=str(made.folder), artifacts_lost=made.lost))
    if keep is not None and not made.wrong:
        remove_old(place, keep, made.folder)
    return made


def _made(data_dir: Path, place: Path, keep: int | None) -> Made:
    """Whatever it ends by is a backup that failed, and is noted as that."""
    try:
        return _make(data_dir, place, keep)
    except BackupFailed:
        raise
    except Exception as error:
        log.exception("the backup ended because of a defect, or of what a damaged database holds")
        raise BackupFailed(f"the backup could not be made: {type(error).__name__}: {error}") from error


def _make(data_dir: Path, place: Path, keep: int | None) -> Made:
    if not (data_dir / DATABASE).exists():
        raise BackupFailed(f"{data_dir} has no database")
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = DataLock.take(place, 0.5, holder="backup")
    except DataInUse as error:
        raise BackupFailed(f"another backup is being made: {error}") from error
    except OSError as error:
        raise BackupFailed(f"{place} cannot be written: {error.strerror or error}") from error
    try:
        return _write(data_dir, place, keep)
    except (OSError, sqlite3.Error, Unreadable) as error:
        raise BackupFailed(f"the backup could not be written: {error}") from error
    finally:
        lock.release()


def _write(data_dir: Path, place: Path, keep: int | None) -> Made:
    began = steady()
    for left in place.glob(f"*{PARTIAL}"):  # of one that was cut off; nobody else is at work, we have the lock
        if _NAME.fullmatch(left.stem) and left.is_dir():
            shutil.rmtree(left)
    unknown = _compare_pages(data_dir / DATABASE)
    _make_room(data_dir, place, None if unknown else keep)
    draft = place / f"{_free_name(place)}{PARTIAL}"
    draft.mkdir(mode=0o700)
    try:
        copying.copy(data_dir / DATABASE, draft / DATABASE)
        found, lost = _describe(data_dir, draft, unknown)
        write_new(draft / MANIFEST, json.dumps(found, indent=2) + "\n")
        sync(draft / DATABASE)
        sync(draft)
        folder = draft.rename(draft.with_suffix(""))
        sync(place)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    brought = found["artifacts"]
    return Made(
        folder, found["files"][DATABASE]["bytes"], brought["count"], brought["missing"], brought["damaged"], lost,
        round(steady() - began, 3), found["wrong"],
    )  # fmt: skip


def _make_room(data_dir: Path, place: Path, keep: int | None) -> None:
    """Where there is none, the oldest go before the new one is made, as they would afterwards; else `BackupFailed`.

    Only as many as help, never the last good one, and none for a database that does not hold: its copy may not be good.
    """
    database = data_dir / DATABASE
    log_file = database.with_name(f"{DATABASE}-wal")
    wanted = int((database.stat().st_size + (log_file.stat().st_size if log_file.exists() else 0)) * _ROOM)
    free = shutil.disk_usage(place).free
    going: list[Path] = []
    for folder in _may_go(place, keep):
        if free + sum((one / DATABASE).stat().st_size for one in going) >= wanted:
            break
        going.append(folder)
    if free + sum((one / DATABASE).stat().st_size for one in going) < wanted or (going and not _holds(database)):
        raise BackupFailed(f"{place} has room for {free / 1e6:.0f} MB; {wanted / 1e6:.0f} MB are needed")
    for folder in going:
        log.warning("%s is removed first: there is no room for a new backup beside it", folder)
        _remove(folder)


def _may_go(place: Path, keep: int | None) -> list[Path]:
    """Those that a new one would push out, oldest first, but never the last of those that were good when made."""
    there = found(place)
    good = [folder for folder in there if not _manifest(folder)["wrong"]]
    if keep is None or not good:
        return []
    return [folder for folder in there[: max(0, len(there) + 1 - max(1, keep))] if folder != good[-1]]


def _holds(database: Path) -> bool:
    """Whether a copy of the database would be good."""
    with closing(Reader(database).connect()) as db:
        try:
            _check_sound(db)
        except BackupFailed:
            return False
        return not copying.broken_chains(db)


def _free_name(place: Path) -> str:
    name = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    there = (path.name.removesuffix(PARTIAL) for path in place.iterdir() if path.name.startswith(name))
    taken = [one for one in there if _NAME.fullmatch(one)]
    newest = max((int(n.partition("-")[2] or 1) for n in taken), default=0)  # one that was removed has no heir
    return f"{name}-{newest + 1}" if newest else name


def _compare_pages(database: Path) -> list[str]:
    """Raise `BackupFailed` if a page is not what was written; in a sentence why that cannot be known.

    Nothing else sees a flipped bit in a row's content; and a copy of it would in time be the only one that is left.
    Before this process has a connection (see `wal`).
    """
    try:
        wrong = next(bad_pages(database), None)
    except Unusable as error:
        return [f"pages: {error}"]
    except OSError as error:
        raise BackupFailed(f"the database cannot be read: {error.strerror or error}") from error
    if wrong is not None:
        raise BackupFailed(bad_page(wrong))
    return []


def _check_sound(db: sqlite3.Connection) -> None:
    """Raise `BackupFailed` for a copy that is damaged, or of a database that the box knows to be."""
    wrong = copying.damage(db)
    if wrong is not None:
        raise BackupFailed(f"the copy of the database is damaged, so the database is: {wrong}")
    for one in findings(db):
        if one.code == BAD_PAGE:
            raise BackupFailed(f"the box has found its database damaged: {one.text}")


def _describe(data_dir: Path, draft: Path, unknown: list[str]) -> tuple[dict[str, Any], int]:
    """Check the copy, bring the artifacts that it names, and say what is in the backup; and how many are lost."""
    with copying.opened(draft / DATABASE) as db:
        _check_sound(db)
        facts = copying.facts(db)
        wrong = unknown + copying.broken_chains(db)
        brought = bring(data_dir / FOLDER, draft / FOLDER, copying.whole_artifacts(db))
    said = {
        "form": FORM,
        "made_at": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        **facts,
        "wrong": wrong,
        "files": {DATABASE: {"bytes": (draft / DATABASE).stat().st_size, "sha256": sha256(draft / DATABASE)}},
        "artifacts": {
            "count": len(brought.files), "missing": len(brought.missing), "damaged": brought.damaged,
            "files": brought.files,
        },
    }  # fmt: skip
    return said, len(brought.damaged) + copying.still_whole(data_dir / DATABASE, brought.missing)


# ---------------------------------------------------------------- which there are
def found(place: Path) -> list[Path]:
    """Finished backups below a folder, oldest name first: folders with a name and a manifest of ours, and no others."""
    if not place.is_dir():
        return []
    whole = (path for path in place.iterdir() if _NAME.fullmatch(path.name) and _is_ours(path))
    return sorted(whole, key=lambda path: (path.name.partition("-")[0], len(path.name), path.name))


def _is_ours(folder: Path) -> bool:
    """One that cannot be read, or is of a later version, is not: nothing is removed that is not known for certain."""
    try:
        said = _manifest(folder)
        return bool(said["form"] == FORM and DATABASE in said["files"] and isinstance(said["wrong"], list))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _manifest(folder: Path) -> Any:
    return json.loads((folder / MANIFEST).read_text(encoding="utf-8"))


def remove_old(place: Path, keep: int, made: Path) -> None:
    """Remove all but so many: the one just made, whatever time it bears, and the newest others; raises `OSError`."""
    others = [folder for folder in found(place) if folder != made]
    for folder in others[: max(0, len(others) + 1 - max(1, keep))]:
        _remove(folder)


def _remove(folder: Path) -> None:
    dead = folder.rename(folder.with_name(f"{folder.name}{PARTIAL}"))  # half of it must not look like one
    shutil.rmtree(dead)


# ---------------------------------------------------------------- what became of them
def state(data_dir: Path) -> State:
    """What became of the last backups; nothing when there was none, or the file cannot be read."""
    try:
        return State(**json.loads((data_dir / STATE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return State()


def good_at(said: State, now_us: int) -> int | None:
    """When the last good one was made; None: there was none, or by the clock it is still to come, so nobody knows."""
    return said.good_at if said.good_at is not None and said.good_at <= now_us + CLOCK_US else None


def _note(data_dir: Path, new: State) -> None:
    try:
        write_private(data_dir / STATE, json.dumps(new._asdict()) + "\n")
    except OSError as error:  # a full disk: the reason of the failure is said anyway
        if new.failed_at is None:
            raise BackupFailed(f"the backup was made, but {STATE} cannot be written: {error}") from error


def _now() -> int:
    return time.time_ns() // 1000
