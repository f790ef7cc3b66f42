"""What robots say becomes facts: rows in order of their numbers, each recorded once, only live attempts move jobs."""

from collections.abc import Callable
from typing import Any

from controller.desk import Desk
from controller.domain.lifecycle import Cell, Event
from controller.memory import Exclusion, Live, Robot
from controller.moves import Moves
from controller.store import jobs, records, reports
from schemas.messages import ENDS, AnyRow, AttemptRow, BlockRow, DroppedRow, LogRow, SeenRow, Verdict
from schemas.reading import BadRow, RowBatch
from schemas.status import JobState, Phase

_REFUSING = frozenset({"busy", "unknown_block_kind", "bad_parameters", "draining", "too_large"})
_LASTING = frozenset({"unknown_block_kind", "bad_parameters"})
_WORDS = {
    "time_limit": "The run time limit was over.",
    "unknown": "The robot does not know what became of it.",
    "not held": "The robot does not hold this attempt.",
}


class Reports:
    """Applies rows."""

    def __init__(self, desk: Desk, moves: Moves) -> None:
        self.desk = desk
        self.moves = moves

    def journal(self, robot: Robot, name: str) -> list[int]:
        """[inner id, upto] of a robot's journal."""
        known = self.desk.memory.journals.get((robot.id, name))
        if known is None:
            known = list(reports.journal(self.desk.db, robot.id, name, self.desk.now.utc_us))
            self.desk.memory.journals[(robot.id, name)] = known
        return known

    def skip_gap(self, robot: Robot, journal: str, first: int) -> None:
        """What the agent no longer has is a gap on record, and counting goes on behind it."""
        known = self.journal(robot, journal)
        if first - 1 > known[1]:
            reports.gap(self.desk.db, known[0], known[1] + 1, first - 1, self.desk.now.utc_us)
            reports.set_upto(self.desk.pending, known[0], first - 1)
            self.desk.counters[("gaps",)] += 1
            self.desk.tell("robot", "gap", robot=robot.id, why=f"reports {known[1] + 1} to {first - 1} never arrived")
            known[1] = first - 1

    # ------------------------------------------------------------ an envelope
    def receive(self, robot: Robot, batch: RowBatch, topic: str) -> None:
        """Apply what is next in order; acknowledge what is recorded, answer every ask."""
        self.skip_gap(robot, batch.journal, batch.first)
        known = self.journal(robot, batch.journal)
        before = known[1]
        for row in batch.rows:
            if self.is_next(_number(row, known[1]), known[1]):
                self._one(robot, batch.journal, known, row, topic)
        if known[1] != before:
            reports.set_upto(self.desk.pending, known[0], known[1])
        self.desk.counters[("rows", "repeated" if known[1] == before else "new")] += len(batch.rows)
        self.desk.ack(robot.id, batch.journal, batch.boot, known[1])
        for row in batch.rows:
            if isinstance(row, AttemptRow) and row.kind == "accepted" and row.ask is not None:
                verdict = self.verdict(robot, batch.journal, row.attempt)
                self.desk.answer_ask(robot.id, batch.journal, batch.boot, row.attempt, row.ask, verdict, None)

    def is_next(self, seq: int, upto: int) -> bool:
        """Rows are applied in order of seq: a repeated one is recorded already, an early one will come again."""
        return seq == upto + 1

    def _one(self, robot: Robot, journal: str, known: list[int], row: AnyRow | BadRow, topic: str) -> None:
        seq = _number(row, known[1])
        known[1] = row.to if isinstance(row, DroppedRow) else row.seq
        us = self.desk.now.utc_us
        if isinstance(row, BadRow):
            self._quarantine(robot, journal, row, topic, row.reason)
            reports.record(self.desk.pending, known[0], seq, None, "unreadable", None, us)
            return
        attempt = None if isinstance(row, DroppedRow | SeenRow) else row.attempt
        body = None if isinstance(row, LogRow) else row.model_dump_json(exclude_none=True, by_alias=True)
        reports.record(self.desk.pending, known[0], seq, attempt, row.kind, body, us)
        self.desk.counters[("reports", row.kind)] += 1
        if isinstance(row, AttemptRow | BlockRow):
            self._about_attempt(robot, journal, row, topic)
        elif isinstance(row, LogRow):
            self._log(robot, row)

    def _quarantine(self, robot: Robot, journal: str, row: BadRow | AnyRow, topic: str, reason: str) -> None:
        raw = row.raw if isinstance(row, BadRow) else row.model_dump_json(exclude_none=True).encode()
        self.desk.counters[("bad rows", robot.id)] += 1
        reports.quarantine(
            self.desk.db, robot.id, topic, journal, row.seq, reason, raw, self.desk.now.utc_us,
            self.desk.settings.quarantine_rows,
        )  # fmt: skip

    def _log(self, robot: Robot, row: LogRow) -> None:
        known = self.attempt(row.attempt) if row.attempt is not None else None
        job = known[0] if known and known[2] == robot.id and known[1] == row.job else None
        reports.log(self.desk.pending, robot.id, job, row, self.desk.now.utc_us)

    def attempt(self, number: int) -> tuple[int, str, str, str | None] | None:
        """(job, its public id, robot, journal) of an attempt."""
        live = self.desk.memory.live.get(number)
        if live:
            return live.job, live.uid, live.robot, live.journal
        row = jobs.attempt(self.desk.db, self.desk.pending, number)
        return (row["job"], row["uid"], row["robot"], row["journal"]) if row else None

    # ------------------------------------------------------------ a row about an attempt
    def _about_attempt(self, robot: Robot, journal: str, row: AttemptRow | BlockRow, topic: str) -> None:
        known = self.attempt(row.attempt)
        if known is None or known[1] != row.job:
            if known is not None:
                self._quarantine(robot, journal, row, topic, "the job does not fit the attempt")
            if row.kind in ENDS:
                self._drop_letters_of(robot, row.attempt)
            return
        if isinstance(row, BlockRow) and row.n == 0:  # it is the job's own, and shows what the job is
            self._quarantine(robot, journal, row, topic, "the root block is the controller's to record")
            return
        bound = self._bind(robot, journal, row, known)
        if known[2] != robot.id or journal != (bound or robot.journal):
            if row.kind in ENDS and journal == robot.journal:
                self._drop_letters_of(robot, row.attempt)  # a revoke is answered by whoever has the name
            return
        self._held(robot, row)

    def _bind(
        self, robot: Robot, journal: str, row: AttemptRow | BlockRow, known: tuple[int, str, str, str | None]
    ) -> str | None:
        """The first *accepted* binds the attempt to the journal it came from."""
        if known[3] is None and row.kind == "accepted" and journal == robot.journal and known[2] == robot.id:
            jobs.learn(self.desk.pending, row.attempt, journal=journal)
            if row.attempt in self.desk.memory.live:
                self.desk.memory.live[row.attempt].journal = journal
            return journal
        return known[3]

    def _drop_letters_of(self, robot: Robot, attempt: int) -> None:
        for letter in self.desk.letters_about(attempt):
            if letter.robot == robot.id and letter.topic in ("cancel", "control"):
                self.desk.drop(letter.key)

    def _held(self, robot: Robot, row: AttemptRow | BlockRow) -> None:
        """A row from the journal that holds the attempt."""
        self._settle_letters(row)
        live = self.desk.memory.live.get(row.attempt)
        if isinstance(row, BlockRow):
            if live or not records.ended_by_set_error(self.desk.db, row.attempt):
                reports.block(self.desk.pending, row, self.desk.now.utc_us)
            if live:
                self.moves.apply(live, Event.BLOCK)
            return
        if row.kind in ENDS:
            for hold in [h for h in robot.holds if h.attempt == row.attempt]:
                self.desk.end_hold(robot, hold, f"the robot reported {row.kind}")
            if not live:
                self._late_end(row)
        if live:
            self._live(robot, live, row)

    def _settle_letters(self, row: AttemptRow | BlockRow) -> None:
        """The assign has arrived with *accepted* or an end; a command with any row that names it or a later one."""
        letters = self.desk.letters_about(row.attempt)
        if not letters:
            return
        command = row.command or 0 if isinstance(row, AttemptRow) else 0
        for letter in letters:
            if letter.topic == "assign":
                arrived = row.kind in ENDS or row.kind == "accepted"
            else:
                arrived = row.kind in ENDS or command >= letter.command
            if arrived:
                self.desk.drop(letter.key)

    def _late_end(self, row: AttemptRow) -> None:
        """The end of an attempt that is over for its job closes its record and moves nothing."""
        jobs.ended_late(self.desk.db, row.attempt, f"late {row.kind}", self.desk.now.utc_us)
        self.desk.counters[("late ends", row.kind)] += 1

    # ------------------------------------------------------------ a row about the live attempt
    def _live(self, robot: Robot, live: Live, row: AttemptRow) -> None:
        handler: Callable[[Robot, Live, AttemptRow], None] | None = {
            "accepted": self._accepted,
            "rejected": self._rejected,
            "paused": self._paused,
            "resumed": self._resumed,
            "noted": self._noted,
            "refused": self._refused,
            "cancelled": self._ended,
            "succeeded": self._ended,
            "failed": self._ended,
            "interrupted": self._ended,
        }.get(row.kind)
        if handler:
            handler(robot, live, row)
        else:
            self.moves.apply(live, Event(row.kind), why=row.reason)

    def _accepted(self, robot: Robot, live: Live, _row: AttemptRow) -> None:
        desk, us = self.desk, self.desk.now.utc_us
        desk.memory.running_since.setdefault(live.number, desk.now.mono)
        changes: dict[str, Any] = {}
        if not live.began:  # only the first *accepted* is a start
            live.began = True
            jobs.learn(desk.pending, live.number, began=us)
            changes = {"began": us}
            reports.root(desk.pending, live.number, Phase.START_BEGIN, us)
        if self.moves.apply(live, Event.ACCEPTED, **changes) == Cell.NOTHING and changes:
            jobs.change(desk.db, live.job, **changes)
        if robot.refusals:
            desk.change_robot(robot, refusals=0)

    def _rejected(self, robot: Robot, live: Live, row: AttemptRow) -> None:
        reason = row.reason or "rejected"
        exclude(self.desk, live, reason, lasting=reason in _LASTING)
        self.moves.apply(
            live, Event.REJECTED, code=f"rejected.{reason}"[:64], why=f"{robot.id} did not take it: {reason}"
        )
        if reason in _REFUSING:
            self.desk.change_robot(robot, refusals=robot.refusals + 1)
            if robot.refusals >= self.desk.settings.refusals_to_hold:
                self.desk.hold(robot, "refusals", None, f"{robot.refusals} jobs refused in a row, last: {reason}")

    def _noted(self, _robot: Robot, live: Live, _row: AttemptRow) -> None:
        if live.state == JobState.CANCELLING:
            reports.root(self.desk.pending, live.number, Phase.CANCEL_BEGIN, self.desk.now.utc_us)

    def _paused(self, _robot: Robot, live: Live, row: AttemptRow) -> None:
        """A pause that nobody asked for is a block that failed in debug mode: a person decides about it."""
        changes: dict[str, Any] = {}
        if live.debug and row.command is None:
            changes = {"failed_path": row.path, "reason_code": "debug", "reason": row.reason}
        self._tell_apart(live, Event.PAUSED, row, changes)

    def _resumed(self, _robot: Robot, live: Live, row: AttemptRow) -> None:
        """It goes on; with `rolled_back` by undoing what has finished, after which nothing is tried again."""
        changes: dict[str, Any] = {}
        if live.debug:
            changes = {"failed_path": None, "reason_code": None, "reason": None}
        if row.rolled_back:
            live.no_retry = True
            changes["no_retry"] = 1
            reports.root(self.desk.pending, live.number, Phase.ROLLBACK_BEGIN, self.desk.now.utc_us)
        self._tell_apart(live, Event.RESUMED, row, changes)

    def _tell_apart(self, live: Live, event: Event, row: AttemptRow, changes: dict[str, Any]) -> None:
        """Carry out the cell with what changes beside the state, which is recorded also where the state stays."""
        if self.moves.apply(live, event, why=row.reason, **changes) == Cell.NOTHING and changes:
            jobs.change(self.desk.db, live.job, **changes)

    def _refused(self, _robot: Robot, live: Live, row: AttemptRow) -> None:
        """Only the refusal of the newest cancel counts; others are recorded."""
        is_cancel = live.state == JobState.CANCELLING and (row.command or 0) >= live.command
        event = Event.REFUSED_CANCEL if is_cancel else Event.REFUSED
        if self.moves.apply(live, event, why=row.reason) == Cell.NOTHING:
            self.desk.tell(
                "job", "refused", live.robot, job=live.job, robot=live.robot, attempt=live.number, why=row.reason
            )

    def _ended(self, robot: Robot, live: Live, row: AttemptRow) -> None:
        reason = row.reason or ""
        if row.rolled_back or reason == "time_limit":
            live.no_retry = True
        code = "time_limit" if reason == "time_limit" else None
        why = _WORDS.get(reason, reason) or None
        if row.kind == "interrupted" and row.path:
            why = f"Cut off at block {row.path}. {why or ''}".strip()
        changes: dict[str, Any] = {"no_retry": int(live.no_retry)}
        if row.outputs is not None:
            changes["outputs"] = reports.text_of(row.outputs)
        self.moves.apply(live, Event(row.kind), code=code, why=why, **changes)
        if row.rolled_back:
            failed = reports.undo_failed(self.desk.db, self.desk.pending, live.number)
            phase = Phase.ROLLBACK_FAILED if failed else Phase.ROLLBACK_SUCCESS
            reports.root(self.desk.pending, live.number, phase, self.desk.now.utc_us)
        else:
            self._count_failures(robot, live, row)

    def _count_failures(self, robot: Robot, live: Live, row: AttemptRow) -> None:
        """Failures of different jobs in a row, else one broken robot eats the queue."""
        if row.kind == "succeeded" and robot.failed_jobs:
            self.desk.change_robot(robot, failed_jobs=frozenset())
        elif row.kind in ("failed", "interrupted") and live.job not in robot.failed_jobs and not self._is_dry(live):
            self.desk.change_robot(robot, failed_jobs=robot.failed_jobs | {live.job})
            if len(robot.failed_jobs) >= self.desk.settings.failures_to_hold:
                self.desk.hold(robot, "failures", None, f"{len(robot.failed_jobs)} different jobs failed here in a row")

    def _is_dry(self, live: Live) -> bool:
        """A dry run moves nothing, so what it comes to says nothing about the robot."""
        return bool(jobs.by_id(self.desk.db, live.job)["mock"])

    # ------------------------------------------------------------ leave to move
    def verdict(self, robot: Robot, journal: str, attempt: int) -> Verdict:
        """`grant` only to the live attempt, bound to this journal, while it is running; worked out anew each time."""
        live = self.desk.memory.live.get(attempt)
        if live is None or live.robot != robot.id or live.journal not in (None, journal):
            return "void"
        if live.state == JobState.RUNNING and live.journal == journal:
            if not live.counted:
                live.counted = True
                jobs.learn(self.desk.pending, attempt, counted=True)
            return "grant"
        return "void" if live.state == JobState.CANCELLING else "wait"


def _number(row: AnyRow | BadRow, upto: int) -> int:
    """A row's number; of a thinned span, part of which is recorded already, the first that is not."""
    return upto + 1 if isinstance(row, DroppedRow) and row.seq <= upto < row.to else row.seq


def exclude(desk: Desk, live: Live, reason: str, *, lasting: bool = False) -> None:
    """Keep a job from a robot that did not take it: 5 s, doubling to 5 min; `lasting`: until it can do more."""
    settings, refused = desk.settings, desk.memory.exclusions[live.job]
    old = refused.get(live.robot)
    wait = min(settings.refuse_max_s, old.wait * 2) if old else settings.refuse_first_s
    refused[live.robot] = Exclusion(desk.now.mono + wait, wait, lasting, reason)
