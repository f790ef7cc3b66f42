"""By which names this box may be called: those that it was given, and the addresses that its machine has just now."""

import threading
from collections.abc import Callable, Iterable
from ipaddress import ip_address

from config.clock import steady

LOOK_EVERY_S = 5.0
"""A network may be up later than the box, and a lease may end; looking is not free, and anybody may cause it."""


class Hosts:
    """Names as browsers write them into `Host`, without the port."""

    def __init__(self, named: Iterable[str], machine: Callable[[], Iterable[str]] | None) -> None:
        self._named = frozenset(name.lower() for name in named)
        self._machine = machine
        self._addresses: frozenset[str] = frozenset()
        self._look_at = steady()
        self._lock = threading.Lock()

    def __contains__(self, host: str) -> bool:
        """Whether a request to this lower-case name is meant for this box.

        Only an address is looked up: no page can make one of its own point here, as it can with a name.
        """
        if host in self._named:
            return True
        found = _as_address(host)
        return found is not None and self._machine is not None and found in self._now()

    def _now(self) -> frozenset[str]:
        with self._lock:
            if self._machine is not None and steady() >= self._look_at:
                self._addresses = frozenset(filter(None, map(_as_address, self._machine())))
                self._look_at = steady() + LOOK_EVERY_S
            return self._addresses


def _as_address(host: str) -> str | None:
    """An address in its one spelling; None: a name."""
    try:
        return str(ip_address(host.removeprefix("[").removesuffix("]")))
    except ValueError:
        return None
