"""The doors, for the bench: everything that a robot can try with its own credential, and what came of it."""

import shutil
from collections.abc import Callable
from pathlib import Path

from tests.faults.doors.attacks import ATTACKS, Scene, at_the_door
from tests.faults.doors.house import house
from tests.faults.row import Row

ROUNDS = 5
NAME = "spoofing"


def _round(scene: Scene) -> tuple[int, list[str]]:
    """Every attack once: how many tries, and a sentence for what got through or changed a row."""
    tries, wrong = 0, []
    for name, attack in ATTACKS.items():
        before = scene.house.rows()
        outcome = attack(scene)
        tries += outcome.tries
        wrong += [f"{name}: {what}" for what in outcome.through]
        after = scene.house.rows()
        wrong += [f"{name}: rows of {table} have changed" for table in after if after[table] != before.get(table)]
    return tries, wrong


def spoofing(full: bool, folder: Path) -> Row:
    """Raw clients against the real broker and controller."""
    if shutil.which("mosquitto") is None:
        return Row(NAME, 0, 0, skipped="needs mosquitto")
    rounds = ROUNDS if full else 1
    with house(folder) as where:
        scene = at_the_door(where)
        done = [_round(scene) for _ in range(rounds)]
    tries = sum(count for count, _ in done)
    wrong = tuple(what for _, some in done for what in some)
    return Row(
        NAME, rounds, 0, note=f"{tries} tries with a robot's own credential, {len(wrong)} got through", wrong=wrong
    )


SUITES: dict[str, Callable[[bool, Path], Row]] = {NAME: spoofing}
