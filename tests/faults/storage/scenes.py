"""What a box does on its disk, to be recorded: `python -m tests.faults.storage.scenes FOLDER WHAT [MUTANT]`."""

import os
import random
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path

from controller.core import Core
from controller.core_settings import CoreSettings
from controller.store import connection
from controller.store.connection import Store
from controller.store.mark import Mark
from edge_agent import journal as journals
from tests.fakes.yard import Yard, running
from tests.faults.storage.tape import ACKNOWLEDGED

JOBS = 12
DATABASE = "yardmaster.db"


class Box(Yard):
    """A real core over a real store in a data directory; each turn is acknowledged after its commit."""

    def __init__(self, folder: Path, acknowledge: Callable[[int], None] = lambda _turns: None) -> None:
        self.folder, self.acknowledge = folder, acknowledge
        self.settings, self.core_type = CoreSettings(), Core
        self.now, self.robots, self.sent, self.frames = 1000.0, {}, [], 0
        self.begin()

    def begin(self) -> None:
        """A start of the controller."""
        self.store = Store.open(self.folder / DATABASE)
        self.connection = self.store.db
        self.core = Core(self.store, self.settings)
        with self.store.transaction():
            self.core.start(self.instant())
            self.core.broker(True, self.instant())
        self.pump()

    def boot(self) -> None:
        """A clean end, and another start."""
        self.store.close()
        self.begin()

    def pump(self) -> None:
        """What leaves is what somebody relies upon from now on."""
        self.acknowledge(self.store.turns)
        super().pump()

    def work(self, dice: random.Random) -> None:
        """One job, from its submission to some end, or a while of it."""
        if "r1" in self.robots:
            self.robots["r1"].beat()  # of a controller that has just begun nobody has heard it yet
        robot, uid = running(self)
        robot.say(robot.about("block", path="-1/1", n=1, status="start.begin", inputs={"message": "x" * 300}))
        if dice.random() < 0.2:
            self.must("job.cancel", job=uid)
        robot.say(robot.about("succeeded"))
        robot.beat()
        self.ask("queue.put", queue=f"q{dice.randrange(5)}")


def box(folder: Path, acknowledge: Callable[[int], None]) -> None:
    """A few jobs, folds in between, a clean end and another start, and no end."""
    dice = random.Random(3)
    made = Box(folder, acknowledge)
    for number in range(JOBS):
        made.work(dice)
        if number % 3 == 1:
            made.store.fold(cut=number % 2 == 0)
        if number == JOBS // 2:
            made.boot()


def journal(folder: Path, acknowledge: Callable[[int], None]) -> None:
    """An agent's rows, committed a few at a time, and acknowledged by the box now and then."""
    file = journals.JournalFile(folder / "journal.db")
    robot = journals.Journal(file, "r1")
    dice = random.Random(4)
    for _ in range(150):
        with file.transaction():
            for _ in range(dice.randint(1, 4)):
                robot.append("log", None, b"x" * dice.randrange(400))
            if dice.random() < 0.1:
                robot.acknowledge(robot.head - 20)
        acknowledge(robot.head)


def unsynced(patch: Callable[[object, str, object], None]) -> None:
    """`synchronous = normal`: commits return before they are on the disk."""
    for module, name in ((connection, "connect"), (journals, "_connect")):
        real = getattr(module, name)

        def loose(path: object, real: Callable[[object], sqlite3.Connection] = real) -> sqlite3.Connection:
            db = real(path)
            db.execute("pragma synchronous = normal")
            return db

        patch(module, name, loose)


def mark_first(patch: Callable[[object, str, object], None]) -> None:
    """The mark says what is not committed yet."""
    real = Mark.write

    def ahead(mark: Mark, turns: int) -> None:
        real(mark, turns + 1)

    patch(Mark, "write", ahead)


SCENES = {"box": box, "journal": journal}
MUTANTS = {"unsynced": unsynced, "mark_first": mark_first}


def main() -> None:
    """Play a scene."""
    folder = Path(sys.argv[1])
    if len(sys.argv) > 3:
        MUTANTS[sys.argv[3]](setattr)
    file = os.open(folder / ACKNOWLEDGED, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def acknowledge(count: int) -> None:
        os.write(file, str(count).encode())

    SCENES[sys.argv[2]](folder, acknowledge)
    os._exit(0)  # no end: the power is gone at the last step, too


if __name__ == "__main__":
    main()
