"""Job records as the document of the RPA console describes them (000): a test a line, through the API and the pages."""

import re
from typing import Any

import pytest

from tests.fakes.box import Box
from tests.fakes.yard import FakeRobot
from tests.integration.jobs_list import open_list, words


def job(box: Box, uid: str) -> dict[str, Any]:
    return dict(box.must("GET", f"/jobs/{uid}"))


def attempts(box: Box, uid: str) -> list[dict[str, Any]]:
    """Newest first."""
    return list(box.must("GET", f"/jobs/{uid}/attempts")["items"])


def fail(box: Box, robot: FakeRobot) -> None:
    """The attempt that the robot holds fails; time passes until it is tried again, if it is."""
    before = len(robot.all("assign"))
    robot.accept()
    robot.say(robot.about("failed", reason="the gripper slipped"))
    robot.beat()
    for _ in range(70):
        if len(robot.all("assign")) > before:
            return
        box.yard.tick(1, step=1, beating=True)


def test_a_failed_attempt_with_retries_left_makes_another(box: Box, robot: FakeRobot) -> None:
    uid = box.submit(max_retries=1)
    fail(box, robot)
    assert [one["state"] for one in attempts(box, uid)] == ["created", "failed"]
    fail(box, robot)
    assert [one["state"] for one in attempts(box, uid)] == ["failed", "failed"]
    assert job(box, uid)["state"] == "failed"


def test_max_retries_3_makes_at_most_4_attempts(box: Box) -> None:
    """C6: shown as k of N + 1; a robot that fails many different jobs in a row would be held, one job it may fail."""
    robot = box.yard.robot("r1")
    uid = box.submit(max_retries=3)
    for _ in range(4):
        fail(box, robot)
    found = job(box, uid)
    assert (found["state"], found["attempt_count"], found["max_retries"] + 1) == ("failed", 4, 4)
    assert f"{found['attempt_count']}/{found['max_retries'] + 1}" in words(open_list(box))


def test_job_states_waiting_assigned_running_succeeded_failed_cancelled(box: Box) -> None:
    uid = box.submit()
    seen = [job(box, uid)["state"]]
    robot = box.yard.robot("r1")
    seen.append(job(box, uid)["state"])
    robot.accept()
    seen.append(job(box, uid)["state"])
    robot.say(robot.about("succeeded"))
    seen.append(job(box, uid)["state"])
    assert seen == ["queued", "assigned", "running", "succeeded"]
    robot.beat()
    other = box.submit(max_retries=0)
    robot.accept()
    robot.say(robot.about("failed", reason="no"))
    box.must("PUT", "/queues/far", {}, 201)
    last = box.submit(target={"queue": "far"})
    box.must("POST", f"/jobs/{last}/cancel", {})
    assert job(box, other)["state"] == "failed"
    chinese = words(open_list(box, lang="zh"))
    for word in ("等待", "成功", "失败", "已取消"):
        assert word in chinese


def test_waiting_because_robots_are_busy_or_do_not_respond(box: Box, robot: FakeRobot) -> None:
    """C31: it waits and says why, robot by robot."""
    box.submit()
    robot.accept()
    uid = box.submit()
    assert job(box, uid)["state"] == "queued"
    reasons = box.must("GET", f"/jobs/{uid}/waiting")["reasons"]
    assert [one["robot"] for one in reasons] == ["r1"]
    box.yard.tick(8)
    codes = {one["code"] for one in box.must("GET", f"/jobs/{uid}/waiting")["reasons"]}
    assert len(codes) == 2


def test_run_instance_states_created_running_failed_succeeded_cancelled(box: Box, robot: FakeRobot) -> None:
    uid = box.submit(max_retries=1)
    assert attempts(box, uid)[0]["state"] == "created"
    robot.accept()
    assert attempts(box, uid)[0]["state"] == "running"
    robot.say(robot.about("failed", reason="no"))
    assert attempts(box, uid)[0]["state"] == "failed"
    while len(robot.all("assign")) == 1:
        box.yard.tick(1, step=1, beating=True)
    robot.accept()
    robot.say(robot.about("succeeded"))
    assert attempts(box, uid)[0]["state"] == "succeeded"
    robot.beat()
    other = box.submit()
    robot.accept()
    box.must("POST", f"/jobs/{other}/cancel", {}, 202)
    robot.say(robot.about("cancelled", command=robot.last("cancel")["command"]))
    assert attempts(box, other)[0]["state"] == "cancelled"


def test_the_list_shows_every_job_however_it_was_made(box: Box) -> None:
    box.must("PUT", "/deployments/d1", {"name": "One", "flow": "hello", "target": {"queue": "main"}}, 201)
    made = [
        box.submit(),
        box.submit(source={"type": "manual"}),
        box.must("POST", "/jobs", {"deployment": "d1", "source": {"type": "schedule"}}, 201)["items"][0]["id"],
        box.must("POST", "/deployments/d1/run", {}, 201)["items"][0]["id"],
    ]
    box.must("POST", f"/jobs/{made[0]}/cancel", {})
    made.append(box.must("POST", f"/jobs/{made[0]}/rerun", {}, 201)["items"][0]["id"])
    page = open_list(box, lang="zh")
    assert re.findall(r'<tbody[^>]* data-id="([^"]+)"', page) == made[::-1]
    for word in ("接口", "手动执行", "任务计划", "重发"):
        assert word in words(page), word


def test_a_row_expands_to_its_run_instances_3_shown_show_more_shows_all(box: Box, robot: FakeRobot) -> None:
    uid = box.submit(max_retries=4)
    for _ in range(5):
        fail(box, robot)
    html = box.http.get(f"/jobs/{uid}/attempts", headers={"Accept-Language": "zh"}).text
    assert len(re.findall(r"data-attempt=", html)) == 3
    assert "展开更多" in words(html)
    (more,) = re.findall(r'hx-get="(/jobs/[^"]+/attempts\?top=[^"]+)"', html)
    rest = box.http.get(more.replace("&amp;", "&")).text
    assert len(re.findall(r"data-attempt=", rest)) == 2
    assert "r1" in words(html)


def test_logs_from_the_run_instances_button_and_from_the_job(box: Box, robot: FakeRobot) -> None:
    uid = box.submit(max_retries=1)
    fail(box, robot)
    fail(box, robot)
    html = box.http.get(f"/jobs/{uid}/attempts", headers={"Accept-Language": "zh"}).text
    buttons = re.findall(rf'href="/jobs/{uid}(\?attempt=\d+)?#job-logs">([^<]+)<', html)
    assert buttons == [("?attempt=2", "日志"), ("?attempt=1", "日志"), ("", "日志")]
    for query, _word in buttons:
        assert 'id="job-logs"' in box.http.get(f"/jobs/{uid}{query}").text


def test_row_buttons_view_log_change_priority_cancel(box: Box) -> None:
    uid = box.submit()
    queued = words(box.http.get(f"/jobs/{uid}/attempts", headers={"Accept-Language": "zh"}).text)
    assert "查看 日志 调整优先级 取消" in queued
    box.must("POST", f"/jobs/{uid}/cancel", {})
    ended = words(box.http.get(f"/jobs/{uid}/attempts", headers={"Accept-Language": "zh"}).text)
    assert "查看 日志" in ended
    assert "取消" not in ended


def test_job_detail_basic_information_and_parameters(box: Box) -> None:
    box.must("PUT", "/deployments/d1", {"name": "One", "flow": "hello", "target": {"queue": "main"}}, 201)
    uid = box.must("POST", "/deployments/d1/run", {}, 201)["items"][0]["id"]
    found = job(box, uid)
    basic = ("deployment_name", "flow", "flow_version", "priority", "max_retries", "target", "created_at", "source")
    assert {"parameters", *basic} <= set(found)


@pytest.mark.parametrize(("priority", "status"), [(0, 201), (5000, 201), (-1, 422), (5001, 422)])
def test_priority_0_to_5000(box: Box, priority: int, status: int) -> None:
    """C7."""
    body = {"flow": "hello", "target": {"queue": "main"}, "priority": priority}
    assert box.ask("POST", "/jobs", body).status_code == status


def test_priority_larger_first_and_one_queued_job_may_jump_the_queue(box: Box) -> None:
    first, second, third = box.submit(), box.submit(priority=3000), box.submit()
    box.must("PATCH", f"/jobs/{third}", {"priority": 5000})
    robot = box.yard.robot("r1")
    order = []
    for _ in range(3):
        order.append(robot.last("assign")["job"])
        robot.accept()
        robot.say(robot.about("succeeded"))
        robot.beat()
    assert order == [third, second, first]


def test_cancel_not_yet_assigned_ends_at_once_and_no_robot_hears_of_it(box: Box) -> None:
    uid = box.submit(target={"queue": "main"})
    box.must("POST", f"/jobs/{uid}/cancel", {}, 200)
    robot = box.yard.robot("r1")
    assert job(box, uid)["state"] == "cancelled"
    assert robot.got == [] or not robot.all("cancel")


@pytest.mark.parametrize("started", [False, True])
def test_cancel_assigned_or_running_the_robot_is_told_and_its_answer_counts(
    box: Box, robot: FakeRobot, *, started: bool
) -> None:
    """C5: it ends cancelled, with what it was cancelled in; never retried."""
    uid = box.submit()
    if started:
        robot.accept()
    box.must("POST", f"/jobs/{uid}/cancel", {}, 202)
    assert job(box, uid)["state"] == "cancelling"
    robot.say(robot.about("cancelled", command=robot.last("cancel")["command"]))
    found = job(box, uid)
    assert (found["state"], found["cancelled_while"]) == ("cancelled", "running" if started else "assigned")
    box.yard.tick(61, step=1, beating=True)
    assert len(attempts(box, uid)) == 1


def test_what_has_ended_cannot_be_cancelled(box: Box) -> None:
    uid = box.submit()
    box.must("POST", f"/jobs/{uid}/cancel", {})
    box.refused("POST", f"/jobs/{uid}/cancel", {}, status=409, code="job.state")
