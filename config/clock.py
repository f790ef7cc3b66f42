"""The two clocks: one for deciding, one for showing."""

import sys
import time
from typing import NamedTuple


class Instant(NamedTuple):
    """A moment on both clocks; every decision takes one as an argument instead of asking a clock."""

    mono: float
    """Seconds on a clock that never jumps and runs on during suspend; durations and deadlines use it."""
    utc_us: int
    """Microseconds since 1970 UTC; for display and records only."""


def steady() -> float:
    """Seconds on a clock that wall-clock changes never touch; it counts suspend where the system offers that."""
    if sys.platform == "linux":
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


def instant() -> Instant:
    """The present on both clocks."""
    return Instant(steady(), time.time_ns() // 1000)
