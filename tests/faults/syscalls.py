"""SIGKILL at the k-th system call that writes, syncs or sends, for every k: no step in between may be a trap."""

import itertools
import os
import signal
from collections.abc import Iterator

from tests.faults.bench import NotReady
from tests.faults.fault import Fault, Scene, Size

CALLS = ("pwrite64", "fdatasync", "sendto")
REACHED_S = 20.0


def dying_at(call: str, k: int) -> list[str]:
    """What to put before a command so that its k-th such call is its last."""
    inject = f"inject={call}:signal=SIGKILL:when={k}"
    return ["strace", "-D", "-f", "-qq", "-e", f"trace={call}", "-e", inject, "-o", "/dev/null"]


class AtCalls(Fault):
    """A process that is started to die at a chosen call, and then started again without that."""

    tools = ("strace",)
    heals_itself = True
    calls: tuple[str, ...] = CALLS

    def __init__(self) -> None:
        self.reached = 0
        self.go_on(0)

    def go_on(self, done: int) -> None:
        every = ((k, call) for k in itertools.count(1) for call in self.calls)
        self._turn: Iterator[tuple[int, str]] = itertools.islice(every, done, None)

    def judge(self, scene: Scene) -> Iterator[str]:
        if self.reached * 2 < scene.size.cycles:
            yield f"only {self.reached} processes died at their calls: the fault did not happen"

    def note(self, scene: Scene) -> str:
        return f"{self.reached} deaths at the first calls of {', '.join(self.calls)}"


class ControllerAtCalls(AtCalls):
    name = "controller-at-every-call"
    mutants = ("ack_before_commit",)
    quick, full = Size(3, 3), Size(900, 60)

    def inject(self, scene: Scene) -> None:
        k, call = next(self._turn)
        bench = scene.bench
        bench.wrap({"controller": {"before": dying_at(call, k)}})
        old = bench.pid("controller")
        os.kill(old, signal.SIGKILL)
        self._traced = bench.back("controller", old)
        bench.wrap(bench.plan.wrap)
        try:
            bench.wait_for(lambda: not _runs(self._traced), REACHED_S, f"the controller dies at {call} {k}")
            self.reached += 1
        except NotReady:
            os.kill(self._traced, signal.SIGKILL)

    def heal(self, scene: Scene) -> None:
        scene.bench.back("controller", self._traced)


class AgentAtCalls(AtCalls):
    name, heals_itself = "agent-at-every-call", False
    mutants = ("agent_journal_after_moving",)
    quick, full = Size(3, 3), Size(900, 60)

    def inject(self, scene: Scene) -> None:
        k, call = next(self._turn)
        own = [name for name in scene.bench.agents if name != "shared"]
        self._agents = scene.bench.agents[scene.dice.choice(own)]
        self._agents.kill()
        self._agents.before = dying_at(call, k)
        self._agents.start()
        self._agents.before = ()
        try:
            scene.bench.wait_for(lambda: not self._agents.runs(), REACHED_S, f"an agent dies at {call} {k}")
            self.reached += 1
            self._agents.ended()
        except NotReady:
            self._agents.kill()

    def heal(self, scene: Scene) -> None:
        self._agents.start()


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


CALLED: tuple[Fault, ...] = (ControllerAtCalls(), AgentAtCalls())
