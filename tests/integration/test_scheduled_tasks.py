"""Records of scheduled tasks (004) through the running web."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from werkzeug.test import TestResponse

from tests.fakes.box import Box
from tests.fakes.yard import FakeRobot
from web.app import create_app
from web.settings import WebSettings

GOLDEN = Path(__file__).parents[1] / "golden" / "004" / "record.json"
SHANGHAI = "Asia/Shanghai"


@pytest.fixture
def robots(box: Box) -> dict[str, FakeRobot]:
    """Three robots and a schedule of a deployment for each of them."""
    found = {name: box.yard.robot(name) for name in ("r1", "r2", "r3")}
    box.must("PUT", "/deployments/d", {"name": "D", "flow": "hello", "target": {"robots": [*found]}}, 201)
    box.must("PUT", "/schedules/s", {"name": "S", "deployment": "d", "cron": "0 * * * *", "zone": SHANGHAI}, 201)
    return found


def fire(box: Box) -> str:
    """An hour passes; the id of the firing."""
    box.yard.tick(3600, step=600)
    return str(box.must("GET", "/schedules/s/firings")["items"][0]["id"])


def ask(box: Box, record: str, query: str = "offset=0&limit=100", task: str = "s", project: str = "p") -> TestResponse:
    return box.http.get(f"/v2/{project}/scheduled-tasks/{task}/records/{record}" + (f"?{query}" if query else ""))


def read(box: Box, record: str, query: str = "offset=0&limit=100") -> dict[str, Any]:
    response = ask(box, record, query)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = json.loads(response.text)
    return found


def refused(response: TestResponse, status: int) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(response.text)
    assert response.status_code == status, response.text
    assert list(body) == ["error_code", "error_msg", "error_detail", "encoded_authorization_message"]
    assert body["encoded_authorization_message"] is None
    assert all(isinstance(body[key], str) and body[key] for key in list(body)[:3])
    return body


def start(robot: FakeRobot) -> None:
    robot.beat()
    robot.accept()


def test_the_keys_and_types_are_those_of_the_sample(box: Box, robots: dict[str, FakeRobot]) -> None:
    record = fire(box)
    for robot in robots.values():
        robot.beat()
    start(robots["r1"])
    robots["r1"].say(robots["r1"].about("succeeded"))
    sample, answer = json.loads(GOLDEN.read_text()), read(box, record)
    assert list(answer) == list(sample)
    first, sampled = answer["tasks_records_details"][0], sample["tasks_records_details"][0]
    assert list(first) == list(sampled)
    assert {k for k in sampled if type(first[k]) is not type(sampled[k])} == {"result_code", "fail_reason"}
    assert (first["exec_status"], first["desktop_id"], first["exec_script_id"]) == ("SUCCESS", "r1", "hello")
    assert (first["record_id"], first["time_zone"]) == (record, SHANGHAI)


def test_a_task_is_a_schedule_a_record_a_firing_and_a_row_a_target(box: Box, robots: dict[str, FakeRobot]) -> None:
    box.must("DELETE", "/robots/r3", status=204)
    record = fire(box)
    answer = read(box, record)
    rows = {row["desktop_id"]: row for row in answer["tasks_records_details"]}
    assert set(rows) == {"r1", "r2", "r3"}
    assert answer["total_count"] == 3
    jobs = {row["robot"]: row["job"] for row in box.must("GET", f"/firings/{record}")["rows"]}
    assert rows["r1"]["id"] == jobs["r1"]
    assert (rows["r3"]["id"], rows["r3"]["exec_status"]) == (f"{record}.3", "SKIP")
    assert (rows["r3"]["result_code"], rows["r3"]["fail_reason"]) == ("robot.not_found", "The robot r3 was removed.")


def test_the_five_words_are_told_by_real_work(box: Box, robots: dict[str, FakeRobot]) -> None:
    r1, r2, r3 = robots.values()
    box.must("PUT", "/deployments/d", {"name": "D", "flow": "hello", "target": {"robots": [*robots]}, "max_retries": 0})
    record = fire(box)

    def words() -> dict[str, str]:
        return {row["desktop_id"]: row["exec_status"] for row in read(box, record)["tasks_records_details"]}

    assert set(words().values()) == {"WAITING"}
    for robot in (r1, r2, r3):
        start(robot)
    assert set(words().values()) == {"RUNNING"}
    r1.say(r1.about("succeeded"))
    r2.say(r2.about("failed", reason="The gripper is stuck."))
    box.must("POST", f"/jobs/{r3.last('assign')['job']}/cancel", {"reason": "wrong order"}, 202)
    assert words() == {"r1": "SUCCESS", "r2": "FAIL", "r3": "RUNNING"}
    r3.say(r3.about("cancelled"))
    rows = {row["desktop_id"]: row for row in read(box, record)["tasks_records_details"]}
    assert (rows["r2"]["result_code"], rows["r2"]["fail_reason"]) == ("failed", "The gripper is stuck.")
    assert (rows["r3"]["exec_status"], rows["r3"]["fail_reason"]) == ("FAIL", "Cancelled by token:local: wrong order")
    assert (rows["r1"]["result_code"], rows["r1"]["fail_reason"]) == (None, None)
    assert all(row["end_time"] for row in rows.values())


def test_a_queues_job_has_no_desktop_before_a_robot_takes_it(box: Box, robots: dict[str, FakeRobot]) -> None:
    assert robots
    box.must("PUT", "/queues/other", {}, 201)
    box.must("PUT", "/deployments/d", {"name": "D", "flow": "hello", "target": {"queue": "other"}})
    (row,) = read(box, fire(box))["tasks_records_details"]
    assert (row["desktop_id"], row["desktop_name"], row["start_time"]) == (None, None, None)


def test_a_robots_name_is_the_desktops_name(box: Box, robots: dict[str, FakeRobot]) -> None:
    assert robots
    box.must("PUT", "/robots/r1", {"name": "叉车一号", "kind": "agv", "queues": ["main"]})
    response = ask(box, fire(box))
    assert "叉车一号" in response.text


def test_times_are_in_the_zone_of_the_schedule_and_without_an_end_null(box: Box, robots: dict[str, FakeRobot]) -> None:
    record = fire(box)
    start(robots["r1"])
    row = read(box, record)["tasks_records_details"][0]
    job = box.must("GET", f"/jobs/{row['id']}")
    local = datetime.fromisoformat(job["started_at"]).astimezone(ZoneInfo(SHANGHAI))
    assert row["start_time"] == local.strftime("%Y-%m-%d %H:%M:%S")
    assert row["end_time"] is None


def test_rows_come_by_start_then_id_and_pages_fit_together(box: Box, robots: dict[str, FakeRobot]) -> None:
    record = fire(box)
    for name in ("r3", "r1"):
        start(robots[name])
        box.yard.tick(5)
    whole = read(box, record)["tasks_records_details"]
    assert [row["desktop_id"] for row in whole] == ["r3", "r1", "r2"]
    parts = [read(box, record, f"offset={n}&limit=1")["tasks_records_details"] for n in range(4)]
    assert [*parts[0], *parts[1], *parts[2]] == whole
    assert parts[3] == []
    assert read(box, record, "offset=1&limit=1")["total_count"] == 3


def test_c28_limit_0_is_an_empty_list_and_the_total(box: Box, robots: dict[str, FakeRobot]) -> None:
    assert robots
    assert read(box, fire(box), "offset=0&limit=0") == {"tasks_records_details": [], "total_count": 3}


@pytest.mark.parametrize(
    "query",
    ["", "offset=0", "limit=5", "offset=-1&limit=5", "offset=0&limit=101", "offset=0&limit=-1", "offset=a&limit=5",
     "offset=0&limit=1.5", "offset=&limit=", "offset=0&limit=5&limit=6", "offset=99999999999999999999&limit=1"],
)  # fmt: skip
def test_a_query_that_is_missing_or_out_of_range_is_400(box: Box, robots: dict[str, FakeRobot], query: str) -> None:
    assert robots
    refused(ask(box, fire(box), query), 400)


def test_what_the_document_does_not_know_is_ignored(box: Box, robots: dict[str, FakeRobot]) -> None:
    assert robots
    assert read(box, fire(box), "offset=0&limit=1&more=yes")["total_count"] == 3


@pytest.mark.parametrize("record", ["none", "..", "%2e%2e", "a%00b", "x" * 300, "%27%20or%201%3D1"])
def test_an_unknown_record_is_404(box: Box, robots: dict[str, FakeRobot], record: str) -> None:
    assert robots
    refused(ask(box, record), 404)


def test_an_unknown_task_is_404_and_so_is_a_record_of_another_one(box: Box, robots: dict[str, FakeRobot]) -> None:
    assert robots
    record = fire(box)
    box.must("PUT", "/schedules/t", {"name": "T", "deployment": "d", "every_s": 86400}, 201)
    assert refused(ask(box, record, task="none"), 404)["error_code"] == "task.not_found"
    assert refused(ask(box, record, task="t"), 404)["error_code"] == "record.not_found"


def test_a_record_outlives_its_schedule(box: Box, robots: dict[str, FakeRobot]) -> None:
    assert robots
    record = fire(box)
    box.must("DELETE", "/schedules/s", status=204)
    assert read(box, record)["total_count"] == 3


def test_any_project_is_taken_unless_one_is_set(box: Box, robots: dict[str, FakeRobot]) -> None:
    assert robots
    record = fire(box)
    assert ask(box, record, project="whatever").status_code == 200
    app = create_app(WebSettings(box.yard.folder, project_id="ours"), box.controller)
    client = app.test_client()
    client.environ_base.update(box.http.environ_base)
    path = f"scheduled-tasks/s/records/{record}?offset=0&limit=1"
    assert client.get(f"/v2/ours/{path}").status_code == 200
    assert refused(client.get(f"/v2/theirs/{path}"), 404)["error_code"] == "project.not_found"


def test_c29_the_token_of_x_auth_token_is_always_wanted(box: Box, robots: dict[str, FakeRobot]) -> None:
    assert robots
    path = f"/v2/p/scheduled-tasks/s/records/{fire(box)}?offset=0&limit=1"
    assert box.nobody().get(path, headers={"X-Auth-Token": box.token("v", "viewer")}).status_code == 200
    refused(box.nobody().get(path), 401)
    refused(box.nobody().get(path, headers={"X-Auth-Token": "wrong"}), 401)
    refused(box.nobody().get(path, headers={"X-Auth-Token": box.token("r", "robot", robot="r1")}), 403)


def test_the_token_is_asked_for_before_anything_else(box: Box) -> None:
    refused(box.nobody().get("/v2/p/scheduled-tasks/s/records/none"), 401)
    refused(ask(box, "none", ""), 400)


def test_c11_c12_every_refusal_has_the_four_keys(box: Box) -> None:
    refused(box.http.get("/v2/nothing/here"), 404)
    refused(box.http.post("/v2/p/scheduled-tasks/s/records/r", data="{"), 405)
    (box.yard.folder / "yardmaster.db").unlink()
    refused(ask(box, "none"), 500)


def test_c25_c26_the_agv_record_of_a_schedules_job_is_periodic_and_of_type_1(
    box: Box, robots: dict[str, FakeRobot]
) -> None:
    assert robots
    made = read(box, fire(box))["tasks_records_details"][0]["id"]
    other = box.submit()
    for job, periodic, source in ((made, 1, 1), (other, 0, 3)):
        detail = json.loads(box.http.get(f"/api/vwed-task-record/detail/{job}").text)["data"]
        assert (detail["periodic_task"], detail["source_type"]) == (periodic, source)
        assert type(detail["periodic_task"]) is int
        assert detail["if_have_child_task"] is False
