"""Telling systemd how the box is, by a datagram to the socket that it names; nothing happens where there is none."""

import logging
import os
import socket

from config.clock import steady

log = logging.getLogger(__name__)

READY, STOPPING, ALIVE = "READY=1", "STOPPING=1", "WATCHDOG=1"


class Notifier:
    """Says ready, stopping and, often enough for its watchdog, alive."""

    def __init__(self) -> None:
        self._address = os.environ.pop("NOTIFY_SOCKET", "")
        """Taken out of the environment: the parts of the box are not to speak for it."""
        limit = os.environ.pop("WATCHDOG_USEC", "")
        os.environ.pop("WATCHDOG_PID", None)
        self.every_s = int(limit) / 1e6 / 3 if limit.isdigit() and int(limit) > 0 else None
        self._due = 0.0

    def due_in(self) -> float:
        """Seconds until systemd wants to hear something."""
        return 60.0 if self.every_s is None else max(0.0, self._due - steady())

    def alive(self) -> None:
        """Once a look of the supervisor."""
        if self.every_s is not None and steady() >= self._due:
            self._due = steady() + self.every_s
            self.say(ALIVE)

    def say(self, what: str) -> None:
        """Send it; whoever listens there may be gone, and the box goes on without."""
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
                out.sendto(what.encode(), address)
        except OSError as error:
            log.warning("systemd was not told %s: %s", what, error)
