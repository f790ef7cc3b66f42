"""After a restore: everything waits until robots and people have spoken, and what was said before proves nothing."""

import pytest

from controller.store import events
from controller.store.pending import Pending
from controller.store.queries import verify
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


def test_of_very_many_jobs_each_has_its_move_and_the_chain_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are parked at once and told in portions: a start must not read a million rows into memory."""
    monkeypatch.setattr("controller.restore.WRITTEN_AT_ONCE", 3)
    read: list[int] = []
    write = Pending.write

    def written(pending: Pending) -> None:
        read.append(len(pending._added.get(events.ADD, [])))
        write(pending)

    yard = Yard()
    robot, running_one = running(yard)
    waiting = [yard.submit() for _ in range(10)]
    ended = yard.submit()
    yard.must("job.cancel", job=ended)
    versions = {row["uid"]: row["version"] for row in yard.rows("jobs")}
    monkeypatch.setattr(Pending, "write", written)
    restore(yard)
    monkeypatch.undo()
    rows = {row["uid"]: row for row in yard.rows("jobs")}
    for uid in (running_one, *waiting):
        assert rows[uid]["parked"] == 1
        assert rows[uid]["version"] > versions[uid]
        told = [
            event for event in yard.rows("events") if event["job"] == rows[uid]["id"] and event["event"] == "parked"
        ]
        assert len(told) == 1, uid
    assert (rows[ended]["parked"], rows[ended]["version"]) == (0, versions[ended])
    assert max(read) <= 6
    assert robot.last("control")["do"] == "report_now"
    assert list(verify.chained(yard.connection, "events", "moves").wrong) == []


def test_what_was_offered_when_the_backup_was_made_goes_back_and_its_robot_is_told_to_stop() -> None:
    yard = Yard()
    yard.flow()
    robot = yard.robot("r1")
    robot.beat()
    uid = yard.submit()
    assert yard.state(uid) == "assigned"
    attempt = robot.last("assign")["attempt"]
    restore(yard)
    assert (yard.state(uid), yard.rows("jobs")[0]["parked"]) == ("queued", 1)
    yard.tick(2)
    assert (robot.last("cancel")["attempt"], robot.last("cancel")["reason"]) == (attempt, "revoke")
