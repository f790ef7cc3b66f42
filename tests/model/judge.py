"""What must be true of a history: while it heals, and once all is calm."""

import sqlite3
from typing import Any

from controller.store import records
from schemas.status import TERMINAL, JobState
from tests.model.bodies import BLOCKS, UNDOES
from tests.model.persons import Persons
from tests.model.world import PERSON, Violation, message

USUAL = ("assigned", "accepted", "succeeded", "block", "cancel", "cancelled", "pause", "paused", "resume", "resumed")
"""The normal course, and what a person asked for, who is named; every other move of a job says why."""


class Judge(Persons):
    """Holds what the store says against what the bodies did and what persons wanted."""

    def no_lost_command(self) -> None:
        """A command that its robot never heard still stands in the outbox, or is on its way."""
        held = {h.attempt: h.held.command for m in self.machines.values() for h in m.core.hands}
        for row in self.open_jobs():
            if row["state"] in ("running", "paused") and row["command"] > held.get(row["attempt"], row["command"]):
                stands = self.connection.execute(
                    "select 1 from outbox where attempt = ? and topic <> 'assign'", (row["attempt"],)
                ).fetchone()
                flies = any(
                    k in ("control", "cancel") and message(p).get("attempt") == row["attempt"]
                    for _, _, k, p in self.net
                )
                if not stands and not flies and not self.restored:
                    raise Violation("C a command is lost")

    def legal(self, twin: bool) -> None:
        """90 s after the last fault: whoever still waits needs a person, and says why."""
        if self.lost_disk or twin or self.restored:
            return
        held = {h.attempt: h for m in self.machines.values() for h in m.core.hands}
        for row in self.open_jobs():
            self._legal(row, held.get(row["attempt"]))

    def _legal(self, row: sqlite3.Row, hand: Any) -> None:
        state = JobState(row["state"])
        if state in (JobState.RUNNING, JobState.ASSIGNED, JobState.CANCELLING):
            raise Violation(f"I10 a job hangs in {state} without a reason")
        if state == JobState.UNCERTAIN:
            raise Violation("I10 uncertain although its robot is back")
        failed = hand is not None and hand.held.failed is not None
        if hand is not None and not failed and state == JobState.PAUSED and self.wanted.get(row["uid"]) == "resume":
            raise Violation("C the last command (resume) is not in force")
        if hand is not None and state == JobState.PAUSED and failed:
            waits = hand.flow.failed
            if self.wanted.get(row["uid"]) == f"{hand.attempt} {waits.path} {waits.try_}":
                raise Violation("C what was decided about a failed block is not in force")
            if row["failed_path"] != hand.held.failed:
                raise Violation("D a person cannot see which block waits")
        if state == JobState.QUEUED and not row["parked"]:
            holds = {r["robot"] for r in self.connection.execute("select robot from holds")}
            busy = {r["robot"] for r in self.connection.execute("select robot from attempts where open = 1")}
            if {"a", "b"} - holds - busy:
                raise Violation("I10 queued without a reason")

    def final(self) -> None:
        """What must be true once all has healed."""
        stuck = [(row["state"], row["reason"]) for row in self.open_jobs()]
        if stuck:
            raise Violation(f"I10 stuck after healing: {stuck}")
        if any(m.journal.first <= m.journal.head for m in self.machines.values()):
            raise Violation("I3 a journalled report is never recorded")
        if self.connection.execute("select 1 from outbox").fetchone():
            raise Violation("I12 an outbox row never leaves")
        if self.connection.execute("select 1 from holds").fetchone() or self.core.desk.memory.live:
            raise Violation("I10 a robot is never freed")
        for row in self.jobs():
            self._true(row)
        self._reports_are_whole()
        self._debugged()
        self._named()
        self._memory_agrees()

    def _named(self) -> None:
        """Whoever ends a job without its robot's word is named, also where his request was older."""
        if self.connection.execute("select 1 from events where event = 'force' and who <> ?", (PERSON,)).fetchone():
            raise Violation("I22 a forced end without the person who wanted it")
        silent = self.connection.execute(
            "select event from events where job is not null and old <> new and why is null and code is null"
            f" and event not in ({', '.join('?' * len(USUAL))})", USUAL
        ).fetchone()  # fmt: skip
        if silent:
            raise Violation(f"I22 a job moved by {silent[0]!r} and nothing says why")

    def _debugged(self) -> None:
        """In debug mode a failure ends nothing before a person says so; then what has finished is undone."""
        ends = self.connection.execute(
            "select r.attempt, coalesce(json_extract(r.body, '$.rolled_back'), 0) as undone from reports r"
            " join attempts a on a.number = r.attempt join jobs j on j.id = a.job"
            " where r.kind = 'failed' and j.debug = 1"
        ).fetchall()
        for end in ends:
            if not end["undone"]:
                raise Violation("D a failed block ended a job in debug mode, and nobody had decided so")
            if self.restored or records.ended_by_set_error(self.connection, end["attempt"]):
                continue  # said between backup and restore: a gap on record; after a set-error: recorded, not shown
            runs = self.connection.execute(
                "select path, status from block_runs where attempt = ? and state = 'succeeded'", (end["attempt"],)
            )
            for run in runs.fetchall():
                self._undone(end["attempt"], run["path"], run["status"])

    def _undone(self, attempt: int, path: str, status: str) -> None:
        undo = UNDOES.get(path)
        if undo is not None and status not in ("rollback.success", "rollback.failed"):
            raise Violation("D what has finished was not undone")
        if undo is not None and status == "rollback.success" and self.finished[(attempt, undo)] != 1:
            raise Violation("T undone on the screen, but it was not")

    def _reports_are_whole(self) -> None:
        """Every number up to `upto` is a report, part of a thinned span, or a gap on record."""
        for journal in self.connection.execute("select id, upto from journals").fetchall():
            rows = self.connection.execute(
                "select seq, coalesce(json_extract(body, '$.to'), seq) as last from reports where journal = ?"
                " union all select first, last from gaps where journal = ?",
                (journal["id"], journal["id"]),
            )
            found = {seq for row in rows for seq in range(row["seq"], row["last"] + 1)}
            if found != set(range(1, journal["upto"] + 1)):
                raise Violation("I3 a report was passed over")

    def _true(self, row: sqlite3.Row) -> None:
        if row["state"] == "cancelled" and row["reason_code"] != "forced" and row["attempt"]:
            ends = [m.journal.ended(row["attempt"]) for m in self.machines.values()]
            if any(end is not None and end.kind == "succeeded" for end in ends):
                raise Violation("T shown cancelled, but it had succeeded")
        if row["state"] == "succeeded":
            if any(not self.finished[(row["attempt"], path)] for path in BLOCKS):
                raise Violation("T succeeded on the screen, but it never ran")
            if not self.lost_disk and not self.restored:
                self._recorded(row)

    def _recorded(self, row: sqlite3.Row) -> None:
        runs = self.connection.execute(
            "select path, count(*) as n from block_runs where attempt = ? and state = 'succeeded' and n > 0"
            " group by path",
            (row["attempt"],),
        )
        found = {r["path"]: r["n"] for r in runs}
        if any(found.get(path) != 1 for path in BLOCKS):
            raise Violation(f"I4 an effect is recorded {found}")

    def _memory_agrees(self) -> None:
        """What the controller believes is what its store says."""
        free = {r for targets in self.core.desk.memory.free.values() for r in targets}
        heard = {name for name, robot in self.core.desk.memory.robots.items() if robot.beat is not None}
        if free != heard or any(state not in TERMINAL for state in (JobState(r["state"]) for r in self.jobs())):
            raise Violation("I10 memory and store differ")
