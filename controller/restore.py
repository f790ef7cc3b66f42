"""After an older state came back under live robots: everything open is parked until robots and people have spoken."""

from controller.desk import Desk
from controller.domain.lifecycle import Event
from controller.moves import Moves
from controller.store import jobs
from schemas.status import ACTIVE, JobState


def park_everything(desk: Desk, moves: Moves, why: str) -> None:
    """Every robot on hold, every open job parked ("may have run since"), no assignment of yesterday leaves again."""
    for row in jobs.not_ended(desk.db):
        live = desk.memory.live.get(row["attempt"]) if row["state"] in ACTIVE else None
        jobs.change(desk.db, row["id"], parked=1)
        desk.tell("job", "parked", job=row["id"], why="it may have run since what the database says")
        if live is not None and live.state == JobState.ASSIGNED:
            moves.move(live, JobState.QUEUED, Event.RESTORE, code="restored", why=why)
            moves.hold_and_revoke(live, "restored")
    for robot in desk.memory.robots.values():
        desk.hold(robot, "restored", None, why)
    desk.tell("system", "restored", why=f"{why}; parked jobs wait for a person")
