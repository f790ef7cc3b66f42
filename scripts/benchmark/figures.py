"""What a measurement finds: a name, a value for each run, and the goal it is held against."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["at most", "at least", "exactly"]
SIGNS: dict[Kind, str] = {"at most": "≤", "at least": "≥", "exactly": "="}


@dataclass(frozen=True)
class Goal:
    """What the median of a figure is to be, in the figure's own unit."""

    kind: Kind
    limit: float

    def met(self, value: float) -> bool:
        """Whether a median fits."""
        if self.kind == "exactly":
            return value == self.limit
        return value <= self.limit if self.kind == "at most" else value >= self.limit


def at_most(limit: float) -> Goal:
    """A ceiling."""
    return Goal("at most", limit)


def at_least(limit: float) -> Goal:
    """A floor."""
    return Goal("at least", limit)


def exactly(value: float) -> Goal:
    """One value only."""
    return Goal("exactly", value)


@dataclass(frozen=True)
class Figure:
    """One row of the table; `values` has one value a run, `also` what is shown beside it (name to value)."""

    name: str
    unit: str
    values: Sequence[float]
    goal: Goal | None = None
    also: Mapping[str, float] = field(default_factory=dict)

    @property
    def median(self) -> float:
        """What counts."""
        return statistics.median(self.values)

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None without one."""
        return None if self.goal is None else self.goal.met(self.median)


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that `percent` of all do not exceed; raises `ValueError` when there is none."""
    if not values:
        raise ValueError("no values")
    ranked = sorted(values)
    rank = -(-len(ranked) * percent // 100)  # rounded up
    return ranked[max(0, int(rank) - 1)]
