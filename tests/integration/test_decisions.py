"""Decisions of docs/formats.md that concern more than one format, shown through the running web over a real core."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from config.settings import ServeSettings
from tests.fakes.box import Box
from tests.fakes.carried import carry_out
from tests.fakes.site import BASE, KINDS, Site
from tests.fakes.yard import FakeRobot
from tests.rows import block, definition
from web.settings import WebSettings

UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\Z")


def job(box: Box, uid: str) -> dict[str, Any]:
    return dict(box.must("GET", f"/jobs/{uid}"))


def record(box: Box, uid: str) -> dict[str, Any]:
    """`/detail` of the AGV task records."""
    return dict(json.loads(box.http.get(f"{BASE}/detail/{uid}").text)["data"])


# ---------------------------------------------------------------- C5
def _queued(_box: Box, _robot: FakeRobot) -> None:
    """Nobody has it."""


def _assigned(_box: Box, robot: FakeRobot) -> None:
    robot.beat()


def _running(box: Box, robot: FakeRobot) -> None:
    _assigned(box, robot)
    robot.accept()


def _paused(box: Box, robot: FakeRobot) -> None:
    _running(box, robot)
    robot.say(robot.about("paused"))


def _uncertain(box: Box, robot: FakeRobot) -> None:
    _running(box, robot)
    box.yard.tick(26)


REACH: dict[str, Callable[[Box, FakeRobot], None]] = {
    "queued": _queued, "assigned": _assigned, "running": _running, "paused": _paused, "uncertain": _uncertain,
}  # fmt: skip


@pytest.mark.parametrize("state", REACH)
def test_c5_a_cancelled_job_says_in_which_state_it_was_cancelled(box: Box, state: str) -> None:
    uid = box.submit()
    robot = None if state == "queued" else box.yard.robot("r1")
    if robot is not None:
        REACH[state](box, robot)
    assert job(box, uid)["state"] == state
    box.must("POST", f"/jobs/{uid}/cancel", {}, 200 if state == "queued" else 202)
    if robot is not None:
        robot.say(robot.about("cancelled"))
    found = job(box, uid)
    assert (found["state"], found["cancelled_while"]) == ("cancelled", state)
    assert record(box, uid)["status"] == 2001
    box.yard.tick(70, step=1, beating=True)
    assert job(box, uid)["attempt_count"] <= 1, "it is never tried again"


@pytest.mark.parametrize(
    ("word", "status", "state"),
    [("succeeded", 1000, "succeeded"), ("failed", 2000, "failed")],
    ids=lambda one: str(one),
)
def test_c5_the_robots_answer_to_a_cancel_is_the_truth(
    box: Box, robot: FakeRobot, word: str, status: int, state: str
) -> None:
    uid = box.submit(max_retries=3)
    robot.accept()
    box.must("POST", f"/jobs/{uid}/cancel", {}, 202)
    robot.say(robot.about(word, **({"reason": "the pallet slipped"} if word == "failed" else {})))
    found = record(box, uid)
    assert (job(box, uid)["state"], found["status"]) == (state, status)
    assert found["ended_reason"] == ("the pallet slipped" if word == "failed" else "执行成功")
    box.yard.tick(70, step=1, beating=True)
    assert job(box, uid)["attempt_count"] == 1


# ---------------------------------------------------------------- C6, C7
@pytest.mark.parametrize(("given", "status"), [(0, 201), (10, 201), (-1, 422), (11, 422), (1.5, 422), ("3", 422)])
def test_c6_retries_are_further_attempts_from_0_to_10(box: Box, given: object, status: int) -> None:
    body = {"flow": "hello", "target": {"queue": "main"}, "max_retries": given}
    assert box.ask("POST", "/jobs", body).status_code == status


def test_c6_c7_three_retries_and_priority_2000_where_nothing_is_said(box: Box) -> None:
    uid = box.submit()
    found = job(box, uid)
    assert (found["max_retries"], found["priority"], record(box, uid)["priority"]) == (3, 2000, 2000)


@pytest.mark.parametrize("priority", [-1, 5001, 99999999, "2000", None, 1.5])
def test_c7_another_priority_is_refused_with_its_place(box: Box, priority: object) -> None:
    uid = box.submit()
    refused = box.refused("PATCH", f"/jobs/{uid}", {"priority": priority}, status=422, code="request.invalid")
    assert [detail["path"] for detail in refused["details"]] == ["/priority"]
    assert refused["message"]
    assert job(box, uid)["priority"] == 2000


# ---------------------------------------------------------------- C8, C16
def test_c8_a_retry_is_another_attempt_or_another_job_or_another_run(box: Box, robot: FakeRobot) -> None:
    """The third, a further run in the same attempt, is C38."""
    uid = box.submit(max_retries=1)
    for _ in range(2):
        robot.accept()
        robot.say(robot.about("failed", reason="the pallet slipped"))
        robot.beat()
        box.yard.tick(6, step=1, beating=True)
    found = job(box, uid)
    assert (found["state"], found["attempt_count"], found["retried_from"]) == ("failed", 2, None)
    answer = json.loads(box.http.post(f"{BASE}/retry/{uid}").text)["data"]
    new = job(box, answer["new_task_record_id"])
    assert (new["id"] != uid, new["retried_from"], new["rerun_of"], new["attempt_count"]) == (True, uid, None, 0)
    assert job(box, uid) == found


def test_c16_ids_of_ours_are_uuids_in_order_of_time(box: Box) -> None:
    made = []
    for _ in range(5):
        made.append(box.submit())
        box.yard.tick(0.01, step=0.01)
    assert all(UUID7.match(uid) for uid in made)
    assert made == sorted(set(made))


# ---------------------------------------------------------------- C9, C10
def test_c9_the_console_asks_before_anything_is_undone(box: Box, robot: FakeRobot) -> None:
    uid = box.submit(debug=True)
    robot.accept()
    about = {"path": "-1/1", "n": 1}
    robot.say(
        robot.about("block", status="start.begin", **about), robot.about("block", status="monitor.failed", **about)
    )
    robot.say(robot.about("paused", path="-1/1", reason="the pallet slipped"))
    dialog = box.http.get(f"/jobs/{uid}/undo", headers={"HX-Request": "true"})
    assert (dialog.status_code, "<dialog" in dialog.text) == (200, True)
    assert robot.all("control") == []


def test_c10_stop_and_cancel_leave_different_rows_in_the_audit(box: Box, robot: FakeRobot) -> None:
    box.must("PUT", "/deployments/d", {"name": "D", "flow": "hello", "target": {"queue": "main"}}, 201)
    box.must("PUT", "/schedules/s", {"name": "S", "deployment": "d", "every_s": 60}, 201)
    box.yard.tick(61, step=1, beating=True)
    uid = robot.last("assign")["job"]
    box.must("POST", f"/jobs/{uid}/cancel", {}, 202)
    assert box.must("GET", "/schedules/s")["enabled"] is True
    assert "schedule.disable" not in {row["action"] for row in box.must("GET", "/audit")["items"]}
    box.controller.call("record.stop", {"job": uid})
    assert box.must("GET", "/schedules/s")["enabled"] is False
    assert {row["action"] for row in box.must("GET", "/audit")["items"]} >= {"record.stop", "schedule.disable"}


# ---------------------------------------------------------------- C23, C32
def test_c23_levels_are_those_of_the_wire_from_debug_to_error(tmp_path: Path) -> None:
    site = Site(tmp_path)
    uid, robot = site.held(), site.robot
    rows = [robot.about("log", level=n, type="print", path="-1/1", text=f"level {n}") for n in range(4)]
    robot.say(*rows, topic="log")
    shown = site.data("execution/block/results", uid)["children"][0]["logs"]
    assert {(row["level"], row["message"]) for row in shown} == {(n, f"level {n}") for n in range(4)}
    site.close()


def test_c32_a_failure_is_a_code_and_a_sentence(box: Box, robot: FakeRobot) -> None:
    uid = box.submit(time_limit_s=1, max_retries=0)
    robot.accept()
    for _ in range(3):
        box.yard.tick(1)
        robot.beat(robot.hold())
    robot.say(robot.about("failed", reason="it took too long", code="time_limit"))
    assert job(box, uid)["reason"] == {"code": "time_limit", "message": "The run time limit was over."}
    assert record(box, uid)["ended_reason"] == "超过任务运行时限"


# ---------------------------------------------------------------- C31
def test_c31_a_job_for_dead_robots_waits_says_why_and_a_time_out_ends_it(box: Box, robot: FakeRobot) -> None:
    box.yard.tick(60)
    waiting, bounded = box.submit(), box.submit(queue_timeout_s=30)
    (reason,) = box.must("GET", f"/jobs/{waiting}/waiting")["reasons"]
    assert (reason["robot"], reason["code"]) == (robot.name, "offline")
    assert record(box, waiting)["state_description"] == "任务等待中,r1 未连接"
    box.yard.tick(31)
    assert (job(box, waiting)["state"], job(box, bounded)["state"]) == ("queued", "failed")
    ended = record(box, bounded)
    assert (ended["status"], ended["ended_reason"]) == (2000, "等待超时,没有机器人接受任务")


# ---------------------------------------------------------------- C37, the times that are waited
def test_c37_ten_seconds_are_waited_for_a_robot_and_thirty_before_it_is_overruled(tmp_path: Path) -> None:
    box, web = ServeSettings(), WebSettings(tmp_path)
    assert (box.answer_wait_s, web.answer_wait_s) == (10.0, 10.0)
    assert (box.force_s, web.force_s) == (30.0, 30.0)


# ---------------------------------------------------------------- C39
def _reported(robot: FakeRobot, _box: Box) -> None:
    robot.say(robot.about("failed", reason="the pallet slipped"))
    robot.beat()


def _interrupted(robot: FakeRobot, _box: Box) -> None:
    robot.say(robot.about("interrupted", reason="the power went out"))
    robot.beat()


def _lost(_robot: FakeRobot, box: Box) -> None:
    box.yard.tick(26)


@pytest.mark.parametrize(
    ("how", "more", "state"),
    [
        (_reported, {}, "queued"),
        (_reported, {"max_retries": 0}, "failed"),
        (_interrupted, {}, "failed"),
        (_interrupted, {"safe_to_repeat": True}, "queued"),
        (_interrupted, {"safe_to_repeat": True, "max_retries": 0}, "failed"),
        (_lost, {}, "uncertain"),
        (_lost, {"safe_to_repeat": True}, "uncertain"),
        (_lost, {"safe_to_repeat": True, "on_lost": "requeue"}, "queued"),
    ],
    ids=lambda one: one.__name__.strip("_") if callable(one) else str(one),
)
def test_c39_what_was_reported_is_tried_again_what_was_lost_only_where_that_is_safe(
    box: Box, robot: FakeRobot, how: Callable[[FakeRobot, Box], None], more: dict[str, Any], state: str
) -> None:
    uid = box.submit(**{"max_retries": 3} | more)
    robot.accept()
    how(robot, box)
    assert job(box, uid)["state"] == state
    if state == "uncertain":
        box.must("POST", f"/jobs/{uid}/cancel", {}, 202)
        box.yard.tick(31)
        box.must("POST", f"/jobs/{uid}/force", {"outcome": "failed", "reason": "I have seen it stand"})
        assert job(box, uid)["state"] == "failed", "a person decides"


def test_c39_only_what_is_safe_to_repeat_may_go_elsewhere_when_it_is_lost(box: Box) -> None:
    body = {"flow": "hello", "target": {"queue": "main"}, "on_lost": "requeue"}
    refused = box.refused("POST", "/jobs", body, status=422, code="request.invalid")
    assert [detail["path"] for detail in refused["details"]] == ["/on_lost"]


# ---------------------------------------------------------------- C40
def test_c40_a_job_for_several_robots_is_one_job_each_with_a_common_run(box: Box, robot: FakeRobot) -> None:
    box.yard.robot("r2")
    body = {"flow": "hello", "target": {"robots": ["r1", "r2"]}, "max_retries": 1}
    made = [one["id"] for one in box.must("POST", "/jobs", body, 201)["items"]]
    found = [job(box, uid) for uid in made]
    assert [one["robot"] for one in found] == ["r1", "r2"]
    assert len({one["run"] for one in found}) == 1
    alone = box.submit()
    assert job(box, alone)["run"] != found[0]["run"]
    robot.accept()
    robot.say(robot.about("failed", reason="the pallet slipped"))
    html = box.http.get(f"/jobs/{made[0]}").text
    assert f'<option value="/jobs/{made[1]}' in html
    assert f'<option value="/jobs/{alone}' not in html


def test_c40_a_job_for_a_queue_is_one_job_whoever_takes_it(box: Box, robot: FakeRobot) -> None:
    box.yard.robot("r2")
    made = box.must("POST", "/jobs", {"flow": "hello", "target": {"queue": "main"}}, 201)["items"]
    assert len(made) == 1
    assert job(box, made[0]["id"])["robot"] in (robot.name, "r2")


# ---------------------------------------------------------------- secrets in every format
def test_what_is_secret_is_hidden_in_every_format(tmp_path: Path) -> None:
    site, secret = Site(tmp_path), "k7-Tresor-Wort"
    kept = {"name": "password", "type": "String", "secret": True}
    site.yard.must(
        "flow.save",
        flow="kept",
        definition=definition(block(1, "b1", "PrintBp", message="x")) | {"inputParams": [kept]},
    )
    robot = site.yard.robot("AGV001", kinds=KINDS)
    uid = site.submit(flow="kept", parameters={"password": secret}, max_retries=0)
    carry_out(robot)
    (root, _print) = json.loads(site.http.get(f"/task?processInstanceId={uid}").text)
    assert json.loads(root["params"]) == {"namespace": "-1", "password": "•••", "queue": "RootBp"}
    runs = [row["id"] for row in site.data("blocks", uid)]
    paths = [f"/task?processInstanceId={uid}", f"/task/{root['taskId']}", f"/jobs/{uid}", f"/api/v1/jobs/{uid}"]
    paths += [f"{BASE}/{what}/{uid}" for what in ("blocks", "detail", "execution/block/results")]
    paths += [f"{BASE}/block/{run}" for run in runs]
    for path in (*paths, "/jobs", "/api/v1/exports/jobs.csv", "/api/v1/audit"):
        answer = site.http.get(path)
        assert (answer.status_code, secret in answer.text) == (200, False), path
    assert secret not in str(robot.got)
    site.close()
