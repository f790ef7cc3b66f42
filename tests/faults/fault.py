"""What a fault is to the bench, and which sizes it is run with."""

import random
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tests.faults.bench import Bench, Plan
from tests.faults.evidence import Forgotten
from tests.faults.load import Demand, Load
from tests.faults.row import Row


class Size(NamedTuple):
    """How many cycles, at most how many over one box, and how long one fault lasts (seconds, from and to).

    `rest_s`: so many seconds more of calm before each fault, so that no recovery is cut off by the next one.
    """

    cycles: int
    a_box: int
    lasts: tuple[float, float] = (0.0, 0.0)
    rest_s: float = 0.0


@dataclass
class Scene:
    """A running box under load, as a fault sees it."""

    bench: Bench
    load: Load
    dice: random.Random
    size: Size
    folder: Path

    def lasts(self) -> float:
        """How long this fault is to last."""
        return self.dice.uniform(*self.size.lasts)


class Fault(ABC):
    """One kind of fault. A cycle is a pause of U(0, 2) s, `inject`, `heal`; then the next one."""

    name = ""
    quick = Size(2, 2)
    full = Size(100, 50)
    tools: tuple[str, ...] = ()
    """Programs without which it is skipped."""
    mutants: tuple[str, ...] = ()
    """Broken variants that this suite must catch (`tests.faults.mutants`)."""
    is_full = False
    """Whether it runs with its full sizes."""
    heals_itself = False
    """Recovery is the product's own work, and counts from the fault."""
    demand = Demand()
    restores = False
    """It goes back to an older database: what was accepted since, as `forgotten` says, is not promised."""
    is_wall_clock_good = True
    """The box's wall clock can be compared with what the robots measured."""
    forgotten = Forgotten()
    settles_s = 60.0
    """After the last cycle everything must have settled within this time."""

    def missing(self) -> str:
        """Why it cannot be run here; empty if it can."""
        absent = [tool for tool in self.tools if shutil.which(tool) is None]
        return f"needs {', '.join(absent)}" if absent else ""

    def plan(self, folder: Path) -> Plan:
        """How the box is made."""
        del folder
        return Plan()

    def sharpen(self) -> None:  # noqa: B027 - most show their mutants in every cycle
        """A mutant is tried: of all that the dice may choose, only what can show it."""

    def go_on(self, done: int) -> None:  # noqa: B027 - most cycles do not depend on their number
        """So many cycles were done by an earlier run."""

    @abstractmethod
    def inject(self, scene: Scene) -> None:
        """Break something."""

    @abstractmethod
    def heal(self, scene: Scene) -> None:
        """Mend it; returns once it is mended."""

    def person(self, scene: Scene) -> None:  # noqa: B027 - most need none
        """What a person does, again and again, until all has settled."""

    def judge(self, scene: Scene) -> Iterator[str]:
        """What else is wrong after all has settled, one sentence each."""
        del scene
        return iter(())

    def note(self, scene: Scene) -> str:
        """What else is worth a remark in the table."""
        del scene
        return ""

    def close(self) -> None:  # noqa: B027 - most hold nothing
        """Let go of what `plan` opened."""


class Alone(Fault):
    """A suite that needs no box, or makes its own."""

    def inject(self, scene: Scene) -> None:
        """Nothing is broken from here."""

    def heal(self, scene: Scene) -> None:
        """Nothing is mended from here."""

    @abstractmethod
    def alone(self, size: Size, folder: Path, mutant: str | None) -> Row:
        """The whole suite."""
