"""Why a robot may not take a job: lists of reasons, used by the dispatcher and shown to people alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Why:
    """One reason: a code to count by, a sentence to read."""

    code: str
    message: str


class RobotFacts(Protocol):
    """What is asked about a robot."""

    id: str
    enabled: bool
    drained: bool
    removed: bool
    note: str | None
    capacity: int
    capabilities: frozenset[str]
    heard: float
    strange: bool

    @property
    def hold_reasons(self) -> Sequence[str]: ...
    @property
    def accepting(self) -> bool | None: ...
    @property
    def busy_with(self) -> Sequence[str]: ...


HOLD_WORDS = {
    "no_answer": "it did not answer an assignment",
    "silent": "it fell silent with a job in hand",
    "forced": "its job was ended by a person",
    "foreign": "it holds something that is not its own",
    "restored": "a backup was restored and it was not heard since",
    "unreadable": "its messages could not be read",
    "new_journal": "it came back with a new journal",
    "two_agents": "two agents use its name",
    "ahead": "it has seen numbers that this box never gave",
    "failures": "several jobs failed on it in a row",
    "refusals": "it refused several jobs in a row",
}


def of_robot(robot: RobotFacts, now: float, heard_s: float) -> list[Why]:
    """What keeps a robot from any new work."""
    found: list[Why] = []
    if robot.removed:
        found.append(Why("removed", "has been removed"))
    elif not robot.enabled:
        word = "is being drained" if robot.drained else "is disabled"
        found.append(Why("disabled", word + (f": {robot.note}" if robot.note else "")))
    silent = now - robot.heard
    if silent > heard_s:
        never = silent == float("inf")
        found.append(Why("offline", "has not been heard yet" if never else f"has not been heard for {silent:.0f} s"))
    elif robot.accepting is False:
        found.append(Why("not_accepting", "says that it takes no work now"))
    found += [Why(f"hold.{r}", f"is on hold: {HOLD_WORDS.get(r, r)}") for r in robot.hold_reasons]
    if robot.strange:
        found.append(Why("foreign", "holds something that this box never gave it"))
    if len(robot.busy_with) >= robot.capacity:
        found.append(Why("busy", f"works on {', '.join(robot.busy_with)}"))
    return found


def of_pair(
    robot: RobotFacts, needed: frozenset[str], refused: tuple[float, str, bool] | None, now: float
) -> list[Why]:
    """What keeps a robot from one job: `refused` is (until, reason, lasting) of its last refusal."""
    found: list[Why] = []
    missing = needed - robot.capabilities
    if missing:
        found.append(Why("not_capable", f"cannot do {', '.join(sorted(missing))}"))
    if refused and (refused[2] or now < refused[0]):
        again = "until it can do more" if refused[2] else f"asked again in {max(0.0, refused[0] - now):.0f} s"
        found.append(Why("refused", f"did not take it ({refused[1]}), {again}"))
    return found
