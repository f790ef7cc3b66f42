"""The rows of a job's tree: each block with what became of it, and its bars in every attempt on one scale."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

from schemas.blocks import BLOCK_KINDS
from schemas.flow import ROLLBACK, ROOT_ID
from schemas.status import BlockState
from web.console.job_attempts import Played, Timed, place_of
from web.console.job_timeline import Bar, Scale, merged
from web.console.text import duration

MAX_ROWS, PASSES, FLAT_ROWS = 2_500, 20, 300
"""Rows of a page; passes of a loop that are listed, the newest; rows where the definition cannot be read."""
MANY_ROWS = 120
"""A longer tree shows what is done, and what was not executed, folded."""
TEXT_LEAST = 5.5
"""Percent of the column that a duration needs to stand in its bar."""
CUTS_MOST = 60
SHORT = 40
QUIET = frozenset({"not_executed", "succeeded", "cancelled"})


class Block(Protocol):
    """A block of a definition."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def branch(self) -> str | None: ...
    @property
    def children(self) -> tuple[str, ...]: ...


class Index(Protocol):
    """The blocks of a flow by their paths without passes."""

    root: str

    def __getitem__(self, path: str) -> Block: ...


@dataclass(frozen=True)
class Row:
    """One line: a block, a pass of a loop, or a word about what is left out (`count` of it).

    `open`: whether what is below is shown, None if there is nothing; `folded`: passes of a loop that are not listed;
    `took_s` or `since`: how long it took, or since when it runs; `hidden`: it is below something that is shut.
    """

    what: Literal["block", "pass", "passes_left", "rows_left"]
    key: str
    place: str
    level: int
    name: str = ""
    kind: str = ""
    branch: str | None = None
    about: str = ""
    state: str = "not_executed"
    took_s: float | None = None
    since: str | None = None
    tries: int = 1
    of: tuple[int, int | None] | None = None
    bars: Sequence[Bar] = ()
    cuts: Sequence[float] = ()
    reason: str | None = None
    culprit: bool = False
    open: bool | None = None
    folded: int = 0
    listed: bool = False
    count: int = 0
    hidden: bool = False


@dataclass
class Tree:
    """Builds the rows for one chosen attempt (None: the job has not begun any)."""

    index: Index
    played: Sequence[Played]
    chosen: int | None
    scale: Scale
    opened: Collection[str] = ()
    uncertain: bool = False
    rows: list[Row] = field(default_factory=list)
    left: int = 0

    def build(self, name: str, root_state: str) -> list[Row]:
        """All rows; the root carries the job's name and state."""
        self._block(self.index[self.index.root], self.index.root, "", 1)
        if self.rows:
            self.rows[0] = replace(self.rows[0], name=name, state=root_state)
        if self.left:
            self.rows.append(Row("rows_left", "", "", 1, count=self.left))
        return folded(self.rows)

    @property
    def _now(self) -> Played | None:
        return None if self.chosen is None else self.played[self.chosen]

    def _block(self, block: Block, path: str, prefix: str, level: int) -> None:
        """A block at a path with passes; `prefix`: only runs below it are drawn."""
        if block.id == ROOT_ID and self.rows:  # the root of a sub-flow is no step of its own
            self._children(block, path, prefix, level)
            return
        if len(self.rows) >= MAX_ROWS:
            self.left += 1
            return
        now = self._now
        one = now.last.get(path) if now else None
        if block.branch == ROLLBACK and one is None:
            return
        passes = sorted(now.passes.get(path, ())) if now else []
        self.rows.append(self._row(block, path, prefix, level, one, passes))
        if len(passes) > 1 and path in self.opened:
            self._passes(block, path, level, passes)
        else:
            self._children(block, f"{path}#{passes[-1]}" if passes else path, prefix, level + 1)
        self._below(block, path, prefix, level + 1, undo=True)

    def _children(self, block: Block, path: str, prefix: str, level: int) -> None:
        self._below(block, path, prefix, level, undo=False)

    def _below(self, block: Block, path: str, prefix: str, level: int, *, undo: bool) -> None:
        """Its steps, or what undoes it, which belongs to no pass of it."""
        for place in block.children:
            child = self.index[place]
            if (child.branch == ROLLBACK) == undo:
                self._block(child, f"{path}/{child.id}", prefix, level)

    def _row(self, block: Block, path: str, prefix: str, level: int, one: Timed | None, passes: Sequence[int]) -> Row:
        now, kind = self._now, BLOCK_KINDS.get(block.kind)
        listed = len(passes) > 1 and path in self.opened
        bars, cuts = self._bars(block.path, prefix), self._cuts(block.path, prefix) if kind and kind.loop else ()
        is_culprit = one is not None and now is not None and one is now.culprit
        return Row(
            "block", path, block.path, level, block.name, block.kind, block.branch, _about(one),
            **self._outcome(one),
            tries=one.run.try_ + 1 if one else 1,
            of=_of(one, passes) if kind and kind.loop else None,
            bars=[replace(bar, text="") for bar in bars] if cuts else bars,
            cuts=cuts,
            reason=_reason(one, is_culprit),
            culprit=is_culprit,
            open=True if block.children else None,
            folded=0 if listed else max(0, len(passes) - 1),
            listed=listed,
        )  # fmt: skip

    def _outcome(self, one: Timed | None) -> dict[str, Any]:
        """State and time of a run as it stands in the result column."""
        if one is None:
            return {"state": "not_executed", "took_s": None, "since": None}
        if one.end is None:
            if one.look == "unk":
                return {"state": "uncertain" if self.uncertain else "unknown", "took_s": None, "since": None}
            return {"state": BlockState.RUNNING.value, "took_s": None, "since": one.run.started_at}
        took = None if one.start is None else max(0.0, one.end - one.start)
        return {"state": one.run.state.value, "took_s": took, "since": None}

    # ------------------------------------------------------------ passes of a loop
    def _passes(self, block: Block, path: str, level: int, passes: Sequence[int]) -> None:
        """The newest passes as rows of their own, the last one open."""
        shown = passes[-PASSES:]
        if len(shown) < len(passes):
            self.rows.append(Row("passes_left", f"{path}#", block.path, level + 1, count=len(passes) - len(shown)))
        for number in shown:
            key = f"{path}#{number}"
            is_open = number == shown[-1] or key in self.opened
            if len(self.rows) >= MAX_ROWS:
                self.left += 1
                continue
            self.rows.append(self._pass(block, path, level + 1, number, is_open=is_open))
            if is_open:
                self._children(block, key, f"{key}/", level + 2)

    def _pass(self, block: Block, path: str, level: int, number: int, *, is_open: bool) -> Row:
        now, key = self._now, f"{path}#{number}"
        inside = [one for one in _below(now, block.path, f"{key}/") if one.start is not None] if now else []
        bars = []
        for band, played in enumerate(self.played):
            runs = [one for one in _below(played, block.path, f"{key}/") if one.start is not None]
            if runs:
                bars.append(self._span(band, played, runs))
        ends = [one.end for one in inside]
        running = any(one.look == "run" for one in inside)
        failed = any(one.look == "bad" for one in inside)
        start = min((one.start for one in inside if one.start is not None), default=None)
        end = max((one for one in ends if one is not None), default=None)
        return Row(
            "pass", key, block.path, level, about=_item(now.last.get(path) if now else None, number),
            state="running" if running else "failed" if failed else "succeeded",
            took_s=None if running or start is None or end is None else end - start,
            bars=bars, open=is_open if block.children else None, count=number + 1,
        )  # fmt: skip

    def _span(self, band: int, played: Played, runs: list[Timed]) -> Bar:
        start = min(one.start for one in runs if one.start is not None)
        end = max(played.upto if one.end is None else one.end for one in runs)
        open_ = next((one.look for one in runs if one.end is None), None)
        wrong = any(one.look == "bad" for one in runs)
        return self.scale.bar(band, start, end, open_ or ("via" if wrong else "past"))

    # ------------------------------------------------------------ bars
    def _bars(self, place: str, prefix: str) -> list[Bar]:
        found: list[Bar] = []
        for band, played in enumerate(self.played):
            for one in played.at.get(place, ()):
                if one.start is None or not one.path.startswith(prefix):
                    continue
                found.append(self._bar(band, played, one))
        return merged(found)

    def _bar(self, band: int, played: Played, one: Timed) -> Bar:
        start, end = one.start or 0.0, played.upto if one.end is None else one.end
        bar = self.scale.bar(band, start, end, one.look)
        fits = bar.w >= TEXT_LEAST and one.end is not None
        return replace(bar, text=duration(end - start)) if fits else bar

    def _cuts(self, place: str, prefix: str) -> list[float]:
        """Where the passes of a loop begin, if they are few enough to be told apart."""
        found: list[float] = []
        for band, played in enumerate(self.played):
            starts: dict[str, float] = {}
            for one in _below(played, place, prefix):
                inner = _pass_of(one.path, place)
                if one.start is not None and inner:
                    starts[inner] = min(one.start, starts.get(inner, one.start))
            found += sorted(self.scale.x(band, start) for start in starts.values())[1:]
        return found if len(found) <= CUTS_MOST else []


def _below(played: Played, place: str, prefix: str) -> Iterator[Timed]:
    """Runs of blocks below a place, under a path with passes."""
    for other, runs in played.at.items():
        if other.startswith(f"{place}/"):
            yield from (one for one in runs if one.path.startswith(prefix))


def _pass_of(path: str, place: str) -> str:
    """The path up to the pass of the loop at a place, for a run inside of it."""
    depth, parts = place.count("/") + 1, path.split("/")
    return "/".join(parts[:depth]) if len(parts) > depth and "#" in parts[depth - 1] else ""


def _about(one: Timed | None) -> str:
    """Where to, or what: the one input that people know an operation by."""
    given = one.run.inputs if one is not None else None
    if not isinstance(given, Mapping):
        return ""
    for name in ("targetSiteLabel", "scriptName", "command", "package"):
        if isinstance(given.get(name), str):
            return str(given[name])[:SHORT]
    return ""


def _of(one: Timed | None, passes: Sequence[int]) -> tuple[int, int | None] | None:
    """In which pass a loop is, of how many if that is known."""
    if not passes or one is None:
        return None
    given = one.run.inputs if isinstance(one.run.inputs, Mapping) else {}
    items = given.get("list")
    total = len(items) if isinstance(items, list) else given.get("num")
    return passes[-1] + 1, total if isinstance(total, int) else None


def _item(loop: Timed | None, number: int) -> str:
    """What a pass over a list was about, if that is short."""
    given = loop.run.inputs if loop is not None and isinstance(loop.run.inputs, Mapping) else {}
    items = given.get("list")
    if not isinstance(items, list) or number >= len(items) or isinstance(items[number], list | dict):
        return ""
    return str(items[number])[:SHORT]


def _reason(one: Timed | None, is_culprit: bool) -> str | None:
    """Why it failed, for what failed by itself: what contains it would only repeat that."""
    if one is None or one.run.state is not BlockState.FAILED or one.run.reason is None:
        return None
    kind = BLOCK_KINDS.get(one.run.kind or "")
    contains = bool(kind and kind.branches) or one.path == ROOT_ID
    return one.run.reason if is_culprit or not contains else None


def folded(rows: list[Row]) -> list[Row]:
    """Rows with what is shut at first: quiet containers of a long tree, passes that nobody opened."""
    many = len(rows) > MANY_ROWS
    found: list[Row] = []
    shut: int | None = None
    for row in rows:
        if shut is not None and row.level > shut:
            found.append(replace(row, hidden=True))
            continue
        shut = None
        if many and row.open and row.level > 1 and row.what == "block" and row.state in QUIET:
            row, shut = replace(row, open=False), row.level  # noqa: PLW2901
        found.append(row)
    return found


def flat(played: Played | None, scale: Scale, band: int) -> tuple[list[Row], int]:
    """The newest runs one after the other, where the definition cannot be read; and how many are left out."""
    if played is None:
        return [], 0
    runs = sorted((one for found in played.at.values() for one in found), key=lambda one: one.start or 0.0)
    rows = [_flat_row(one, played, scale, band) for one in runs[-FLAT_ROWS:]]
    return rows, len(runs) - len(rows)


def _flat_row(one: Timed, played: Played, scale: Scale, band: int) -> Row:
    end = played.upto if one.end is None else one.end
    bars = [] if one.start is None else [scale.bar(band, one.start, end, one.look)]
    took = None if one.start is None or one.end is None else one.end - one.start
    state = one.run.state.value if one.end is not None or one.look == "run" else "unknown"
    return Row(
        "block", one.path, place_of(one.path), 1, one.path, one.run.kind or "", state=state, took_s=took,
        since=one.run.started_at if one.look == "run" else None, bars=bars, reason=one.run.reason,
        culprit=one is played.culprit, tries=one.run.try_ + 1,
    )  # fmt: skip
