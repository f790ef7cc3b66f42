"""Fires schedules when their wall clock says so, each moment once, whatever that clock does."""

import logging
from itertools import islice

from controller.desk import Desk
from controller.firing import Firings
from controller.store import schedules
from controller.store.failures import is_fatal, is_trouble
from controller.store.schedules import Schedule
from schemas.due import last_until, next_after, times_after

logger = logging.getLogger(__name__)

GRACE_US = 60_000_000
"""Later than this a moment was missed: the box was down, or its clock jumped."""
MOST_A_TURN = 50
"""So many firings are made in one transaction; more follow in the next."""
MOST_COUNTED = 100
MISSED, CAUGHT_UP = "missed", "caught_up"


class Scheduler:
    """What is due is read from the store; memory only holds when to look again."""

    def __init__(self, desk: Desk, firings: Firings) -> None:
        self.desk = desk
        self.firings = firings
        self.due: dict[str, int] = {}

    def tick(self) -> None:
        """Fire what is due; inside a transaction."""
        if self.desk.memory.schedules_changed != set():
            self._learn()
        now, room = self.desk.now.utc_us, MOST_A_TURN
        for name in sorted((n for n, at in self.due.items() if at <= now), key=self.due.__getitem__):
            if room <= 0:
                return
            room -= self._guarded(name, now, room)

    def _guarded(self, name: str, now: int, room: int) -> int:
        """A defect about one schedule stops neither the others nor the controller: it is given up until it changes."""
        try:
            with self.desk.store.part():
                schedule = schedules.get(self.desk.db, name)
                if schedule is not None and schedule.enabled:  # stopping a record disables its schedule
                    return self._see_to(schedule, now, room)
                self.due.pop(name, None)
                return 0
        except Exception as error:
            if is_fatal(error) or is_trouble(error):
                raise
            logger.exception("schedule %s is given up until it is saved again", name)
            self.due.pop(name, None)
            return 1

    def _learn(self) -> None:
        """Plan those that changed, or all of them."""
        changed = self.desk.memory.schedules_changed
        if changed is None:
            self.due = {}
            found = schedules.enabled(self.desk.db)
        else:
            self.due = {name: at for name, at in self.due.items() if name not in changed}
            found = schedules.enabled(self.desk.db, changed)
        for one in found:
            self._plan(one, one.done_until)
        self.desk.memory.schedules_changed = set()

    def _plan(self, schedule: Schedule, done_until: int) -> None:
        """When this schedule is looked at next."""
        found = next_after(schedule.saved.timing(), done_until)
        if found is None:
            self.due.pop(schedule.id, None)
        else:
            self.due[schedule.id] = found

    def _see_to(self, schedule: Schedule, now: int, room: int) -> int:
        """Missed moments become one firing, those within the grace one each; how many were made."""
        timing, after = schedule.saved.timing(), self.due[schedule.id] - 1
        made = 0
        missed = last_until(timing, after, now - GRACE_US - 1)
        if missed is not None:
            self._missed(schedule, after, missed, fresh=(next_after(timing, missed) or now + 1) <= now)
            after, made = missed, 1
        for at in islice(times_after(timing, after), room - made):
            if at > now:
                break
            self.firings.fire(schedule, at)
            after, made = at, made + 1
        schedules.done(self.desk.db, schedule.id, after)
        self._plan(schedule, after)
        return max(made, 1)

    def _missed(self, schedule: Schedule, after: int, last: int, *, fresh: bool) -> None:
        """Once, however many they were; where the next one is due now, that one makes up for them."""
        times = sum(1 for at in islice(times_after(schedule.saved.timing(), after), MOST_COUNTED + 1) if at <= last)
        why = _sentence(times)
        logger.warning("schedule %s: %s", schedule.id, why)
        if schedule.saved.catch_up and not fresh:
            self.firings.fire(schedule, last, CAUGHT_UP, f"{why} It is made up for by this one firing.")
        else:
            self.firings.skip(schedule, last, MISSED, why)


def _sentence(times: int) -> str:
    number = f"more than {MOST_COUNTED}" if times > MOST_COUNTED else str(times)
    what = "This was" if times == 1 else f"This and others before it ({number} in all) were"
    return f"{what} due while the box was down or its clock was wrong."
