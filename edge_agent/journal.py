"""What an agent may not forget, in SQLite: one file, and in it one journal for each robot of the process."""

import sqlite3
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from pydantic_core import from_json

from edge_agent.journal_tables import opened
from edge_agent.operations import BlockReport, PastRun
from edge_agent.records import Ended, Held, OutRow
from edge_agent.unwritten import Unwritten, stored
from schemas.messages import ENDS
from schemas.status import Phase

MEMORY = 1000
"""Ended attempts whose end can still be told."""
_FRESH = 256
"""Rows kept in memory after their commit, because the next thing that happens is sending them."""

_ROBOT = "insert or replace into robots values (?, ?, ?, ?)"
_ROW = "insert into rows values (?, ?, ?, ?, ?, ?)"
_ACK = "delete from rows where robot = ?1 and seq <= ?2 and seq + span <= ?2"
_ACK_PART = "update rows set span = seq + span - ?2 - 1, seq = ?2 + 1 where robot = ?1 and seq <= ?2"
_THIN = "delete from rows where robot = ? and seq > ? and seq <= ?"
_DROPPED = "update rows set kind = 'dropped', attempt = null, span = ?3, body = x'7b7d' where robot = ?1 and seq = ?2"
_END = "insert or replace into ended values (?, ?, ?, ?, ?, ?, ?)"
_FORGET = """delete from ended where robot = ?1 and attempt <
  (select attempt from ended where robot = ?1 order by attempt desc limit 1 offset ?2)"""
# Two steps: a primary key that moves past its neighbours would meet them.
_SHIFT = "update rows set seq = ?2 - seq where robot = ?1"
_UPRIGHT = "update rows set seq = -seq where robot = ?1"
_EXTENT = "select min(seq), count(*), max(case when span > 0 then seq + span end) from rows where robot = ?"
_IN_HAND = "select attempt from held where robot = ?1 union select attempt from runs where robot = ?1"
_ABOUT = "select attempt, seq, kind from rows where robot = ? and attempt is not null order by seq"


_Batch = tuple[str, list[tuple[Any, ...]]]
"""A statement, and the values it is executed with; the robot comes first."""
Acknowledged = Literal["gone", "nothing", "old copy"]
"""What an acknowledgement did: rows are gone; none was left to go; the journal has a new id."""


class NotWritten(Exception):
    """The disk did not take a transaction; everything is kept in memory and goes with the next one."""


class JournalFile:
    """One file and its transactions.

    Writes are collected and executed at the end of `transaction()`, all robots together: one fsync. A transaction
    that the disk refuses stays collected, so what is in memory is never behind what will be written.
    """

    def __init__(self, path: Path | str, make_id: Callable[[], str] = lambda: uuid.uuid4().hex) -> None:
        """Open or make the file (":memory:" for tests); raises `NoJournal`."""
        self.make_id = make_id
        self._db, self._sound = opened(path)
        self._batches: list[_Batch] = []
        self._reached: dict[str, int] = {}
        """For each robot the batch of its newest statement."""
        self._touched: dict[str, Journal] = {}

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """What journals write inside is committed at the end, all or nothing; raises `NotWritten`."""
        yield
        self.commit()

    def commit(self) -> None:
        """Write what was collected; raises `NotWritten` and keeps it."""
        if not self._touched:
            return
        try:
            self._db.execute("begin immediate")
            commits = self._sound.sealed(self._write)
            self._db.execute("commit")
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.execute("rollback")
            raise NotWritten(str(error)) from error
        self._sound.committed(commits)
        touched, self._touched, self._batches, self._reached = self._touched, {}, [], {}
        for journal in touched.values():
            journal.committed()

    def discard(self, robot: str) -> None:
        """Forget what one robot wrote since the last commit; its `Journal` must be made anew."""
        for _, values in self._batches:
            values[:] = [row for row in values if row[0] != robot]
        self._touched.pop(robot, None)
        self._reached.pop(robot, None)

    def write(self, journal: "Journal", sql: str, *values: Any) -> None:
        """Statements of one robot keep their order; between robots there is none, so that equal ones run together."""
        self.touch(journal)
        _add(self._batches, self._reached, journal.robot, sql, values)

    def touch(self, journal: "Journal") -> None:
        self._touched[journal.robot] = journal

    def read(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Rows of the last committed state."""
        return self._db.execute(sql, values).fetchall()

    def close(self) -> None:
        """Close the file; what was not committed is gone."""
        self._db.close()
        self._sound.close()

    def _write(self) -> None:
        late: list[_Batch] = []
        reached: dict[str, int] = {}
        for journal in self._touched.values():
            for sql, values in journal.unwritten.statements():
                _add(late, reached, journal.robot, sql, values)
        for sql, rows in (*self._batches, *late):
            self._db.executemany(sql, rows)
        self._db.executemany(_ROBOT, [(j.robot, j.id, j.head, j.highest) for j in self._touched.values()])


def _add(batches: list[_Batch], reached: dict[str, int], robot: str, sql: str, values: tuple[Any, ...]) -> None:
    place = reached.get(robot, 0)
    while place < len(batches) and batches[place][0] != sql:
        place += 1
    if place == len(batches):
        batches.append((sql, []))
    batches[place][1].append((robot, *values))
    reached[robot] = place


class Journal:
    """The journal of one robot; reading never waits for a transaction that is still open."""

    def __init__(self, file: JournalFile, robot: str, max_rows: int = 20_000) -> None:
        file.discard(robot)
        self._file, self.robot, self._max_rows = file, robot, max_rows
        self._fresh: dict[int, OutRow] = {}
        self._ended: dict[int, Ended] = {}
        self._ends = 0
        known = file.read("select journal, head, highest from robots where robot = ?", robot)
        self.id: str
        self.head: int
        self.highest: int
        self.id, self.head, self.highest = known[0] if known else (file.make_id(), 0, 0)
        if not known:
            file.touch(self)
        first, self._count, thinned_to = file.read(_EXTENT, robot)[0]
        self.first: int = first if first is not None else self.head + 1
        """The smallest row still kept; head + 1 if there is none."""
        self._thinned_to: int = thinned_to or 0
        self._safe = self.head
        self._thin_at = max_rows
        self.unwritten = Unwritten(attempt for (attempt,) in file.read(_IN_HAND, robot))
        self._answers = {attempt: seq for attempt, seq, kind in file.read(_ABOUT, robot) if _is_answer(kind)}

    # -------------------------------------------------------------- reports
    def append(self, kind: str, attempt: int | None, body: bytes) -> int:
        """Add a report and return its number."""
        self.head += 1
        row = OutRow(self.head, kind, attempt, 0, body)
        self._fresh[row.seq] = row
        self._count += 1
        if attempt is not None and _is_answer(kind):
            self._answers[attempt] = row.seq
        self._file.write(self, _ROW, row.seq, kind, attempt, 0, body)
        return row.seq

    def answer(self, attempt: int) -> int | None:
        """Number of the unacknowledged *accepted* or end of an attempt."""
        return self._answers.get(attempt)

    def acknowledge(self, upto: int) -> Acknowledged:
        """Rows up to this number are recorded elsewhere; beyond the head: this disk is an old copy, rows stay."""
        if upto > self.head:
            self._start_anew()
            return "old copy"
        if upto < self.first:
            return "nothing"
        self._file.write(self, _ACK, upto)
        if upto < self._thinned_to:
            # Of a `dropped` row the end may be unknown yet: what is left of it keeps its place.
            self._file.write(self, _ACK_PART, upto)
        while self._fresh and next(iter(self._fresh)) <= upto:
            del self._fresh[next(iter(self._fresh))]
        self._answers = {attempt: seq for attempt, seq in self._answers.items() if seq > upto}
        self.first = upto + 1
        self._count = min(self._count, self.head - upto)
        return "gone"

    def rows(self, start: int, limit: int) -> list[OutRow]:
        """Unacknowledged reports from a number on, in order, at most `limit`."""
        start = max(start, self.first)
        oldest = next(iter(self._fresh), self.head + 1)
        found: list[OutRow] = []
        if start < oldest:
            query = "select seq, kind, attempt, span, body from rows where robot = ? and seq >= ? and seq < ? limit ?"
            found = [OutRow(*row) for row in self._file.read(query, self.robot, start, oldest, limit)]
        seq = found[-1].seq + 1 + found[-1].span if found else start
        while len(found) < limit and seq in self._fresh:
            row = self._fresh[seq]
            found.append(row)
            seq += 1 + row.span
        return found

    def thin(self, keep_upto: int) -> None:
        """When there are too many rows, the oldest log rows above `keep_upto` become `dropped` rows."""
        if self._count <= self._thin_at:
            return
        query = (
            "select seq, span from rows where robot = ? and seq >= ? and seq <= ? and kind in ('log', 'dropped')"
            " order by seq"
        )
        last = min(self._safe, next(iter(self._fresh), self.head + 1) - 1)
        logs = self._file.read(query, self.robot, max(self.first, keep_upto + 1), last)
        for seq, to, several in _islands(logs):
            self._file.write(self, _THIN, seq, to)
            self._file.write(self, _DROPPED, seq, to - seq)
            self._count -= several - 1
            self._thinned_to = max(self._thinned_to, to)
        # Where nothing could be thinned it is not tried again with every row.
        self._thin_at = max(self._max_rows, self._count + self._max_rows // 10)

    # -------------------------------------------------------------- attempts
    def raise_highest(self, attempt: int) -> None:
        """This number was seen: a late assign of it is never run."""
        if attempt > self.highest:
            self.highest = attempt
            self._file.touch(self)

    def hold(self, held: Held) -> None:
        """A new attempt is in hand."""
        self.unwritten.hold(held)
        self._file.touch(self)

    def keep(self, held: Held) -> None:
        """Write an attempt in hand as it stands now."""
        self.unwritten.keep(held)
        self._file.touch(self)

    def held(self) -> list[Held]:
        """The attempts in hand at the last commit, oldest first."""
        found = self._file.read("select * from held where robot = ? order by attempt", self.robot)
        return [_held(*row[1:]) for row in found]

    def end(self, ended: Ended) -> None:
        """The attempt is over: its end is remembered, its place and block runs are not."""
        self._ended[ended.attempt] = ended
        self.unwritten.end(ended.attempt)
        values = (ended.attempt, ended.job, ended.kind, ended.reason, stored(ended.outputs), ended.rolled_back)
        self._file.write(self, _END, *values)
        self._ends += 1
        if self._ends % 50 == 1:
            self._file.write(self, _FORGET, MEMORY - 1)

    def ended(self, attempt: int) -> Ended | None:
        """What became of an attempt, as long as it is remembered."""
        if attempt in self._ended:
            return self._ended[attempt]
        query = "select attempt, job, kind, reason, outputs, rolled_back from ended where robot = ? and attempt = ?"
        for row in self._file.read(query, self.robot, attempt):
            attempt_, job, kind, reason, outputs, rolled_back = row
            return Ended(attempt_, job, kind, reason, _load(outputs), bool(rolled_back))
        return None

    def run(self, attempt: int, report: BlockReport) -> None:
        """Remember how far a block run is, for replay."""
        self.unwritten.run(attempt, report)
        self._file.touch(self)

    def past(self, attempt: int) -> dict[tuple[str, int], PastRun]:
        """The block runs of an attempt in hand at the last commit, by path and try."""
        query = "select path, try, n, status, inputs, outputs, reason, after from runs where robot = ? and attempt = ?"
        return {
            (path, try_): PastRun(
                n, Phase(status), _load(inputs), _load(outputs), reason, None if after is None else Phase(after)
            )
            for path, try_, n, status, inputs, outputs, reason, after in self._file.read(query, self.robot, attempt)
        }

    # -------------------------------------------------------------- housekeeping
    def committed(self) -> None:
        """The file has written everything so far."""
        self._safe = self.head
        self._ended.clear()
        self.unwritten.committed()
        while len(self._fresh) > _FRESH:
            del self._fresh[next(iter(self._fresh))]

    def _start_anew(self) -> None:
        """Somebody knows more of this journal than its disk: a new id, the rows kept and counted from 1."""
        shift = self.first - 1
        self.id = self._file.make_id()
        self.head, self.first = self.head - shift, 1
        self._fresh = {seq - shift: replace(row, seq=seq - shift) for seq, row in self._fresh.items()}
        self._answers = {attempt: seq - shift for attempt, seq in self._answers.items()}
        self._thinned_to -= shift
        self._safe = 0
        self._file.write(self, _SHIFT, shift)
        self._file.write(self, _UPRIGHT)


def _is_answer(kind: str) -> bool:
    """Such a row is what a repeated assign or cancel asks for."""
    return kind == "accepted" or kind in ENDS


def _held(*row: Any) -> Held:
    attempt, job, assign, command, started, pause, paused, stop, stop_command, elapsed, failed, again, rolling = row
    runs = tuple((path, try_) for path, try_ in from_json(again or "[]"))
    return Held(
        attempt, job, assign, command, bool(started), pause, bool(paused), stop, stop_command, elapsed, failed, runs,
        bool(rolling),
    )  # fmt: skip


def _load(data: bytes | None) -> Any:
    return None if data is None else from_json(data)


def _islands(logs: list[tuple[Any, ...]]) -> Iterator[tuple[int, int, int]]:
    """Runs of neighbouring rows as (first, last, how many rows)."""
    start, end, several = 0, -1, 0
    for seq, span in logs:
        if several and seq == end + 1:
            end, several = seq + span, several + 1
            continue
        if several:
            yield start, end, several
        start, end, several = seq, seq + span, 1
    if several:
        yield start, end, several
