"""What the checker looks at: the database, agents' journals, and what the robots' bodies counted with times."""

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from edge_agent.simulator.motions import read_motions

MOVED_ON_S = 0.005
"""How finely two clocks of one machine are compared."""


class Span(NamedTuple):
    """One motion of a body: what it was for, and when (steady seconds) it really moved."""

    robot: str
    attempt: int
    n: int
    path: str
    try_: int
    start: float
    end: float
    outcome: str | None


@dataclass
class Forgotten:
    """What an older database may not know: only what was accepted or recorded between its backup and its restore."""

    keys: set[str] = field(default_factory=set)
    reports: dict[tuple[str, str], list[tuple[int, int]]] = field(default_factory=dict)
    """(robot, journal) to spans of sequence numbers, both ends included."""

    def excuses(self, robot: str, journal: str, seq: int) -> bool:
        """Whether this report may be missing."""
        return any(first <= seq <= last for first, last in self.reports.get((robot, journal), ()))


@dataclass
class Evidence:
    """Everything about one run of the bench, after it has settled."""

    database: Path
    journals: list[Path] = field(default_factory=list)
    motions: list[Path] = field(default_factory=list)
    accepted: Mapping[str, str] = field(default_factory=dict)
    again: Mapping[str, str] = field(default_factory=dict)
    asked: Mapping[str, float] = field(default_factory=dict)
    deaths: Mapping[str, list[float]] = field(default_factory=dict)
    offset_us: int | None = None
    """What to add to steady microseconds for the database's UTC; None: the wall clock was no clock."""
    restored: bool = False
    """It has gone back to an older database."""
    forgotten: Forgotten = field(default_factory=Forgotten)

    def rows(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        """What the box says."""
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as db:
            db.row_factory = sqlite3.Row
            return db.execute(sql, values).fetchall()

    def kept(self) -> list[tuple[str, str, int, int]]:
        """(robot, journal, head, reports that were not taken off it) of each journal."""
        found = []
        sql = "select robot, journal, head, (select count(*) from rows r where r.robot = robots.robot) from robots"
        for file in self.journals:
            with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as db:
                found += db.execute(sql).fetchall()
        return found

    def spans(self) -> list[Span]:
        """Every motion of every body."""
        return [span for file in self.motions for span in self._spans_of(file)]

    def _spans_of(self, file: Path) -> list[Span]:
        deaths = sorted(self.deaths.get(str(file), []))
        found = []
        for m in read_motions(file):
            # Cut off by a kill: the robot stopped with its agent's process.
            killed = next((death for death in deaths if death >= m.start), m.start)
            end = m.end if m.end is not None else killed
            found.append(Span(m.robot, m.attempt, m.n, m.path, m.try_, m.start, end, m.outcome))
        return found

    def starts(self) -> dict[tuple[str, int, int], int]:
        """How often each (robot, attempt, n) began, from the raw lines."""
        counted: dict[tuple[str, int, int], int] = {}
        for file in self.motions:
            for part in (file.with_name(file.name + ".1"), file):
                for line in part.read_bytes().split(b"\n")[:-1] if part.exists() else ():
                    row = json.loads(line)
                    if "start" in row:
                        key = (row["robot"], row["attempt"], row["n"])
                        counted[key] = counted.get(key, 0) + 1
        return counted
