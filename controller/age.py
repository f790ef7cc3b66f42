"""How old things are where the wall clock may be wrong: what was cleared away because of a wrong date is gone for good.

A clock of its own decides. It follows the wall clock at most four times as fast as time, and does not go back with it.
While the wall clock is behind, everything gets a date that is too old: such rows stay their whole time from then on.
"""

from dataclasses import astuple, dataclass, replace

from controller.desk import Desk
from controller.store import retention

HURRY = 4
"""So many times as fast as time it goes, until it has caught up with the wall clock."""
HOUR_US, DAY_US = 3_600_000_000, 86_400_000_000
BEHIND_US = HOUR_US
"""So much behind, the wall clock is wrong; less makes no difference where days are counted."""
BELIEVED_US = 30 * DAY_US
"""A wall clock that was behind for so long is the one to go by."""


@dataclass(frozen=True)
class Behind:
    """When the wall clock was behind, and the earliest date that it gave; UTC microseconds."""

    earliest_us: int
    since_us: int
    until_us: int
    """Both as `Age` counts."""


class Age:
    """That clock. It is kept in the database with every sweep, and at once where a wrong date must be remembered."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self._us: int | None = None
        self._mono = 0.0
        self._behind: Behind | None = None
        self._kept: Behind | None = None

    def start(self) -> None:
        """A fresh process: it goes on from where it was kept; on a new box from the first move."""
        self._mono = self.desk.now.mono
        self._us, behind = retention.clock(self.desk.db)
        self._behind = self._kept = None if behind is None else Behind(*behind)

    def undo(self) -> None:
        """After a rollback: what was kept in that turn was not."""
        _, behind = retention.clock(self.desk.db)
        self._kept = None if behind is None else Behind(*behind)

    @property
    def now_us(self) -> int:
        """The time of this clock."""
        return self.desk.now.utc_us if self._us is None else self._us

    @property
    def _longest_days(self) -> int:
        s = self.desk.settings
        return max(
            s.retain_jobs_days, s.retain_logs_days, s.retain_artifacts_days, s.retain_audit_days, s.idempotency_days
        )

    def before(self, days: int) -> int:
        """What has an earlier date than this was written at least so many days ago."""
        moment, behind = self.now_us - days * DAY_US, self._behind
        if behind is None or self.now_us >= behind.until_us + days * DAY_US:
            return moment
        return min(moment, behind.earliest_us)

    def turn(self) -> None:
        """In every turn that may write a date."""
        now = self.desk.now
        if self._us is None:
            self._us = min(now.utc_us, retention.first_move(self.desk.db, now.utc_us))
        passed, self._mono = int((now.mono - self._mono) * 1e6), now.mono
        if self._us - now.utc_us > BEHIND_US:
            self._is_behind(self._us, self._us + passed, now.utc_us)
        else:
            self._us = max(self._us, min(now.utc_us, self._us + HURRY * passed))

    def _is_behind(self, before_us: int, us: int, wall_us: int) -> None:
        """This clock goes on, from one reading to the next; the wall clock shows less."""
        had, earliest = self._behind, wall_us - BEHIND_US
        if had is None or before_us >= had.until_us + self._longest_days * DAY_US:  # nothing of that time is left
            self._behind = Behind(earliest, us, us)
        else:
            since = had.since_us if before_us - had.until_us < 2 * HOUR_US else us
            self._behind = Behind(min(earliest, had.earliest_us), since, us)
        self._us = us
        if us - self._behind.since_us >= BELIEVED_US:
            self._us, self._behind = wall_us, replace(self._behind, since_us=wall_us, until_us=wall_us)
        if self._is_news() and not self.desk.tight:
            self.keep()

    def _is_news(self) -> bool:
        old, new = self._kept, self._behind
        if old is None or new is None:
            return new is not old
        return new.earliest_us != old.earliest_us or abs(new.until_us - old.until_us) > HOUR_US

    def keep(self) -> None:
        """Have it in the database with this turn."""
        retention.set_clock(self.desk.db, self.now_us, None if self._behind is None else astuple(self._behind))
        self._kept = self._behind
