"""Waiting for a condition with a clear failure, instead of sleeping and hoping."""

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")
POLL_S = 0.02


def wait_for(condition: Callable[[], Found | None], timeout: float = 30.0, what: str = "the condition") -> Found:
    """Ask until the answer is true and give it back; fails by name after `timeout` seconds."""
    end = time.monotonic() + timeout
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {timeout:g} s (last answer: {found!r})")
        time.sleep(POLL_S)
