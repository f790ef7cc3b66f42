"""The files of artifacts whose rows are gone."""

from collections.abc import Iterable
from pathlib import Path

from schemas.artifact import FOLDER, PARTS, place_of


def remove_files(data_dir: Path, artifacts: Iterable[str]) -> None:
    """Remove what is left of artifacts, whole or in part; call it after the commit that forgot them.

    Raises `OSError`; files that are not there are no error, so it may be repeated.
    """
    folder = data_dir / FOLDER
    for uid in artifacts:
        (folder / place_of(uid)).unlink(missing_ok=True)
        (folder / PARTS / uid).unlink(missing_ok=True)
