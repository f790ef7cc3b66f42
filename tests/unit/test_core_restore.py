"""After a restore: everything waits until robots and people have spoken, and what was said before proves nothing."""

import pytest

from tests.fakes.yard import FakeRobot, Yard, running


def restore(yard: Yard) -> None:
    """The database is one that came back from a backup."""
    yard.store.raise_incarnation()
    yard.store.restored = True
    core = yard.core_type(yard.store, yard.settings)
    with yard.store.transaction():
        core.start(yard.instant())
        core.broker(True, yard.instant())
    yard.core = core
    yard.pump()


def test_after_a_restore_a_heartbeat_from_before_it_frees_no_robot() -> None:
    """It may have been on its way since; agents that say in which life they speak are asked for a new one."""
    yard = Yard()
    yard.flow()
    robot = yard.robot("r1")
    robot.beat(life=1)
    restore(yard)
    uid = yard.submit()
    assert robot.last("control") == {"v": 1, "do": "report_now", "life": 2}
    robot.got.clear()
    for life in (0, 1):
        robot.beat(life=life)
        assert (yard.holds("r1"), yard.state(uid)) == ({"restored"}, "queued")
        assert robot.got == [("control", {"v": 1, "do": "report_now", "life": 2})]
        robot.got.clear()
    robot.beat(life=2)
    assert (yard.holds("r1"), yard.state(uid)) == (set(), "assigned")


def test_after_a_restore_a_robot_that_is_new_to_the_box_is_believed_once_it_speaks_of_now() -> None:
    yard = Yard()
    yard.flow()
    yard.must("queue.put", queue="main")
    restore(yard)
    uid = yard.submit()
    robot = yard.robots["r9"] = FakeRobot(yard, "r9", ("main",), ["RootBp", "PrintBp"])
    robot.beat(life=1)
    assert (yard.rows("robots"), yard.state(uid)) == ([], "queued")
    assert robot.got == [("control", {"v": 1, "do": "report_now", "life": 2})]
    robot.beat(life=2)
    assert yard.state(uid) == "assigned"


@pytest.mark.parametrize("life", [None, 0, 1, 7])
def test_on_a_box_that_was_never_restored_every_heartbeat_is_of_now(life: int | None) -> None:
    yard = Yard()
    yard.flow()
    yard.must("queue.put", queue="main")
    robot = yard.robots["r9"] = FakeRobot(yard, "r9", ("main",), ["RootBp", "PrintBp"])
    robot.beat(life=life)
    assert yard.state(yard.submit()) == "assigned"


def test_a_restored_database_parks_everything_until_people_and_robots_have_spoken() -> None:
    yard = Yard()
    robot, uid = running(yard)
    waiting = yard.submit()
    restore(yard)
    assert {row["parked"] for row in yard.rows("jobs")} == {1}
    assert yard.holds("r1") == {"restored"}
    assert yard.ask("job.release", job=waiting, reason="ok").error is not None
    robot.beat(robot.hold())
    assert yard.holds("r1") == set(), "it holds its live attempt"
    yard.must("job.release", job=waiting, reason="checked on site")
    robot.say(robot.about("succeeded"))
    assert yard.state(uid) == "succeeded"
    robot.beat()
    assert robot.last("assign")["attempt"] > 2 * 10**10
