"""Bodies on their way in: how many of nobody's at a time, how long, and what ends a connection that goes silent.

Granian reads a body in the thread that answers the request, and knows no time limit; so whoever says a length and sends
nothing would keep that thread. The operating system knows which connections are silent: those are ended, and the thread
goes on with what it has.
"""

import os
import socket
import struct
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path
from typing import Any, Protocol

from flask import Flask, g, request

from config.clock import steady
from web.errors import ApiError

NOBODYS_BYTES = 4096
"""More is not read for whoever has not shown who they are."""
NOBODYS_BODIES, OF_ONE_ADDRESS = 16, 4
"""So many of their bodies are read at a time."""
SILENT_S = 15.0
"""A body that brings nothing for so long ends; nobody's body ends in any case."""
_LOOK_EVERY_S = 1.0
_INFO = struct.Struct("=44xI4xI")
"""Of `struct tcp_info`: milliseconds since something was sent, and since something came."""
_INFO_BYTES = 104


class Input(Protocol):
    """What WSGI gives to read a body from."""

    def read(self, size: int = ..., /) -> bytes:
        """Waits until so many bytes (none said: all) are there, or the connection ends."""
        ...


class Places:
    """How many may read at a time: in all, and from one address (of IPv6: from one network)."""

    def __init__(self, in_all: int, of_one: int) -> None:
        self._in_all, self._of_one = in_all, of_one
        self._taken: Counter[str] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def taken(self, address: str) -> Iterator[None]:
        """A place for as long as it lasts; raises `ApiError` where there is none."""
        who = network_of(address)
        with self._lock:
            if self._taken.total() >= self._in_all or self._taken[who] >= self._of_one:
                text = "Too many requests are still on their way from people who have not signed in; try again."
                raise ApiError("request.busy", text, headers={"Retry-After": "2"})
            self._taken[who] += 1
        try:
            yield
        finally:
            with self._lock:
                self._taken[who] -= 1
                self._taken += Counter()  # forgets those that have none


@dataclass(eq=False)
class _Waiting:
    address: str
    since: float
    whole: bool
    """Whether all of it has to come within the time, or only something."""
    is_late: bool = False


class Watch:
    """Ends connections that bring no body, so that the threads which wait for it go on."""

    def __init__(self, silent_s: float = SILENT_S, end: Callable[[str, float, bool], None] | None = None) -> None:
        self._silent_s, self._end = silent_s, end or end_silent
        self._waiting: set[_Waiting] = set()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    @contextmanager
    def over(self, address: str, *, whole: bool) -> Iterator[_Waiting]:
        """While it lasts a thread waits for bytes of this address."""
        one = _Waiting(address, steady(), whole)
        with self._changed:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, daemon=True, name="bodies")
                self._thread.start()
            self._waiting.add(one)
            self._changed.notify()
        try:
            yield one
        finally:
            with self._changed:
                self._waiting.discard(one)

    def look(self) -> None:
        """End the connections of those for whom somebody has waited for too long."""
        with self._changed:
            late = [one for one in self._waiting if steady() - one.since >= self._silent_s]
        for one in late:
            one.is_late = True
            self._end(one.address, self._silent_s, one.whole)

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting:
                    self._changed.wait()
                self._changed.wait(_LOOK_EVERY_S)
            self.look()


class Body:
    """The body of a request; who sends it is asked when its first byte is."""

    def __init__(self, inner: Input, nearest: str, watch: Watch, places: Places) -> None:
        self._inner, self._nearest, self._watch, self._places = inner, nearest, watch, places
        self._nobodys: bytes | None = None
        self._came, self._late = 0, False

    def read(self, size: int | None = -1) -> bytes:
        """At most so many bytes, all if none is said; raises `ApiError` for what may not be read or does not come."""
        size = -1 if size is None else size
        if g.get("known") is not None:
            return self._wait(size, whole=False)
        if self._nobodys is None:
            length = _nobodys_length()
            with self._places.taken(str(request.remote_addr)):
                self._nobodys = self._wait(length, whole=True) if length else b""
        given = self._nobodys if size < 0 else self._nobodys[:size]
        self._nobodys = self._nobodys[len(given) :]
        return given

    def _wait(self, size: int, *, whole: bool) -> bytes:
        """What came; the next call says that it was too late."""
        if self._late:
            raise _too_late()
        with self._watch.over(self._nearest, whole=whole) as waiting:
            data = self._inner.read(size) if size >= 0 else self._inner.read()
        self._came += len(data)
        ended = waiting.is_late or not 0 <= size <= len(data)  # by us, or with another of the same address
        self._late = ended and self._came < (request.content_length or 0)
        if self._late and (whole or not data):
            raise _too_late()
        return data


def _too_late() -> ApiError:
    return ApiError("request.timeout", f"Nothing of the body came for {SILENT_S:.0f} s.")


def install(app: Flask) -> None:
    """Have every body read by these rules, whoever reads it."""
    watch, places = Watch(), Places(NOBODYS_BODIES, OF_ONE_ADDRESS)

    def before() -> None:
        environ: dict[str, Any] = request.environ
        orig = environ.get("werkzeug.proxy_fix.orig", environ)
        # A connection is the proxy's, a place belongs to whoever it speaks for.
        nearest = str(orig.get("REMOTE_ADDR") or environ.get("REMOTE_ADDR") or "")
        environ["wsgi.input"] = Body(environ["wsgi.input"], nearest, watch, places)

    app.before_request(before)


def _nobodys_length() -> int:
    """Bytes of a body whose sender is not known; raises `ApiError`."""
    given = request.headers.get("Content-Length", "0")
    if request.headers.get("Transfer-Encoding") or not (given.isascii() and given.isdigit()):
        raise ApiError("request.length", "Content-Length is required.")
    if int(given[:12]) > NOBODYS_BYTES:
        raise ApiError("request.size", f"Before anybody is known a body may have at most {NOBODYS_BYTES} bytes.")
    return int(given)


# ------------------------------------------------------------ connections
def network_of(address: str) -> str:
    """Whom an address stands for: itself, of IPv6 its /64, which is what one machine is given."""
    found = _plain(address)
    if isinstance(found, IPv6Address):
        return str(ip_network((found, 64), strict=False))
    return str(found or address)


def _plain(address: str) -> IPv4Address | IPv6Address | None:
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def end_silent(address: str, silent_s: float, whole: bool) -> None:
    """End the connections of an address that are silent: nothing was sent for so long, and (not `whole`) nothing came.

    Only reading ends, so that the request still gets its answer. A connection at rest may be among them, which may be
    ended at any time.
    """
    if not sys.platform.startswith("linux"):
        return  # a box is Linux; elsewhere only tests run it
    for number in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # it has been closed meanwhile
            if not os.readlink(number).startswith("socket:"):
                continue
            # The copy stays the same connection, whatever the number is given to next.
            with socket.socket(fileno=os.dup(int(number.name))) as found:
                if _is_silent(found, _plain(address), silent_s * 1000, whole=whole):
                    found.shutdown(socket.SHUT_RD)


def _is_silent(found: socket.socket, peer: IPv4Address | IPv6Address | None, ms: float, *, whole: bool) -> bool:
    if found.family not in (socket.AF_INET, socket.AF_INET6) or _plain(found.getpeername()[0]) != peer:
        return False
    sent_ms, came_ms = _INFO.unpack_from(found.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_BYTES))
    return bool(sent_ms >= ms and (whole or came_ms >= ms))
