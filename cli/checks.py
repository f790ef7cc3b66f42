"""What a machine must be like to run a box: each check turns one probed value into a finding with limit and remedy."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

Verdict = Literal["good", "note", "bad"]
GIB = 1024**3

SYNC_LIMIT_MS = 50.0
"""A commit waits for one sync; beyond this, work for many robots queues up behind the disk."""
SYNC_TOO_FAST_MS = 0.02
"""No disk or flash answers in less; memory and disks that only pretend do."""
SQLITE_NEEDED = (3, 35, 0)
"""The first with `returning`."""
SQLITE_SAFE = (3, 51, 3)
"""Before it, two connections that write one WAL can corrupt it; the box has one writer, others must only read."""
MOSQUITTO_NEEDED = (2, 0)
FREE_NEEDED = 1 * GIB
FILES_NEEDED, FILES_WANTED = 1024, 4096
YEARS = range(2025, 2101)


class Finding(NamedTuple):
    """What was found about one thing: its value, the limit it is held against, and what to do if it is not good."""

    check: str
    verdict: Verdict
    value: str
    limit: str
    remedy: str = ""


def dotted(version: Sequence[int]) -> str:
    """A version as people write it."""
    return ".".join(str(part) for part in version)


def disk_sync(median_ms: float) -> Finding:
    """How long a small write takes until it survives a power cut."""
    value, limit = f"{median_ms:.2f} ms a write", f"at most {SYNC_LIMIT_MS:g} ms"
    if median_ms > SYNC_LIMIT_MS:
        return Finding(
            "disk sync", "bad", value, limit, "put the data directory on a local SSD, not on a share or card"
        )
    if median_ms < SYNC_TOO_FAST_MS:
        remedy = (
            "too fast for a disk: is this memory (tmpfs), or a disk that does not honour sync? Power cuts lose data"
        )
        return Finding("disk sync", "note", value, limit, remedy)
    return Finding("disk sync", "good", value, limit)


def sqlite(version: tuple[int, ...]) -> Finding:
    """Whether Python's SQLite knows what the store uses."""
    value, limit = dotted(version), f"at least {dotted(SQLITE_NEEDED)}"
    if version < SQLITE_NEEDED:
        return Finding("SQLite", "bad", value, limit, "use a Python that brings a newer SQLite")
    if version < SQLITE_SAFE:
        remedy = (
            f"before {dotted(SQLITE_SAFE)} only one program may write: never open the database for writing yourself"
        )
        return Finding("SQLite", "note", value, limit, remedy)
    return Finding("SQLite", "good", value, limit)


def broker(path: str | None, version: tuple[int, ...] | None, trouble: str | None) -> Finding:
    """Whether mosquitto is there, new enough, and starts; `trouble` is what it said when it did not."""
    limit = f"mosquitto {dotted(MOSQUITTO_NEEDED)} or later"
    install = "install mosquitto (apt-get install mosquitto), or name it in YARDMASTER_MOSQUITTO"
    if path is None:
        return Finding(
            "broker", "bad", "not found", limit, f"{install}; without it amqtt serves up to 20 robots, as a demo"
        )
    if version is None or version < MOSQUITTO_NEEDED:
        return Finding("broker", "bad", f"{path}, version {dotted(version or ()) or 'unknown'}", limit, install)
    value = f"{path}, version {dotted(version)}"
    if trouble is not None:
        return Finding(
            "broker", "bad", f"{value}, does not start: {trouble}", limit, "see what it says when run by hand"
        )
    return Finding("broker", "good", f"{value}, starts", limit)


def clock(year: int, steady_s: float, wall_s: float, *, synchronised: bool | None) -> Finding:
    """Whether the clocks run: seconds that passed on each during one short wait, the year, and NTP if anyone knows."""
    limit = f"steady, year {YEARS.start} to {YEARS.stop - 1}, synchronised"
    value = f"year {year}, synchronised: {'unknown' if synchronised is None else 'yes' if synchronised else 'no'}"
    if steady_s <= 0 or steady_s > 10 * max(wall_s, 0.1):
        return Finding(
            "clock", "bad", f"the steady clock moved {steady_s:.3f} s", limit, "this machine's clock is broken"
        )
    if year not in YEARS:
        return Finding("clock", "bad", value, limit, "set the clock (timedatectl set-ntp true); is its battery empty?")
    if synchronised is False:
        remedy = "times in records will drift: timedatectl set-ntp true (no decision depends on it)"
        return Finding("clock", "note", value, limit, remedy)
    return Finding("clock", "good", value, limit)


def port(name: str, address: str, trouble: str | None, *, ours: bool = False) -> Finding:
    """Whether an address can be listened on; `ours`: the box of this data directory has it."""
    check, limit = f"{name} port", "free"
    if trouble is None:
        return Finding(check, "good", f"{address} is free", limit)
    if ours:
        return Finding(check, "good", f"{address} is used by this box", limit)
    return Finding(
        check, "bad", f"{address}: {trouble}", limit, f"end what uses it, or choose another: --{name} HOST:PORT"
    )


def free_space(path: str, free: int) -> Finding:
    """Room left where the data directory is or will be."""
    value, limit = f"{free / GIB:.1f} GiB at {path}", f"at least {FREE_NEEDED / GIB:g} GiB"
    if free < FREE_NEEDED:
        return Finding("free space", "bad", value, limit, "make room, or choose another --data-dir")
    return Finding("free space", "good", value, limit)


def writable(path: str, trouble: str | None) -> Finding:
    """Whether the data directory can be made and written."""
    if trouble is None:
        return Finding("data directory", "good", f"{path} can be written", "writable")
    remedy = "choose another --data-dir, or give this user the right to write there"
    return Finding("data directory", "bad", f"{path}: {trouble}", "writable", remedy)


def open_files(limit_now: int) -> Finding:
    """How many files and sockets a process may hold: the broker needs one a robot, the web one a browser."""
    value, limit = str(limit_now), f"at least {FILES_NEEDED}, better {FILES_WANTED}"
    remedy = "raise it: ulimit -n, or LimitNOFILE= of the service"
    if limit_now < FILES_NEEDED:
        return Finding("open files", "bad", value, limit, remedy)
    if limit_now < FILES_WANTED:
        return Finding("open files", "note", value, limit, f"enough for some {limit_now // 2} robots; {remedy}")
    return Finding("open files", "good", value, limit)
