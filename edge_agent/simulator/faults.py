"""Faults on request: which operation of a simulated robot goes wrong, decided by counting or by a seeded chance."""

import random
from collections.abc import Collection, Iterable

from config.fleet import Fault


class Faults:
    """The faults of one robot; they outlive its agent, so a crash does not begin the counting anew."""

    def __init__(self, robot: str, faults: Iterable[Fault], seed: int) -> None:
        self._faults = [fault for fault in faults if fault.robot in (None, robot)]
        self._counts = [0] * len(self._faults)
        self._dice = [random.Random(f"{seed}/{robot}/{i}") for i in range(len(self._faults))]  # noqa: S311 - repeatable

    def due(self, words: Collection[str]) -> Fault | None:
        """The first fault that strikes an operation described by its kind, site, script or command."""
        struck = [fault for i, fault in enumerate(self._faults) if fault.at in words and self._strikes(i, fault)]
        return struck[0] if struck else None

    def _strikes(self, i: int, fault: Fault) -> bool:
        if fault.every is None:
            return self._dice[i].random() < (fault.chance or 0.0)
        self._counts[i] += 1
        return self._counts[i] % fault.every == 0
