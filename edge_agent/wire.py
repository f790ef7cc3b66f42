"""A socket for paho that reads and writes in large pieces: one system call for many small packets."""

import socket

from edge_agent.dial import TlsSocket

_CHUNK = 1 << 16
_MOST_UNSENT = 4 * 1024 * 1024


class BufferedSocket:
    """What paho sees of a connection; what it writes leaves with `flush`."""

    def __init__(self, raw: socket.socket | TlsSocket) -> None:
        raw.setblocking(False)
        self._raw = raw
        self._in = b""
        self._at = 0
        self._out = bytearray()
        self._is_last = False
        self.ended = False
        """The other side has ended the connection; one that broke on its way just fails."""
        self.dry = False
        """The last read found nothing; it may find something once the system says so."""

    @property
    def unsent(self) -> int:
        """Bytes written and not yet taken by the system."""
        return len(self._out)

    def recv(self, size: int) -> bytes:
        """Up to `size` bytes, none at the end; raises `BlockingIOError` when there are none yet."""
        if self._at >= len(self._in):
            self._refill()
        start = self._at
        data = self._in[start : start + size]
        self._at = start + len(data)
        return data

    def _refill(self) -> None:
        if self._is_last:
            # The system gave less than was asked for, so it has no more; it is not asked twice.
            self._is_last, self.dry = False, True
            raise BlockingIOError
        try:
            self._in, self._at = self._raw.recv(_CHUNK), 0
        except BlockingIOError:
            self.dry = True
            raise
        self.ended = not self._in
        self._is_last = 0 < len(self._in) < _CHUNK

    def send(self, buffer: bytes | bytearray) -> int:
        """Take bytes for the next `flush`; raises `BlockingIOError` when too many wait already."""
        if len(self._out) >= _MOST_UNSENT:
            raise BlockingIOError
        self._out += buffer
        return len(buffer)

    def flush(self) -> None:
        """Give the system what it takes; raises `OSError` when the connection is gone."""
        while self._out:
            try:
                # Let go of at once: an error keeps what was sent, and then nothing could be taken out of the buffer.
                with memoryview(self._out) as whole, whole[: 1 << 18] as piece:
                    sent = self._raw.send(piece)
            except BlockingIOError:
                return
            del self._out[:sent]

    def fileno(self) -> int:
        """The descriptor, for the loop."""
        return self._raw.fileno()

    def setblocking(self, flag: bool) -> None:
        """Paho asks for what is so already: never blocking."""
        self._raw.setblocking(flag)

    def close(self) -> None:
        """Close the connection; what the system does not take any more is lost, and is repeated one day."""
        try:
            self.flush()
        except OSError:
            self._out.clear()
        self._raw.close()
