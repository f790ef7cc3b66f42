"""What the controller answers when it is asked about itself: health, and metrics."""

import sqlite3
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from config.clock import instant, steady
from controller.core import Core
from controller.link import Link
from controller.loop import Loop
from controller.metrics import Figures, text
from controller.socket import CommandSocket
from controller.store.upkeep import gauges, robot_marks, wal_bytes
from schemas.commands import Frame
from schemas.status import RobotState


class SystemReport:
    """Reads everything when it is asked, and keeps nothing."""

    def __init__(self, core: Core, loop: Loop, link: Link, door: CommandSocket, database: Path) -> None:
        self._core, self._loop, self._link, self._door, self._database = core, loop, link, door, database
        self._began = steady()
        loop.timings.registry.register(Figures(self._counts, self._gauges))

    def health(self) -> dict[str, Any]:
        """{state: ok or degraded, parts: {name: {state}}, reasons: [{part, code, message}], uptime_s}"""
        reasons = []
        if not self._link.connected:
            reasons.append({"part": "broker", "code": "broker.down", "message": self._link.problem})
        if self._loop.trouble is not None:
            reasons.append({"part": "store", "code": "store.full", "message": self._loop.trouble.reason})
        down = {reason["part"] for reason in reasons}
        return {
            "state": "degraded" if reasons else "ok",
            "parts": {p: {"state": "down" if p in down else "ok"} for p in ("controller", "broker", "store")},
            "reasons": reasons,
            "uptime_s": round(steady() - self._began, 3),
        }

    def metrics(self) -> dict[str, Any]:
        """{text: what Prometheus reads}"""
        return {"text": text(self._loop.timings.registry)}

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
