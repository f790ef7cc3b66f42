"""Expire, dispatch, resend: the order is the policy."""

import heapq

from controller.desk import CONTROLLER, Desk, Outgoing
from controller.domain import matching
from controller.domain.lifecycle import LIFE, Cell, Event
from controller.memory import Live, Robot, Sending, assigned
from controller.moves import Moves
from controller.payload import assign_payload
from controller.reports import exclude
from controller.store import jobs, records, reports
from controller.store.jobs import Waiting
from schemas.record import SET_ERROR
from schemas.status import JobState, Phase

_LOOK_S = 0.25
"""How often clocks are looked at: far below the shortest of them (2 s)."""
_FEW = 32
"""So many free robots are compared for a job, the longest free first."""


class Dispatcher:
    """What happens by itself, once a turn."""

    def __init__(self, desk: Desk, moves: Moves) -> None:
        self.desk = desk
        self.moves = moves
        self.look_at = 0.0

    def tick(self) -> None:
        """One turn, after everything that arrived was applied."""
        now = self.desk.now.mono
        looks = now >= self.look_at
        if looks:
            self.look_at = now + _LOOK_S
            if self.desk.connected:
                self.expire()
            self._timers()
        if self.desk.connected:
            self.dispatch()
            self._resend(looks)
        self.desk.flush_acks()

    # ------------------------------------------------------------ clocks
    def begin_clocks_anew(self) -> None:
        """After a start, an own pause or a reconnect: what was not heard meanwhile proves nothing."""
        memory, now = self.desk.memory, self.desk.now.mono
        memory.first_sent.clear()
        memory.sending.clear()
        for robot in memory.robots.values():
            robot.silent_from = now
        for live in memory.live.values():
            if live.state == JobState.CANCELLING:
                memory.cancel_since[live.number] = now
            if live.state != JobState.ASSIGNED:
                memory.running_since[live.number] = now

    def expire(self) -> None:
        """No answer, silence, run time limit; nothing else expires by itself."""
        memory, settings, now = self.desk.memory, self.desk.settings, self.desk.now.mono
        for live in list(memory.live.values()):
            sent, began = memory.first_sent.get(live.number), memory.running_since.get(live.number)
            silent = now - memory.robots[live.robot].silent_from
            if live.intention_code == SET_ERROR:
                self._set_error(live)
            elif live.state == JobState.ASSIGNED:
                if sent is not None and now - sent >= settings.answer_s:
                    self._no_answer(live)
            elif silent >= settings.silent_s:
                self._silent(live, silent)
            if began is not None and live.time_limit_s is not None and now - began >= live.time_limit_s:
                self._time_limit(live)

    def _no_answer(self, live: Live) -> None:
        exclude(self.desk, live, "no answer")
        self.moves.apply(live, Event.NO_ANSWER, code="no_answer", why=f"{live.robot} did not answer")

    def _silent(self, live: Live, seconds: float) -> None:
        event = Event.SILENT_REQUEUE if live.requeue else Event.SILENT_HOLD
        if LIFE[live.state, event] not in (Cell.NOTHING, Cell.IMPOSSIBLE):
            why = f"{live.robot} has not been heard for {seconds:.0f} s"
            self.moves.apply(live, event, code="silent", why=why)

    def _set_error(self, live: Live) -> None:
        """Somebody ended it as failed: without its robot's answer his word stands, as if he had forced it then."""
        since = self.desk.memory.cancel_since.get(live.number)
        waited = 0.0 if since is None else self.desk.now.mono - since
        if live.state == JobState.CANCELLING and waited >= self.desk.settings.force_s:
            who = records.asker(self.desk.db, live.job, Event.SET_ERROR) or CONTROLLER
            self.moves.force(live, JobState.FAILED, who, live.intention_text or "")

    def _time_limit(self, live: Live) -> None:
        if LIFE[live.state, Event.TIME_LIMIT] == Cell.CANCELLING:
            row = jobs.by_id(self.desk.db, live.job)
            self.moves.cancel(
                row, Event.TIME_LIMIT, CONTROLLER, "The run time limit was over.", intention="failed", code="time_limit"
            )

    def _timers(self) -> None:
        for what, job in self.desk.memory.due(self.desk.now.mono):
            row = jobs.by_id(self.desk.db, job)
            if row["state"] != JobState.QUEUED:
                continue
            if what == "ready" and not row["ready"]:
                self.make_ready(row["id"], row["target"], row["need"])
            elif what == "queue" and not row["parked"]:
                self.moves.end_queued(
                    row, JobState.FAILED, Event.QUEUE_TIMEOUT, CONTROLLER, "queue_timeout",
                    f"No robot took it within {row['queue_timeout_s']:g} s.",
                )  # fmt: skip

    def make_ready(self, job: int, target: str, need: int) -> None:
        """A job's waiting time is over."""
        jobs.change(self.desk.db, job, ready=1)
        self.desk.memory.waiting[target].add(need)

    # ------------------------------------------------------------ claim-next
    def dispatch(self) -> None:
        """Give the first jobs to free robots: highest priority, then oldest, among what some free robot may take."""
        if self.desk.drained or self.desk.tight:
            return
        if self.desk.memory.restored:
            return  # after a restore nothing starts before every robot was heard or released
        heap = [entry for target in list(self.desk.memory.waiting) for entry in self._heads(target)]
        heapq.heapify(heap)
        for _ in range(self.desk.settings.assignments_a_turn):
            if not heap:
                return
            _, _, job = heapq.heappop(heap)
            robot = self._choose(job)
            if robot is not None:
                self.assign(job, robot)
            following = self._next(job) if robot is not None or self._others_may(job) else None
            if following:
                heapq.heappush(heap, _entry(following))

    def _heads(self, target: str) -> list[tuple[int, int, Waiting]]:
        """The first job of each need that a free robot of this target can serve."""
        memory, found = self.desk.memory, []
        if not memory.free.get(target):
            return []
        for need in list(memory.waiting[target]):
            if not self._some_capable(target, need):
                continue
            job = jobs.head(self.desk.db, target, need)
            if job is None:
                memory.waiting[target].discard(need)
            else:
                found.append(_entry(job))
        if not memory.waiting[target]:
            del memory.waiting[target]
        return found

    def _some_capable(self, target: str, need: int) -> bool:
        memory = self.desk.memory
        return any(memory.needs[need] <= memory.robots[r].capabilities for r in memory.free[target])

    def _next(self, job: Waiting) -> Waiting | None:
        return jobs.head(self.desk.db, job.target, job.need, (job.priority, job.id))

    def _others_may(self, job: Waiting) -> bool:
        """The job itself was refused by all that are free, so the one behind it may still go."""
        refused = self.desk.memory.exclusions.get(job.id, {})
        return any(r in refused for r in self.desk.memory.free.get(job.target, ()))

    def _choose(self, job: Waiting) -> Robot | None:
        """The best of the longest free: not where it failed before, not charging, then the longest free."""
        memory = self.desk.memory
        found: list[tuple[bool, bool, int, Robot]] = []
        for name in memory.free.get(job.target, ()):
            robot = memory.robots[name]
            if not self.refusals(robot, job.id, job.need):
                charging = bool(robot.beat and robot.beat.charging)
                found.append((name in memory.avoid.get(job.id, ()), charging, len(found), robot))
                if len(found) == _FEW or not any(found[-1][:2]):
                    break
        return min(found, key=lambda x: x[:3])[3] if found else None

    def refusals(self, robot: Robot, job: int, need: int) -> list[matching.Why]:
        """Every reason why this robot does not take this job now; the same list people are shown."""
        memory, now = self.desk.memory, self.desk.now.mono
        facts = View(robot, [memory.live[n].uid for n in robot.slots.values() if n in memory.live])
        refused = memory.exclusions.get(job, {}).get(robot.id)
        asked = (refused.until, refused.reason, refused.lasting) if refused else None
        found = matching.of_robot(facts, now, self.desk.settings.heard_s)
        return found + matching.of_pair(facts, memory.needs[need], asked, now)

    def assign(self, waiting: Waiting, robot: Robot) -> None:
        """A new attempt: row, slot and letter in one transaction."""
        desk = self.desk
        number, us = desk.store.number(), desk.now.utc_us
        slot = next(s for s in range(robot.capacity) if s not in robot.slots)
        row = jobs.to_assign(desk.db, waiting.id)
        requeue = row["on_lost"] == "requeue" and bool(row["safe"]) and "stops_with_agent" in robot.capabilities
        jobs.open_attempt(desk.db, number, row["id"], robot.id, slot, requeue=requeue, now_us=us)
        jobs.move(
            desk.db, row["id"], JobState.QUEUED, JobState.ASSIGNED, row["attempt"], attempt=number, robot=robot.id,
            assigned_at=row["assigned_at"] or us, command=0, intention=None, intention_code=None, intention_text=None,
            before=None, reason_code=None, reason=None, no_retry=0,
        )  # fmt: skip
        desk.counters[("moves", "queued", "assigned")] += 1
        live = assigned(row, number, robot.id, slot, requeue=requeue)
        desk.memory.add_live(live)
        desk.memory.refresh(robot)
        reports.root(desk.pending, number, Phase.PRODUCE_SUCCESS, us, inputs=row["parameters"])
        desk.tell("job", "assigned", job=row["id"], robot=robot.id, attempt=number, old="queued", new="assigned")
        desk.post(f"assign:{number}", robot.id, "assign", number, 0, assign_payload(desk, live, row))

    # ------------------------------------------------------------ the outbox
    def _resend(self, looks: bool) -> None:
        """New letters at once; the others after 2 s, doubling to 15 s."""
        memory, now, settings = self.desk.memory, self.desk.now.mono, self.desk.settings
        keys = list(memory.letters) if looks else list(self.desk.fresh)
        self.desk.fresh.clear()
        for key in keys:
            letter, sending = memory.letters.get(key), memory.sending.get(key)
            if letter is None or (sending is not None and now < sending.due):
                continue
            wait = settings.resend_first_s if sending is None else min(settings.resend_max_s, sending.wait * 2)
            memory.sending[key] = Sending(now + wait, wait)
            if letter.topic == "assign":
                memory.first_sent.setdefault(letter.attempt, now)
            self.desk.out.append(Outgoing(letter.robot, letter.topic, letter.payload, key=letter.key))
            self.desk.counters[("sent", letter.topic, "again" if sending else "first")] += 1

    def unsent(self, key: str) -> None:
        """A letter found no room on its way out: it leaves at the next look, and no clock runs for it."""
        letter, sending = self.desk.memory.letters.get(key), self.desk.memory.sending.pop(key, None)
        if letter is not None and sending is not None and sending.wait == self.desk.settings.resend_first_s:
            self.desk.memory.first_sent.pop(letter.attempt, None)


class View:
    """A robot as `matching` asks about it."""

    def __init__(self, robot: Robot, busy_with: list[str]) -> None:
        self.id, self.enabled, self.drained = robot.id, robot.enabled, robot.drained
        self.removed, self.note, self.capacity = robot.removed, robot.note, robot.capacity
        self.capabilities, self.heard, self.strange = robot.capabilities, robot.heard, robot.strange
        self.hold_reasons = [h.reason for h in robot.holds]
        self.accepting = robot.beat.accepting if robot.beat else None
        self.busy_with = busy_with


def _entry(job: Waiting) -> tuple[int, int, Waiting]:
    return (-job.priority, job.id, job)
