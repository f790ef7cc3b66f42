"""A TCP proxy between robots and broker, in a thread of its own: it delays, holds back, swallows and cuts."""

import asyncio
import contextlib
import random
import socket
import struct
import threading
import zlib
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Literal

Way = Literal["up", "down"]
"""up: from a robot to the broker."""
PIECE = 65_536
LOST_WAITS_S = (0.2, 0.6)
"""What a lost packet costs a TCP connection: its retransmission."""


@dataclass
class Weather:
    """What the network does at present, the same for all connections."""

    delay_s: float = 0.0
    lost: float = 0.0
    late_s: float = 0.0
    """What goes to a robot that is touched comes later by this."""
    held: frozenset[Way] = frozenset()
    """Nothing arrives on this way; what was sent arrives later, as after a partition."""
    swallowed: frozenset[Way] = frozenset()
    """What is sent on this way is gone, and nobody is told: half-open connections."""
    share: float = 1.0
    """So many of the robots are behind what is late, held or swallowed; `salt` says which."""
    salt: int = 0
    cut_after: int | None = None
    """Connections break after so many further bytes, at any place in a message."""

    def touches(self, robot: bytes | bytearray) -> bool:
        """Whether this robot is behind it."""
        return zlib.crc32(bytes(robot) + b"%d" % self.salt) % 1000 < self.share * 1000


def client_id(connect: bytes) -> bytes:
    """Who speaks, from the first packet of an MQTT 3.1.1 connection."""
    at = 1
    while at < len(connect) and connect[at] & 0x80:
        at += 1
    at += 11  # the length's last byte, and the head: protocol, level, flags, keep-alive
    return connect[at + 2 : at + 2 + int.from_bytes(connect[at : at + 2], "big")]


class Proxy:
    """Listens on a free port of loopback; `weather` may be changed at any time."""

    def __init__(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self.weather = Weather()
        self.port = 0
        self.connections = self.cuts = 0
        self._dice = random.Random(7)
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._up = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._up.wait(10)

    @property
    def address(self) -> str:
        """HOST:PORT"""
        return f"127.0.0.1:{self.port}"

    def cut(self) -> None:
        """Break every connection, without a goodbye."""
        self._call(self._cut())

    def close(self) -> None:
        """End."""
        self._call(self._cut())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def _call(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._connected, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._up.set()
        self._loop.run_forever()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        both = {writer, far_writer}
        self._writers |= both
        who = bytearray()
        ways = (self._pump("up", reader, far_writer, who), self._pump("down", far_reader, writer, who))
        tasks = [asyncio.ensure_future(way) for way in ways]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        self._writers -= both
        for one in both:
            _break(one)

    async def _pump(self, way: Way, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, who: bytearray) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(PIECE):
                who += b"" if who else client_id(data)
                await self._wait(way, who)
                if way in self.weather.swallowed and self.weather.touches(who):
                    continue
                whole = self._until_cut(data)
                writer.write(whole)
                await writer.drain()
                if len(whole) < len(data):
                    self.cuts += 1
                    return

    async def _wait(self, way: Way, who: bytearray) -> None:
        weather = self.weather
        wait = weather.delay_s + (weather.late_s if way == "down" and weather.touches(who) else 0.0)
        while self._dice.random() < weather.lost:
            wait += self._dice.uniform(*LOST_WAITS_S)
        if wait:
            await asyncio.sleep(wait)
        while way in self.weather.held and self.weather.touches(who):
            await asyncio.sleep(0.02)

    def _until_cut(self, data: bytes) -> bytes:
        left = self.weather.cut_after
        if left is None:
            return data
        self.weather.cut_after = left - len(data) if left > len(data) else self._dice.randrange(4000)
        return data[:left] if left <= len(data) else data

    async def _cut(self) -> None:
        for writer in tuple(self._writers):
            _break(writer)


def _break(writer: asyncio.StreamWriter) -> None:
    """A reset, as from a network that has lost the connection; an orderly end would be the other side's own word."""
    raw = writer.get_extra_info("socket")
    if raw is not None and raw.fileno() >= 0:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
