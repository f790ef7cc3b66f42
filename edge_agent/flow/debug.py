"""Debug mode of one attempt: failures that wait for a person, blocks that are run again, and undoing what finished."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from edge_agent.flow.frame import Frame, Place
from edge_agent.flow.signals import Failed
from schemas.flow import Block
from schemas.status import Phase

Try = tuple[str, int]
"""(path, try): one run of a block."""
NOBODY, BUT_STOPS, ALL = range(3)
"""Who around a block takes its failure: nobody; a block that does not take stops at the robot; one that takes all."""
UNDONE = frozenset({Phase.ROLLBACK_SUCCESS, Phase.ROLLBACK_FAILED})


@dataclass(frozen=True)
class Waiting:
    """A block run that failed, that nothing in the flow takes care of, and about which a person decides."""

    path: str
    try_: int
    n: int
    reason: str

    @property
    def key(self) -> Try:
        return (self.path, self.try_)


@dataclass(frozen=True)
class Finished:
    """A run that succeeded and has rollback blocks; `frame` is its flow's scope as it was then.

    after: how far undoing it had come before a restart.
    """

    block: Block
    path: str
    n: int
    try_: int
    frame: Frame
    after: Phase | None

    @property
    def is_undone(self) -> bool:
        """It was undone, or could not be; only what that did to the scope is repeated."""
        return self.after in UNDONE


class Debug:
    """What a flow knows in debug mode beyond its block runs; all of it comes back when the flow is replayed."""

    def __init__(self) -> None:
        self.rolling = False
        """Debug mode was left: what waits fails, and what has finished is undone."""
        self.decided: set[Try] = set()
        """Failed runs whose block shall be run again."""
        self.again: set[str] = set()
        """Paths of blocks that are being run again."""
        self._waiting: dict[Try, Waiting] = {}
        self._begun: dict[str, list[int]] = defaultdict(list)
        self._finished: list[Finished] = []

    # ------------------------------------------------------------ failures
    def wait(self, failed: Waiting) -> None:
        """A failure waits for a decision."""
        self._waiting[failed.key] = failed

    def is_decided(self, key: Try) -> bool:
        """Somebody has decided about a failure that waits."""
        return self.rolling or key in self.decided

    def leave(self, key: Try, *, again: bool) -> None:
        """A failure waits no longer; `again`: its block is run again."""
        self._waiting.pop(key, None)
        if again:
            self.again.add(key[0])

    def waits(self, key: Try) -> bool:
        """This very run waits for a decision."""
        return key in self._waiting

    @property
    def failed(self) -> Waiting | None:
        """What a person has to decide about first; None while a block is being run again."""
        if not self._waiting or self.again or self.rolling:
            return None
        return min(self._waiting.values(), key=lambda failed: failed.n)

    def lets(self, path: str) -> bool:
        """While a failure waits, nothing begins but what belongs to a block that is run again."""
        return not self._waiting or any(path == one or path.startswith((f"{one}/", f"{one}#")) for one in self.again)

    # ------------------------------------------------------------ undoing
    def begun(self, path: str, n: int) -> None:
        """A run has begun, now or before a restart."""
        self._begun[path].append(n)

    def last_n(self, path: str) -> int:
        """The running number of the last run of that path."""
        return self._begun[path][-1]

    def finish(self, block: Block, place: Place, path: str, n: int, try_: int, after: Phase | None) -> None:
        """A run with rollback blocks succeeded."""
        self._finished.append(Finished(block, path, n, try_, place.frame.as_it_is(), after))

    def to_undo(self) -> list[Finished]:
        """What has finished, last first: a block before those inside it, its later neighbours before both."""
        return sorted(self._finished, key=self._place_in_time)

    def _place_in_time(self, item: Finished) -> tuple[int, ...]:
        around = (self._run_of(path, item.n) for path in _around(item.path))
        return (*(-n for n in around if n), -item.n)

    def _run_of(self, path: str, before: int) -> int:
        """The run of that path in which the run with number `before` lies; 0: there is none."""
        return max((n for n in self._begun.get(path, ()) if n < before), default=0)


def _around(path: str) -> Iterator[str]:
    """Paths of the blocks around: of `a/b#1/c` these are `a` and `a/b`."""
    parts = path.split("/")
    for count in range(1, len(parts)):
        yield "/".join(parts[:count]).rpartition("#")[0] if "#" in parts[count - 1] else "/".join(parts[:count])


def takes(caught: int, failure: Failed) -> bool:
    """Whether something around the block takes this failure, so that nobody has to decide about it."""
    return not failure.fatal and (caught == ALL or (caught == BUT_STOPS and not failure.abort))


def names(items: Iterable[Finished]) -> str:
    """Blocks as a sentence lists them."""
    return ", ".join(f"'{item.block.name}'" for item in items)
