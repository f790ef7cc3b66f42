"""Every suite of the bench by its name: a function from sizes and a folder to a row of the table.

Rooms with suites of their own (`tests.faults.storage`, `tests.faults.doors`) offer `SUITES: dict[str, Suite]` in their
module `suites`, and are found by that.
"""

import functools
import importlib
import importlib.util
from collections.abc import Callable
from pathlib import Path

from tests.faults.boxes import BOXES
from tests.faults.disks import DISKS
from tests.faults.fault import Fault
from tests.faults.fuzz import FuzzedCores
from tests.faults.kills import KILLS
from tests.faults.liars import LIES
from tests.faults.network import NETWORK
from tests.faults.pauses import PAUSES
from tests.faults.retained import Retained
from tests.faults.row import Row
from tests.faults.run import run
from tests.faults.storms import STORMS
from tests.faults.syscalls import CALLED
from tests.faults.traces import PermutedTraces

Suite = Callable[[bool, Path], Row]
"""(full, an empty folder) -> row."""
FAULTS: dict[str, Fault] = {
    fault.name: fault
    for fault in (
        *KILLS,
        *PAUSES,
        *NETWORK,
        *LIES,
        Retained(),
        *BOXES,
        *DISKS,
        *STORMS,
        *CALLED,
        PermutedTraces(),
        FuzzedCores(),
    )
}
ROOMS = ("storage", "doors")


def _run(fault: Fault, full: bool, folder: Path) -> Row:
    fault.is_full = full
    return run(fault, fault.full if full else fault.quick, folder)


def suites() -> dict[str, Suite]:
    """All of them, in the order they are run."""
    found: dict[str, Suite] = {name: functools.partial(_run, fault) for name, fault in FAULTS.items()}
    for room in ROOMS:
        name = f"tests.faults.{room}.suites"
        if importlib.util.find_spec(f"tests.faults.{room}") and importlib.util.find_spec(name):
            found |= importlib.import_module(name).SUITES
    return found
