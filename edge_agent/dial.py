"""Connecting without holding up the loop, by TLS where that is wanted."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Protocol


class BadCertificate(OSError):
    """A file for TLS cannot be used; the message is a sentence for people."""


@dataclass(frozen=True)
class TlsFiles:
    """By whom the box may be vouched for (None: as the system trusts), and what the robot shows, if anything."""

    ca_file: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    def context(self) -> ssl.SSLContext:
        """At least TLS 1.2, name and certificate of the box checked; raises `BadCertificate`."""
        return _context(self, tuple(_changed(file) for file in (self.ca_file, self.certificate, self.key)))


@lru_cache(maxsize=8)
def _context(files: TlsFiles, _changed_at: tuple[int | None, ...]) -> ssl.SSLContext:
    """Made once for all robots of a process, and anew when a file has changed."""
    try:
        made = ssl.create_default_context(cafile=files.ca_file)
        made.minimum_version = ssl.TLSVersion.TLSv1_2
        if files.certificate is not None:
            made.load_cert_chain(files.certificate, files.key)
    except OSError as error:
        named = ", ".join(str(file) for file in (files.ca_file, files.certificate, files.key) if file is not None)
        raise BadCertificate(f"the certificates cannot be used ({named}): {error.strerror or error}") from error
    return made


def _changed(file: Path | None) -> int | None:
    try:
        return None if file is None else file.stat().st_mtime_ns
    except OSError:  # reading it will say why
        return None


class Raw(Protocol):
    """What is needed of a connection of `ssl`."""

    def recv(self, size: int, /) -> bytes:
        """Up to `size` bytes; raises `ssl.SSLWantReadError`."""

    def send(self, data: bytes | memoryview, /) -> int:
        """How many were taken; raises `ssl.SSLWantWriteError`."""

    def fileno(self) -> int:
        """The descriptor."""

    def setblocking(self, flag: bool, /) -> None:
        """Whether the others wait."""

    def close(self) -> None:
        """Let go."""


class TlsSocket:
    """A TLS connection that says it would block as a plain socket does, and gives all that has come."""

    def __init__(self, raw: Raw) -> None:
        self._raw = raw

    def recv(self, size: int) -> bytes:
        """Up to `size` bytes; a record has 16 KiB, and what is left inside TLS no selector would tell of."""
        found = bytearray()
        while len(found) < size:
            try:
                data = self._raw.recv(size - len(found))
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError) as error:
                if not found:
                    raise BlockingIOError from error
                break
            if not data:
                break  # if something came before, the end is found again at the next call
            found += data
        return bytes(found)

    def send(self, data: bytes | memoryview) -> int:
        """What the system took; raises `BlockingIOError`."""
        try:
            return self._raw.send(data)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError) as error:
            raise BlockingIOError from error

    def fileno(self) -> int:
        """The descriptor, for the loop."""
        return self._raw.fileno()

    def setblocking(self, flag: bool) -> None:
        """As of a socket."""
        self._raw.setblocking(flag)

    def close(self) -> None:
        """As of a socket."""
        self._raw.close()


async def open_socket(host: str, port: int, tls: ssl.SSLContext | None = None) -> socket.socket | TlsSocket:
    """A connected, non-blocking connection; raises `OSError` of the last address tried, or of the handshake."""
    raw = await _open(host, port)
    if tls is None:
        return raw
    try:
        secured = tls.wrap_socket(raw, server_hostname=host, do_handshake_on_connect=False)
    except BaseException:
        raw.close()
        raise
    try:
        await _shake_hands(secured)
    except BaseException:
        secured.close()
        raise
    return TlsSocket(secured)


async def _shake_hands(secured: ssl.SSLSocket) -> None:
    loop = asyncio.get_running_loop()
    while True:
        try:
            secured.do_handshake()
        except ssl.SSLWantReadError:
            await _ready(secured, loop.add_reader, loop.remove_reader)
        except ssl.SSLWantWriteError:
            await _ready(secured, loop.add_writer, loop.remove_writer)
        else:
            return


async def _ready(one: ssl.SSLSocket, watch: Callable[..., None], forget: Callable[..., object]) -> None:
    """Until the loop says that the socket can go on."""
    is_ready = asyncio.Event()
    watch(one, is_ready.set)
    try:
        await is_ready.wait()
    finally:
        forget(one)


async def _open(host: str, port: int) -> socket.socket:
    """A connected, non-blocking TCP socket without Nagle's delay; raises `OSError` of the last address tried."""
    loop = asyncio.get_running_loop()
    error = OSError(f"{host} has no address")
    for family, kind, protocol, _, address in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        made = socket.socket(family, kind, protocol)
        try:
            made.setblocking(False)
            # With it a round trip takes tens of milliseconds instead of half a one.
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await loop.sock_connect(made, address)
        except OSError as refused:
            made.close()
            error = refused
        except BaseException:
            made.close()
            raise
        else:
            return made
    raise error
