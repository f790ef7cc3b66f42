"""A robot that claims what is another's: its owner's letters stay, and what is kept about the liar is bounded."""

from typing import Any

from controller.beats import MOST_FOREIGN
from tests.fakes.yard import FakeRobot, Yard, running


def claim(liar: FakeRobot, robot: FakeRobot) -> None:
    """The liar says that it holds what the other robot was given."""
    liar.beat(robot.hold())


def letters(yard: Yard, robot: str) -> list[dict[str, Any]]:
    """What waits to be answered by a robot."""
    return [row for row in yard.rows("outbox") if row["robot"] == robot]


def test_a_claimed_attempt_keeps_its_owners_command() -> None:
    yard = Yard()
    robot, job = running(yard)
    liar = yard.robot("liar", "elsewhere")
    yard.must("job.cancel", job=job)
    before = letters(yard, robot.name)
    claim(liar, robot)
    assert [row["topic"] for row in before] == ["cancel"]
    assert letters(yard, robot.name) == before
    yard.tick(3.0, beating=True)
    assert len(robot.all("cancel")) > 1, "it is repeated until it is answered"


def test_a_claimed_attempt_can_still_be_revoked_at_its_owner() -> None:
    yard = Yard()
    robot, job = running(yard, on_lost="requeue", safe_to_repeat=True)
    liar = yard.robot("liar", "elsewhere")
    claim(liar, robot)
    for _ in range(60):  # its owner is silent until the job is given up there
        yard.tick(0.5)
        liar.beat(robot.hold())
    assert yard.job(job)["attempt"] != robot.last("assign")["attempt"]
    assert {row["robot"] for row in yard.rows("outbox") if row["key"].startswith("revoke:")} == {robot.name, "liar"}


def test_what_a_robot_makes_up_is_bounded() -> None:
    yard = Yard()
    liar = yard.robot("liar")
    for first in range(1, 1000, 64):
        made_up = [{"job": "x", "attempt": first + n, "activity": "running"} for n in range(64)]
        liar.beat(*made_up)
    assert len(letters(yard, "liar")) == MOST_FOREIGN
    assert len([row for row in yard.rows("holds") if row["robot"] == "liar"]) <= MOST_FOREIGN
