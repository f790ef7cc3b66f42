"""The one list of what is not as it should be: code, part, sentence, since when; health, metric and banner read it."""

import json
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from config.clock import Instant, steady

FRESH_S = 2.0
"""What is read from files and tables is looked at so often."""
DISK_LOW_BYTES = 1_000_000_000
SHOWN_S = 3600.0
"""How long a jump of the clock is told."""
JUMP_S = 30.0
OFTEN, OFTEN_WITHIN_S = 3, 900.0
"""A part that was started again so often within this time is not well."""
CODES = (
    "broker.down", "doors.stale", "store.full", "store.reserve", "disk.low", "backup.failed", "backup.old",
    "store.lost", "store.damaged", "box.restored", "box.drained", "clock.jumped", "broker.demo", "rows.unreadable",
    "parts.restarting", "artifacts.full", "data.full", "certificate.ending", "artifacts.damaged", "store.unreadable",
)  # fmt: skip
"""Every code there is; docs/operations.md has a row for each."""


class Condition(NamedTuple):
    """One thing that is not as it should be; `since` in UTC microseconds, None: since it was first seen."""

    part: str
    code: str
    message: str
    since: int | None = None


Source = Callable[[], Iterable[Condition]]


class Degraded:
    """Asks all sources; those that are costly only every two seconds."""

    def __init__(self, quick: Iterable[Source], slow: Iterable[Source]) -> None:
        self._quick, self._slow = tuple(quick), tuple(slow)
        self._kept: list[Condition] = []
        self._until = 0.0
        self._first: dict[str, int] = {}

    def conditions(self) -> list[Condition]:
        """Everything that stands, in the order of `CODES`, each with its moment."""
        if steady() >= self._until:
            self._kept = [one for source in self._slow for one in source()]
            self._until = steady() + FRESH_S
        found = {one.code: one for source in self._quick for one in source()}
        found = {one.code: one for one in self._kept} | found
        now = time.time_ns() // 1000
        self._first = {code: self._first.get(code, now) for code in found}
        return [
            one._replace(since=self._first[one.code] if one.since is None else one.since)
            for one in sorted(found.values(), key=_rank)
        ]


def _rank(one: Condition) -> int:
    return CODES.index(one.code) if one.code in CODES else len(CODES)


def moment(us: int) -> str:
    """A moment as the API writes it, to the second."""
    return datetime.fromtimestamp(us // 1_000_000, UTC).isoformat().replace("+00:00", "Z")


def shown(one: Condition) -> dict[str, Any]:
    """A condition as health says it: {part, code, message, since}."""
    return {
        "part": one.part, "code": one.code, "message": one.message,
        "since": None if one.since is None else moment(one.since),
    }  # fmt: skip


# ---------------------------------------------------------------- sources that need nothing of the core
def disk(data_dir: Path) -> Iterable[Condition]:
    """Little room is left where the data is: less than 1 GB, or a tenth of a small disk."""
    total, _, free = shutil.disk_usage(data_dir)
    if free < min(DISK_LOW_BYTES, total // 10):
        yield Condition("disk", "disk.low", f"Only {free / 1e6:.0f} MB are free where the box keeps its data.")


class ClockWatch:
    """Notices that the wall clock was moved against the steady one."""

    def __init__(self) -> None:
        self._offset: float | None = None
        self._jump = 0.0
        self._until = 0.0

    def see(self, now: Instant) -> None:
        """Once a turn."""
        offset = now.utc_us / 1e6 - now.mono
        if self._offset is not None and abs(offset - self._offset) >= JUMP_S:
            self._jump, self._until = offset - self._offset, now.mono + SHOWN_S
        self._offset = offset

    def conditions(self, now: Instant) -> Iterable[Condition]:
        """A jump within the last hour."""
        if now.mono < self._until:
            way = "forward" if self._jump > 0 else "back"
            text = f"The clock of the box was moved {way} by {abs(self._jump):.0f} s; times on screens may mislead."
            since = now.utc_us - int((SHOWN_S - (self._until - now.mono)) * 1e6)
            yield Condition("clock", "clock.jumped", text, since)


def restarts(ready: Path) -> Iterable[Condition]:
    """Parts that the supervisor had to start again and again (`restarts` of the ready file: moments in seconds)."""
    try:
        said: Mapping[str, list[float]] = json.loads(ready.read_text(encoding="utf-8")).get("restarts", {})
    except (OSError, ValueError):  # no supervisor, or it writes just now
        return
    now = time.time()
    names = [name for name, at in said.items() if len([t for t in at if now - t < OFTEN_WITHIN_S]) >= OFTEN]
    if names:
        text = f"Started again and again: {', '.join(sorted(names))}; the log says why."
        yield Condition("box", "parts.restarting", text)
