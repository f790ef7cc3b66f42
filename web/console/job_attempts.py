"""The attempts of a job with their block runs, arranged for looking up by block, by pass, and by what went wrong."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from schemas.status import AttemptState, BlockState
from schemas.views import Attempt, AttemptRuns, BlockRun

_PASS = re.compile(r"#\d+")
Look = Literal["past", "run", "bad", "via", "gone", "unk"]
"""How a run is drawn: done, runs, went wrong by itself, went wrong inside, was stopped, not known how it ended."""


def seconds(moment: str) -> float:
    """A recorded moment as seconds since 1970."""
    return datetime.fromisoformat(moment).timestamp()


def place_of(path: str) -> str:
    """The block in the definition that a run's path names: the path without passes."""
    return _PASS.sub("", path)


def above(path: str) -> str:
    """The path of what a run is in, without the pass: `-1/5` for `-1/5#2/7`; empty above the root."""
    return re.sub(r"#\d+$", "", path.rpartition("/")[0])


@dataclass(frozen=True)
class Timed:
    """A block run with its times in seconds; `end` is None while it runs, or when nobody knows."""

    run: BlockRun
    start: float | None
    end: float | None
    look: Look

    @property
    def path(self) -> str:
        """Where it ran, with passes."""
        return self.run.path


@dataclass
class Played:
    """One attempt; `k` is its number among the job's own, `upto` the moment until which its open runs are drawn."""

    attempt: Attempt
    k: int
    start: float
    upto: float
    truncated: bool
    at: dict[str, list[Timed]] = field(default_factory=lambda: defaultdict(list))
    last: dict[str, Timed] = field(default_factory=dict)
    passes: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    culprit: Timed | None = None

    def learn(self, one: Timed) -> None:
        """Take a run in; a later one of the same path stands before earlier tries."""
        self.at[place_of(one.path)].append(one)
        self.last[one.path] = one
        for found in re.finditer(r"#(\d+)", one.path):
            self.passes[one.path[: found.start()]].add(int(found[1]))

    @property
    def runs(self) -> int:
        """How many runs are known."""
        return sum(len(runs) for runs in self.at.values())


def play(found: AttemptRuns, k: int, now: float, *, known: bool) -> Played:
    """Arrange an attempt; `known`: what its open runs do is known (the job is not uncertain)."""
    attempt = found.attempt
    upto = seconds(attempt.ended_at) if attempt.ended_at else now
    played = Played(attempt, k, seconds(attempt.started_at or attempt.created_at), upto, found.truncated)
    wrong = _wrong(found.runs)
    culprit = _culprit(attempt, wrong, found.runs)
    for run in found.runs:
        one = Timed(run, _at(run.started_at), _at(run.ended_at), _look(run, run is culprit, attempt.open and known))
        played.learn(one)
        if run is culprit:
            played.culprit = one
    return played


def _at(moment: str | None) -> float | None:
    return None if moment is None else seconds(moment)


def _look(run: BlockRun, is_culprit: bool, running: bool) -> Look:
    if run.ended_at is None:
        return "run" if running else "unk"
    if run.state is BlockState.FAILED:
        return "bad" if is_culprit else "via"
    return "gone" if run.state is BlockState.CANCELLED else "past"


def _wrong(runs: Iterable[BlockRun]) -> list[tuple[BlockRun, list[BlockRun]]]:
    """Failed runs inside of which no other failed, each with the runs it was in, the innermost first."""
    newest: dict[str, BlockRun] = {}
    inside: dict[str, BlockRun] = {}
    failed: dict[str, tuple[BlockRun, list[BlockRun]]] = {}
    for run in runs:
        around, path = [], above(run.path)
        while path:
            if path in newest:
                around.append(newest[path])
            path = above(path)
        newest[run.path] = run
        if run.state is BlockState.FAILED:
            failed[run.id] = (run, around)
            inside |= {one.id: run for one in around}
    return [pair for name, pair in failed.items() if name not in inside]


def _culprit(
    attempt: Attempt, wrong: Sequence[tuple[BlockRun, list[BlockRun]]], runs: Sequence[BlockRun]
) -> BlockRun | None:
    """The run over which a failed attempt failed: whatever it was in failed too, and its reason is the attempt's."""
    if attempt.state is not AttemptState.FAILED:
        return None
    fatal = [run for run, around in wrong if all(one.state is BlockState.FAILED for one in around)]
    if not fatal:
        return next((run for run in runs if run.path == "-1"), None)
    message = attempt.reason.message if attempt.reason else None
    return max(fatal, key=lambda run: (run.reason is not None and run.reason == message, run.ended_at or ""))


def played_out(
    found: Sequence[AttemptRuns], count: int, now: float, *, known: bool = True, most: int = 12
) -> list[Played]:
    """The attempts that began (an offer that was not taken is no attempt), oldest first, the newest `most` of them.

    `count`: how many of the job's began in all.
    """
    began = [one for one in found if one.attempt.started_at is not None]
    first = count - len(began)
    return [play(one, first + place, now, known=known) for place, one in enumerate(began, 1)][-most:]
