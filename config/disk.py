"""Files that are on the disk when the call returns; a power cut leaves the old one or the new one, whole."""

import os
import secrets
import sys
from pathlib import Path


def sync(path: Path) -> None:
    """Have a file, or the names in a folder, on disk before anything else happens. Raises `OSError`."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_new(path: Path, text: str) -> None:
    """A file that was not there, for this user's eyes only. Raises `FileExistsError`, `OSError`."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def write_private(path: Path, text: str) -> None:
    """Whole or not at all, in the place of what was there, for this user's eyes only. Raises `OSError`."""
    draft = draft_of(path)
    try:
        write_new(draft, text)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    if sys.platform != "win32":  # it gives nobody a handle of a folder
        sync(path.parent)


def draft_of(path: Path) -> Path:
    """A name beside it that no other process uses."""
    return path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
