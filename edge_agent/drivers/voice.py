"""The rule that every driver keeps by one object: what it says of an operation ends with exactly one end."""

import threading
from collections.abc import Callable

from edge_agent.operations import ENDED, Key, OperationEvent


class Voice:
    """Passes events on in order, from any thread; nothing is said of an operation after its end, or after close."""

    def __init__(self) -> None:
        self.emit: Callable[[OperationEvent], None] = _nobody
        self._lock = threading.RLock()
        self._open: set[Key] = set()
        self._over: set[Key] = set()
        self._closed = False

    def open(self, key: Key) -> None:
        """From now on there is something to say; raises `ValueError` for an operation that was begun before."""
        with self._lock:
            if key in self._open or key in self._over:
                raise ValueError(f"operation {key} was begun before")
            # An agent has one attempt in hand, so what is over of older ones is never asked for again.
            self._over = {old for old in self._over if old[0] >= key[0]}
            self._open.add(key)

    def is_over(self, key: Key) -> bool:
        """Its end was said since this driver was made."""
        with self._lock:
            return key in self._over

    def is_open(self, key: Key) -> bool:
        """It was begun or taken up here, and its end was not said."""
        with self._lock:
            return key in self._open

    def say(self, event: OperationEvent) -> None:
        """Pass an event on unless its operation is over."""
        with self._lock:
            if self._closed or event.key not in self._open:
                return
            if event.what in ENDED:
                self._open.discard(event.key)
                self._over.add(event.key)
            self.emit(event)

    def say_tidied(self, event: OperationEvent) -> None:
        """Pass on what tidying up after an operation came to; that follows its end."""
        with self._lock:
            if not self._closed:
                self.emit(event)

    def close(self) -> None:
        """Say nothing more."""
        with self._lock:
            self._closed = True


def _nobody(event: OperationEvent) -> None:
    raise RuntimeError(f"nobody listens to this driver: {event}")
