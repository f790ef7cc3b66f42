"""What would become of several jobs if one thing were asked of all of them: one pure function."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from schemas.status import TERMINAL
from web.console.job_outlook import STANDS, Case, Kind, outlook
from web.console.language import N_, _

BatchAction = Literal["cancel", "priority"]
GroupKind = Literal[
    "at_once", "told_first", "stops", "silent", "again", "changed", "ended", "held_up", "equal", "taken"
]
STAYS: tuple[GroupKind, ...] = ("ended", "held_up", "equal", "taken")
"""Groups in which nothing changes."""
ORDER: tuple[GroupKind, ...] = ("at_once", "told_first", "stops", "silent", "again", "changed", *STAYS)
SAYS: dict[GroupKind, tuple[str, str]] = {
    "at_once": (N_("ended at once"), N_("Held by no robot.")),
    "told_first": (
        N_("robot is told first"),
        N_("It has not moved for the job yet; its answer ends the job as cancelled."),
    ),
    "stops": (
        N_("robot stops, then the job ends"),
        N_("What a robot carries stays on it. If it finishes first, the job ends as succeeded."),
    ),
    "silent": (
        N_("robot is told when it is heard again"),
        N_("It is silent, so nobody knows what it does. Until then the job is shown as cancelling."),
    ),
    "again": (N_("robot is told once more"), N_("It was told to stop and has not answered yet.")),
    "changed": (N_("get the new priority"), N_("Held by no robot.")),
    "ended": (N_("unchanged"), N_("Ended already.")),
    "held_up": (
        N_("unchanged"),
        N_("They may have run before the box was restored, and a robot that is on hold may be running them still."),
    ),
    "equal": (N_("unchanged"), N_("This is the priority already.")),
    "taken": (N_("unchanged"), N_("Held by a robot already.")),
}
"""What happens to a group, and why; about one job or many."""
SHAPES: dict[GroupKind, str] = {
    "at_once": "queued",
    "told_first": "assigned",
    "stops": "running",
    "silent": "uncertain",
    "again": "cancelling",
    "changed": "queued",
}


@dataclass(frozen=True)
class Line:
    """A job in the preview; `guard` travels with the form, so that nothing else is done than what was shown."""

    case: Case
    kind: GroupKind

    @property
    def guard(self) -> str:
        """Id, kind and attempt."""
        return f"{self.case.job.id}:{self.kind}:{self.case.job.attempt or ''}"

    @property
    def why(self) -> str:
        """Why this one does not change."""
        equal = SAYS["equal"][1]
        return _(equal) if self.kind == "equal" else self.case.say(STANDS[self.case.job.state])


@dataclass(frozen=True)
class Group:
    """Jobs of which the same becomes."""

    kind: GroupKind
    lines: tuple[Line, ...]

    @property
    def stays(self) -> bool:
        """Whether nothing changes."""
        return self.kind in STAYS


@dataclass(frozen=True)
class Preview:
    """What would become of each; `total` jobs were looked at."""

    action: BatchAction
    groups: tuple[Group, ...]

    @property
    def total(self) -> int:
        """How many jobs."""
        return sum(len(group.lines) for group in self.groups)

    @property
    def changing(self) -> list[Line]:
        """Those that something would be asked of."""
        return [line for group in self.groups if not group.stays for line in group.lines]

    @property
    def staying(self) -> list[Line]:
        """Those that would stay as they are."""
        return [line for group in self.groups if group.stays for line in group.lines]


def preview(action: BatchAction, cases: Iterable[Case], priority: int | None = None) -> Preview:
    """What would become of these jobs now."""
    lines = [Line(case, _kind(action, case, priority)) for case in cases]
    return Preview(action, _grouped(lines))


def _kind(action: BatchAction, case: Case, priority: int | None) -> GroupKind:
    found = outlook(case, action)
    if found.possible and action == "priority":
        return "equal" if case.job.priority == priority else "changed"
    kinds: dict[Kind, GroupKind] = {
        "at_once": "at_once",
        "told_first": "told_first",
        "stops": "stops",
        "silent": "silent",
        "again": "again",
        "same": "ended" if case.job.state in TERMINAL else "held_up" if action == "cancel" else "taken",
    }
    return kinds[found.kind]


def _grouped(lines: Sequence[Line]) -> tuple[Group, ...]:
    by_kind = sorted(lines, key=lambda line: ORDER.index(line.kind))
    return tuple(Group(kind, tuple(found)) for kind, found in groupby(by_kind, key=lambda line: line.kind))
