"""What integrators ask of records: retry, set-error and stop, as the controller carries them out."""

import json
from typing import Any

import pytest

from schemas.commands import Caller, Frame
from tests.fakes.yard import FakeRobot, Yard, running

WHY = "系统异常导致任务失败"
SOURCE = {"type": "system", "system": "WMS", "user": "li", "device": "PC-001", "ip": "192.168.1.100",
          "time": "2025-04-30T17:28:18.000000Z", "client": "Mozilla/5.0", "remarks": "测试任务"}  # fmt: skip


def block(robot: FakeRobot, n: int, status: str, **more: Any) -> dict[str, Any]:
    return robot.about("block", path=f"-1/{n}", n=n, status=status, **more)


def blocks(yard: Yard) -> dict[int, tuple[str, str | None, bool]]:
    """n to (state, reason, has ended)."""
    rows = yard.connection.execute("select n, state, reason, ended_at from block_runs order by n").fetchall()
    return {row["n"]: (row["state"], row["reason"], row["ended_at"] is not None) for row in rows}


def moves(yard: Yard, uid: str) -> list[tuple[str | None, str | None]]:
    """(old, new) of each move of the job's state."""
    rows = yard.connection.execute(
        "select old, new from events where job = (select id from jobs where uid = ?) and topic = 'job' order by id",
        (uid,),
    )
    return [(row["old"], row["new"]) for row in rows if row["new"] is not None]


def failed(yard: Yard, **more: Any) -> str:
    robot, uid = running(yard, max_retries=0, **more)
    robot.say(robot.about("failed", reason="the pallet slipped"))
    assert yard.state(uid) == "failed"
    return uid


# ---------------------------------------------------------------- retry
def test_retry_makes_a_new_job_with_the_same_version_inputs_priority_target_and_source() -> None:
    yard = Yard()
    uid = failed(yard, priority=3456, source=SOURCE, queue_timeout_s=90.0, safe_to_repeat=True)
    before = yard.job(uid)
    yard.must("flow.save", flow="hello", definition={"rootBlock": {"blockType": "RootBp", "children": {}}})
    (new,) = yard.must("job.retry", job=uid)["jobs"]
    made = yard.job(new)
    same = ("flow", "flow_version", "parameters", "priority", "target", "need", "max_retries", "safe", "on_lost",
            "queue_timeout_s", "time_limit_s", "recording", "deployment")  # fmt: skip
    assert {k: made[k] for k in same} == {k: before[k] for k in same}
    assert (made["retried_from"], made["rerun_of"], made["state"]) == (uid, None, "assigned")
    mark = f"重发任务(原记录 {uid}) 测试任务"
    assert json.loads(made["source"]) == SOURCE | {"remarks": mark}
    assert yard.job(uid) == before


def test_retry_marks_a_record_without_remarks_and_never_grows_them_beyond_their_bound() -> None:
    yard = Yard()
    (new,) = yard.must("job.retry", job=(uid := failed(yard)))["jobs"]
    assert json.loads(yard.job(new)["source"])["remarks"] == f"重发任务(原记录 {uid})"
    robot = yard.robots["r1"]
    robot.accept()
    robot.say(robot.about("failed", reason="again"))
    yard.connection.execute("update jobs set source = json_set(source, '$.remarks', ?)", ("x" * 2000,))
    (third,) = yard.must("job.retry", job=new)["jobs"]
    assert len(json.loads(yard.job(third)["source"])["remarks"]) == 2000


@pytest.mark.parametrize("state", ["queued", "running", "succeeded", "cancelled"])
def test_only_a_failed_job_is_sent_again_and_the_refusal_names_the_state(state: str) -> None:
    yard = Yard()
    yard.flow()
    if state in ("queued", "cancelled"):
        yard.must("queue.put", queue="main")
        uid = yard.submit()
        if state == "cancelled":
            yard.must("job.cancel", job=uid)
    else:
        robot, uid = running(yard)
        if state == "succeeded":
            robot.say(robot.about("succeeded"))
    error = yard.ask("job.retry", job=uid).error
    assert error is not None
    assert (error.code, error.details[0].in_, error.details[0].code) == ("job.state", "state", state)
    assert len(yard.rows("jobs")) == 1


def test_retry_without_its_definition_or_its_record_is_refused() -> None:
    yard = Yard()
    uid = failed(yard)
    yard.connection.execute("delete from flow_versions")
    for job, code in ((uid, "flow.not_found"), ("none", "job.not_found")):
        error = yard.ask("job.retry", job=job).error
        assert error is not None
        assert error.code == code


def test_who_pressed_retry_is_in_the_audit() -> None:
    yard = Yard()
    uid = failed(yard, source=SOURCE)
    frame = Frame(id=1, command="job.retry", caller=Caller(name="ann", role="operator"), args={"job": uid})
    with yard.store.transaction():
        (new,) = yard.core.command(yard.instant(), frame).ok["jobs"]  # type: ignore[index]
    row = yard.rows("audit")[-1]
    assert (row["who"], row["action"], json.loads(row["after"])) == ("ann", "job.retry", {"job": uid})
    assert json.loads(yard.job(new)["source"])["user"] == "li"


# ---------------------------------------------------------------- set-error
def test_set_error_ends_a_queued_job_at_once() -> None:
    yard = Yard()
    yard.flow()
    yard.must("queue.put", queue="main")
    uid = yard.submit()
    assert yard.must("job.set_error", job=uid, reason=WHY)["recorded"] is False
    job = yard.job(uid)
    assert (job["state"], job["reason_code"], job["reason"]) == ("failed", "set_error", WHY)


@pytest.mark.parametrize("answer", ["cancelled", "failed", "interrupted"])
def test_set_error_ends_with_the_robots_answer_in_one_terminal_move(answer: str) -> None:
    """C37: never cancelled first."""
    yard = Yard()
    robot, uid = running(yard)
    robot.say(block(robot, 1, "start.begin"))
    assert yard.must("job.set_error", job=uid, reason=WHY)["recorded"] is True
    assert yard.state(uid) == "cancelling"
    assert robot.last("cancel")["reason"] == "user"
    robot.say(robot.about(answer, command=robot.last("cancel")["command"], reason="its own words"))
    job = yard.job(uid)
    assert (job["state"], job["reason_code"], job["reason"]) == ("failed", "set_error", WHY)
    assert moves(yard, uid)[-2:] == [("running", "cancelling"), ("cancelling", "failed")]
    assert [row["state"] for row in yard.rows("attempts")] == ["failed"]
    assert yard.holds("r1") == set()


def test_set_error_fails_what_has_a_row_and_no_end_and_nothing_else() -> None:
    """C24: what has ended, cancelled included, stays; what never started stays unexecuted."""
    yard = Yard()
    robot, uid = running(yard)
    robot.say(block(robot, 1, "start.begin"), block(robot, 1, "monitor.success"), block(robot, 2, "start.begin"))
    robot.say(block(robot, 3, "start.begin"), block(robot, 4, "start.begin"))
    yard.must("job.set_error", job=uid, reason=WHY)
    robot.say(block(robot, 3, "cancel.success"), robot.about("cancelled"))
    assert blocks(yard) == {
        0: ("failed", WHY, True), 1: ("succeeded", None, True), 2: ("failed", WHY, True), 3: ("cancelled", None, True),
        4: ("failed", WHY, True),
    }  # fmt: skip
    ends = {row["ended_at"] for row in yard.rows("block_runs") if row["state"] == "failed"}
    assert ends == {yard.job(uid)["ended_at"]}


def test_without_an_answer_set_error_is_forced_after_30_s_by_who_asked() -> None:
    yard = Yard()
    robot, uid = running(yard)
    robot.say(block(robot, 1, "start.begin"))
    frame = Frame(
        id=1, command="job.set_error", caller=Caller(name="ann", role="operator"), args={"job": uid, "reason": WHY}
    )
    with yard.store.transaction():
        assert yard.core.command(yard.instant(), frame).ok is not None
    yard.tick(29)
    assert yard.state(uid) == "cancelling"
    yard.tick(2)
    job = yard.job(uid)
    assert (job["state"], job["reason_code"], job["reason"]) == ("failed", "forced", WHY)
    assert "forced" in yard.holds("r1")
    assert [row["who"] for row in yard.rows("events") if row["new"] == "failed"] == ["ann"]
    assert blocks(yard) == {0: ("failed", WHY, True), 1: ("failed", WHY, True)}


def test_a_cancel_that_stood_before_gives_the_robot_its_time_anew() -> None:
    yard = Yard()
    _robot, uid = running(yard)
    yard.must("job.cancel", job=uid)
    yard.tick(40)
    yard.must("job.set_error", job=uid, reason=WHY)
    yard.tick(20)
    yard.must("job.set_error", job=uid, reason=WHY)
    assert yard.state(uid) == "cancelling"
    yard.tick(11)
    assert yard.state(uid) == "failed"


def test_a_restart_of_the_controller_keeps_a_set_error() -> None:
    yard = Yard()
    _robot, uid = running(yard)
    yard.must("job.set_error", job=uid, reason=WHY)
    yard.tick(20)
    yard.boot()
    yard.tick(25)
    assert yard.state(uid) == "cancelling"
    yard.tick(6)
    assert yard.state(uid) == "failed"


def test_reports_after_a_set_error_are_recorded_and_change_nothing() -> None:
    yard = Yard()
    robot, uid = running(yard)
    robot.say(block(robot, 1, "start.begin"))
    yard.must("job.set_error", job=uid, reason=WHY)
    yard.tick(31)
    assert yard.state(uid) == "failed"
    before, known = (yard.job(uid), blocks(yard)), len(yard.rows("reports"))
    robot.say(block(robot, 1, "monitor.success"), block(robot, 2, "start.begin"), robot.about("succeeded"))
    assert (yard.job(uid), blocks(yard)) == before
    assert len(yard.rows("reports")) == known + 3


def test_a_robot_that_finishes_first_or_refuses_decides() -> None:
    yard = Yard()
    robot, uid = running(yard)
    yard.must("job.set_error", job=uid, reason=WHY)
    robot.say(robot.about("refused", command=robot.last("cancel")["command"], reason="it cannot stop here"))
    assert yard.state(uid) == "running"
    yard.tick(40, beating=False)
    assert yard.job(uid)["intention_code"] is None
    yard.must("job.set_error", job=uid, reason=WHY)
    robot.say(robot.about("succeeded"))
    assert (yard.state(uid), yard.job(uid)["reason"]) == ("succeeded", None)
    error = yard.ask("job.set_error", job=uid, reason=WHY).error
    assert error is not None
    assert (error.code, error.details[0].code) == ("job.state", "succeeded")


def test_a_set_error_that_was_refused_takes_no_retries_away() -> None:
    yard = Yard()
    robot, uid = running(yard)
    yard.must("job.set_error", job=uid, reason=WHY)
    robot.say(robot.about("refused", command=robot.last("cancel")["command"], reason="it cannot stop here"))
    robot.say(robot.about("failed", reason="the pallet slipped"))
    assert yard.state(uid) == "queued"
    yard.tick(10, beating=True)
    assert yard.state(uid) == "assigned"


# ---------------------------------------------------------------- stop
def scheduled(yard: Yard, uid: str) -> None:
    """As if a schedule had made the job."""
    yard.connection.execute(
        "insert into schedules (id, name, deployment, body, zone, version, updated_at, updated_by)"
        " values ('nightly', 'Nightly', 'd1', '{}', 'UTC', 1, 0, 'local')"
    )
    yard.connection.execute(
        "insert into firings (uid, schedule, due_at, fired_at, zone) values ('f1', 'nightly', 0, 0, 'UTC')"
    )
    yard.connection.execute("update jobs set firing = 'f1' where uid = ?", (uid,))


def test_stop_disables_the_schedule_and_asks_for_the_cancel_in_one_transaction() -> None:
    """C10, with both in the audit."""
    yard = Yard()
    robot, uid = running(yard)
    scheduled(yard, uid)
    assert yard.must("record.stop", job=uid) == {"job": uid, "recorded": True, "schedule": "nightly"}
    assert (yard.state(uid), yard.rows("schedules")[0]["enabled"]) == ("cancelling", 0)
    assert {row["action"] for row in yard.rows("audit")} >= {"record.stop", "schedule.disable"}
    robot.say(robot.about("cancelled"))
    assert yard.state(uid) == "cancelled"
    assert blocks(yard)[0][0] == "cancelled"


def test_a_stop_that_is_refused_leaves_the_schedule_alone() -> None:
    yard = Yard()
    robot, uid = running(yard)
    scheduled(yard, uid)
    robot.say(robot.about("succeeded"))
    assert yard.ask("record.stop", job=uid).error is not None
    assert yard.rows("schedules")[0]["enabled"] == 1


def test_cancel_leaves_the_schedule_alone_and_stop_asks_only_once() -> None:
    yard = Yard()
    _robot, uid = running(yard)
    scheduled(yard, uid)
    yard.must("job.cancel", job=uid)
    assert yard.rows("schedules")[0]["enabled"] == 1
    assert yard.must("record.stop", job=uid)["schedule"] == "nightly"
    assert yard.must("record.stop", job=uid)["schedule"] is None


@pytest.mark.parametrize("command", ["job.set_error", "record.stop"])
def test_a_parked_job_is_not_ended_while_a_robot_may_run_it(command: str) -> None:
    yard = Yard()
    yard.flow()
    yard.must("queue.put", queue="main")
    uid = yard.submit()
    yard.robot("r9", "other")
    with yard.store.transaction():
        yard.core.desk.hold(yard.core.desk.memory.robots["r9"], "restored")
    yard.connection.execute("update jobs set parked = 1")
    more = {"reason": WHY} if command == "job.set_error" else {}
    error = yard.ask(command, job=uid, **more).error
    assert error is not None
    assert error.code == "job.parked"
