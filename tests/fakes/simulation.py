"""Simulated robots in tests: timers turned by hand, a small floor, operations by name."""

import heapq
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from config.fleet import Fleet, parse_fleet
from edge_agent.drivers.simulated import SimulatedDriver
from edge_agent.operations import Operation, OperationEvent
from edge_agent.simulator.fleet import Bodies

FLOOR = """
seed = 3
[plan.nodes]
dock = { x = 0, y = 0, charge = true, station = true }
a = { x = 10, y = 0 }
b = { x = 20, y = 0, station = true }
c = { x = 20, y = 30, station = true }
island = { x = 99, y = 99 }
[plan]
edges = [["dock", "a"], ["a", "b"], ["b", "c"]]
[scripts]
load = 10
unload = 10
[commands]
labels = { seconds = 10, outputs = { labels = 4 } }
[[robot]]
id = "agv"
start = "dock"
speed = 1.0
battery = 50
drain = 0.1
[[robot]]
id = "rpa"
kind = "rpa"
[[robot]]
id = "stubborn"
start = "dock"
speed = 1.0
hands_on = true
[[robot]]
id = "station"
kind = "station"
"""


class ManualTimers:
    """Time that passes only when a test says so."""

    def __init__(self, now: float = 1000.0) -> None:
        self._now, self._order = now, itertools.count()
        self._calls: list[tuple[float, int, ManualCall]] = []

    def now(self) -> float:
        return self._now

    def call_at(self, when: float, callback: Callable[[], None]) -> "ManualCall":
        call = ManualCall(callback)
        heapq.heappush(self._calls, (max(when, self._now), next(self._order), call))
        return call

    def forget(self) -> None:
        """The process whose calls these were is dead."""
        self._calls.clear()

    def sleep(self, seconds: float) -> None:
        """Time passes, and the process does not run: nothing is called."""
        self._now += seconds

    def pass_(self, seconds: float) -> None:
        """Let time pass, calling what is due in order."""
        end = self._now + seconds
        while self._calls and self._calls[0][0] <= end:
            when, _, call = heapq.heappop(self._calls)
            self._now = max(self._now, when)
            if call.callback is not None:
                call.callback()
        self._now = end


class ManualCall:
    """A call of `ManualTimers`."""

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self.callback = None


class Stage:
    """Bodies and a driver of one robot, with what it said."""

    def __init__(self, folder: Path, robot: str = "agv", more: str = "", timers: ManualTimers | None = None) -> None:
        self.folder, self.robot = folder, robot
        self.fleet: Fleet = parse_fleet(FLOOR + more)
        self.timers = timers or ManualTimers()
        self.events: list[OperationEvent] = []
        self.bodies = Bodies(self.fleet, folder, self.timers)
        self.driver = self.connect()

    def connect(self) -> SimulatedDriver:
        """A fresh driver on the same body, as after a crash of the agent alone."""
        self.driver = self.bodies.driver(self.robot)
        self.driver.emit = self.events.append
        return self.driver

    def reboot(self) -> None:
        """Another process on the same files; the old one had no time to say or write anything."""
        self.bodies.log.close()
        self.timers.forget()
        self.events = []
        self.bodies = Bodies(self.fleet, self.folder, self.timers)
        self.connect()

    def said(self) -> list[str]:
        return [event.what for event in self.events]


def operation(kind: str, n: int = 1, *, attempt: int = 1, limit_s: float | None = None, **inputs: Any) -> Operation:
    """An operation with its inputs by name."""
    return Operation(attempt, n, f"-1/{n}", 0, kind, f"b{n}", inputs, limit_s)


def drive(site: str, n: int = 1, **more: Any) -> Operation:
    return operation("CAgvOperationBp", n, targetSiteLabel=site, **more)
