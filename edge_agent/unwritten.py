"""Attempts in hand and their block runs since the last commit: only what is true at the next one is written."""

from collections.abc import Iterable, Iterator
from typing import Any

from pydantic_core import PydanticSerializationError, to_json

from edge_agent.operations import BlockReport
from edge_agent.records import Held
from edge_agent.rows import clean
from schemas.status import PHASE_STATE

_Values = tuple[Any, ...]
Statement = tuple[str, tuple[Any, ...]]
"""SQL and its values, without the robot, which comes first."""
_HOLD = "insert into held values (?1, ?2, ?13, ?14, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)"
_KEEP = """update held set command = ?3, started = ?4, pause = ?5, paused = ?6, stop = ?7, stop_command = ?8,
  elapsed = ?9, failed = ?10, again = ?11, rolling = ?12 where robot = ?1 and attempt = ?2"""
_LET_GO = "delete from held where robot = ? and attempt = ?"
_RUN = """insert into runs values (?, ?, ?, ?, ?, ?, ?, ?, ?, null) on conflict do update set n = excluded.n,
  status = excluded.status, inputs = coalesce(excluded.inputs, inputs), outputs = coalesce(excluded.outputs, outputs),
  reason = coalesce(excluded.reason, reason)"""
_AFTER = "update runs set after = ?5 where robot = ?1 and attempt = ?2 and path = ?3 and try = ?4"
_DROP_RUNS = "delete from runs where robot = ? and attempt = ?"


class Unwritten:
    """What one journal has to write of attempts in hand; an attempt that came and went leaves nothing to write."""

    def __init__(self, in_file: Iterable[int]) -> None:
        """`in_file`: attempts of which the file holds something."""
        self._in_file = set(in_file)
        self._new: dict[int, _Values] = {}
        self._held: dict[int, _Values] = {}
        self._runs: dict[int, dict[tuple[str, int], _Values]] = {}
        self._after: dict[int, dict[tuple[str, int], str]] = {}
        self._over: list[int] = []

    def hold(self, held: Held) -> None:
        """A new attempt is in hand."""
        self._new[held.attempt] = (held.job, held.assign)
        self.keep(held)

    def keep(self, held: Held) -> None:
        """An attempt in hand as it stands now."""
        again = to_json(held.again).decode() if held.again else None
        self._held[held.attempt] = (
            held.command, held.started, held.pause, held.paused, held.stop, held.stop_command, held.elapsed,
            held.failed, again, held.rolling,
        )  # fmt: skip

    def run(self, attempt: int, report: BlockReport) -> None:
        """How far a block run is; what a report leaves out stays as it was, and what follows its end is beside it."""
        if PHASE_STATE[report.status] is None:
            self._after.setdefault(attempt, {})[report.path, report.try_] = str(report.status)
            return
        runs = self._runs.setdefault(attempt, {})
        now: _Values = (report.n, str(report.status), stored(report.inputs), stored(report.outputs), report.reason)
        before = runs.get(key := (report.path, report.try_))
        if before is not None:
            kept = (old if new is None else new for old, new in zip(before[2:], now[2:], strict=True))
            now = (*now[:2], *kept)
        runs[key] = now

    def end(self, attempt: int) -> None:
        """Its place and its block runs are not needed any more."""
        for waiting in (self._new, self._held, self._runs, self._after):
            waiting.pop(attempt, None)
        if attempt in self._in_file:
            self._over.append(attempt)

    def statements(self) -> Iterator[Statement]:
        """What the next commit has to write; asked again if that fails."""
        for attempt in self._over:
            yield _LET_GO, (attempt,)
            yield _DROP_RUNS, (attempt,)
        for attempt, values in self._held.items():
            new = self._new.get(attempt)
            yield (_KEEP, (attempt, *values)) if new is None else (_HOLD, (attempt, *values, *new))
        for attempt, runs in self._runs.items():
            for (path, try_), values in runs.items():
                yield _RUN, (attempt, path, try_, *values)
        for attempt, after in self._after.items():
            for (path, try_), phase in after.items():
                yield _AFTER, (attempt, path, try_, phase)

    def committed(self) -> None:
        """The file has it."""
        if self._held or self._runs or self._after or self._over:
            self._in_file -= set(self._over)
            self._in_file |= self._held.keys() | self._runs.keys()
            for waiting in (self._new, self._held, self._runs, self._after, self._over):
                waiting.clear()


def stored(value: Any) -> bytes | None:
    """The value as it is stored, made readable where JSON cannot carry it; None stays None."""
    if value is None:
        return None
    try:
        return to_json(value)
    except PydanticSerializationError:
        return to_json(clean(value))
