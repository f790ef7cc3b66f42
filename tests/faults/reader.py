"""A reader of its own: a list about twenty times a second over one kept connection, and how long each answer took.

It is a process of its own, so that what the bench itself does keeps no answer waiting.
"""

import contextlib
import http.client
import os
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self
from urllib.parse import urlsplit

from cli.client import find_token
from config.clock import steady
from tests.faults.bench import START_S, Bench

EVERY_S = 0.05
ANSWER_S = 20.0
PATH = "/api/v1/jobs?limit=20"
FEWEST_A_SECOND = 2.0
"""A tenth of what is tried: fewer show nothing."""


class Read(NamedTuple):
    """When it was asked (steady seconds), how long the answer took (seconds), and its status (0: none)."""

    at: float
    took: float
    status: int


class Reads(NamedTuple):
    """What was read within a time of so many seconds."""

    good: tuple[float, ...]
    """How long the good ones took, in order."""
    failed: int
    lasted_s: float

    @property
    def p95_ms(self) -> float:
        """In milliseconds; infinite if there is none."""
        return self.good[int(len(self.good) * 0.95)] * 1000 if self.good else float("inf")

    @property
    def wrong(self) -> str:
        """Why these show nothing good; empty if they do."""
        if self.failed:
            return f"{self.failed} reads failed, {len(self.good)} were answered"
        if len(self.good) < self.lasted_s * FEWEST_A_SECOND:
            return f"only {len(self.good)} reads in {self.lasted_s:.1f} s"
        return ""

    def __str__(self) -> str:
        return f"p95 {self.p95_ms:.0f} ms of {len(self.good)}" if self.good else "none"


def within(reads: list[Read], since: float, until: float) -> Reads:
    """What was asked within a time; of an answer that never came nothing is known, so that too few are left."""
    found = [read for read in reads if since <= read.at < until]
    good = sorted(read.took for read in found if read.status == http.client.OK)
    return Reads(tuple(good), len(found) - len(good), until - since)


class Reader:
    """The process that reads, from `with` until its end."""

    def __init__(self, bench: Bench, file: Path) -> None:
        self._bench, self._file = bench, file

    def __enter__(self) -> Self:
        """Returns after its first read; raises `NotReady`."""
        self._file.unlink(missing_ok=True)
        command = [sys.executable, "-m", "tests.faults.reader", self._bench.url, str(self._bench.data), str(self._file)]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        try:
            self._bench.wait_for(self.reads, START_S, "the reader has read")
        except BaseException:
            self._process.kill()
            self._process.wait()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.terminate()
        self._process.wait()

    def reads(self) -> list[Read]:
        """All so far."""
        if not self._file.exists():
            return []
        whole = self._file.read_text().rpartition("\n")[0]
        rows = (line.split() for line in whole.splitlines())
        return [Read(float(at), float(took), int(status)) for at, took, status in rows]

    def within(self, since: float, until: float) -> Reads:
        """What was asked within a time (steady seconds)."""
        return within(self.reads(), since, until)


def main(url: str, data: Path, file: Path) -> None:
    """Read until killed, or left alone; one line each."""
    parts, token, us = urlsplit(url), find_token(None, None, data), os.getppid()
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=ANSWER_S)
    with file.open("w", buffering=1) as out:
        while os.getppid() == us:
            at = steady()
            status = _read(connection, {"Authorization": f"Bearer {token}"})
            out.write(f"{at} {steady() - at} {status}\n")
            time.sleep(max(0.0, at + EVERY_S - steady()))


def _read(connection: http.client.HTTPConnection, headers: dict[str, str]) -> int:
    try:
        connection.request("GET", PATH, headers=headers)
        response = connection.getresponse()
        response.read()
        return response.status
    except (OSError, http.client.HTTPException):
        with contextlib.suppress(OSError):
            connection.close()
        return 0


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
