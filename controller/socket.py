"""The command socket: takes frames without ever waiting, and sends the answers once they are committed."""

import logging
import os
import selectors
import socket
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from config.clock import steady
from controller.frames import HEADER, FrameTooLarge, pack
from schemas.commands import MAX_FRAME, Answer, Frame, Refusal
from schemas.decode import BadJson, check_bounds

log = logging.getLogger(__name__)

MAX_CONNECTIONS = 2048
"""More than the web has threads; a connection costs little."""
MAX_BUFFERED = 4 * MAX_FRAME
"""Bytes of unfinished frames and of unread answers, all connections together."""
MAX_DEPTH = 120
"""A flow of depth 100 inside the frame around it."""
UNFINISHED_S = 30.0
_CHUNK = 1 << 18


@dataclass(eq=False)
class Connection:
    """One client: what it has sent so far, and what it has not read yet."""

    sock: socket.socket
    inbox: bytearray = field(default_factory=bytearray)
    outbox: bytearray = field(default_factory=bytearray)
    waiting: int = 0
    closing: bool = False
    since: float = 0.0
    events: int = selectors.EVENT_READ


class Request(NamedTuple):
    """A frame and who is to be answered."""

    connection: Connection
    frame: Frame


class CommandSocket:
    """Non-blocking server on a Unix socket, in somebody else's selector; the selector's data is a callable(mask)."""

    def __init__(self, path: Path, selector: selectors.BaseSelector) -> None:
        self.path = path
        self.counters: Counter[str] = Counter()
        self._selector = selector
        self._connections: set[Connection] = set()
        self._buffered = 0
        self._taken: list[Request] = []
        self._listener = _listen(path)
        selector.register(self._listener, selectors.EVENT_READ, self._accept)

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self._connections)

    def take(self) -> list[Request]:
        """The frames that arrived; each must be answered."""
        taken, self._taken = self._taken, []
        return taken

    def answer(self, request: Request, answer: Answer) -> None:
        """Send what came of a request; one whose client has gone is forgotten."""
        connection = request.connection
        connection.waiting -= 1
        self._send(connection, answer)
        self._parse(connection)

    def sweep(self) -> None:
        """Close clients that began a frame and never finished it."""
        limit = steady() - UNFINISHED_S
        for connection in [c for c in self._connections if c.inbox and not c.waiting and c.since < limit]:
            self._refuse(connection, "request.unfinished", "The frame was not finished in time.", close=True)

    def close(self) -> None:
        """Close every connection and remove the socket."""
        for connection in list(self._connections):
            self._drop(connection)
        self._selector.unregister(self._listener)
        self._listener.close()
        self.path.unlink(missing_ok=True)

    def _accept(self, mask: int) -> None:  # noqa: ARG002 - the selector's callables get what is ready
        try:
            sock, _ = self._listener.accept()
        except OSError as error:  # out of descriptors, or the client has gone again
            self.counters["accept failed"] += 1
            log.warning("a client could not be accepted: %s", error)
            return
        sock.settimeout(0)
        connection = Connection(sock)
        self._connections.add(connection)
        self._selector.register(sock, connection.events, lambda mask: self._ready(connection, mask))
        if len(self._connections) > MAX_CONNECTIONS:
            self._refuse(connection, "socket.busy", f"More than {MAX_CONNECTIONS} connections.", close=True)

    def _ready(self, connection: Connection, mask: int) -> None:
        if mask & selectors.EVENT_WRITE:
            self._flush(connection)
            self._parse(connection)
        if mask & selectors.EVENT_READ and connection in self._connections:
            self._read(connection)

    def _read(self, connection: Connection) -> None:
        try:
            data = connection.sock.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._drop(connection)
            return
        if not connection.inbox:
            connection.since = steady()
        connection.inbox += data
        self._buffered += len(data)
        self._parse(connection)

    def _parse(self, connection: Connection) -> None:
        """Take the next frame; a client has one under way at a time, unread answers included."""
        while self._may_take(connection) and len(connection.inbox) >= HEADER:
            length = int.from_bytes(connection.inbox[:HEADER], "big")
            if length > MAX_FRAME:
                self._refuse(connection, "request.size", f"A frame has at most {MAX_FRAME} bytes.", close=True)
                return
            if len(connection.inbox) < HEADER + length:
                if self._buffered > MAX_BUFFERED:
                    self._refuse(connection, "socket.busy", "Too much is under way; try again.", close=True)
                break
            body = bytes(connection.inbox[HEADER : HEADER + length])
            del connection.inbox[: HEADER + length]
            self._buffered -= HEADER + length
            connection.since = steady()
            self._take_frame(connection, body)
        self._watch(connection)

    def _may_take(self, connection: Connection) -> bool:
        busy = connection.waiting or connection.outbox or connection.closing
        return connection in self._connections and not busy

    def _take_frame(self, connection: Connection, body: bytes) -> None:
        try:
            check_bounds(body, MAX_FRAME, MAX_DEPTH)
            frame = Frame.model_validate_json(body)
        except BadJson as error:
            self._refuse(connection, f"request.{'json' if error.code == 'syntax' else error.code}", str(error))
        except ValidationError as error:
            self._refuse(connection, "request.invalid", _first(error))
        else:
            connection.waiting += 1
            self._taken.append(Request(connection, frame))

    def _refuse(self, connection: Connection, code: str, message: str, *, close: bool = False) -> None:
        self.counters[code] += 1
        connection.closing = connection.closing or close
        self._send(connection, Answer(id=0, error=Refusal(code=code, message=message)))

    def _send(self, connection: Connection, answer: Answer) -> None:
        if connection not in self._connections:
            return
        try:
            data = pack(answer.model_dump_json(by_alias=True, exclude_none=True).encode())
        except FrameTooLarge as error:
            refusal = Refusal(code="internal", message=f"The answer is too long: {error}")
            data = pack(Answer(id=answer.id, error=refusal).model_dump_json(by_alias=True, exclude_none=True).encode())
        connection.outbox += data
        self._buffered += len(data)
        self._flush(connection)

    def _flush(self, connection: Connection) -> None:
        try:
            while connection.outbox:
                sent = connection.sock.send(connection.outbox[:_CHUNK])
                del connection.outbox[:sent]
                self._buffered -= sent
        except BlockingIOError:
            pass  # the selector says when there is room again
        except OSError:
            self._drop(connection)
            return
        if connection.closing and not connection.outbox:
            self._drop(connection)
            return
        self._watch(connection)

    def _watch(self, connection: Connection) -> None:
        """Who has an answer to read, or sends more while a frame is under way, is not read from: nothing piles up."""
        if connection not in self._connections:
            return
        busy = connection.closing or (connection.inbox and not self._may_take(connection))
        events = selectors.EVENT_WRITE if connection.outbox else 0 if busy else selectors.EVENT_READ
        if events != connection.events:
            self._change(connection, events)

    def _change(self, connection: Connection, events: int) -> None:
        if not connection.events:
            self._selector.register(connection.sock, events, lambda mask: self._ready(connection, mask))
        elif not events:
            self._selector.unregister(connection.sock)
        else:
            self._selector.modify(connection.sock, events, lambda mask: self._ready(connection, mask))
        connection.events = events

    def _drop(self, connection: Connection) -> None:
        if connection not in self._connections:
            return
        self._connections.discard(connection)
        self._buffered -= len(connection.inbox) + len(connection.outbox)
        if connection.events:
            self._selector.unregister(connection.sock)
        connection.sock.close()


def _listen(path: Path) -> socket.socket:
    """Bind with mode 0600; a file left by a killed controller goes (the data directory's lock says that it is dead)."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        listener.bind(str(path))
    finally:
        os.umask(mask)
    listener.listen(512)
    listener.settimeout(0)
    return listener


def _first(error: ValidationError) -> str:
    problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
    return f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}"[:300]
