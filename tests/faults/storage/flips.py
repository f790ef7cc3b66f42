"""Bits that turn over on the disk of a stopped box, logs that are missing, copies that are old: none may be silent."""

import random
import shutil
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

from controller.direct import check
from controller.store.connection import Store
from controller.store.pages import Damaged
from controller.store.queries.verify import verify
from tests.faults.row import Row
from tests.faults.storage.scenes import DATABASE, Box

LOG = DATABASE + "-wal"
JOBS = 300


def made(folder: Path, jobs: int = JOBS) -> tuple[Path, Path]:
    """Two boxes that have stopped: one that ended well, one that was killed with much in its log, some of it folded."""
    dice = random.Random(1)
    box = Box(_empty(folder / "running"))
    for number in range(jobs):
        box.work(dice)
        if number == jobs - 30:
            box.store.fold(cut=True)
        if number == jobs - 15:
            with closing(sqlite3.connect(f"file:{box.folder / DATABASE}?mode=ro", uri=True)) as reader:
                reader.execute("begin")
                reader.execute("select count(*) from jobs").fetchone()
                box.work(dice)
                box.store.fold()
    killed = _copy(box.folder, folder / "killed")
    box.store.close()
    return _copy(box.folder, folder / "ended"), killed


def _empty(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def _copy(source: Path, there: Path) -> Path:
    shutil.rmtree(there, ignore_errors=True)
    shutil.copytree(source, there)
    return there


def dump(folder: Path) -> list[str]:
    """All that a box knows."""
    with closing(sqlite3.connect(f"file:{folder / DATABASE}?mode=ro", uri=True)) as db:
        return list(db.iterdump())


def verdict(folder: Path, expected: list[str]) -> str:
    """What a start and `verify` say of a stopped box: refused, lost work, verify, harmless, or SILENT."""
    try:
        check(folder, 60)
    except Damaged:
        return "refused"
    store = Store.open(folder / DATABASE)
    restored = store.restored
    store.close()
    if restored:
        return "lost work"
    if not all(one.ok for one in verify(folder / DATABASE)):
        return "verify"
    return "harmless" if dump(folder) == expected else "SILENT"


def turn_over(folder: Path, dice: random.Random) -> str:
    """One bit of the database or of its log, wherever; where it was."""
    return turn_over_in(folder, (DATABASE, LOG), dice)


def turn_over_in(folder: Path, names: tuple[str, ...], dice: random.Random) -> str:
    """One bit of these files, as far as they are there; where it was."""
    files = [folder / name for name in names if (folder / name).exists()]
    (path,) = dice.choices(files, [file.stat().st_size for file in files])
    at, bit = dice.randrange(path.stat().st_size), dice.randrange(8)
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ (1 << bit)]))
    return f"bit {bit} of byte {at} of {path.name}"


def bit_flips(folder: Path, count: int, jobs: int = JOBS, seed: int = 1) -> Row:
    """So many, every other one on a box that was killed."""
    dice, outcomes, silent = random.Random(seed), Counter[str](), []
    boxes = made(folder, jobs)
    known = [dump(_started(_copy(box, folder / "known"))) for box in boxes]
    for number in range(count):
        which = number % 2
        box = _copy(boxes[which], folder / "flipped")
        where = turn_over(box, dice)
        said = verdict(box, known[which])
        outcomes[said] += 1
        if said == "SILENT":
            silent.append(f"{where} of the box that {('ended', 'was killed')[which]} was not noticed")
    note = ", ".join(f"{n} {what}" for what, n in sorted(outcomes.items()))
    return Row("bit-flips", count, jobs, note=note, wrong=tuple(silent[:12]))


def _started(folder: Path) -> Path:
    """Checked, started and ended once: what a start changes is no damage."""
    assert verdict(folder, []) == "SILENT", "nothing is wrong with it, and nothing is expected of it"
    return folder


def missing_logs(folder: Path, count: int) -> Row:
    """A box is killed, and its log, or its newest copy of the database, is gone; each time at another moment."""
    dice, outcomes, silent = random.Random(7), Counter[str](), []
    box = Box(_empty(folder / "running"))
    for number in range(count):
        box.work(dice)
        old = _copy(box.folder, folder / "old")
        box.work(dice)
        if dice.random() < 0.5:
            box.store.fold(cut=dice.random() < 0.5)
            box.work(dice)
        killed = _copy(box.folder, folder / "killed")
        if number % 2:
            what = "the log was removed"
            (killed / LOG).unlink()
        else:
            what = "an older copy was put in place"
            for name in (DATABASE, LOG, DATABASE + "-sums", DATABASE + "-sums-log"):
                (killed / name).unlink(missing_ok=True)
                if (old / name).exists():
                    shutil.copy(old / name, killed / name)
        said = verdict(killed, [])
        outcomes[said] += 1
        if said not in ("lost work", "refused"):
            silent.append(f"{number}: {what}, and it was not noticed")
    box.store.close()
    note = ", ".join(f"{n} {what}" for what, n in sorted(outcomes.items()))
    return Row("missing-log", count, 2 * count, note=note, wrong=tuple(silent[:12]))
