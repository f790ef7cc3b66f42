"""How `doctor` measures a machine; everything here touches it and leaves nothing behind."""

import errno
import json
import os
import re
import resource
import secrets
import shutil
import socket
import sqlite3
import statistics
import subprocess
import tempfile
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import psutil

from config.clock import steady
from config.settings import Address

SYNCS, SYNC_BYTES = 40, 4096
CLOCK_WAIT_S = 0.05
START_WAIT_S = 5.0
POLL_S = 0.05
PLACES = ("/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto")


class Clocks(NamedTuple):
    """Year, and what passed on both clocks during one short wait."""

    year: int
    steady_s: float
    wall_s: float


def existing(path: Path) -> Path:
    """The path, or the nearest folder above it that exists."""
    here = path.absolute()
    while not here.exists():
        here = here.parent
    return here


def write_trouble(path: Path) -> str | None:
    """Why nothing can be written at (or made below) a path; None if it can."""
    here = existing(path)
    if not here.is_dir():
        return f"{here} is not a folder"
    return None if os.access(here, os.W_OK | os.X_OK) else f"{here} is not writable by this user"


def sync_ms(path: Path) -> float:
    """Median milliseconds of a small write with fsync."""
    times = []
    with tempfile.NamedTemporaryFile(dir=existing(path), prefix=".doctor-") as file:
        for _ in range(SYNCS):
            before = time.perf_counter()
            file.write(b"\0" * SYNC_BYTES)
            file.flush()
            os.fsync(file.fileno())
            times.append((time.perf_counter() - before) * 1000)
    return statistics.median(times)


def sqlite_version() -> tuple[int, ...]:
    """Version of the SQLite that this Python brings."""
    return sqlite3.sqlite_version_info


def find_mosquitto() -> str | None:
    """Path of the broker: as named by the environment, on PATH, or where Debian puts it."""
    named = os.environ.get("YARDMASTER_MOSQUITTO")
    for candidate in (named, shutil.which("mosquitto"), *PLACES):
        if candidate and os.access(candidate, os.X_OK):
            return candidate
    return None


def mosquitto_version(path: str) -> tuple[int, ...] | None:
    """Version a mosquitto says it is, None if it says nothing of the kind."""
    try:
        said = subprocess.run([path, "-h"], capture_output=True, text=True, timeout=START_WAIT_S, check=False).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r"mosquitto version (\d+(?:\.\d+)*)", said)
    return tuple(int(part) for part in found[1].split(".")) if found else None


def mosquitto_trouble(path: str) -> str | None:
    """Why the broker does not start on a free port of this machine; None if it does."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "mosquitto.conf")
        config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n")
        config.chmod(0o644)
        Path(folder).chmod(0o755)  # started as root it becomes another user before it reads anything else
        with Path(folder, "log").open("wb") as log:
            process = subprocess.Popen([path, "-c", str(config)], stdout=log, stderr=log)
        try:
            if _answers(process, port):
                return None
            return (Path(folder, "log").read_text(errors="replace").strip() or "no answer")[-300:]
        finally:
            process.kill()
            process.wait()


def _answers(process: subprocess.Popen[bytes], port: int) -> bool:
    end = time.monotonic() + START_WAIT_S
    while time.monotonic() < end and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return True
        time.sleep(POLL_S)
    return False


_BELOW_EPHEMERAL = range(15_000, 32_768)
"""Linux gives from 32,768 on, others from 49,152."""


def free_port() -> int:
    """A loopback port nobody listens on now; raises `OSError` when a hundred tries found none.

    It is used only a moment later, so it is not one that the system gives to outgoing connections by itself.
    """
    for _ in range(100):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", _BELOW_EPHEMERAL.start + secrets.randbelow(len(_BELOW_EPHEMERAL))))
            return int(probe.getsockname()[1])
    raise OSError(errno.EADDRINUSE, "no free port was found on 127.0.0.1")


def clocks() -> Clocks:
    """Watch both clocks for a moment."""
    steady_before, wall_before = steady(), time.time()
    time.sleep(CLOCK_WAIT_S)
    return Clocks(datetime.now(UTC).year, steady() - steady_before, time.time() - wall_before)


def synchronised() -> bool | None:
    """Whether the system says its clock follows others; None where nobody can tell."""
    question = ["timedatectl", "show", "--property=NTPSynchronized", "--value"]
    try:
        said = subprocess.run(question, capture_output=True, text=True, timeout=START_WAIT_S, check=False)
    except (OSError, subprocess.SubprocessError):
        return None
    return {"yes": True, "no": False}.get(said.stdout.strip())


def port_trouble(address: Address) -> str | None:
    """Why an address cannot be listened on; None if it can."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    with socket.socket(family) as probe:
        # A port in TIME_WAIT is free; one that somebody listens on is not, whatever options they have set.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address.host, address.port))
        except OSError as error:
            return error.strerror or str(error)
    return None


def running_box(ready: Path) -> bool:
    """Whether the box that wrote a ready file still runs; one that was killed leaves its file behind."""
    try:
        return psutil.pid_exists(int(json.loads(ready.read_text(encoding="utf-8"))["pid"]))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def free_bytes(path: Path) -> int:
    """Bytes this user may still write where a path is."""
    return shutil.disk_usage(existing(path)).free


def file_limit() -> int:
    """How many files this process, and what it starts, may hold open."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
