"""Commands to AGV task records through the running web: retry, stop and set-error, and what their waiting comes to."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.carried import carry_out
from tests.fakes.site import SOURCE, WHY, Site, in_mind, ordered
from tests.rows import block
from tests.samples import sample
from tests.waiting import wait_for


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Commands that wait for a robot look once and give up."""
    monkeypatch.setattr("web.compat.task_record.ANSWER_MARGIN_S", 0.0)
    made = Site(tmp_path)
    yield made
    made.close()


@pytest.fixture
def patient(tmp_path: Path) -> Iterator[Site]:
    """Commands wait for their robot."""
    made = Site(tmp_path, wait_s=60.0, force_s=30.0)
    yield made
    made.close()


# ---------------------------------------------------------------- retry
def test_retry_makes_another_record_and_leaves_the_old_one(site: Site) -> None:
    """C8, the third meaning: a new job with `retried_from`. C17: only 2000 can be sent again."""
    site.flow("sad", block(1, "b1", "ThrowExceptionBp", message="x"))
    robot, uid = site.robot, site.submit(flow="sad", max_retries=0, priority=77, source=SOURCE)
    carry_out(robot)
    before = site.data("detail", uid)
    new = ordered(site.post("retry", uid))["data"]["new_task_record_id"]
    made = site.data("detail", new)
    same = ("task_id", "task_name", "task_version", "input_params", "priority", "source_type", "source_system",
            "source_user", "source_device", "source_ip", "source_time", "source_client_info")  # fmt: skip
    assert {name: made[name] for name in same} == {name: before[name] for name in same}
    assert made["source_remarks"] == f"重发任务(原记录 {uid}) 测试任务"
    assert site.data("detail", uid) == before
    assert made["status"] == 1002
    refused = site.post("retry", new)
    wanted = sample("003/retry.refused")
    wanted["message"] = wanted["message"].replace("{status}", "1002")
    assert (refused.status_code, ordered(refused)) == (400, wanted)
    audit = site.must("GET", "/audit?action=job.retry")["items"]
    assert {row["who"] for row in audit} == {"token:admin"}


def test_a_retry_of_anything_but_2000_names_the_records_own_number(site: Site) -> None:
    numbers = {"queued": 1002, "assigned": 1002, "running": 1001, "paused": 2002, "cancelling": 1001,
               "uncertain": 1001, "succeeded": 1000, "cancelled": 2001}  # fmt: skip
    site.flow("hello", block(1, "b1", "PrintBp", message="hi"))
    uid = site.submit()
    for state, number in numbers.items():
        site.yard.connection.execute("update jobs set state = ?", (state,))
        found = site.post("retry", uid)
        assert found.json == {"code": 400, "message": f"任务状态为 {number},只能重发失败状态(2000)的任务"}
        assert found.status_code == 400


# ---------------------------------------------------------------- stop
def test_stop_ends_a_queued_record_at_once(site: Site) -> None:
    site.yard.flow()
    uid = site.submit()
    found = ordered(site.post("stop", uid))
    assert (found["message"], found["data"]["status"], found["data"]["ended_reason"]) == (
        "任务终止成功", 2002, "任务终止",
    )  # fmt: skip


def test_stop_disables_the_schedule_and_cancel_does_not(site: Site) -> None:
    """C10."""
    uid = site.held()
    site.yard.connection.execute(
        "insert into schedules (id, name, deployment, body, zone, version, updated_at, updated_by)"
        " values ('nightly', 'Nightly', 'd1', '{}', 'UTC', 1, 0, 'local')"
    )
    site.yard.connection.execute(
        "insert into firings (uid, schedule, due_at, fired_at, zone) values ('f1', 'nightly', 0, 0, 'UTC')"
    )
    site.yard.connection.execute("update jobs set firing = 'f1'")
    assert site.data("detail", uid)["periodic_task"] == 1
    site.must("POST", f"/jobs/{uid}/cancel", status=202)
    assert site.yard.rows("schedules")[0]["enabled"] == 1
    site.when_asked(lambda: site.robot.say(site.robot.about("cancelled")))
    assert site.post("stop", uid).status_code == 200
    assert site.yard.rows("schedules")[0]["enabled"] == 0


def test_stop_waits_until_the_end_is_committed(patient: Site) -> None:
    uid = patient.held()
    thread, answers = in_mind(lambda: patient.post("stop", uid))
    wait_for(lambda: patient.data("detail", uid)["state_description"] == "任务取消中", what="cancelling")
    assert answers == []
    patient.robot.say(patient.robot.about("cancelled"))
    thread.join()
    assert ordered(answers[0])["data"]["status"] == 2002


def test_stop_without_an_answer_in_time_says_that_the_request_stands(site: Site) -> None:
    """C5: the robot's answer is the truth, never 任务终止成功 before the end is committed."""
    uid = site.held()
    for _again in range(2):
        response = site.post("stop", uid)
        assert response.status_code == 500
        assert response.json == {
            "code": 500, "message": "任务记录终止失败: 机器人尚未响应,请求已受理并继续有效",
        }  # fmt: skip
    site.robot.say(site.robot.about("cancelled"))
    assert site.data("detail", uid)["status"] == 2001


@pytest.mark.parametrize(
    ("kind", "more", "said"),
    [
        ("succeeded", {}, "任务已执行成功"),
        ("failed", {"reason": "托盘滑落"}, "任务已失败: 托盘滑落"),
        ("refused", {"reason": "it cannot stop here"}, "机器人拒绝取消: it cannot stop here"),
    ],
)
def test_stop_of_what_ends_otherwise_or_is_refused_is_400(
    site: Site, kind: str, more: dict[str, Any], said: str
) -> None:
    """C5."""
    uid, robot = site.held(), site.robot

    def answer() -> None:
        command = robot.last("cancel")["command"]
        robot.say(robot.about(kind, **({"command": command} if kind == "refused" else {}), **more))

    site.when_asked(answer)
    response = site.post("stop", uid)
    assert (response.status_code, response.json) == (400, {"code": 400, "message": f"任务终止失败: {said}"})
    site.when_asked(None)
    if kind == "refused":
        assert site.data("detail", uid)["status"] == 1001
    else:
        assert site.post("stop", uid).json == {"code": 400, "message": f"任务终止失败: {said}"}


def test_stopping_a_stopped_record_is_400(site: Site) -> None:
    """C17."""
    site.yard.flow()
    uid = site.submit()
    assert site.post("stop", uid).status_code == 200
    assert site.post("stop", uid).json == {"code": 400, "message": "任务终止失败: 任务已取消"}


# ---------------------------------------------------------------- set-error
def test_set_error_of_a_queued_record_is_done_at_once(site: Site) -> None:
    site.yard.flow()
    uid = site.submit()
    data = ordered(site.post("set-error", uid, {"error_reason": WHY}))["data"]
    assert (data["task_status"], data["updated_blocks_count"], data["updated_blocks"]) == (2000, 0, [])
    found = site.data("detail", uid)
    assert (found["status"], found["ended_reason"]) == (2000, WHY)


def test_set_error_fails_unfinished_blocks_and_no_others(site: Site) -> None:
    """C24: a cancelled block stays cancelled."""
    uid, robot = site.held(), site.robot
    robot.say(robot.about("block", path="-1/2", n=2, status="start.begin"))

    def answer() -> None:
        robot.say(robot.about("block", path="-1/2", n=2, status="cancel.success"), robot.about("cancelled"))

    site.when_asked(answer)
    data = ordered(site.post("set-error", uid, {"error_reason": WHY}))["data"]
    assert [one["block_id"] for one in data["updated_blocks"]] == ["-1", "1"]
    assert data["updated_blocks_count"] == len(data["updated_blocks"]) == 2
    assert [(row["block_id"], row["status"], row["ended_reason"]) for row in site.data("blocks", uid)] == [
        ("-1", 2000, WHY), ("1", 2000, WHY), ("2", 2002, "任务终止"),
    ]  # fmt: skip
    nested = site.data("execution/block/results", uid)
    assert [one["executionStatus"] for one in nested["children"]] == [2000, 2001]


def test_set_error_is_forced_when_no_answer_comes(patient: Site) -> None:
    """C37, and the person who asked is named."""
    uid = patient.held()
    thread, answers = in_mind(lambda: patient.post("set-error", uid, {"error_reason": WHY}))
    wait_for(lambda: patient.data("detail", uid)["state_description"] == "任务取消中", what="cancelling")
    patient.yard.tick(31)
    thread.join()
    assert answers[0].status_code == 200, answers[0].text
    assert ordered(answers[0])["data"]["updated_blocks_count"] == 2
    assert patient.data("detail", uid)["ended_reason"] == WHY
    assert "forced" in patient.yard.holds("AGV001")
    event = patient.must("GET", f"/jobs/{uid}/events")["items"][0]
    assert (event["old"], event["new"], event["who"]) == ("cancelling", "failed", "token:admin")


def test_set_error_without_any_answer_in_time_stands(site: Site) -> None:
    uid = site.held()
    response = site.post("set-error", uid, {"error_reason": WHY})
    assert (response.status_code, ordered(response)) == (
        500,
        {"success": False, "message": "服务器内部错误: 机器人尚未响应,请求已受理并继续有效", "data": None},
    )
    assert site.data("detail", uid)["state_description"] == "任务取消中"


@pytest.mark.parametrize(
    ("kind", "status", "said"), [("succeeded", 1000, "任务已执行成功"), ("refused", 1001, "机器人拒绝取消: no")]
)
def test_a_robot_that_finishes_first_or_refuses_keeps_the_record_as_it_is(
    site: Site, kind: str, status: int, said: str
) -> None:
    uid, robot = site.held(), site.robot

    def answer() -> None:
        more = {"command": robot.last("cancel")["command"], "reason": "no"} if kind == "refused" else {}
        robot.say(robot.about(kind, **more))

    site.when_asked(answer)
    response = site.post("set-error", uid, {"error_reason": WHY})
    assert (response.status_code, ordered(response)) == (
        400, {"success": False, "message": f"请求参数错误: {said}", "data": None},
    )  # fmt: skip
    assert site.data("detail", uid)["status"] == status


def test_set_error_of_an_ended_record_is_400(site: Site) -> None:
    uid = site.failed()
    response = site.post("set-error", uid, {"error_reason": WHY})
    assert (response.status_code, response.json) == (
        400, {"success": False, "message": "请求参数错误: 任务已失败: 托盘滑落", "data": None},
    )  # fmt: skip
