"""Numbers that answers must fit: asks for a grant, and beats that renew a lease, each with the time of its sending."""

from collections import deque
from typing import NamedTuple

_KEPT = 256


class Ask(NamedTuple):
    """One question for leave to move."""

    number: int
    attempt: int
    sent: float


class Asks:
    """Asks of one boot; an answer counts only for the attempt it was asked for, and only while it is young."""

    def __init__(self, max_age_s: float) -> None:
        self._max_age_s = max_age_s
        self._count = 0
        self._asks: deque[Ask] = deque(maxlen=_KEPT)

    def new(self, attempt: int, now: float) -> int:
        """A number never used before in this boot."""
        self._count += 1
        self._asks.append(Ask(self._count, attempt, now))
        return self._count

    def sent(self, number: int, attempt: int, now: float) -> float | None:
        """When this was asked for this attempt; None if it never was, or too long ago."""
        for ask in self._asks:
            if ask.number == number:
                return ask.sent if ask.attempt == attempt and now - ask.sent < self._max_age_s else None
        return None


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
