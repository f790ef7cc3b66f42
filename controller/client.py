"""The command socket's other end: how the web and the command line ask the controller."""

import itertools
import socket
import threading
from pathlib import Path
from typing import Any

from pydantic_core import to_json

from controller.frames import HEADER, pack, socket_path
from schemas.commands import MAX_FRAME, Answer, Caller

ANSWER_WITHIN_S = 5.0


class ControllerDown(ConnectionError):
    """The controller is not there; nothing was carried out."""


class NoAnswer(TimeoutError):
    """The controller took the command and did not answer: the outcome is unknown, ask again with the same key."""


class Client:
    """Asks the controller of one data directory; every thread has a connection of its own."""

    def __init__(self, data_dir: Path, timeout_s: float = ANSWER_WITHIN_S) -> None:
        self._data_dir = data_dir
        self._timeout_s = timeout_s
        self._own = threading.local()
        self._ids = itertools.count(1)

    def call(
        self,
        command: str,
        args: dict[str, Any] | None = None,
        caller: Caller | None = None,
        key: str | None = None,
    ) -> Answer:
        """Send one command and wait for what came of it.

        Raises `ControllerDown` (nothing was done), `NoAnswer` (outcome unknown) and `FrameTooLarge`.
        """
        number = next(self._ids)
        request: dict[str, Any] = {"id": number, "command": command, "args": args or {}, "key": key}
        if caller is not None:
            request["caller"] = caller.model_dump()
        self._send(pack(to_json(request)))
        try:
            answer = Answer.model_validate_json(self._read_frame())
        except (OSError, EOFError, ValueError) as error:
            self.close()  # or a late answer would be taken for that of the next command
            raise NoAnswer(f"the controller did not answer {command}: {error}") from error
        if answer.id not in (number, 0):
            self.close()
            raise NoAnswer(f"the controller answered something else than {command}")
        return answer

    def close(self) -> None:
        """Close this thread's connection; the next call opens another."""
        connection: socket.socket | None = getattr(self._own, "connection", None)
        self._own.connection = None
        if connection is not None:
            connection.close()

    def _send(self, frame: bytes) -> None:
        """Get a whole frame across; one that was cut off is never carried out, so it may be sent again."""
        kept = getattr(self._own, "connection", None)
        try:
            (kept or self._connect()).sendall(frame)
        except OSError as error:
            self.close()
            if kept is None:
                raise ControllerDown(f"the controller is not reachable: {error}") from error
            self._send(frame)  # the controller may have been started anew since the last call

    def _connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(self._timeout_s)
        try:
            connection.connect(str(socket_path(self._data_dir)))
        except OSError:
            connection.close()
            raise
        self._own.connection = connection
        return connection

    def _read_frame(self) -> bytes:
        length = int.from_bytes(self._read(HEADER), "big")
        if length > MAX_FRAME:
            raise ValueError("the answer is too long")
        return self._read(length)

    def _read(self, wanted: int) -> bytes:
        data = bytearray()
        while len(data) < wanted:
            part = self._own.connection.recv(min(wanted - len(data), 1 << 20))
            if not part:
                raise EOFError("the connection was closed")
            data += part
        return bytes(data)
