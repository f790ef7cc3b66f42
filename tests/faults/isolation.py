"""A network and mounts of the bench's own, where this user may have them."""

import os
import shutil
import subprocess
import sys

INSIDE = "YARDMASTER_BENCH_INSIDE"
_UP = 'ip link set lo up && exec "$@"'


def enter() -> None:
    """Start this process anew inside namespaces of its own, with loopback up; stay outside where that cannot be."""
    if INSIDE in os.environ:
        return
    os.environ[INSIDE] = "no"
    if _can():
        os.environ[INSIDE] = "yes"
        again = [sys.executable, "-m", "tests.faults", *sys.argv[1:]]
        os.execvp("unshare", ["unshare", "--net", "--mount", "--", "sh", "-c", _UP, "sh", *again])


def _can() -> bool:
    if os.geteuid() != 0 or shutil.which("unshare") is None or shutil.which("ip") is None:
        return False
    probe = ["unshare", "--net", "--mount", "--", "sh", "-c", "ip link set lo up"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


def inside() -> bool:
    """Whether the network and the mounts are ours alone."""
    return os.environ.get(INSIDE) == "yes"


def isolation() -> str:
    """For the head of a report."""
    return "in a network namespace of its own" if inside() else "on the machine's own loopback (no namespace)"
