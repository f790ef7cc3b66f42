"""What the controller answers when it is asked about itself: health, and metrics."""

import logging
import sqlite3
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from config.clock import instant, steady
from controller import backups, degraded
from controller.core import Core
from controller.degraded import CODES, Condition, Degraded, Source
from controller.link import Link
from controller.loop import Loop
from controller.metrics import Figures, text
from controller.socket import CommandSocket
from controller.store import artifacts, standing
from controller.store.findings import findings
from controller.store.upkeep import gauges, robot_marks, wal_bytes
from schemas.commands import Frame
from schemas.due import Timing, next_after
from schemas.status import RobotState

log = logging.getLogger(__name__)

DOWN = {"broker.down": "broker", "store.full": "store"}
"""Conditions in which a part does not work at all."""
PARTS = ("controller", "broker", "store")
NEARLY_FULL = 0.95
DAY_US = 86_400_000_000


class SystemReport:
    """Reads everything when it is asked, and keeps what it read a moment ago, and which failure its log has told."""

    def __init__(
        self,
        core: Core,
        loop: Loop,
        link: Link,
        door: CommandSocket,
        database: Path,
        backup: Timing | None,
        broker: str,
        *,
        quick: Sequence[Source] = (),
        slow: Sequence[Source] = (),
    ) -> None:
        self._core, self._loop, self._link, self._door, self._database = core, loop, link, door, database
        self._backup, self._broker = backup, broker
        self._told: int | None = None
        self._began, self._began_us = steady(), time.time_ns() // 1000
        slow = (self._of_disk, self._of_backups, self._of_store, self._of_box, *slow)
        self._degraded = Degraded((self._of_loop, *quick), slow)
        loop.timings.registry.register(Figures(self._counts, self._gauges))

    def health(self) -> dict[str, Any]:
        """{state: ok or degraded, parts: {name: {state}}, reasons: [{part, code, message, since}], backup, uptime_s}"""
        found = self._degraded.conditions()
        down = {DOWN[one.code] for one in found if one.code in DOWN}
        good = self._backup_at()
        return {
            "state": "degraded" if found else "ok",
            "parts": {part: {"state": "down" if part in down else "ok"} for part in PARTS},
            "reasons": [degraded.shown(one) for one in found],
            "backup": None if good is None else degraded.moment(good),
            "uptime_s": round(steady() - self._began, 3),
        }

    def metrics(self) -> dict[str, Any]:
        """{text: what Prometheus reads}"""
        return {"text": text(self._loop.timings.registry)}

    def _backup_at(self) -> int | None:
        return backups.good_at(backups.state(self._database.parent), time.time_ns() // 1000)

    # ------------------------------------------------------------ what is not as it should be
    def _of_loop(self) -> Iterable[Condition]:
        if not self._link.connected:
            yield Condition("broker", "broker.down", self._link.problem)
        if self._loop.trouble is not None:
            yield Condition("store", "store.full", self._loop.trouble.reason)
        elif self._loop.ballast.given_up:
            text = "The disk is full: what runs is still recorded from the reserve, nothing new is accepted."
            yield Condition("store", "store.reserve", text)
        if self._loop.damage is not None:
            text = f"SQLite met damage ({self._loop.damage}). End the box and restore a backup."
            yield Condition("store", "store.damaged", text)
        yield from self._loop.clock.conditions(instant())

    def _of_disk(self) -> Iterable[Condition]:
        return degraded.disk(self._database.parent)

    def _of_backups(self) -> Iterable[Condition]:
        said = backups.state(self._database.parent)
        if said.failed_at not in (None, self._told):  # made by hand it said so elsewhere, and the log is to say why
            log.error("the last backup failed: %s", said.why)
        self._told = said.failed_at
        return of_backups(said, self._backup, self._began_us)

    def _of_store(self) -> Iterable[Condition]:
        """What the database says; one that cannot be read now must not keep health from being answered."""
        try:
            return list(self._standing())
        except sqlite3.Error as error:
            log.warning("the state of the box could not be read wholly: %s", error)
            return []

    def _standing(self) -> Iterable[Condition]:
        db, us = self._core.store.db, time.time_ns() // 1000
        for one in findings(db):
            yield Condition("store", one.code, one.text, one.since)
        parked = standing.parked_jobs(db)
        if parked or self._core.desk.memory.restored:
            text = f"An older state was restored: {parked} jobs wait parked for a person, robots until they are heard."
            yield Condition("jobs", "box.restored", text)
        if (drained := standing.drained(db)) is not None:
            yield Condition("jobs", "box.drained", f"No work is given out; {drained[1]} asked for that.", drained[0])
        strange = standing.quarantined(db)
        if strange is not None and us - strange.newest < DAY_US:
            text = f"Robots sent messages that cannot be read; {strange.kept} are kept."
            yield Condition("robots", "rows.unreadable", text, strange.newest)
        if self._core.retention.over_budget:
            yield Condition("store", "data.full", "The database is larger than `data_gb`, and nothing more may go.")
        settings = self._core.settings
        if artifacts.bytes_kept(db) > settings.artifacts_gb * 1e9 * NEARLY_FULL:
            yield Condition("artifacts", "artifacts.full", "Screenshots and video have nearly used up their room.")

    def _of_box(self) -> Iterable[Condition]:
        if self._broker == "amqtt":
            text = "The broker is the one for demonstrations: few robots, and no access rules."
            yield Condition("broker", "broker.demo", text, self._began_us)
        yield from degraded.restarts(self._database.parent / "ready.json")

    # ------------------------------------------------------------ numbers
    def _counts(self) -> Counter[tuple[str, ...]]:
        counts = Counter(self._core.counters)
        counts.update({("bad frames", code): n for code, n in self._door.counters.items()})
        counts.update({("link", what): n for what, n in self._link.counters.items()})
        counts[("defects",)] = self._loop.defects
        return counts

    def _gauges(self) -> Mapping[tuple[str, ...], float]:
        found: dict[tuple[str, ...], float] = {
            ("broker connected",): float(self._link.connected),
            ("store failing",): float(self._loop.trouble is not None),
            ("kept messages",): float(self._loop.kept),
            ("socket connections",): float(self._door.connections),
            ("wal bytes",): float(wal_bytes(self._database)),
            ("uptime seconds",): steady() - self._began,
        }
        standing_now = {one.code for one in self._degraded.conditions()}
        found |= {("degraded", code): float(code in standing_now) for code in CODES}
        good = self._backup_at()
        if good is not None:
            found[("backup age seconds",)] = max(0.0, time.time() - good / 1e6)
        db = self._core.store.db
        return found | dict(gauges(db)) | self._robots(db)

    def _robots(self, db: sqlite3.Connection) -> dict[tuple[str, ...], float]:
        live = self._core.command(instant(), Frame(id=0, command="robot.live")).ok or {}
        heard: dict[str, Any] = live.get("robots", {})
        found: dict[tuple[str, ...], float] = {("robots", state.value): 0.0 for state in RobotState}
        for robot, enabled, held, busy in robot_marks(db):
            state = robot_state(heard.get(robot, {}), enabled=enabled, held=held, busy=busy)
            found["robots", state.value] += 1
        return found


def of_backups(said: backups.State, timing: Timing | None, began_us: int) -> Iterable[Condition]:
    """What is not as it should be with backups, by what is noted of them."""
    if said.failed_at is not None:  # not compared: the clock may have been wrong at either
        text = "The last backup failed; the log says why, and the older ones are still there."
        yield Condition("backup", "backup.failed", text, said.failed_at)
    if timing is not None and (late := backup_is_late(timing, said, began_us)) is not None:
        yield Condition("backup", "backup.old", late, backups.good_at(said, time.time_ns() // 1000))
    if said.artifacts_lost:
        text = f"Files of {said.artifacts_lost} artifacts are damaged or missing; the last backup left them out."
        yield Condition("artifacts", "artifacts.damaged", text, said.good_at)


def backup_is_late(timing: Timing, said: backups.State, began_us: int) -> str | None:
    """A sentence when two moments for a backup have passed since the last one, or nobody knows when that was.

    A box that never had one counts from its start.
    """
    now = time.time_ns() // 1000
    if said.good_at is not None and backups.good_at(said, now) is None:
        return "By the clock the last backup is still to be made: the clock was or is wrong, and its age is not known."
    last = said.good_at if said.good_at is not None else began_us
    second = next_after(timing, next_after(timing, last) or now)
    if second is None or now <= second:
        return None
    days = (now - last) // DAY_US
    return f"There was no backup for {days} day{'' if days == 1 else 's'}."


def robot_state(heard: Mapping[str, Any], *, enabled: bool, held: bool, busy: bool) -> RobotState:
    """What a robot's row says, worst news first."""
    news = (
        (held, RobotState.ON_HOLD),
        (not heard.get("online", False), RobotState.OFFLINE),
        (busy and not enabled, RobotState.DRAINING),
        (busy, RobotState.WORKING),
        (not enabled, RobotState.DISABLED),
        (bool(heard.get("charging")), RobotState.CHARGING),
    )
    return next((state for applies, state in news if applies), RobotState.FREE)
