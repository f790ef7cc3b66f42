"""The life of a job: the table is complete, and the core does what each of its cells says."""

from typing import Any

import pytest

from controller.domain.lifecycle import LIFE, Cell, Event, may_retry
from schemas.status import TERMINAL, JobState
from tests.fakes.yard import FakeRobot, Yard, running

ROWS = ("accepted", "rejected", "block", "paused", "resumed", "noted", "refused", "cancelled", "succeeded", "failed",
        "interrupted")  # fmt: skip


def test_every_state_has_a_cell_for_every_event() -> None:
    assert set(LIFE) == {(state, event) for state in JobState for event in Event}


def test_nothing_leaves_a_terminal_state() -> None:
    allowed = {Cell.NOTHING, Cell.REFUSE, Cell.IMPOSSIBLE, Cell.NEW_JOB}
    assert {LIFE[state, event] for state in TERMINAL for event in Event} <= allowed


def _to_assigned(yard: Yard) -> tuple[FakeRobot, str]:
    yard.flow()
    robot = yard.robot("r1")
    return robot, yard.submit(max_retries=1)


def _to_running(yard: Yard) -> tuple[FakeRobot, str]:
    return running(yard, max_retries=1)


def _to_paused(yard: Yard) -> tuple[FakeRobot, str]:
    robot, uid = _to_running(yard)
    yard.must("job.pause", job=uid)
    robot.say(robot.about("paused", command=robot.last("control")["command"]))
    return robot, uid


def _to_cancelling(yard: Yard) -> tuple[FakeRobot, str]:
    robot, uid = _to_running(yard)
    yard.must("job.cancel", job=uid)
    return robot, uid


def _to_uncertain(yard: Yard) -> tuple[FakeRobot, str]:
    robot, uid = _to_running(yard)
    yard.tick(26)
    return robot, uid


def _to_succeeded(yard: Yard) -> tuple[FakeRobot, str]:
    robot, uid = _to_running(yard)
    robot.say(robot.about("succeeded"))
    return robot, uid


REACH = {
    JobState.ASSIGNED: _to_assigned, JobState.RUNNING: _to_running, JobState.PAUSED: _to_paused,
    JobState.CANCELLING: _to_cancelling, JobState.UNCERTAIN: _to_uncertain, JobState.SUCCEEDED: _to_succeeded,
}  # fmt: skip
RESULT = {
    Cell.QUEUED: "queued", Cell.RUNNING: "running", Cell.PAUSED: "paused", Cell.CANCELLED: "cancelled",
    Cell.SUCCEEDED: "succeeded", Cell.FAILED: "failed", Cell.RETRY_FAILURE: "queued", Cell.RETRY_INTERRUPTED: "failed",
}  # fmt: skip


def _row(robot: FakeRobot, kind: str) -> dict[str, Any]:
    more: dict[str, Any] = {}
    if kind == "block":
        more = {"path": "-1/1", "n": 1, "try": 0, "status": "start.begin"}
    elif kind == "rejected":
        more = {"reason": "restart"}
    elif kind in ("noted", "refused"):
        more = {"command": 1, "reason": "not possible"}
    return robot.about(kind, **more)


@pytest.mark.parametrize("state", list(REACH))
@pytest.mark.parametrize("kind", ROWS)
def test_a_row_of_the_live_attempt_does_what_its_cell_says(state: JobState, kind: str) -> None:
    yard = Yard()
    robot, uid = REACH[state](yard)
    assert yard.state(uid) == state
    if state == JobState.ASSIGNED and kind != "accepted":
        # The attempt is bound by its *accepted*; before that the robot's known journal counts.
        assert yard.rows("attempts")[0]["journal"] is None
    cell = LIFE[state, Event(kind)]
    robot.say(_row(robot, kind))
    assert yard.state(uid) == RESULT.get(cell, state)


@pytest.mark.parametrize("state", list(REACH))
@pytest.mark.parametrize("command", ["pause", "resume", "cancel", "priority", "force"])
def test_a_command_is_refused_or_carried_out_as_its_cell_says(state: JobState, command: str) -> None:
    yard = Yard()
    robot, uid = REACH[state](yard)
    args: dict[str, Any] = {"job": uid}
    if command == "priority":
        args["priority"] = 7
    if command == "force":
        args |= {"outcome": "failed", "reason": "looked at it"}
    cell = LIFE[state, Event(command)]
    answer = yard.ask(f"job.{command}", **args)
    if cell == Cell.REFUSE or (command == "force" and state == JobState.CANCELLING):
        assert answer.error is not None
        assert answer.error.code == "job.state"
        assert yard.state(uid) == state
    else:
        assert answer.ok is not None
    if cell == Cell.COMMAND:
        assert robot.last("control")["do"] == command
        assert yard.state(uid) == state, "the state follows only the robot's row"
    if cell in (Cell.CANCELLING, Cell.ANEW):
        assert yard.state(uid) == "cancelling"
        assert robot.last("cancel")["attempt"] == robot.last("assign")["attempt"]
    if cell == Cell.FORCED and state == JobState.UNCERTAIN:
        assert yard.state(uid) == "failed"
        assert yard.holds("r1") == {"forced"}


@pytest.mark.parametrize(
    ("reported", "safe", "no_retry", "used", "retries", "child", "expected"),
    [
        (True, False, False, 1, 3, False, True),
        (True, False, False, 4, 3, False, False),  # 3 retries are 4 attempts
        (True, False, False, 3, 3, False, True),
        (True, False, False, 1, 0, False, False),
        (False, False, False, 1, 3, False, False),  # interrupted and not safe to repeat
        (False, True, False, 1, 3, False, True),
        (True, True, True, 1, 3, False, False),  # after a rollback or a time limit
        (True, True, False, 1, 3, True, False),  # a child never retries
    ],
)
def test_retry_rules(
    reported: bool, safe: bool, no_retry: bool, used: int, retries: int, child: bool, expected: bool
) -> None:
    found = may_retry(
        reported_failure=reported, safe=safe, no_retry=no_retry, used=used, max_retries=retries, child=child
    )
    assert found is expected
