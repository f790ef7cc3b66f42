"""Faults of the network between robots and broker, made by a proxy in user space."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tests.faults.bench import Plan
from tests.faults.fault import Fault, Scene, Size
from tests.faults.load import Demand
from tests.faults.proxy import Proxy, Way, Weather

HASTY = {
    # Partitions of seconds do what those of half a minute do with the product's own numbers.
    "YARDMASTER_ANSWER_S": "4", "YARDMASTER_LEASE_S": "4", "YARDMASTER_SILENT_S": "9", "YARDMASTER_FORCE_S": "10",
}  # fmt: skip
HASTY_LONG_S = 30.0
"""Motions that outlast a silence: only a fence stops them in time."""
LATE_LONG_S = 6.0
"""Motions that are begun often, and last until a late order has arrived."""

SPARE = Demand(backlog=14, requeued=0.8, long=0.6)
"""Fewer jobs than robots: whatever is wrongly given away has somebody who begins it at once, and lasts."""


class Weathered(Fault):
    """All agents reach the broker through a proxy."""

    settles_s = 90.0
    _proxy: Proxy | None = None

    @property
    def proxy(self) -> Proxy:
        """The network."""
        assert self._proxy is not None
        return self._proxy

    def plan(self, folder: Path) -> Plan:
        return Plan(through=self._through, settings=HASTY, long_s=HASTY_LONG_S)

    def _through(self, broker: str) -> str:
        self._proxy = Proxy(broker)
        return self._proxy.address

    def heal(self, scene: Scene) -> None:
        self.proxy.weather = Weather()

    def close(self) -> None:
        if self._proxy is not None:
            self._proxy.close()
            self._proxy = None


class Slow(Weathered):
    """10 % of all pieces are held up as by a lost packet, the others come 200 ms late."""

    name = "loss-and-delay"
    mutants = ("keys_forgotten",)
    quick, full = Size(1, 1, (15, 15)), Size(20, 5, (60, 60))

    def inject(self, scene: Scene) -> None:
        self.proxy.weather = Weather(delay_s=0.2, lost=0.1)
        time.sleep(scene.lasts())

    def note(self, scene: Scene) -> str:
        return "loss as TCP shows it: pieces held back"


class Partition(Weathered):
    """Nothing arrives, on both ways or on one, of some robots or of all; then old connections go on or are broken."""

    name = "partition"
    quick, full = Size(3, 3, (3, 14)), Size(200, 20, (3, 20))
    demand = SPARE
    mutants = ("agent_no_fence",)
    ways: tuple[frozenset[Way], ...] = (frozenset({"up", "down"}), frozenset({"up"}), frozenset({"down"}))
    shares: tuple[float, ...] = (0.4, 0.4, 1.0)

    def sharpen(self) -> None:
        """A robot that hears a revoke, or has nobody to take its job, shows nothing."""
        self.ways, self.shares, self.quick = self.ways[:1], self.shares[:1], Size(4, 4, (16, 20))

    def inject(self, scene: Scene) -> None:
        dice = scene.dice
        share, salt = dice.choice(self.shares), dice.randrange(1000)
        self.proxy.weather = Weather(held=dice.choice(self.ways), share=share, salt=salt)
        time.sleep(scene.lasts())

    def heal(self, scene: Scene) -> None:
        if scene.dice.random() < 0.5:
            self.proxy.cut()
        super().heal(scene)


class Late(Weathered):
    """Orders for some robots are under way for so long that their jobs have gone to others when they arrive."""

    name = "late-messages"
    quick, full = Size(2, 2, (10, 14)), Size(100, 20, (10, 20))
    demand = SPARE._replace(long=1.0)
    mutants = ("agent_no_grant",)

    def plan(self, folder: Path) -> Plan:
        return replace(super().plan(folder), long_s=LATE_LONG_S)

    def sharpen(self) -> None:
        """Not every order that comes late has a successor that moves already."""
        self.quick = Size(4, 4, (14, 20))

    def inject(self, scene: Scene) -> None:
        self.proxy.weather = Weather(late_s=scene.dice.uniform(5, 8), share=0.4, salt=scene.dice.randrange(1000))
        time.sleep(scene.lasts())


class HalfOpen(Weathered):
    """What is sent is swallowed silently; the connection is found dead later."""

    name = "half-open"
    mutants = ("agent_says_once",)
    quick, full = Size(2, 2, (4, 12)), Size(100, 20, (3, 20))

    def inject(self, scene: Scene) -> None:
        share, salt = scene.dice.choice((0.4, 1.0)), scene.dice.randrange(1000)
        self.proxy.weather = Weather(swallowed=scene.dice.choice(Partition.ways), share=share, salt=salt)
        time.sleep(scene.lasts())
        self.proxy.cut()


class Cut(Weathered):
    """Connections break in the middle of messages, again and again."""

    name = "cut-connections"
    mutants = ("agent_says_once",)
    quick, full = Size(3, 3, (1, 3)), Size(300, 50, (1, 3))

    def inject(self, scene: Scene) -> None:
        self.proxy.weather = Weather(cut_after=scene.dice.randrange(2000))
        time.sleep(scene.lasts())

    def note(self, scene: Scene) -> str:
        return f"{self.proxy.cuts} connections broken inside a message in the last box"

    def judge(self, scene: Scene) -> Iterator[str]:
        if not self.proxy.cuts:
            yield "no connection was broken: the fault did not happen"


NETWORK: tuple[Fault, ...] = (Slow(), Partition(), Late(), HalfOpen(), Cut())
