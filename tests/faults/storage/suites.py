"""The faults of the disk, for the bench: each is a function from its size and a folder to a row."""

import shutil
from collections.abc import Callable
from pathlib import Path

from tests.faults.row import Row
from tests.faults.storage import judges
from tests.faults.storage.flips import bit_flips, missing_logs
from tests.faults.storage.journals import journal_flips
from tests.faults.storage.loss import power_loss


def _power(scene: str, quick: int) -> Callable[[bool, Path], Row]:
    return lambda full, folder: power_loss(scene, folder, steps=None if full else quick)


def _serve(full: bool, folder: Path) -> Row:
    """`yardmaster serve` itself, on a sample of what is left."""
    if shutil.which("mosquitto") is None:
        return Row("power-loss-serve", 0, 0, skipped="needs mosquitto")
    return power_loss("box", folder, steps=40 if full else 4, first=3, name="power-loss-serve", judge=judges.served)


SUITES: dict[str, Callable[[bool, Path], Row]] = {
    "power-loss-box": _power("box", 60),
    "power-loss-serve": _serve,
    "power-loss-journal": _power("journal", 60),
    "bit-flips": lambda full, folder: bit_flips(folder, 200 if full else 40, 300 if full else 60),
    "journal-flips": lambda full, folder: journal_flips(folder, 400 if full else 60),
    "missing-log": lambda full, folder: missing_logs(folder, 40 if full else 8),
}
