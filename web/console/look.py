"""What is known at one moment, gathered once for all pages and all open screens."""

import logging
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from controller.store import queries
from schemas.commands import Caller
from schemas.views import Queue, Robot, UnknownRobot
from web.api.robots import robot_view
from web.backend import Backend

logger = logging.getLogger(__name__)
FRESH_S = 0.5
"""A look younger than this is shown again instead of asking anew."""
SCREEN = Caller(client="console")
"""Whose questions these are: the screen's own, not a person's."""


@dataclass(frozen=True)
class Look:
    """The fleet as it is known: what is stored, with what robots said last where the controller told us.

    `up`: the controller answered just now; else `heard_at` is when it last did (None: never since the web started),
    and what robots say is from then.
    """

    at: datetime
    up: bool
    heard_at: datetime | None
    robots: list[Robot]
    unknown: list[UnknownRobot]
    queues: list[Queue]
    counts: dict[str, int]
    health: dict[str, Any] | None
    backend: Backend

    @cached_property
    def by_id(self) -> dict[str, Robot]:
        """Robots by their id."""
        return {robot.id: robot for robot in self.robots}

    @property
    def open_jobs(self) -> int:
        """How many jobs have not ended."""
        return sum(n for state, n in self.counts.items() if state not in ("succeeded", "failed", "cancelled"))


class Lookout:
    """Takes looks, one at a time; who comes while one is being taken gets the one before."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._taking = threading.Lock()
        self._last: Look | None = None
        self._taken = 0.0
        self._said: dict[str, Any] = {}
        self._health: dict[str, Any] | None = None
        self._heard_at: datetime | None = None

    def look(self) -> Look:
        """What is known now, at most `FRESH_S` old unless the controller is slow; raises `Unreadable`."""
        last = self._last
        if last is not None and time.monotonic() - self._taken < FRESH_S:
            return last
        if not self._taking.acquire(blocking=last is None) and last is not None:
            return last
        try:
            self._last = self._take()
            self._taken = time.monotonic()
            return self._last
        finally:
            self._taking.release()

    def _take(self) -> Look:
        said = self._backend.query("robot.live", SCREEN)
        at = datetime.now(UTC)
        if said is not None:
            self._said, self._heard_at = said, at
            self._health = self._backend.query("system.health", SCREEN)
        with self._backend.reader.reading() as db:
            stored = queries.stored_robots(db)
            found = queries.queues(db, time.time_ns() // 1000)
            counts = queries.count_jobs(db, queries.JobFilter()).by_state
        heard = self._said.get("robots", {})
        return Look(
            at=at,
            up=said is not None,
            heard_at=self._heard_at,
            robots=[robot_view(one, heard.get(one.id, {})) for one in stored],
            unknown=[UnknownRobot.model_validate(one) for one in self._said.get("unknown", ())],
            queues=found,
            counts=counts,
            health=self._health,
            backend=self._backend,
        )
