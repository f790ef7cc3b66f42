"""Made-up data that is kept for the next run, as long as neither the tables nor what is made have changed."""

import hashlib
import shutil
import sys
from pathlib import Path

from controller.store.connection import Store, connect
from scripts.benchmark.data import VERSION, Shape, make


class NoSpace(Exception):
    """The disk is too small for what is to be measured; the message says how much is needed and where."""


def database(folder: Path, shape: Shape) -> Path:
    """The database of this shape, made if it is not there; each box works on a copy. Raises `NoSpace`."""
    file = folder / f"past-{shape.name}-{_fingerprint()}.db"
    check_space(folder, shape, made=file.exists())
    if not file.exists():
        print(f"making {shape.jobs:,} jobs in {file} …", file=sys.stderr, flush=True)
        make(file, shape)
    return file


def check_space(folder: Path, shape: Shape, *, made: bool) -> None:
    """Room for the data itself, unless it is there, and for the copy that is worked on; raises `NoSpace`."""
    needed = shape.bytes * (1 if made else 2)
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise NoSpace(
            f"{shape.jobs:,} jobs need {needed / 1e9:.1f} GB on the disk of {folder}; {free / 1e9:.1f} GB are free. "
            "Choose another folder with --data, or measure less with --quick or --only."
        )


def _fingerprint() -> str:
    """Changes with every migration and with what is made."""
    store = Store(connect(":memory:"))
    tables = "\n".join(row[0] for row in store.db.execute("select sql from sqlite_master where sql > '' order by name"))
    store.close()
    return hashlib.sha256(f"{VERSION}\n{tables}".encode()).hexdigest()[:10]
