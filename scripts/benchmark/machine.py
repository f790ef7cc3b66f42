"""What the figures were taken on: the machine, the versions of everything, and how busy it was with other things."""

import os
import platform
import re
import sqlite3
import subprocess
import time
from pathlib import Path

import psutil

from cli.main import installed_version
from cli.probes import find_mosquitto

ROOT = Path(__file__).parent.parent.parent
PRODUCT = ("schemas", "config", "controller", "edge_agent", "web", "cli")


def facts(folder: Path) -> dict[str, str]:
    """Names and values, ready to be shown; `folder` is where boxes keep their data."""
    return {
        "processor": f"{_processor()}, {psutil.cpu_count()} cores",
        "memory": f"{psutil.virtual_memory().total / 1e9:.0f} GB",
        "system": f"{platform.system()} {platform.release()}",
        "data on": _file_system(folder),
        "load before": f"{psutil.getloadavg()[0]:.2f}",
        "Python": platform.python_version(),
        "SQLite": sqlite3.sqlite_version,
        "mosquitto": _mosquitto(),
        "product": f"{installed_version()}, commit {commit()}",
    }


def _processor() -> str:
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1].strip() if found else platform.processor() or platform.machine()


def _file_system(folder: Path) -> str:
    """Its kind matters: on one that lives in memory a commit costs nothing."""
    at = folder.resolve()
    mounts = [one for one in psutil.disk_partitions(all=True) if at.is_relative_to(one.mountpoint)]
    return max(mounts, key=lambda one: len(one.mountpoint)).fstype if mounts else "unknown"


def _mosquitto() -> str:
    program = find_mosquitto()
    if program is None:
        return "not found"
    said = subprocess.run([program, "-h"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"version (\S+)", said)
    return found[1] if found else "unknown"


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def commit() -> str:
    """Short, with a plus sign when the product was changed since; a package without its history has none."""
    head = _git("rev-parse", "--short", "HEAD")
    changed = _git("status", "--porcelain", "--", *PRODUCT)
    return f"{head}{'+' if changed else ''}" if head else "unknown"


class Others:
    """How busy everybody else keeps the machine: figures that were taken beside much of it mean little."""

    def __init__(self) -> None:
        self._began, self._all, self._ours = time.perf_counter(), _busy(), _ours()

    def percent(self) -> float:
        """Percent of a core, on average since this was made; ours is what has ended and was waited for."""
        passed = time.perf_counter() - self._began
        return max(0.0, (_busy() - self._all) - (_ours() - self._ours)) / passed * 100


def _busy() -> float:
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - getattr(times, "iowait", 0) - getattr(times, "guest", 0))


def _ours() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
