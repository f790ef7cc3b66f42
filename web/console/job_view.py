"""Everything the page of a job shows, read at one moment and put together; only for the regions that are wanted."""

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from controller.store import queries
from controller.store.queries.siblings import Sibling, siblings
from schemas.blocks import BLOCK_KINDS
from schemas.status import JobState
from schemas.views import AttemptRuns, Job, Robot
from web.console import job_moves, job_waiting
from web.console.frame import reader
from web.console.job_address import Address
from web.console.job_attempts import Played, place_of, played_out, seconds
from web.console.job_logs import Lines, chosen_of, lines
from web.console.job_state import ENDED, Button, Facts, Standing, buttons, standing
from web.console.job_timeline import Band, Scale, Stretch, horizon, lay_out
from web.console.job_tree import Row, Tree, flat
from web.console.job_values import Value, values
from web.console.job_waiting import Waits
from web.console.language import _, spoken
from web.console.look import Look
from web.console.robot_words import place
from web.console.words import block_word, job_word
from web.errors import invalid, not_found

REGIONS = ("head", "tree", "side", "logs", "record")
ATTEMPTS, RUNS, FIRST_RUNS, LAST_RUNS, MOVES, USUAL_LEAST = 40, 2_000, 200, 100, 50, 1.0
"""Attempts looked at (offers that were not taken are among them); block runs, the newest and the first; moves."""
MAX_ID = 255


@dataclass(frozen=True)
class BandView:
    """An attempt's head over its part of the scale."""

    band: Band
    played: Played
    state: str
    chosen: bool

    @property
    def took_s(self) -> float | None:
        """How long it took; None while it runs."""
        ms = self.played.attempt.duration_ms
        return None if ms is None else ms / 1000


@dataclass
class View:
    """A job's page; what no wanted region needs is empty."""

    facts: Facts
    address: Address
    index: Any
    number: int
    now: float
    lines: Lines | None
    more_moves: bool
    flow_name: str | None
    siblings: Sequence[Sibling] = ()
    """The other jobs of its submission, one for each robot that was named."""

    @property
    def job(self) -> Job:
        """The job."""
        return self.facts.job

    @property
    def look(self) -> Look:
        """The fleet."""
        return self.facts.look

    @property
    def played(self) -> Sequence[Played]:
        """Its attempts that began, oldest first."""
        return self.facts.played

    @cached_property
    def name(self) -> str:
        """What people call it."""
        return self.job.deployment_name or self.job.deployment or self.flow_name or self.job.flow

    @cached_property
    def standing(self) -> Standing:
        """How it stands."""
        return standing(self.facts)

    @cached_property
    def buttons(self) -> list[Button]:
        """What may be asked of it now."""
        return buttons(self.facts)

    @property
    def ended(self) -> bool:
        """It is over."""
        return self.job.state in ENDED

    @cached_property
    def retries_left(self) -> int:
        """How many further attempts are allowed after this one."""
        used = sum(one.attempt.counted for one in self.played)
        return max(0, min(self.job.max_retries, self.job.max_retries + 1 - used))

    # ------------------------------------------------------------ tree and timeline
    @property
    def runs(self) -> bool:
        """Its last attempt is still open."""
        return bool(self.played) and self.played[-1].attempt.open

    @cached_property
    def scale(self) -> Scale:
        """All attempts on one scale."""
        stretches = [Stretch(one.start, one.upto) for one in self.played]
        if self.runs:
            last = stretches[-1]
            stretches[-1] = Stretch(last.start, last.start + horizon(last.seconds, self.facts.usual_s))
        lead = stretches[0].start - seconds(self.job.created_at) if stretches else 0.0
        waits = self.job.state in (JobState.QUEUED, JobState.ASSIGNED)
        return lay_out(
            stretches, lead if lead >= USUAL_LEAST else None, self._waited_s if waits else None, runs=self.runs
        )

    @property
    def _waited_s(self) -> float:
        since = self.facts.entered() or self.job.created_at
        return max(0.0, self.now - seconds(since))

    @cached_property
    def chosen(self) -> int | None:
        """Place of the attempt whose results are shown."""
        one = chosen_of(self.played, self.address)
        return None if one is None else list(self.played).index(one)

    @cached_property
    def bands(self) -> list[BandView]:
        """The heads of the attempts."""
        pairs = zip(self.scale.bands, self.played, strict=True)
        return [
            BandView(band, one, self._state_of(one), place == self.chosen) for place, (band, one) in enumerate(pairs)
        ]

    def _state_of(self, one: Played) -> str:
        return self.job.state.value if one.attempt.open else one.attempt.state.value

    @property
    def now_x(self) -> float | None:
        """Where the present is on the scale, while an attempt runs."""
        return self.scale.x(len(self.played) - 1, self.now) if self.runs else None

    @cached_property
    def rows(self) -> list[Row]:
        """The rows of the tree; a flat list where the definition cannot be read."""
        if self.index is None:
            found, _left = flat(self._shown, self.scale, self.chosen or 0)
            return found
        state = "not_executed" if self._shown is None else self._state_of(self._shown)
        uncertain = self.job.state == JobState.UNCERTAIN
        tree = Tree(self.index, self.played, self.chosen, self.scale, self.address.opened, uncertain)
        return tree.build(self.name, state)

    @property
    def _shown(self) -> Played | None:
        return None if self.chosen is None else self.played[self.chosen]

    @property
    def truncated(self) -> bool:
        """Some runs of the shown attempt are not on the page."""
        return self._shown is not None and self._shown.truncated

    @property
    def left_out(self) -> int:
        """Attempts that began and are not on the scale."""
        return max(0, self.job.attempt_count - len(self.played))

    def word(self, row: Row) -> str:
        """The state of a row."""
        if row.state == "unknown" or (row.state == "uncertain" and row.level > 1):
            return _("Not known")
        return job_word(row.state) if row.level == 1 and row.state != "not_executed" else block_word(row.state)

    def kind(self, row: Row) -> str:
        """The kind of a row's block."""
        known = BLOCK_KINDS.get(row.kind)
        return getattr(known.name, spoken()) if known else row.kind

    # ------------------------------------------------------------ beside and below
    @property
    def robot(self) -> Robot | None:
        """Who has it now."""
        return self.look.by_id.get(self.job.robot or "") if not self.ended else None

    @property
    def place(self) -> str | None:
        """Where that robot is."""
        return place(self.robot) if self.robot else None

    @property
    def load(self) -> str:
        """What it carries, as far as it says so in short values."""
        said = (self.robot.load or {}) if self.robot else {}
        return ", ".join(str(one)[:60] for one in said.values() if isinstance(one, str | int | float)) or _("yes")

    @property
    def activity(self) -> tuple[str | None, str | None]:
        """What that robot says it does, and at which block."""
        held = next((one for one in self.robot.held if one.attempt == self.job.attempt), None) if self.robot else None
        if held is None:
            return None, None
        block = self.index.at(held.path) if held.path and self.index is not None else None
        return held.activity, block.name if block is not None and block.path != "-1" else None

    @cached_property
    def moves(self) -> list[job_moves.Move]:
        """What happened to it, newest first."""
        return [job_moves.shown(move) for move in self.facts.moves]

    def values(self, given: dict[str, Any] | None) -> list[Value]:
        """Values for reading."""
        return values(given)

    @property
    def source(self) -> list[tuple[str, str]]:
        """Fields of its source that are given, in their order; the type is a word of its own."""
        given = self.job.source.model_dump(exclude={"type"}, exclude_none=True)
        return [(name, str(value)) for name, value in given.items()]


def read(uid: str, look: Look, address: Address, wanted: Collection[str], *, upto: int | None = None) -> View:
    """The page as it is now; raises `ApiError`, `Unreadable`."""
    now = time.time()
    with reader().reading() as db:
        job, number = _job(db, uid)
        index = queries.index_of_job(db, number)
        found = _attempts(db, number, index, tree="tree" in wanted)
        known = job.state != JobState.UNCERTAIN
        played = played_out(found, job.attempt_count, now, known=known)
        if address.attempt is not None and chosen_of(played, address) is None:
            raise invalid("query", "/attempt", "unknown", "The job has no such attempt.")
        moves = queries.page_of_job_events(db, number, limit=MOVES)
        flow = None if job.deployment_name else queries.flow(db, job.flow, None)
        usual_ms = queries.usual_duration_ms(db, job.deployment, job.flow) if job.state not in ENDED else None
        shown = lines(db, number, played, index, address, upto=upto) if "logs" in wanted else None
        others = siblings(db, job.run, job.id) if "logs" in wanted else []
    facts = Facts(
        job, look, played, moves.items, _waits(look, job, number, wanted),
        None if usual_ms is None else usual_ms / 1000, _names(index, played),
    )  # fmt: skip
    name = flow.name if flow else None
    return View(facts, address, index, number, now, shown, moves.next is not None, name, others)


def _job(db: queries.Connection, uid: str) -> tuple[Job, int]:
    found = queries.jobs_by_uid(db, [uid]) if len(uid) <= MAX_ID else []
    number = queries.job_id(db, uid) if found else None
    if not found or number is None:
        raise not_found("job", uid)
    return found[0], number


def _attempts(db: queries.Connection, number: int, index: Any, *, tree: bool) -> list[AttemptRuns]:
    """The newest attempts; what is said about them needs their last few runs only, the tree all that a page bears."""
    found = queries.attempt_runs(db, number, ATTEMPTS, RUNS if tree else LAST_RUNS)
    return [_whole(db, one, index) for one in found] if tree else found


def _whole(db: queries.Connection, found: AttemptRuns, index: Any) -> AttemptRuns:
    """An attempt with too many runs keeps its newest, and its first: those hold the rest."""
    if not found.truncated:
        return found
    first = queries.page_of_runs(db, found.attempt.number, index, newest=False, limit=FIRST_RUNS).items
    known = {run.id for run in found.runs}
    runs = [*(run for run in first if run.id not in known), *found.runs]
    return AttemptRuns.model_construct(attempt=found.attempt, runs=runs, truncated=True)


def _waits(look: Look, job: Job, number: int, wanted: Collection[str]) -> Waits | None:
    if job.state != JobState.QUEUED or not look.up or not {"head", "side"} & set(wanted):
        return None
    with reader().reading() as db:
        return job_waiting.waits(look, db, job, number)


def _names(index: Any, played: Sequence[Played]) -> dict[str, str]:
    culprits = [one.culprit for one in played if one.culprit is not None]
    blocks = {one.path: index.at(place_of(one.path)) for one in culprits} if index is not None else {}
    return {path: block.name for path, block in blocks.items() if block is not None}


def read_lines(uid: str, address: Address, *, after: str | None) -> Lines:
    """A further page of log lines; raises `ApiError`, `BadCursor`, `Unreadable`."""
    with reader().reading() as db:
        job, number = _job(db, uid)
        found = queries.attempt_runs(db, number, ATTEMPTS, 0)
        played = played_out(found, job.attempt_count, time.time())
        return lines(db, number, played, queries.index_of_job(db, number), address, after=after)
