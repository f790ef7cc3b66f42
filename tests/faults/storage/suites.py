"""The faults of the disk, for the bench: each is a function from its size and a folder to a row."""

from collections.abc import Callable
from pathlib import Path

from tests.faults.row import Row
from tests.faults.storage.flips import bit_flips, missing_logs
from tests.faults.storage.loss import power_loss


def _power(scene: str, quick: int) -> Callable[[bool, Path], Row]:
    return lambda full, folder: power_loss(scene, folder, steps=None if full else quick)


SUITES: dict[str, Callable[[bool, Path], Row]] = {
    "power-loss-box": _power("box", 60),
    "power-loss-journal": _power("journal", 60),
    "bit-flips": lambda full, folder: bit_flips(folder, 200 if full else 40, 300 if full else 60),
    "missing-log": lambda full, folder: missing_logs(folder, 40 if full else 8),
}
