"""A broker whose every byte a test decides: for what a real one never does."""

import socket
import threading
from collections.abc import Callable

CONNACK, SUBACK_KINDS = b"\x20\x02\x00", 5


def connack(code: int = 0) -> bytes:
    """The answer to CONNECT."""
    return CONNACK + bytes([code])


def suback(subscribe: bytes, code: int = 1) -> bytes:
    """The answer to a SUBSCRIBE packet, the same code for each of the controller's topics."""
    return b"\x90" + bytes([2 + SUBACK_KINDS]) + subscribe[2:4] + bytes([code]) * SUBACK_KINDS


class ScriptedBroker:
    """Listens on a free port and runs the script with every connection, in a thread of its own."""

    def __init__(self, script: Callable[[socket.socket], None]) -> None:
        self._script = script
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.connections: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:  # closed by the test
                return
            self.connections.append(connection)
            try:
                self._script(connection)
            except OSError:  # the client had enough
                connection.close()

    def close(self) -> None:
        """End it."""
        self._listener.close()
        for connection in self.connections:
            connection.close()


def welcome(connection: socket.socket, code: int = 1) -> None:
    """Let the client in and confirm its subscription (each packet of a handshake comes alone)."""
    connection.recv(4096)
    connection.sendall(connack())
    connection.sendall(suback(connection.recv(4096), code))
