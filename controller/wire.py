"""A socket for MQTT that reads and writes in large pieces: one system call for many small packets."""

import socket
from collections.abc import Callable
from typing import NamedTuple

from controller.packets import KIND, PUBACK, PUBLISH, span

_CHUNK = 1 << 16


class Front(NamedTuple):
    """A whole packet; the body of one that paho reads stays in the buffer, and is not given here."""

    header: int
    body: bytes | None


class BufferedSocket:
    """A connection whose PUBLISH and PUBACK packets we take ourselves; all others paho reads and writes, each whole."""

    def __init__(self, raw: socket.socket, most_unsent: int) -> None:
        raw.settimeout(0)
        self._raw = raw
        self._most_unsent = most_unsent
        self._in = bytearray()
        self._at = 0
        self._out = bytearray()
        self.dry = False
        """There was no whole packet at the last look; there may be one once the selector says so."""
        self.ended = False
        """The other side has closed, or the connection is lost: paho is told so when it reads."""

    @property
    def unread(self) -> bool:
        """Something is in the buffer, which no selector knows of."""
        return self._at < len(self._in) and not self.dry

    @property
    def unsent(self) -> int:
        """Bytes written and not yet taken by the system."""
        return len(self._out)

    def take(self) -> Front | None:
        """The next packet, None if there is no whole one; raises `NotMqtt`, and nothing can be read afterwards."""
        while True:
            body = span(self._in, self._at)
            if body is not None and body[1] <= len(self._in):
                return self._taken(*body)
            if not self._refill():
                self.dry = True
                return None

    def _taken(self, start: int, end: int) -> Front:
        header = self._in[self._at]
        if header & KIND not in (PUBLISH, PUBACK):
            return Front(header, None)
        body = bytes(self._in[start:end])
        self._at = end
        return Front(header, body)

    def _refill(self) -> bool:
        """Read once behind what is there; whether there is more now."""
        if self._at:
            del self._in[: self._at]
            self._at = 0
        try:
            data = self._raw.recv(_CHUNK)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        self.ended = not data
        self._in += data
        return bool(data)

    # ------------------------------------------------------------ what paho sees
    def recv(self, size: int) -> bytes:
        """Up to `size` bytes of what `take` left; raises `BlockingIOError` when there are none."""
        if self._at >= len(self._in):
            if self.ended:
                return b""
            raise BlockingIOError
        data = bytes(self._in[self._at : self._at + size])
        self._at += len(data)
        return data

    def send(self, buffer: bytes | bytearray) -> int:
        """Take bytes for the next `flush`; raises `BlockingIOError` when too many wait already."""
        if len(self._out) >= self._most_unsent:
            raise BlockingIOError
        self._out += buffer
        return len(buffer)

    # ------------------------------------------------------------ what the link sees
    def write(self, packet: bytes) -> None:
        """Take a packet for the next `flush`; whoever writes asks `unsent` before."""
        self._out += packet

    def flush(self) -> None:
        """Give the system what it takes; raises `OSError` when the connection is gone."""
        while self._out:
            try:
                sent = self._raw.send(memoryview(self._out)[: 1 << 18])
            except BlockingIOError:
                return
            del self._out[:sent]

    def fileno(self) -> int:
        """The descriptor, for the selector."""
        return self._raw.fileno()

    def setblocking(self, flag: bool) -> None:
        """Paho asks for what is so already: never blocking."""
        self._raw.setblocking(flag)

    def close(self) -> None:
        """Close the connection; what the system does not take any more is lost, and the outbox knows."""
        try:
            self.flush()
        except OSError:
            self._out.clear()
        self._raw.close()


def connect(host: str, port: int, timeout_s: float, done: Callable[[socket.socket | OSError], None]) -> None:
    """Connect, waiting as long as names and routes take, and report the socket or why there is none."""
    try:
        raw = socket.create_connection((host, port), timeout=timeout_s)
        # Without it a round trip waits for the delayed acknowledgement: 26 to 85 ms instead of 0.5.
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError as error:
        done(error)
    else:
        done(raw)
