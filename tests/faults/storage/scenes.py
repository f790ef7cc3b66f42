"""What a box does on its disk, to be recorded: `python -m tests.faults.storage.scenes FOLDER WHAT [MUTANT]`."""

import json
import os
import random
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from config.clock import Instant, instant
from controller.core import Core
from controller.core_settings import CoreSettings
from controller.store import connection
from controller.store.connection import Store
from controller.store.mark import Mark
from edge_agent import journal as journals
from edge_agent import journal_tables
from edge_agent.operations import Operation
from schemas.messages import ENDS
from tests.fakes.agent_bench import Bench, ScriptedDriver
from tests.fakes.yard import Yard, running
from tests.faults.storage.tape import ACKNOWLEDGED

JOBS = 12
DATABASE = "yardmaster.db"
SAFE_EVERY = 3
"""Of so many attempts of the agent one is of a job that may be repeated."""
Known = dict[str, Any]
"""What somebody relies upon, as it was written down when it was said."""


_TODAY = instant().utc_us - 3_600_000_000


class Box(Yard):
    """A real core over a real store in a data directory; each turn is acknowledged after its commit."""

    def __init__(self, folder: Path, acknowledge: Callable[[Known], None] = lambda _known: None) -> None:
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
        self.acknowledge({"turns": self.store.turns, "jobs": self.states()})
        super().pump()

    def instant(self) -> Instant:
        """Of this very day, else a box that is started on what is left would clear it away for its age."""
        return Instant(self.now, _TODAY + int(self.now * 1_000_000))

    def states(self) -> dict[str, str]:
        """Every job and its state."""
        return {row["uid"]: row["state"] for row in self.connection.execute("select uid, state from jobs")}

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


def box(folder: Path, acknowledge: Callable[[Known], None]) -> None:
    """A few jobs, folds in between, a clean end and another start, and no end."""
    dice = random.Random(3)
    made = Box(folder, acknowledge)
    for number in range(JOBS):
        made.work(dice)
        if number % 3 == 1:
            made.store.fold(cut=number % 2 == 0)
        if number == JOBS // 2:
            made.boot()


class Seen(ScriptedDriver):
    """A robot whose every motion is written down as it begins."""

    seen: Callable[[], None]

    def start(self, operation: Operation) -> None:
        super().start(operation)
        self.seen()


def journal(folder: Path, acknowledge: Callable[[Known], None]) -> None:
    """Rows of one robot, committed a few at a time and acknowledged now and then; another one's agent does jobs."""
    file = journals.JournalFile(folder / "journal.db")
    robot, driver = journals.Journal(file, "r1"), Seen()
    agent = Bench(file=file, driver=driver)
    driver.seen = lambda: acknowledge({"head": robot.head} | relied_on(agent))
    dice = random.Random(4)
    for number in range(150):
        with file.transaction():
            for _ in range(dice.randint(1, 4)):
                robot.append("log", None, b"x" * dice.randrange(400))
            if dice.random() < 0.1:
                robot.acknowledge(robot.head - 20)
        driver.seen()
        if number % 15 == 1:
            work(agent, 1 + number // 15)
            driver.seen()


def relied_on(agent: Bench) -> Known:
    """What the box and the floor know of an agent: what began, what was recorded, which attempts have ended."""
    ends = [[row["attempt"], row["kind"]] for row in agent.rows.values() if row["kind"] in ENDS]
    return {"started": [list(key) for key, _ in agent.driver.started], "upto": agent.upto, "ended": ends}


def work(agent: Bench, attempt: int) -> None:
    """One job, of two operations and a block between them; every third is left where it stands, and cancelled."""
    agent.begin(attempt=attempt, job=f"job-{attempt}", safe=attempt % SAFE_EVERY == 0)
    while agent.driver.moving:
        agent.end()
        if attempt % 3 == 1:
            agent.cancel(100 + attempt, attempt, f"job-{attempt}")
        agent.wait(2)
        agent.answer()
    agent.wait(2)
    agent.answer()


def unsynced(patch: Callable[[object, str, object], None]) -> None:
    """`synchronous = normal`: commits return before they are on the disk."""
    for module, name in ((connection, "connect"), (journal_tables, "connect")):
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


def move_first(patch: Callable[[object, str, object], None]) -> None:
    """The robot moves before its agent's journal knows of it."""
    step, commit, moving = Bench.step, journals.JournalFile.commit, [False]

    def moves(bench: Bench, method: str, *given: Any) -> None:
        moving[0] = True
        try:
            step(bench, method, *given)
        finally:
            moving[0] = False
            bench.file.commit()

    patch(Bench, "step", moves)
    patch(journals.JournalFile, "commit", lambda file: None if moving[0] else commit(file))


SCENES = {"box": box, "journal": journal}
MUTANTS = {"unsynced": unsynced, "mark_first": mark_first, "move_first": move_first}


def main() -> None:
    """Play a scene."""
    folder = Path(sys.argv[1])
    if len(sys.argv) > 3:
        MUTANTS[sys.argv[3]](setattr)
    file = os.open(folder / ACKNOWLEDGED, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def acknowledge(known: Known) -> None:
        os.write(file, json.dumps(known).encode())

    SCENES[sys.argv[2]](folder, acknowledge)
    os._exit(0)  # no end: the power is gone at the last step, too


if __name__ == "__main__":
    main()
