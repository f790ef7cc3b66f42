"""kill -9 of the controller, of agents, of the broker whose files go with it, of the web; each at any moment."""

import contextlib
import os
import shutil
import signal
from abc import abstractmethod
from typing import ClassVar

from tests.faults.fault import Fault, Scene, Size

AT_WORK = 0.75


class KillPart(Fault):
    """A part of the box dies, and its supervisor starts it again."""

    part: ClassVar[str]
    heals_itself = True

    def inject(self, scene: Scene) -> None:
        self._old = scene.bench.pid(self.part)
        with contextlib.suppress(ProcessLookupError):  # it may be on its way out
            os.kill(self._old, signal.SIGKILL)

    def heal(self, scene: Scene) -> None:
        scene.bench.back(self.part, self._old)


class KillController(KillPart):
    """Three times of four it is back at work before the next kill, else that may meet it while it starts."""

    name, part = "kill-controller", "controller"
    quick, full = Size(6, 6), Size(1000, 50)
    mutants = ("ack_before_commit", "cancel_shown_at_once", "keys_forgotten")

    def heal(self, scene: Scene) -> None:
        super().heal(scene)
        if scene.dice.random() < AT_WORK:
            scene.bench.wait_for(scene.bench.decides, 30, "the controller decides again")


class KillWeb(KillPart):
    name, part = "kill-web", "web"
    quick, full = Size(3, 3), Size(300, 50)
    mutants = ("keys_forgotten",)


class KillBroker(KillPart):
    """Nothing may depend on what the broker keeps."""

    name, part = "kill-broker", "broker"
    quick, full = Size(3, 3), Size(300, 50)
    mutants = ("agent_says_once",)

    def inject(self, scene: Scene) -> None:
        super().inject(scene)
        folder = scene.bench.data / "broker"
        for file in folder.iterdir():
            shutil.rmtree(file) if file.is_dir() else file.unlink()


class KillAgents(Fault):
    """A process of agents dies, its robots stop with it (some go on by themselves), and is started again."""

    @abstractmethod
    def named(self, scene: Scene) -> str:
        """Which process."""

    def inject(self, scene: Scene) -> None:
        self._agents = scene.bench.agents[self.named(scene)]
        self._agents.kill()

    def heal(self, scene: Scene) -> None:
        self._agents.start()


class KillAgent(KillAgents):
    name = "kill-agent"
    quick, full = Size(6, 6), Size(1000, 50)
    mutants = ("agent_journal_after_moving",)

    def named(self, scene: Scene) -> str:
        return scene.dice.choice([name for name in scene.bench.agents if name != "shared"])


class KillShared(KillAgents):
    name = "kill-shared-agents"
    quick, full = Size(3, 3), Size(300, 50)
    mutants = ("agent_journal_after_moving",)

    def named(self, scene: Scene) -> str:
        return "shared"


KILLS: tuple[Fault, ...] = (KillController(), KillAgent(), KillShared(), KillBroker(), KillWeb())
