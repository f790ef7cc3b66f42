"""Which robots a list shows: filters, order and pages, all of it in the address."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from urllib.parse import urlencode

from schemas.views import Robot

PAGE = 50
"""So many rows at most are written anew for every change, twice a second."""
LONGEST = 64
_DIGITS = re.compile(r"(\d+)")


@lru_cache(maxsize=10_000)
def by_name(robot: str) -> tuple[list[tuple[int, str]], str]:
    """People count `AGV-2` before `AGV-10`."""
    pieces = _DIGITS.split(robot)
    return [(int(piece), "") if piece.isdecimal() else (0, piece.casefold()) for piece in pieces], robot


@dataclass(frozen=True)
class Filters:
    """What is asked for; an empty text asks for nothing. `start` is the robot that the page begins at."""

    state: str = ""
    queue: str = ""
    tag: str = ""
    kind: str = ""
    q: str = ""
    start: str = ""

    @classmethod
    def read(cls, query: Mapping[str, str]) -> "Filters":
        """From an address; what it has beside these is not looked at."""
        return cls(**{name: query.get(name, "").strip()[:LONGEST] for name in cls.__dataclass_fields__})

    @property
    def query(self) -> str:
        """As in an address, without what is not asked for."""
        return urlencode({name: value for name, value in vars(self).items() if value})

    def link(self, **changes: str) -> str:
        """The address of the list with other filters; it begins at the first robot unless `start` is given."""
        query = replace(self, **({"start": ""} | changes)).query
        return "/robots" + (f"?{query}" if query else "")

    @property
    def narrow(self) -> bool:
        """Whether anything but the state is asked for."""
        return bool(self.queue or self.tag or self.kind or self.q)

    def fits(self, robot: Robot) -> bool:
        """Whether a robot is what is asked for, whatever its state."""
        text = self.q.casefold()
        return (
            (not self.queue or self.queue in robot.queues)
            and (not self.tag or self.tag in robot.tags)
            and (not self.kind or self.kind == robot.kind)
            and (not text or text in robot.id.casefold() or text in robot.name.casefold())
        )


@dataclass(frozen=True)
class Shown:
    """One page: `before` and `after` are the robots that the neighbouring pages begin at."""

    robots: list[Robot]
    counts: Mapping[str, int]
    total: int
    before: str | None
    after: str | None
    first: int


def choose(robots: Iterable[Robot], asked: Filters) -> Shown:
    """The robots that fit, in the order of their names, from `start` on; counts are of every state."""
    fitting = sorted((robot for robot in robots if asked.fits(robot)), key=lambda robot: by_name(robot.id))
    counts = Counter(robot.state.value for robot in fitting)
    chosen = [robot for robot in fitting if not asked.state or robot.state.value == asked.state]
    begin = by_name(asked.start)
    first = next((n for n, robot in enumerate(chosen) if by_name(robot.id) >= begin), len(chosen))
    before = chosen[max(0, first - PAGE)].id if first and chosen else None
    after = chosen[first + PAGE].id if len(chosen) > first + PAGE else None
    return Shown(chosen[first : first + PAGE], counts, len(chosen), before, after, first)


def choices(robots: Iterable[Robot]) -> dict[str, list[str]]:
    """What there is to filter by."""
    known = list(robots)
    return {
        "queue": sorted({name for robot in known for name in robot.queues}, key=by_name),
        "tag": sorted({name for robot in known for name in robot.tags}, key=by_name),
        "kind": sorted({robot.kind for robot in known}),
    }
