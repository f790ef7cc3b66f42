"""Timers for hundreds of simulated robots in one process: one clock and one loop instead of a thread each."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from config.clock import steady


class Timer(Protocol):
    """A call that is still to come."""

    def cancel(self) -> None:
        """Do not call; harmless when it was called already."""


class Timers(Protocol):
    """A steady clock and calls at its times; `callback` runs on the owner's thread and never inside `call_at`."""

    def now(self) -> float:
        """Seconds on the steady clock."""

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Call once at `when`, at once if that is past."""


class LoopTimers:
    """Timers over an asyncio loop, in the steady clock's seconds."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def now(self) -> float:
        return steady()

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        # The loop's clock stands still while the machine is suspended: then a call comes late by that, never early.
        delay = when - steady()
        return self._loop.call_later(delay, callback) if delay > 0 else self._loop.call_soon(callback)
