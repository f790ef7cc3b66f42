"""What one fault came to: a line of the table, and the table."""

import statistics
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Any

SHOWN = 12
"""Findings of a suite that are kept."""


@dataclass(frozen=True)
class Row:
    """Figures of one fault; whatever is counted in `lost` to `overlaps` or named in `wrong` breaks a promise."""

    name: str
    cycles: int
    jobs: int
    lost: int = 0
    """Accepted requests or journalled reports that are not in the database."""
    duplicated: int = 0
    """Keys with two submissions, blocks that began twice, reports recorded twice."""
    stuck: int = 0
    """Jobs that wait without a legal reason once all has healed."""
    overlaps: int = 0
    """Jobs that moved two robots at once, robots that did two jobs at once, cancelled jobs that moved on."""
    waits: tuple[float, ...] = ()
    """From the end of each fault to the next assignment, in seconds, where the calm was long enough to have one."""
    settled_s: float = 0.0
    """From the end of the last cycle, when the last answer was there, until nothing was open any more; the longest."""
    note: str = ""
    wrong: tuple[str, ...] = ()
    """One sentence for each broken promise."""
    skipped: str = ""
    """Why it was not run here."""

    @property
    def ok(self) -> bool:
        """No promise was broken (nothing was tried, where it was skipped)."""
        return not (self.lost or self.duplicated or self.stuck or self.overlaps or self.wrong)

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {field.name: getattr(self, field.name) for field in fields(self)} | {"ok": self.ok}


def from_json(value: dict[str, Any]) -> Row:
    """What `as_json` made; raises `TypeError`."""
    given = {name: found for name, found in value.items() if name != "ok"}
    return Row(**(given | {name: tuple(value[name]) for name in ("wrong", "waits")}))


def added(one: Row, other: Row) -> Row:
    """Two runs of one fault as one row."""
    return replace(
        other,
        cycles=one.cycles + other.cycles,
        jobs=one.jobs + other.jobs,
        lost=one.lost + other.lost,
        duplicated=one.duplicated + other.duplicated,
        stuck=one.stuck + other.stuck,
        overlaps=one.overlaps + other.overlaps,
        waits=one.waits + other.waits,
        settled_s=max(one.settled_s, other.settled_s),
        wrong=(one.wrong + other.wrong)[:SHOWN],
    )


HEAD = ("fault", "cycles", "jobs", "lost", "duplicated", "stuck", "overlaps", "recovery", "")


def cells(row: Row) -> tuple[str, ...]:
    """A row of the table as texts."""
    if row.skipped:
        return (row.name, "skipped", "", "", "", "", "", "", row.skipped)
    recovery = f"{statistics.median(row.waits):.1f} / {max(row.waits):.1f} s" if row.waits else ""
    counts = (row.cycles, row.jobs, row.lost, row.duplicated, row.stuck, row.overlaps)
    verdict = "" if row.ok else "BROKEN"
    return (row.name, *map(str, counts), recovery, "; ".join(part for part in (verdict, row.note) if part))


def table(rows: Iterable[Row]) -> str:
    """The table for a terminal."""
    lines = [HEAD, *(cells(row) for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEAD))]
    return "\n".join("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) for line in lines)


def markdown(rows: Iterable[Row]) -> str:
    """The table for docs/reliability.md."""
    lines = [HEAD, ("---",) * len(HEAD), *(cells(row) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
