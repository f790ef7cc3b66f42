"""What the journal remembers of an attempt, asked in the order in which it happened."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping

from edge_agent.operations import PastRun
from schemas.status import BLOCK_ENDED, PHASE_STATE

FOREVER = 2**53
"""A running number that no block run reaches."""


def has_ended(past: PastRun) -> bool:
    """The run is over; phases that follow an end leave it so."""
    state = PHASE_STATE[past.status]
    return state is None or state in BLOCK_ENDED


class Recall:
    """Remembered block runs. A run of a path belongs to whoever asks only if its number is below `until`: what comes
    later belongs to a further try of a block around it."""

    def __init__(self, past: Mapping[tuple[str, int], PastRun]) -> None:
        self._past = past
        self._tries: dict[str, int] = {}
        self._passes = _passes(past)
        self._next = max((run.n for run in past.values()), default=0) + 1

    def peek(self, path: str, until: int) -> PastRun | None:
        """The next remembered run of that path, if there is one."""
        run = self._past.get((path, self._tries.get(path, 0)))
        return run if run is not None and run.n < until else None

    def begin(self, path: str) -> int:
        """Count a run of that path; answers which try it is."""
        number = self._tries.get(path, 0)
        self._tries[path] = number + 1
        return number

    def last_try(self, path: str) -> int:
        """Which try of that path was counted last."""
        return self._tries[path] - 1

    def number(self) -> int:
        """The running number of a run that begins now."""
        self._next += 1
        return self._next - 1

    def until(self, path: str, until: int) -> int:
        """Where the run of that path that was counted last ends: at its next try, if that is remembered."""
        following = self.peek(path, until)
        return until if following is None else following.n

    def has_pass(self, prefix: str, after: int, until: int) -> bool:
        """Something ran in that pass of a loop run with number `after`."""
        numbers = self._passes.get(prefix, [])
        place = bisect_right(numbers, after)
        return place < len(numbers) and numbers[place] < until


def _passes(past: Mapping[tuple[str, int], PastRun]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = defaultdict(list)
    for (path, _), run in past.items():
        for prefix in _prefixes(path):
            found[prefix].append(run.n)
    return {prefix: sorted(numbers) for prefix, numbers in found.items()}


def _prefixes(path: str) -> Iterator[str]:
    """`a#1/b#2/c` lies in the passes `a#1` and `a#1/b#2`."""
    place = path.find("/")
    while place >= 0:
        head = path[:place]
        if "#" in head.rpartition("/")[2]:
            yield head
        place = path.find("/", place + 1)
