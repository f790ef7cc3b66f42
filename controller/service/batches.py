"""One thing asked of many jobs: looked at and stored first, then carried out a few rows a turn, each guarded."""

import hashlib
import logging
import math
import sqlite3
from collections.abc import Callable
from typing import Any, NamedTuple

from controller.desk import Desk
from controller.domain.batching import outlook
from controller.errors import Refused, not_found
from controller.service.batch_rows import RowWork
from controller.store import batches
from controller.store.connection import to_json
from schemas.batch import FRESH_S, BatchAction, BatchApplyArgs, BatchPreviewArgs
from schemas.commands import Caller
from schemas.ids import uuid7
from schemas.status import JobState

logger = logging.getLogger(__name__)

AT_ONCE, LOOKED_AT = 200, 400
"""Jobs looked at by the command that asks for a preview, and in each turn of their own that follows."""
BESIDE = 25
"""Rows carried out in a turn, one transaction, in which robots reported something: they share its commit."""
OWN, OWN_EVERY_S = 50, 0.02
"""Rows in a turn of their own while others are served, and how often there is one."""
LATE_S = 0.1
"""A turn in which somebody waits for an answer has no rows, unless they have waited so long themselves."""
ALONE, QUIET_S = 500, 2.0
"""Rows in a turn when nothing else has happened for so long."""
MAX_OPEN = 200
SWEEP_S = 30.0


class Collecting(NamedTuple):
    """A preview in the making: the jobs that it is about; the store says how far it has come."""

    uids: tuple[str, ...]
    action: BatchAction
    priority: int | None


class BatchService:
    """Previews, and applying them turn by turn; everything but the ids of a preview in the making is in the store."""

    def __init__(self, desk: Desk, work: RowWork) -> None:
        self.desk = desk
        self.work = work
        self.collecting: dict[int, Collecting] = {}
        self._collected: set[int] = set()
        """Previews that this turn has made wholly: their ids are kept until it is committed."""
        self.applying: list[int] = []
        self.fresh_until: dict[int, float] = {}
        """On the steady clock: a jump of the wall clock makes no preview old."""
        self._sweep_at = 0.0
        self._other_at = self._asked_at = -math.inf
        self._own_at = 0.0

    def handlers(self) -> dict[str, Callable[[Any, Caller], dict[str, Any]]]:
        """Command to handler."""
        return {"batch.preview": self.preview, "batch.apply": self.apply}

    # ------------------------------------------------------------ life of the process
    def start(self) -> None:
        """A fresh process: goes on with what was being applied; a preview in the making is lost with its ids."""
        for row in batches.in_state(self.desk.db, "collecting"):
            batches.change(self.desk.db, row["id"], state="expired")
        self.load()

    def load(self) -> None:
        """What the store says, at a start and after a rollback."""
        db = self.desk.db
        known = {row["id"] for row in batches.in_state(db, "collecting")}
        self.collecting = {batch: what for batch, what in self.collecting.items() if batch in known}
        self._collected.clear()
        self.applying = [row["id"] for row in batches.in_state(db, "applying")]
        still = {row["id"] for row in batches.in_state(db, "open")} | known
        self.fresh_until = {batch: self.fresh_until.get(batch, self.desk.now.mono + FRESH_S) for batch in still}

    @property
    def wake_at(self) -> float:
        """When a turn is wanted next, on the steady clock."""
        return self._own_at if len(self.collecting) > len(self._collected) or self.applying else math.inf

    # ------------------------------------------------------------ commands
    def preview(self, args: BatchPreviewArgs, caller: Caller) -> dict[str, Any]:
        """Store what would become of each job; few are looked at here, more in the next turns."""
        if len(self.fresh_until) >= MAX_OPEN:
            raise Refused(
                "rate.limited", f"{MAX_OPEN} batches wait to be applied; apply one or wait until they expire."
            )
        desk, uids = self.desk, tuple(dict.fromkeys(args.ids))
        uid, us = uuid7(desk.now.utc_us // 1000), desk.now.utc_us
        about = {"priority": args.priority, "filter": args.filter, "jobs": len(uids)}
        batch = batches.insert(desk.db, uid, args.action, about, caller.name, us, us + int(FRESH_S * 1e6))
        self.fresh_until[batch] = desk.now.mono + FRESH_S
        self.collecting[batch] = Collecting(uids, args.action, args.priority)
        self._collect(batch, AT_ONCE)
        return {"batch": uid}

    def apply(self, args: BatchApplyArgs, caller: Caller) -> dict[str, Any]:
        """Begin to carry out what was previewed; few rows here, more in the next turns."""
        row = batches.by_uid(self.desk.db, args.batch)
        if row is None:
            raise not_found("batch", args.batch)
        if (why := self._stale(row, args.hash)) is not None:
            raise Refused("batch.stale", why)
        self.fresh_until.pop(row["id"], None)
        batches.change(
            self.desk.db, row["id"], state="applying", position=0, applied_by=caller.name,
            applied_at=self.desk.now.utc_us, reason=args.reason,
        )  # fmt: skip
        self.applying.append(row["id"])
        if self.applying[0] == row["id"]:
            self._carry_out(row["id"], BESIDE)
        return {"batch": args.batch}

    def _stale(self, row: sqlite3.Row, given: str) -> str | None:
        """Why a batch cannot be applied, if it cannot."""
        if row["state"] in ("applying", "applied"):
            return "This batch was applied already."
        if row["state"] != "open" or self.fresh_until.get(row["id"], -math.inf) <= self.desk.now.mono:
            return "This preview is too old; ask for another one."
        return None if row["hash"] == given else "The hash is not that of this preview."

    # ------------------------------------------------------------ turn by turn
    def happened(self, *, asked: bool = False) -> None:
        """Something else was reported in this turn, or asked: then somebody waits for its end."""
        self._other_at = self.desk.now.mono
        if asked:
            self._asked_at = self.desk.now.mono

    def turn(self) -> None:
        """Once a turn, in its transaction: a few more rows of the oldest preview in the making, else of a batch."""
        now = self.desk.now.mono
        if now >= self._sweep_at:
            self._sweep_at = now + SWEEP_S
            self._sweep(now)
        for batch in self._collected:
            self.collecting.pop(batch, None)
        self._collected.clear()
        if not self.collecting and not self.applying:
            return
        beside, quiet = self._other_at == now, now - self._other_at >= QUIET_S
        if self._asked_at == now and now < self._own_at + LATE_S:
            return
        if not beside and now < self._own_at:
            return
        self._own_at = now if quiet else now + OWN_EVERY_S
        if self.collecting:
            self._collect(next(iter(self.collecting)), OWN if beside else LOOKED_AT)
        else:
            self._carry_out(self.applying[0], ALONE if quiet else BESIDE if beside else OWN)

    def _collect(self, batch: int, limit: int) -> None:
        """Look at the next jobs of a preview; the hash goes on from row to row, so it names all of them."""
        desk, what, row = self.desk, self.collecting[batch], batches.by_id(self.desk.db, batch)
        begin = row["position"]
        uids = what.uids[begin : begin + limit]
        rows = self._rows_of(what, uids, begin)
        batches.add_rows(desk.db, batch, rows)
        will = sum(one[6] for one in rows)
        text = to_json([row["hash"] or [row["uid"], what.action, what.priority], rows])
        done = begin + len(uids) >= len(what.uids)
        batches.change(
            desk.db, batch, position=begin + len(uids), will=row["will"] + will,
            will_not=row["will_not"] + len(rows) - will, hash=hashlib.sha256(text.encode()).hexdigest(),
            state="open" if done else "collecting",
        )  # fmt: skip
        if done:
            self._collected.add(batch)

    def _rows_of(self, what: Collecting, uids: tuple[str, ...], begin: int) -> list[batches.Row]:
        found = batches.jobs_named(self.desk.db, uids)
        on_hold = any(robot.holds for robot in self.desk.memory.robots.values())
        rows: list[batches.Row] = []
        for n, uid in enumerate(uids, begin + 1):
            job = found.get(uid)
            if job is None:
                rows.append((n, None, uid, None, None, None, 0, "not_found"))
                continue
            will, code = outlook(
                what.action, JobState(job["state"]), parked=bool(job["parked"]), on_hold=on_hold,
                priority=job["priority"], wanted=what.priority,
            )  # fmt: skip
            rows.append((n, job["id"], uid, job["version"], job["state"], job["priority"], int(will), code))
        return rows

    def _carry_out(self, batch: int, limit: int) -> None:
        """The next rows of a batch; what became of each is stored with it, in the same transaction."""
        desk, row = self.desk, batches.by_id(self.desk.db, batch)
        rows = batches.rows_after(desk.db, batch, row["position"], limit)
        batches.set_results(desk.db, batch, self.work.carry_out(row, rows))
        if len(rows) < limit:
            batches.change(desk.db, batch, state="applied", ended_at=desk.now.utc_us)
            self.applying.remove(batch)
        else:
            batches.change(desk.db, batch, position=rows[-1]["n"])

    def _sweep(self, now: float) -> None:
        """Previews that nobody applied in time; retention takes them, and results that are kept no longer."""
        for batch in [batch for batch, until in self.fresh_until.items() if until <= now]:
            del self.fresh_until[batch]
            self.collecting.pop(batch, None)
            batches.change(self.desk.db, batch, state="expired")
