"""What every driver is tested on: a robot to drive, and eyes on it that do not belong to the driver."""

import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path

import psutil

from edge_agent.drivers.rpa import RpaDriver
from edge_agent.drivers.rpa_commands import RpaSettings
from edge_agent.operations import ENDED, Driver, Key, Operation, OperationEvent
from edge_agent.simulator.motions import read_motions
from tests.fakes.simulation import Stage, operation

NEST = """
import os, pathlib, subprocess, sys, time
if len(sys.argv) > 2:
    subprocess.Popen([sys.executable, __file__, sys.argv[1]], start_new_session=True)
pathlib.Path(sys.argv[1], str(os.getpid())).touch()
time.sleep(3600)
"""
"""Leaves its process number, starts a grandchild in a session of its own, and sleeps."""


class Bench(ABC):
    """A driver, what it said, and operations that it can do quickly, for long, badly, or not at all."""

    driver: Driver

    def __init__(self, folder: Path, patience_s: float = 20.0) -> None:
        self.folder, self.patience_s = folder, patience_s
        self.events: list[OperationEvent] = []
        self.moved_at_end: list[tuple[Key, bool, bool]] = []
        self.listen(self.connect())

    @abstractmethod
    def connect(self) -> Driver:
        """A driver as a booting agent makes it."""

    @abstractmethod
    def quick(self, n: int) -> Operation: ...

    @abstractmethod
    def long(self, n: int) -> Operation: ...

    @abstractmethod
    def bad(self, n: int) -> Operation: ...

    @abstractmethod
    def impossible(self, n: int) -> Operation: ...

    @abstractmethod
    def under_way(self) -> bool:
        """The long operation really goes on by now."""

    @abstractmethod
    def moves(self) -> bool:
        """Something that the driver started moves, as the world sees it."""

    @abstractmethod
    def left_behind(self) -> bool:
        """Something of the operation (1, 1) lies about, although it has ended."""

    @abstractmethod
    def pass_time(self) -> None:
        """Let the world go on a little."""

    def listen(self, driver: Driver) -> None:
        self.driver = driver
        driver.emit = self.hear

    def hear(self, event: OperationEvent) -> None:
        if event.what in ENDED:
            self.moved_at_end.append((event.key, self.moves(), self.driver.idle()))
        self.events.append(event)

    def agent_dies(self) -> None:
        """The old driver is let go of, and the next boot makes its own."""
        self.driver.close()
        self.events, self.moved_at_end = [], []
        self.listen(self.connect())

    def until(self, condition: Callable[[], object], what: str) -> None:
        end = time.monotonic() + self.patience_s
        while not condition():
            assert time.monotonic() < end, f"{what}: not within {self.patience_s} s, heard {self.said()}"
            self.pass_time()

    def said(self, n: int | None = None) -> list[str]:
        """What was heard, without log lines."""
        return [event.what for event in self.events if event.what != "log" and n in (None, event.key[1])]

    def ends(self, n: int) -> list[str]:
        return [what for what in self.said(n) if what in ENDED]

    def until_end(self, n: int) -> str:
        self.until(lambda: self.ends(n), f"the end of {n}")
        return self.ends(n)[0]

    def a_while(self) -> None:
        """Long enough for anything late to arrive."""
        for _ in range(10):
            self.pass_time()

    def clean(self) -> None:
        """After the test, whatever the driver did."""
        self.driver.close()


class SimulatedBench(Bench):
    """A simulated AGV."""

    def __init__(self, folder: Path, patience_s: float = 20.0) -> None:
        more = '\n[[fault]]\nat = "unload"\nwhat = "fail"\nevery = 1\n'
        self.stage = Stage(folder, "agv", more)
        super().__init__(folder, patience_s)

    def connect(self) -> Driver:
        return self.stage.connect()

    def quick(self, n: int) -> Operation:
        return operation("CAgvOperationBp", n, targetSiteLabel="a")

    def long(self, n: int) -> Operation:
        return operation("CAgvOperationBp", n, targetSiteLabel="c", scriptName="load")

    def bad(self, n: int) -> Operation:
        return operation("CAgvOperationBp", n, scriptName="unload")

    def impossible(self, n: int) -> Operation:
        return operation("CAgvOperationBp", n, targetSiteLabel="nowhere")

    def under_way(self) -> bool:
        return self.moves()

    def moves(self) -> bool:
        return any(motion.outcome is None for motion in read_motions(self.folder / "motions.jsonl"))

    def left_behind(self) -> bool:
        return False

    def pass_time(self) -> None:
        self.stage.timers.pass_(0.5)
        time.sleep(0.001)


class RpaBench(Bench):
    """An RPA machine with real processes."""

    def __init__(self, folder: Path, patience_s: float = 20.0) -> None:
        self.pids = folder / "pids"
        self.pids.mkdir()
        nest = folder / "nest.py"
        nest.write_text(NEST)
        nested = [sys.executable, str(nest), str(self.pids), "with a child"]
        commands = {
            "quick": {"argv": [sys.executable, "-c", "print('done')"]},
            "long": {"argv": nested},
            "bad": {"argv": [sys.executable, "-c", "raise SystemExit('no paper')"]},
        }
        self.settings = RpaSettings.model_validate({"data_dir": folder / "data", "commands": commands})
        super().__init__(folder, patience_s)

    def connect(self) -> Driver:
        return RpaDriver("rpa", self.settings)

    def quick(self, n: int) -> Operation:
        return operation("RpaRunBp", n, command="quick")

    def long(self, n: int) -> Operation:
        return operation("RpaRunBp", n, command="long")

    def bad(self, n: int) -> Operation:
        return operation("RpaRunBp", n, command="bad")

    def impossible(self, n: int) -> Operation:
        return operation("RpaRunBp", n, command="rm")

    def under_way(self) -> bool:
        return len(self.living()) == 2

    def moves(self) -> bool:
        return bool(self.living())

    def living(self) -> list[psutil.Process]:
        """Of the nested processes, those that live."""
        return [found for entry in self.pids.iterdir() if (found := _living(int(entry.name)))]

    def left_behind(self) -> bool:
        return (self.folder / "data" / "rpa" / "1-1" / "work").exists()

    def pass_time(self) -> None:
        time.sleep(0.02)

    def clean(self) -> None:
        super().clean()
        for process in self.living():
            process.kill()


def _living(pid: int) -> psutil.Process | None:
    try:
        process = psutil.Process(pid)
        return process if process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.NoSuchProcess:
        return None
