"""The power goes at every step of what a box or an agent does on its disk; nothing acknowledged may be gone."""

import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from controller.store.connection import Store
from controller.store.pages import Damaged
from controller.store.queries.verify import CHECKS
from edge_agent.journal import Journal, JournalFile
from tests.faults.row import Row
from tests.faults.storage import scenes
from tests.faults.storage.power import SEEDS, Disk
from tests.faults.storage.tape import ACKNOWLEDGED, Step, record

ENOUGH = 12
"""Findings after which it is clear that a promise is broken."""
Judge = Callable[[Path, int], tuple[str, str] | None]
"""(folder, what was acknowledged) -> nothing, or (lost or wrong, a sentence)."""


def judge_box(folder: Path, acknowledged: int) -> tuple[str, str] | None:
    """The box starts by itself, has every turn, and tells the truth."""
    try:
        store = Store.open(folder / scenes.DATABASE)
    except Damaged as error:
        return "wrong", f"nothing is damaged, and it says: {error}"
    try:
        if store.turns < acknowledged:
            return "lost", f"{acknowledged} turns were acknowledged, {store.turns} are there"
        if store.restored:
            return "wrong", f"nothing was lost, and it says: {store.why}"
        bad = [f"{name}: {check.wrong[0]}" for name, look in CHECKS if not (check := look(store.db)).ok]
        bad += [f"page {page} does not match its sum" for page in _bad(store)]
        return ("wrong", bad[0]) if bad else None
    finally:
        store.close()


def _bad(store: Store) -> list[int]:
    page, bad = 1, []
    while page and store.sums is not None:
        page, some = store.sums.look(page)
        bad += some
    return bad


def judge_journal(folder: Path, acknowledged: int) -> tuple[str, str] | None:
    """Every row that was committed is there, in order, once."""
    with closing(JournalFile(folder / "journal.db")) as file:
        journal = Journal(file, "r1")
        if journal.head < acknowledged:
            return "lost", f"{acknowledged} rows were committed, {journal.head} are there"
        found = [row.seq for row in journal.rows(1, 100_000)]
        if found != list(range(journal.first, journal.head + 1)) and not (journal.head == 0 and not found):
            return "wrong", f"rows {journal.first} to {journal.head} are {len(found)}"
        said = file.read("pragma integrity_check")
    return None if said == [("ok",)] else ("wrong", str(said))


JUDGES: dict[str, Judge] = {"box": judge_box, "journal": judge_journal}


def power_loss(scene: str, folder: Path, *, steps: int | None = None, mutant: str | None = None, first: int = 0) -> Row:
    """`steps`: how many of a tape's steps are tried, evenly spread; None: every one, with each kind of luck."""
    name = f"power-loss-{scene}"
    if shutil.which("strace") is None:
        return Row(name, 0, 0, skipped="needs strace")
    tape = record("tests.faults.storage.scenes", folder / "scene", scene, *([mutant] if mutant else []))
    every = [at for at, step in enumerate(tape) if step.name != ACKNOWLEDGED]
    chosen = every if steps is None else every[first :: max(1, len(every) // steps)]
    lucks = SEEDS if steps is None else (None,)
    tried, findings, last = 0, [], 0
    for at, disk in _stops(tape, set(chosen)):
        for luck in lucks:
            dice = random.Random(at)
            left = folder / "left"
            shutil.rmtree(left, ignore_errors=True)
            left.mkdir()
            disk.left(luck or dice.choice(SEEDS), dice, left)
            last = int(disk.acknowledged or 0)
            found = JUDGES[scene](left, last)
            tried += 1
            if found is not None:
                findings.append((found[0], f"step {at} ({tape[at].what} {tape[at].name}), {luck}: {found[1]}"))
        if len(findings) >= ENOUGH:
            break
    lost = sum(kind == "lost" for kind, _ in findings)
    note = f"{len(chosen)} of {len(every)} steps, {len(lucks)} kinds of luck, {last} acknowledged at the end"
    return Row(
        name,
        tried,
        scenes.JOBS if scene == "box" else 0,
        lost=lost,
        note=note,
        wrong=tuple(text for _, text in findings[:ENOUGH]),
    )


def _stops(tape: list[Step], at: set[int]) -> Iterator[tuple[int, Disk]]:
    """The disk in the middle of each of these steps: it has been asked for, and nothing says that it is done."""
    disk = Disk()
    for number, step in enumerate(tape):
        if number in at and step.what == "sync":
            yield number, disk
        disk.play(step)
        if number in at and step.what != "sync":
            yield number, disk
