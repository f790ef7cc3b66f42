"""Rows of a made-up past, job by job, as the controller would have written them."""

import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from schemas.ids import uuid7

BLOCKS = 4
"""Blocks of a flow beside its root: five block runs an attempt."""
BETWEEN_JOBS_US = 7_776_000
"""A job every 7.8 s is a million in 90 days."""
CHUNK = 5_000
SECOND = 1_000_000
FAILS, CANCELLED, CANCELLED_WAITING, RETRIED = 0.04, 0.015, 0.015, 0.04
PRIORITIES, PRIORITY_WEIGHTS = (2000, 1000, 3000, 4500), (85, 6, 6, 3)
SOURCES, SOURCE_WEIGHTS = ("api", "schedule", "manual", "handheld"), (70, 15, 10, 5)
HELD = ("running", "running", "running", "paused", "uncertain")
WHY = "The station did not answer."

COLUMNS = {
    "jobs": "id uid run state priority target need flow flow_version deployment parameters max_retries used on_lost"
    " safe time_limit_s recording attempt robot attempt_count reason_code reason outputs source source_type created_by"
    " created_at assigned_at started_at ended_at version",
    "attempts": "number job robot open journal state counted reason_code reason ended_by created_at started_at"
    " ended_at",
    "block_runs": "attempt n path try status state inputs outputs reason started_at ended_at",
    "reports": "journal seq attempt kind body recorded_at",
    "logs": "job attempt robot path level type text message args output time recorded_at",
    "events": "at topic event job robot attempt who old new code why data chain",
}
"""Tables and the columns that are filled; the others keep their defaults."""
Rows = dict[str, list[tuple[Any, ...]]]


@dataclass(frozen=True)
class Kind:
    """A deployment with what its jobs have in common."""

    deployment: str
    flow: str
    flow_version: int
    need: int
    target: str


@dataclass
class Robot:
    """A robot with its journal and the number of its newest report."""

    id: str
    target: str
    journal: int
    journal_name: str
    seq: int = 0


@dataclass
class Try:
    """One attempt while its rows are written."""

    job: int
    uid: str
    number: int
    robot: Robot
    created: int
    started: int
    ended: int | None
    end: str

    @property
    def time(self) -> str:
        """The agent's own time; one is enough for an attempt of seconds."""
        return datetime.fromtimestamp(self.started / 1e6, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Past:
    """The same jobs for the same dice: the newest `queued` wait, `held` before them are in robots' hands."""

    def __init__(
        self, kinds: list[Kind], robots: list[Robot], jobs: int, queued: int, held: int, number: int, now_us: int
    ) -> None:
        if held > len(robots) or queued + held > jobs:
            raise ValueError("a robot holds one job, and all of them together are no more than there are jobs")
        self.kinds, self.jobs, self.queued, self.held, self.number = kinds, jobs, queued, held, number
        self.begin = now_us - jobs * BETWEEN_JOBS_US
        self.dice = random.Random(1)  # noqa: S311 - not for secrets
        self.of: dict[str, list[Robot]] = defaultdict(list)
        for robot in robots:
            self.of[robot.target].append(robot)
        self.holders = list(robots[:held])
        self.out: Rows = {table: [] for table in COLUMNS}

    def chunks(self) -> Iterator[Rows]:
        """All rows, so many jobs at a time."""
        for job in range(1, self.jobs + 1):
            self._job(job)
            if job % CHUNK == 0 or job == self.jobs:
                yield self.out
                self.out = {table: [] for table in COLUMNS}

    # ------------------------------------------------------------ a job
    def _job(self, job: int) -> None:
        created = self.begin + job * BETWEEN_JOBS_US
        uid, kind = uuid7(created // 1000), self.dice.choice(self.kinds)
        self._event(created, "submitted", job, new="queued", who="local")
        if job > self.jobs - self.queued:
            self._write(job, uid, kind, created, "queued", [])
        elif job > self.jobs - self.queued - self.held:
            self._hold(job, uid, kind, created)
        elif self.dice.random() < CANCELLED_WAITING:
            self._event(created + 60 * SECOND, "cancel", job, old="queued", new="cancelled", who="local")
            self._write(job, uid, kind, created, "cancelled", [], ended=created + 60 * SECOND)
        else:
            self._end(job, uid, kind, created)

    def _hold(self, job: int, uid: str, kind: Kind, created: int) -> None:
        robot = self.holders.pop()
        kind = next(one for one in self.kinds if one.target == robot.target)
        one = self._try(job, uid, robot, created, "")
        self._write(job, uid, kind, created, HELD[len(self.holders) % len(HELD)], [one])

    def _end(self, job: int, uid: str, kind: Kind, created: int) -> None:
        chance, tries, at = self.dice.random(), [], created
        if self.dice.random() < RETRIED:
            tries.append(self._try(job, uid, self.dice.choice(self.of[kind.target]), at, "failed", again=True))
            at = (tries[-1].ended or at) + 5 * SECOND
        end = "failed" if chance < FAILS else "cancelled" if chance < FAILS + CANCELLED else "succeeded"
        tries.append(self._try(job, uid, self.dice.choice(self.of[kind.target]), at, end))
        self._write(job, uid, kind, created, end, tries, ended=tries[-1].ended)

    def _write(
        self, job: int, uid: str, kind: Kind, created: int, state: str, tries: list[Try], ended: int | None = None
    ) -> None:
        last = tries[-1] if tries else None
        failed = state == "failed"
        source = self.dice.choices(SOURCES, SOURCE_WEIGHTS)[0]
        self.out["jobs"].append((
            job, uid, uuid7(created // 1000), state, self.dice.choices(PRIORITIES, PRIORITY_WEIGHTS)[0], kind.target,
            kind.need, kind.flow, kind.flow_version, kind.deployment, "{}", 3, max(0, len(tries) - 1), "hold", 0,
            86_400.0, "never", last.number if last else None, last.robot.id if last else None, len(tries),
            "failed" if failed else None, WHY if failed else None, "{}" if state == "succeeded" else None,
            f'{{"type":"{source}","system":"erp"}}', source, "local", created, tries[0].created if tries else None,
            last.started if last else None, ended, 1 + 3 * len(tries),
        ))  # fmt: skip

    # ------------------------------------------------------------ an attempt
    def _try(self, job: int, uid: str, robot: Robot, created: int, end: str, *, again: bool = False) -> Try:
        self.number += 1
        assigned = created + self.dice.randrange(SECOND // 100, 60 * SECOND)
        started = assigned + 20_000
        ended = started + self.dice.randrange(10 * SECOND, 300 * SECOND) if end else None
        one = Try(job, uid, self.number, robot, assigned, started, ended, end)
        failed = end == "failed"
        self.out["attempts"].append((
            one.number, job, robot.id, int(not end), robot.journal_name, end or "running", 1,
            "failed" if failed else None, WHY if failed else None, end or None, assigned, started, ended,
        ))  # fmt: skip
        self._event(assigned, "assigned", job, one, "queued", "assigned")
        self._event(started, "accepted", job, one, "assigned", "running")
        if end and ended is not None:
            why = ("failed", WHY) if failed else (None, None)
            self._event(ended, end, job, one, "running", "queued" if again else end, code=why[0], why=why[1])
        self._runs(one)
        self._logs(one)
        self._reports(one)
        return one

    def _runs(self, one: Try) -> None:
        """The root, and the blocks below it: all of them, or up to the one at which it ended or still is."""
        done = {"succeeded": "monitor.success", "failed": "monitor.failed", "cancelled": "cancel.success"}
        self.out["block_runs"].append((
            one.number, 0, "-1", 0, done.get(one.end, "start.begin"), one.end or "running", "{}", None,
            WHY if one.end == "failed" else None, one.started, one.ended,
        ))  # fmt: skip
        for n in range(1, BLOCKS + 1):
            last = n == BLOCKS
            state = (one.end or "running") if last else "succeeded"
            self.out["block_runs"].append((
                one.number, n, f"-1/{n}", 0, done.get(state, "start.begin"), state,
                f'{{"varName":"v{n}","varValue":"block {n}"}}', None, WHY if state == "failed" else None,
                one.started + n * 1000, one.ended if last else one.started + n * 1000 + 500,
            ))  # fmt: skip

    def _logs(self, one: Try) -> None:
        at = one.ended or one.started + SECOND
        head = (one.job, one.number, one.robot.id)
        add = self.out["logs"].append
        add((*head, "-1/3", 1, "print", f"order {one.job}", None, None, None, one.time, at))
        if one.end == "succeeded":
            branch = '{"branch":"default"}'
            add((*head, "-1", 1, "block", None, "branch_done", branch, '{"executed":true}', one.time, at))
        elif one.end == "failed":
            add((*head, "-1/4", 3, "driver", WHY, None, None, None, one.time, at))

    def _reports(self, one: Try) -> None:
        """As its agent sent them: accepted, two of each block, two logs, the end."""
        about = f'"job":"{one.uid}","attempt":{one.number}'
        time, at = one.time, one.ended or one.started + SECOND
        self._report(one, "accepted", f'"time":"{time}","kind":"accepted",{about},"rolled_back":false', one.started)
        for n in range(1, BLOCKS + 1):
            place = f'"time":"{time}","kind":"block",{about},"path":"-1/{n}","n":{n},"try":0'
            inputs = f'"inputs":{{"varName":"v{n}","varValue":"block {n}"}}'
            self._report(one, "block", f'{place},"status":"start.begin",{inputs},"started":"{time}"', at)
            if n < BLOCKS or one.end:
                self._report(one, "block", f'{place},"status":"monitor.success","ended":"{time}"', at)
        for _ in range(2):
            self._report(one, "log", None, at)
        if one.end:
            self._report(one, one.end, f'"time":"{time}","kind":"{one.end}",{about},"rolled_back":false', at)

    def _report(self, one: Try, kind: str, body: str | None, at: int) -> None:
        one.robot.seq += 1
        text = None if body is None else f'{{"seq":{one.robot.seq},{body}}}'
        self.out["reports"].append((one.robot.journal, one.robot.seq, one.number, kind, text, at))

    def _event(
        self, at: int, event: str, job: int, one: Try | None = None, old: str | None = None, new: str | None = None,
        *, who: str = "controller", code: str | None = None, why: str | None = None,
    ) -> None:  # fmt: skip
        robot, number = (one.robot.id, one.number) if one else (None, None)
        self.out["events"].append((at, "job", event, job, robot, number, who, old, new, code, why, None))
