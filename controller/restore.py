"""After an older state came back under live robots: everything open is parked until robots and people have spoken."""

from controller.desk import Desk
from controller.domain.lifecycle import Event
from controller.moves import Moves
from controller.store import jobs
from schemas.status import JobState

WRITTEN_AT_ONCE = 10_000
"""A box may have a million open jobs: their events are not all held in memory."""


def park_everything(desk: Desk, moves: Moves, why: str) -> None:
    """Every robot on hold, every open job parked ("may have run since"), no assignment of yesterday leaves again."""
    jobs.park_open(desk.db)
    for n, job in enumerate(jobs.open_ids(desk.db), 1):
        desk.tell("job", "parked", job=job, why="it may have run since what the database says")
        if n % WRITTEN_AT_ONCE == 0:
            desk.pending.write()
    for live in [live for live in desk.memory.live.values() if live.state == JobState.ASSIGNED]:
        moves.move(live, JobState.QUEUED, Event.RESTORE, code="restored", why=why)
        moves.hold_and_revoke(live, "restored")
    for robot in desk.memory.robots.values():
        desk.hold(robot, "restored", None, why)
    desk.tell("system", "restored", why=f"{why}; parked jobs wait for a person")
