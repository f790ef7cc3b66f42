"""What the loop remembers beside the store: a picture of it for deciding, and clocks that may be lost at any moment."""

import heapq
import json
import math
import sqlite3
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from controller.store import definitions, jobs, outbox, robots
from controller.store.connection import Store
from controller.store.outbox import Letter
from schemas.messages import Heartbeat
from schemas.status import JobState


@dataclass
class Hold:
    """One reason why a robot gets no new work."""

    reason: str
    attempt: int | None
    since: int
    note: str | None = None


@dataclass
class Robot:
    """A robot as stored, and what was heard of it since this process started."""

    id: str
    kind: str
    name: str
    queues: tuple[str, ...]
    tags: tuple[str, ...]
    enabled: bool
    drained: bool
    note: str | None
    journal: str | None
    capabilities: frozenset[str]
    capacity: int
    version: str | None
    removed: bool
    failed_jobs: frozenset[int]
    refusals: int
    holds: list[Hold] = field(default_factory=list)
    slots: dict[int, int] = field(default_factory=dict)
    heard: float = -math.inf
    silent_from: float = -math.inf
    beat: Heartbeat | None = None
    beat_us: int = 0
    strange: bool = False
    """Its newest heartbeat names an attempt that this box has never given it."""

    @property
    def targets(self) -> tuple[str, ...]:
        """Under which targets its jobs wait."""
        return (f"r:{self.id}", *(f"q:{queue}" for queue in self.queues))

    @property
    def restored(self) -> bool:
        """Nobody knows yet what it did since the backup that was restored."""
        return any(h.reason == "restored" for h in self.holds)


@dataclass(slots=True)
class Live:
    """An open attempt with what deciding about it needs of its job."""

    number: int
    job: int
    uid: str
    robot: str
    slot: int
    requeue: bool
    safe: bool
    used: int
    max_retries: int
    parent: int | None
    parent_attempt: int | None
    time_limit_s: float | None
    target: str
    need: int
    debug: bool
    state: JobState = JobState.ASSIGNED
    journal: str | None = None
    began: bool = False
    counted: bool = False
    before: str | None = None
    command: int = 0
    no_retry: bool = False
    intention: str | None = None
    intention_code: str | None = None
    intention_text: str | None = None


@dataclass
class Exclusion:
    """This robot does not get this job for a while; `lasting`: not until its capabilities change."""

    until: float
    wait: float
    lasting: bool = False
    reason: str = ""


@dataclass
class Sending:
    """When a letter leaves again."""

    due: float
    wait: float


_FLAGS = ("requeue", "counted", "began", "safe", "no_retry", "debug")


class Memory:
    """Everything can be rebuilt from the store; `load` does so and keeps only what was heard."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.robots: dict[str, Robot] = {}
        self.unknown: dict[str, tuple[str, int]] = {}
        self.presence: dict[str, bool] = {}
        self.exclusions: dict[int, dict[str, Exclusion]] = defaultdict(dict)
        self.avoid: dict[int, set[str]] = defaultdict(set)
        self.first_sent: dict[int, float] = {}
        self.cancel_since: dict[int, float] = {}
        self.running_since: dict[int, float] = {}
        self.timers: list[tuple[float, str, int]] = []
        self.load()

    def load(self) -> None:
        """Read the store anew; what was heard of robots stays, as far as the robots are the same."""
        heard, db = self.robots, self.store.db
        self.robots = {row["id"]: _robot(row, heard.get(row["id"])) for row in robots.load(db)}
        for row in robots.holds(db):
            hold = Hold(row["reason"], row["attempt"], row["since"], row["note"])
            self.robots[row["robot"]].holds.append(hold)
        self.restored = {name for name, robot in self.robots.items() if robot.restored}
        self.live: dict[int, Live] = {}
        for row in jobs.live_attempts(db):
            self.add_live(live_of(row))
        for clock in (self.first_sent, self.cancel_since, self.running_since):
            for number in [n for n in clock if n not in self.live]:
                del clock[number]  # a number that was rolled back will be given again
        known = jobs.known(db, {job for _, _, job in self.timers})
        self.timers = [timer for timer in self.timers if timer[2] in known]  # an id that was rolled back, too
        heapq.heapify(self.timers)
        self.letters: dict[str, Letter] = {letter.key: letter for letter in outbox.load(db)}
        self.letters_of: dict[int, dict[str, None]] = defaultdict(dict)
        for letter in self.letters.values():
            self.letters_of[letter.attempt][letter.key] = None
        self.sending: dict[str, Sending] = {}
        self.needs = definitions.needs(db)
        self.schedules_changed: set[str] | None = None
        """Schedules that the scheduler has not seen as they are now; None: all of them."""
        self.queues = robots.queue_ids(db)
        self.journals: dict[tuple[str, str], list[int]] = {}
        self.waiting: dict[str, set[int]] = defaultdict(set)
        for target, need in jobs.waiting_pairs(db):
            self.waiting[target].add(need)
        self.free: dict[str, dict[str, None]] = defaultdict(dict)
        for robot in self.robots.values():
            self.refresh(robot)

    def add_robot(self, robot: str) -> None:
        """A robot that was just written to the store."""
        row = self.store.one("select * from robots where id = ?", robot)
        if row is not None:
            old = self.robots.get(robot)
            new = _robot(row, old)
            if old is not None:
                self.leave_targets(old)
                new.holds, new.slots = old.holds, old.slots
            self.robots[robot] = new
            self.unknown.pop(robot, None)
            self.refresh(new)

    def add_live(self, live: Live) -> None:
        """An attempt occupies its robot's slot."""
        self.live[live.number] = live
        self.robots[live.robot].slots[live.slot] = live.number

    def remove_live(self, live: Live) -> None:
        """The slot is free again."""
        self.live.pop(live.number, None)
        robot = self.robots[live.robot]
        robot.slots.pop(live.slot, None)
        for clock in (self.first_sent, self.cancel_since, self.running_since):
            clock.pop(live.number, None)
        self.refresh(robot)

    def refresh(self, robot: Robot) -> None:
        """Whether nothing but a short silence keeps the robot from new work; the longest free comes first."""
        free = may_take_work(robot) and not any(
            self.live[number].state == JobState.ASSIGNED for number in robot.slots.values()
        )
        for target in robot.targets:
            if free:
                self.free[target].setdefault(robot.id)
            else:
                self.free[target].pop(robot.id, None)

    def forget_job(self, job: int) -> None:
        """It has ended: who refused it and where it failed no longer matters."""
        self.exclusions.pop(job, None)
        self.avoid.pop(job, None)

    def capable_again(self, robot: str) -> None:
        """It can do something else than before, so what it could not do is asked again."""
        for refused in self.exclusions.values():
            if robot in refused and refused[robot].lasting:
                del refused[robot]

    def leave_targets(self, robot: Robot) -> None:
        """Before a robot's queues change."""
        for target in robot.targets:
            self.free[target].pop(robot.id, None)

    def wake(self, when: float, what: str, job: int) -> None:
        """Remember to look at a job again."""
        heapq.heappush(self.timers, (when, what, job))

    @property
    def to_look_at(self) -> set[tuple[str, int]]:
        """What is remembered to be looked at again, and of which job."""
        return {(what, job) for _, what, job in self.timers}

    def due(self, now: float) -> list[tuple[str, int]]:
        """Timers that have come."""
        found = []
        while self.timers and self.timers[0][0] <= now:
            _, what, job = heapq.heappop(self.timers)
            found.append((what, job))
        return found


def may_take_work(robot: Robot) -> bool:
    """Enabled, known, not on hold, willing, with a free slot, and with nothing in hand that is not ours."""
    return (
        robot.enabled
        and not robot.removed
        and not robot.holds
        and not robot.strange
        and len(robot.slots) < robot.capacity
        and robot.beat is not None
        and robot.beat.accepting
    )


def assigned(job: sqlite3.Row, number: int, robot: str, slot: int, *, requeue: bool) -> Live:
    """A new attempt at a job, whose row is as `jobs.to_assign` reads it."""
    return Live(
        number=number,
        job=job["id"],
        uid=job["uid"],
        robot=robot,
        slot=slot,
        requeue=requeue,
        safe=bool(job["safe"]),
        used=job["used"],
        max_retries=job["max_retries"],
        parent=job["parent"],
        parent_attempt=job["parent_attempt"],
        time_limit_s=job["time_limit_s"],
        target=job["target"],
        need=job["need"],
        debug=bool(job["debug"]),
    )


def live_of(row: sqlite3.Row) -> Live:
    """A live attempt from its row in the store."""
    values: dict[str, Any] = {key: bool(row[key]) if key in _FLAGS else row[key] for key in row.keys()}  # noqa: SIM118
    return Live(**values | {"state": JobState(row["state"])})


def _robot(row: sqlite3.Row, old: Robot | None) -> Robot:
    robot = Robot(
        id=row["id"],
        kind=row["kind"],
        name=row["name"],
        queues=robots.words(row["queues"]),
        tags=robots.words(row["tags"]),
        enabled=bool(row["enabled"]),
        drained=bool(row["drained"]),
        note=row["note"],
        journal=row["journal"],
        capabilities=frozenset(robots.words(row["capabilities"])),
        capacity=row["capacity"],
        version=row["version"],
        removed=bool(row["removed"]),
        failed_jobs=frozenset(json.loads(row["failed_jobs"])),
        refusals=row["refusals"],
    )
    if old is not None:
        robot.heard, robot.silent_from = old.heard, old.silent_from
        robot.beat, robot.beat_us, robot.strange = old.beat, old.beat_us, old.strange
    return robot
