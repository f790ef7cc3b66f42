"""Files of a backup: linked or copied, hashed, synced; and the artifacts that a database names, if they are whole."""

import logging
import os
import shutil
from collections.abc import Iterable
from hashlib import sha256 as new_sha256
from pathlib import Path
from typing import Any, NamedTuple

from config.disk import sync
from controller.store.copying import Kept
from schemas.artifact import place_of

log = logging.getLogger(__name__)

_PIECE = 1 << 20


class Brought(NamedTuple):
    """What became of artifacts: {place: {bytes, sha256}} of those that are whole, ids of the others."""

    files: dict[str, dict[str, Any]]
    missing: list[str]
    damaged: list[str]


def bring(source: Path, target: Path, artifacts: Iterable[Kept]) -> Brought:
    """Have the files of artifacts in another folder, too; raises `OSError` when that cannot be written.

    Each is read first: one that is not what was uploaded (a bad sector, a file that was changed) is left out and
    named, since all backups on one disk share the one file, and none of them could be restored with it.
    """
    brought = Brought({}, [], [])
    for one in artifacts:
        place = place_of(one.uid)
        problem = _problem(source / place, one)
        if problem is not None:
            log.warning("artifact %s is left out of the backup: %s", one.uid, problem)
            brought.damaged.append(one.uid)
            continue
        (target / place).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            link_or_copy(source / place, target / place)
        except FileNotFoundError:  # removed meanwhile, or lost: the manifest says how many
            brought.missing.append(one.uid)
            continue
        brought.files[str(place)] = {"bytes": one.size, "sha256": one.sha256}
    return brought


def _problem(path: Path, said: Kept) -> str | None:
    """What is wrong with a file that is there."""
    try:
        whole = path.stat().st_size == said.size and sha256(path) == said.sha256
    except FileNotFoundError:
        return None
    except OSError as error:
        return f"its file cannot be read ({error.strerror or error})"
    return None if whole else "its file is not what was uploaded"


def link_or_copy(source: Path, target: Path) -> None:
    """Have the same file at another place; raises `OSError`."""
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:  # another disk, or one that knows no links
        shutil.copyfile(source, target)
        sync(target)


def sha256(path: Path) -> str:
    """The hash of a file, read in pieces."""
    digest = new_sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()
