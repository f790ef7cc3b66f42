"""SIGSTOP and SIGCONT: a process that did not run blames nobody for its own silence."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from tests.faults.bench import Plan
from tests.faults.fault import Fault, Scene, Size
from tests.faults.network import HASTY

WAKES_S = 0.5
"""Between the parts of a box that slept."""
BLAMED = "select id, event, code, robot, why from events where code in ('no_answer', 'silent') or new = 'uncertain'"


class Pause(Fault):
    """One process group does not run for a while."""

    quick, full = Size(2, 2, (10, 14)), Size(50, 10, (30, 60))
    settles_s = 90.0
    blames = False
    """Whether others may be right to call it silent."""
    part = ""

    def plan(self, folder: Path) -> Plan:
        return Plan(settings=HASTY if self.quick.lasts[1] < 20 and not self.is_full else {})

    def sharpen(self) -> None:
        """Who hears what first after a pause is luck: four pauses show it."""
        self.quick = self.quick._replace(cycles=4, a_box=4)

    def group(self, scene: Scene) -> int:
        """Whom to stop."""
        return scene.bench.pid(self.part)

    def inject(self, scene: Scene) -> None:
        self._stopped = self.group(scene)
        os.killpg(self._stopped, signal.SIGSTOP)
        time.sleep(scene.lasts())

    def heal(self, scene: Scene) -> None:
        with contextlib.suppress(ProcessLookupError):  # several pauses in a row: it was taken for hung, and ended
            os.killpg(self._stopped, signal.SIGCONT)

    def judge(self, scene: Scene) -> Iterator[str]:
        for row in () if self.blames else scene.bench.rows(BLAMED):
            yield f"I16 false expiry: {row['event']} ({row['code']}) of {row['robot']}: {row['why']}"

    def note(self, scene: Scene) -> str:
        return f"{len(scene.bench.rows(BLAMED))} expiries" if self.blames else ""


class PauseController(Pause):
    name, part = "pause-controller", "controller"
    mutants = ("pauses_unnoticed",)


class PauseWeb(Pause):
    name, part = "pause-web", "web"
    mutants = ("keys_forgotten",)
    quick = Size(1, 1, (8, 10))


class PauseBox(Pause):
    """The whole box sleeps, as a virtual machine that is moved; its controller wakes before it can hear anybody."""

    name = "pause-box"
    mutants = ("pauses_unnoticed",)
    woken = ("controller", "broker", "web")

    def inject(self, scene: Scene) -> None:
        self._parts = [scene.bench.pid(part) for part in self.woken]
        for pid in reversed(self._parts):
            os.killpg(pid, signal.SIGSTOP)
        time.sleep(scene.lasts())

    def heal(self, scene: Scene) -> None:
        for pid in self._parts:
            os.killpg(pid, signal.SIGCONT)
            time.sleep(WAKES_S)


class PauseBroker(Pause):
    """The pipe stands still: robots are really out of reach, so an offer may go unanswered."""

    name, part, blames = "pause-broker", "broker", True
    mutants = ("agent_says_once",)
    quick = Size(1, 1, (10, 14))

    def sharpen(self) -> None:
        """Longer than two keep-alives of an agent (15 s each): it connects anew, and what was on its way is gone."""
        self.quick = Size(2, 2, (34, 40))


class PauseAgents(Pause):
    """The robots' agents are silent in truth."""

    name, blames = "pause-agents", True
    quick = Size(1, 1, (10, 14))

    def group(self, scene: Scene) -> int:
        return scene.bench.agents[scene.dice.choice(list(scene.bench.agents))].pid


PAUSES: tuple[Fault, ...] = (PauseController(), PauseAgents(), PauseBroker(), PauseWeb(), PauseBox())
