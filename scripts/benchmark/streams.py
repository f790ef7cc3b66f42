"""Open dashboards: so many streams of server-sent events, each really read, by a process of its own.

    python -m scripts.benchmark.streams HOST PORT PATH COUNT

prints one JSON line when all are open, and another with what came when its standard input is closed.
"""

import json
import os
import selectors
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from cli.stage import Stage

OPEN_S = 60.0
FULL = b"HTTP/1.1 503"
AGAIN_S = 1.0
SHOWN = "YARDMASTER_BENCH_AUTHORIZATION"
"""Where the process that reads finds what it shows to the box."""
_NEWS = b"\ndata: "
_ROOT = Path(__file__).parent.parent.parent


class Dashboards:
    """Streams that are read until this is left; `came` says then what arrived."""

    def __init__(self, stage: Stage, path: str, count: int) -> None:
        parts, self._shown = urlsplit(stage.url), {SHOWN: stage.headers()["Authorization"]}
        self._command = [sys.executable, "-m", __name__, parts.hostname or "", str(parts.port), path, str(count)]
        self.came: dict[str, int] = {}

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command,
            cwd=_ROOT,
            env=os.environ | self._shown,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            self._line()
        except BaseException:
            self._process.kill()
            self._process.wait()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            if error is None:
                self.came = self._line()
        finally:
            self._process.kill()
            self._process.wait()

    def _line(self) -> dict[str, Any]:
        line = self._process.stdout.readline() if self._process.stdout is not None else ""
        said: dict[str, Any] = json.loads(line) if line else {"error": "it ended without a word"}
        if "error" in said:
            raise RuntimeError(f"the dashboards: {said['error']}")
        return said


class NoPlace(ConnectionError):
    """As many streams are open as may be, or have been closed a short while ago."""


def open_patiently(host: str, port: int, path: str) -> socket.socket:
    """One stream, asked for again while there is no place; raises `ConnectionError` in the end."""
    end = time.monotonic() + OPEN_S
    while True:
        try:
            return open_stream(host, port, path, os.environ[SHOWN])
        except NoPlace:
            if time.monotonic() > end:
                raise
            time.sleep(AGAIN_S)


def open_stream(host: str, port: int, path: str, shown: str) -> socket.socket:
    """One stream whose answer has begun; raises `ConnectionError` when it is another answer than a stream."""
    stream = socket.create_connection((host, port), timeout=OPEN_S)
    request = (
        f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nAccept: text/event-stream\r\nAuthorization: {shown}\r\n\r\n"
    )
    stream.sendall(request.encode())
    head = b""
    while b"\r\n\r\n" not in head:
        more = stream.recv(4096)
        if not more:
            break
        head += more
    if not head.startswith(b"HTTP/1.1 200") or b"text/event-stream" not in head.lower():
        stream.close()
        kind = NoPlace if head.startswith(FULL) else ConnectionError
        raise kind(f"GET {path} was answered {head[:300]!r}")
    stream.setblocking(False)
    return stream


def read(streams: list[socket.socket], until_closed: int) -> dict[str, int]:
    """Read all streams until a file descriptor is closed: bytes, messages, streams with news, streams that ended."""
    came = {"bytes": 0, "messages": 0, "ended": 0}
    news: set[int] = set()
    with selectors.DefaultSelector() as selector:
        selector.register(until_closed, selectors.EVENT_READ)
        for stream in streams:
            selector.register(stream, selectors.EVENT_READ, stream)
        while True:
            for key, _ in selector.select():
                if key.data is None:
                    return came | {"with news": len(news)}
                _take(key.data, came, news, selector)


def _take(stream: socket.socket, came: dict[str, int], news: set[int], selector: selectors.BaseSelector) -> None:
    data = stream.recv(262_144)
    if not data:
        came["ended"] += 1
        selector.unregister(stream)
        return
    came["bytes"] += len(data)
    if messages := data.count(_NEWS):
        came["messages"] += messages
        news.add(stream.fileno())


def main(host: str, port: str, path: str, count: str) -> None:
    """Open, tell, read, tell."""
    try:
        streams = [open_patiently(host, int(port), path) for _ in range(int(count))]
    except OSError as error:
        print(json.dumps({"error": str(error)}), flush=True)
        return
    print(json.dumps({"open": len(streams)}), flush=True)
    print(json.dumps(read(streams, sys.stdin.fileno())), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
