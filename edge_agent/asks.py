"""Numbers that answers must fit: asks for a grant, and beats that renew a lease, each with the time of its sending."""

from collections import deque
from typing import NamedTuple

_KEPT = 256


class Ask(NamedTuple):
    """One question for leave to move."""

    attempt: int
    sent: float


class Asks:
    """Asks of one boot; an answer counts only for the attempt it was asked for, and only while it is young."""

    def __init__(self, max_age_s: float) -> None:
        self._max_age_s = max_age_s
        self._count = 0
        self._asks: dict[int, Ask] = {}

    def new(self, attempt: int, now: float) -> int:
        """A number never used before in this boot."""
        while self._asks and now - self._asks[oldest := next(iter(self._asks))].sent >= self._max_age_s:
            del self._asks[oldest]
        self._count += 1
        self._asks[self._count] = Ask(attempt, now)
        return self._count

    def sent(self, number: int, attempt: int, now: float) -> float | None:
        """When this was asked for this attempt; None if it never was, or too long ago."""
        ask = self._asks.get(number)
        fits = ask is not None and ask.attempt == attempt and now - ask.sent < self._max_age_s
        return ask.sent if ask is not None and fits else None


class Beats:
    """Heartbeats of one boot, counted from 1."""

    def __init__(self) -> None:
        self._count = 0
        self._sent: deque[tuple[int, float]] = deque(maxlen=_KEPT)

    def new(self, now: float) -> int:
        """The number of the next heartbeat."""
        self._count += 1
        self._sent.append((self._count, now))
        return self._count

    def sent(self, number: int) -> float | None:
        """When this heartbeat left."""
        return next((at for beat, at in self._sent if beat == number), None)
