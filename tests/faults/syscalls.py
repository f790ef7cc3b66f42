"""SIGKILL at the k-th system call that writes, syncs or sends, for every k: no step in between may be a trap."""

import contextlib
import itertools
import os
import signal
from collections.abc import Iterator
from pathlib import Path

from tests.faults.bench import NotReady, Plan
from tests.faults.fault import Fault, Scene, Size
from tests.faults.fleet import OWN
from tests.faults.load import Demand

CALLS = ("pwrite64", "fdatasync", "sendto")
REACHED_S, AGENT_REACHED_S = 20.0, 60.0


def dying_at(call: str, k: int) -> list[str]:
    """What to put before a command so that its k-th such call is its last."""
    inject = f"inject={call}:signal=SIGKILL:when={k}"
    return ["strace", "-D", "-f", "-qq", "-e", f"trace={call}", "-e", inject, "-o", "/dev/null"]


class AtCalls(Fault):
    """Processes that are started to die at a chosen call, and then started again without that."""

    tools = ("strace",)
    heals_itself = True
    at_once = 1
    """How many die in a cycle."""

    def __init__(self) -> None:
        self.reached = self.tried = 0
        self.go_on(0)

    def go_on(self, done: int) -> None:
        every = ((k, call) for k in itertools.count(1) for call in CALLS)
        self._turn: Iterator[tuple[int, str]] = itertools.islice(every, done * self.at_once, None)

    def plan(self, folder: Path) -> Plan:
        self.reached = self.tried = 0
        return super().plan(folder)

    def turn(self) -> list[str]:
        """What to put before the command of the next process that is to die."""
        self.tried += 1
        k, call = next(self._turn)
        return dying_at(call, k)

    def judge(self, scene: Scene) -> Iterator[str]:
        if self.reached * 2 < self.tried:
            yield f"only {self.reached} of {self.tried} processes died at their calls: the fault did not happen"

    def note(self, scene: Scene) -> str:
        return f"{self.reached} of {self.tried} died at their calls in the last box"


class ControllerAtCalls(AtCalls):
    name = "controller-at-every-call"
    mutants = ("ack_before_commit",)
    quick, full = Size(3, 3), Size(900, 60)

    def inject(self, scene: Scene) -> None:
        bench = scene.bench
        bench.wrap({"controller": {"before": self.turn()}})
        old = bench.pid("controller")
        os.kill(old, signal.SIGKILL)
        self._traced = bench.back("controller", old)
        bench.wrap(bench.plan.wrap)
        try:
            bench.wait_for(lambda: not _runs(self._traced), REACHED_S, "the controller dies at its call")
            self.reached += 1
        except NotReady:
            os.kill(self._traced, signal.SIGKILL)

    def heal(self, scene: Scene) -> None:
        scene.bench.back("controller", self._traced)


class AgentAtCalls(AtCalls):
    """Each agent with a process of its own dies at another call."""

    name, heals_itself, at_once = "agent-at-every-call", False, OWN
    mutants = ("agent_journal_after_moving",)
    quick, full = Size(1, 1), Size(900 // OWN, 15)
    demand = Demand(long=0)

    def inject(self, scene: Scene) -> None:
        self._dying = [agents for name, agents in scene.bench.agents.items() if name != "shared"]
        for agents in self._dying:
            agents.kill()
            agents.before = self.turn()
            agents.start()
            agents.before = ()
        self._alive = list(self._dying)
        with contextlib.suppress(NotReady):
            scene.bench.wait_for(self._all_died, AGENT_REACHED_S, "all agents die at their calls")
        for agents in self._alive:
            agents.kill()

    def _all_died(self) -> bool:
        """Each death is noted when it happens: nothing of that robot moves afterwards."""
        for agents in [one for one in self._alive if not one.runs()]:
            agents.ended()
            self._alive.remove(agents)
            self.reached += 1
        return not self._alive

    def heal(self, scene: Scene) -> None:
        for agents in self._dying:
            agents.start()


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


CALLED: tuple[Fault, ...] = (ControllerAtCalls(), AgentAtCalls())
