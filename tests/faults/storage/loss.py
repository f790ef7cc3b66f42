"""The power goes at every step of what a box or an agent does on its disk; nothing acknowledged may be gone."""

import json
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.faults.row import Row
from tests.faults.storage import judges, scenes
from tests.faults.storage.power import SEEDS, Disk
from tests.faults.storage.scenes import Known
from tests.faults.storage.tape import ACKNOWLEDGED, Step, record

ENOUGH = 12
"""Findings after which it is clear that a promise is broken."""
Judge = Callable[[Path, Known], tuple[str, str] | None]
"""(folder, what was acknowledged) -> nothing, or (lost or wrong, a sentence)."""


JUDGES: dict[str, Judge] = {"box": judges.box, "journal": judges.journal}


def power_loss(
    scene: str, folder: Path, *, steps: int | None = None, mutant: str | None = None, first: int = 0,
    name: str | None = None, judge: Judge | None = None,
) -> Row:  # fmt: skip
    """`steps`: how many of a tape's steps are tried, evenly spread; None: every one, with each kind of luck."""
    name, judge = name or f"power-loss-{scene}", judge or JUDGES[scene]
    if shutil.which("strace") is None:
        return Row(name, 0, 0, skipped="needs strace")
    tape = record("tests.faults.storage.scenes", folder / "scene", scene, *([mutant] if mutant else []))
    every = [at for at, step in enumerate(tape) if step.name != ACKNOWLEDGED]
    chosen = every if steps is None else every[first :: max(1, len(every) // steps)]
    lucks = SEEDS if steps is None else (None,)
    tried, findings, known = 0, [], Known()
    for at, disk in _stops(tape, set(chosen)):
        for luck in lucks:
            dice = random.Random(at)
            left = folder / "left"
            shutil.rmtree(left, ignore_errors=True)
            left.mkdir()
            disk.left(luck or dice.choice(SEEDS), dice, left)
            known = json.loads(disk.acknowledged or b"{}")
            found = _judged(judge, left, known)
            tried += 1
            if found is not None:
                findings.append((found[0], f"step {at} ({tape[at].what} {tape[at].name}), {luck}: {found[1]}"))
        if len(findings) >= ENOUGH:
            break
    lost = sum(kind == "lost" for kind, _ in findings)
    note = f"{len(chosen)} of {len(every)} steps, {len(lucks)} kinds of luck, {_count(known)} acknowledged at the end"
    return Row(
        name,
        tried,
        scenes.JOBS if scene == "box" else 0,
        lost=lost,
        note=note,
        wrong=tuple(text for _, text in findings[:ENOUGH]),
    )


def _judged(judge: Judge, folder: Path, known: Known) -> tuple[str, str] | None:
    try:
        return judge(folder, known)
    except Exception as error:  # noqa: BLE001 - whatever is raised: the product does not start, or does not live
        return "wrong", f"it does not start: {error!r}"


def _count(known: Known) -> int:
    """Turns of a box, rows of a journal."""
    return int(known.get("turns") or known.get("head") or 0)


def _stops(tape: list[Step], at: set[int]) -> Iterator[tuple[int, Disk]]:
    """The disk in the middle of each of these steps: it has been asked for, and nothing says that it is done."""
    disk = Disk()
    for number, step in enumerate(tape):
        if number in at and step.what == "sync":
            yield number, disk
        disk.play(step)
        if number in at and step.what != "sync":
            yield number, disk
