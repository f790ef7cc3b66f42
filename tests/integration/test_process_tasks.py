"""Tasks of a process (002) through the running web."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.fakes.box import Box
from tests.fakes.yard import FakeRobot
from tests.waiting import wait_for
from web.app import create_app
from web.settings import WebSettings

GOLDEN = Path(__file__).parents[1] / "golden" / "002" / "tasks.json"


def block(number: int, name: str, kind: str = "PrintBp", **params: Any) -> dict[str, Any]:
    given = {key: {"type": "Simple", "value": value, "required": True} for key, value in params.items()}
    return {"id": number, "name": name, "blockType": kind, "children": {}, "inputParams": given}


FLOW: dict[str, Any] = {
    "inputParams": [{"name": "to", "label": "To", "type": "String", "required": False, "remark": ""}],
    "outputParams": [],
    "rootBlock": {
        "id": -1, "name": "-1", "blockType": "RootBp", "inputParams": {},
        "children": {"default": [block(1, "hello", message="hi"), block(2, "again", message="ho")]},
    },
}  # fmt: skip


class Work:
    """One job in debug mode on robot r1, whose every word is scripted."""

    def __init__(self, box: Box) -> None:
        self.box = box
        box.yard.flow("two", FLOW)
        self.job = box.submit(flow="two", parameters={"to": "A-01"}, debug=True)
        self.robot: FakeRobot = box.yard.robot("r1")

    def start(self) -> "Work":
        """The robot takes it."""
        self.robot.accept()
        return self

    def block(self, n: int, status: str, path: int | None = None, **more: Any) -> None:
        """A block run reaches a phase."""
        self.robot.say(self.robot.about("block", path=f"-1/{path or n}", n=n, status=status, **more))

    def fail(self) -> "Work":
        """The first block succeeds, the second fails and the job waits for a person."""
        self.start()
        self.block(1, "start.begin", inputs={"message": "hi"})
        self.block(1, "monitor.success", outputs={"printed": True})
        self.block(2, "start.begin", inputs={"message": "ho"})
        self.block(2, "monitor.failed", reason="The printer is empty.")
        self.robot.say(self.robot.about("paused", path="-1/2", reason="The printer is empty."))
        return self

    def tasks(self, query: str = "") -> list[dict[str, Any]]:
        """The list."""
        response = self.box.http.get(f"/task?processInstanceId={self.job}{query}")
        assert response.status_code == 200, response.text
        found: list[dict[str, Any]] = json.loads(response.text)
        return found

    def one(self, name: str) -> dict[str, Any]:
        """A task by its name."""
        return next(task for task in self.tasks() if task["name"] == name)


@pytest.fixture
def work(box: Box) -> Work:
    return Work(box)


def refused(response: TestResponse, status: int, code: str | None = None) -> None:
    body = json.loads(response.text)
    assert response.status_code == status, response.text
    assert set(body) == {"code", "message", "details", "request_id"}
    assert code is None or body["code"] == code


class Asking:
    """A request under way in a thread of its own, while robots go on talking."""

    def __init__(self, ask: Callable[[], TestResponse]) -> None:
        self._ask = ask
        self.found: TestResponse | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self.found = self._ask()

    def answer(self) -> dict[str, Any]:
        """What came of it."""
        self._thread.join(30)
        assert self.found is not None
        assert self.found.status_code == 200, self.found.text
        body: dict[str, Any] = json.loads(self.found.text)
        return body


def put(box: Box, task: dict[str, Any], operate: str) -> Asking:
    client = box.app.test_client()
    client.environ_base.update(box.http.environ_base)
    return Asking(lambda: client.put(f"/task/{task['taskId']}/{operate}"))


def told(robot: FakeRobot, do: str) -> dict[str, Any]:
    """The robot has been told."""
    return wait_for(lambda: next((m for m in robot.all("control") if m["do"] == do), None), what=do)


@pytest.fixture
def impatient(box: Box) -> FlaskClient:
    """The same box, where nobody waits for robots."""
    app = create_app(WebSettings(box.yard.folder, answer_wait_s=0.0), box.controller)
    client = app.test_client()
    client.environ_base.update(box.http.environ_base)
    return client


# ---------------------------------------------------------------- reading
def test_the_keys_and_types_are_those_of_the_sample(work: Work) -> None:
    work.fail()
    sample, task = json.loads(GOLDEN.read_text())[0], work.one("hello")
    assert list(task) == list(sample)
    assert {key: type(value) for key, value in task.items()} == {key: type(value) for key, value in sample.items()}
    assert task["status"] == sample["status"] == "monitor.success"
    assert json.loads(task["params"]) == {"namespace": "-1/1", "message": "hi", "queue": "PrintBp"}
    assert json.loads(task["outputs"]) == {"printed": True, "type": "PrintBp"}


def test_a_process_is_a_job_and_its_tasks_are_block_runs_by_time_root_included(work: Work) -> None:
    work.fail()
    tasks = work.tasks()
    assert [(task["name"], task["stone"], task["namespace"]) for task in tasks] == [
        ("-1", "RootBp", "-1"), ("hello", "PrintBp", "-1/1"), ("again", "PrintBp", "-1/2"),
    ]  # fmt: skip
    assert {task["processInstanceId"] for task in tasks} == {work.job}
    assert [task["createTime"] for task in tasks] == sorted(task["createTime"] for task in tasks)
    runs = work.box.must("GET", f"/jobs/{work.job}/blocks?order=oldest")["items"]
    assert {task["id"] for task in tasks} == {run["id"] for run in runs}
    assert json.loads(tasks[0]["params"]) == {"namespace": "-1", "to": "A-01", "queue": "RootBp"}
    assert (tasks[2]["status"], tasks[2]["reason"]) == ("monitor.failed", "The printer is empty.")


def test_c13_one_task_is_an_object(work: Work) -> None:
    work.fail()
    for task in work.tasks():
        assert json.loads(work.box.http.get(f"/task/{task['taskId']}").text) == task


def test_produce_stands_at_the_root_only_from_the_moment_of_the_offer(work: Work) -> None:
    (root,) = work.tasks()
    assert (root["status"], root["endTime"], root["outputs"]) == ("produce.success", None, None)
    work.box.yard.tick(11)
    (root,) = work.tasks()
    assert root["status"] == "produce.failed"


def test_a_known_process_without_tasks_is_an_empty_list(box: Box) -> None:
    response = box.http.get(f"/task?processInstanceId={box.submit()}")
    assert (response.status_code, json.loads(response.text)) == (200, [])


def test_the_last_attempt_is_listed_and_attempt_k_another(work: Work) -> None:
    work.start()
    work.block(1, "start.begin")
    first = work.tasks()
    work.robot.say(work.robot.about("failed", reason="no paper"))
    work.box.yard.tick(6, beating=True)
    work.robot.accept()
    second = work.tasks()
    assert not {task["taskId"] for task in first} & {task["taskId"] for task in second}
    assert [task["name"] for task in work.tasks("&attempt=1")] == ["-1", "hello"]
    assert work.tasks("&attempt=2") == second
    refused(work.box.http.get(f"/task?processInstanceId={work.job}&attempt=3"), 404, "attempt.not_found")


def test_task_ids_are_numbers_unique_on_the_box(work: Work) -> None:
    work.fail()
    other = Work.__new__(Work)
    other.box, other.job = work.box, work.box.submit()
    work.box.yard.robot("r2").accept()
    tasks = [*work.tasks(), *other.tasks()]
    assert len({task["taskId"] for task in tasks}) == len(tasks) == 4
    assert all(task["taskId"].isdigit() for task in tasks)


def test_progress_is_the_roots_while_the_job_runs(work: Work) -> None:
    work.start()
    work.block(1, "start.begin")
    work.robot.beat(work.robot.hold(progress=41.7), settled=False)
    assert {task["name"]: task["progress"] for task in work.tasks()} == {"-1": 42, "hello": None}
    work.box.controller.go_down()
    assert work.one("-1")["progress"] is None


def test_a_definition_that_cannot_be_read_still_has_tasks(work: Work) -> None:
    work.fail()
    work.box.yard.connection.execute("update flow_versions set bundle = '{' where flow = 'two'")
    assert [(task["name"], task["stone"]) for task in work.tasks()] == [("-1", "RootBp"), ("1", None), ("2", None)]


def test_queries_are_read_leniently(work: Work) -> None:
    assert work.tasks("&more=yes")


# ---------------------------------------------------------------- refusals
def test_c11_refusals_have_the_shape_of_version_1(box: Box) -> None:
    refused(box.http.get("/task"), 400, "request.invalid")
    refused(box.http.get("/task?processInstanceId="), 400, "request.invalid")
    refused(box.http.get(f"/task?processInstanceId={'x' * 256}"), 404, "process.not_found")
    refused(box.http.get("/task?processInstanceId=a&attempt=none"), 400, "request.invalid")
    refused(box.http.get("/task?processInstanceId=a&processInstanceId=b"), 400, "request.invalid")
    refused(box.http.get("/task?processInstanceId=nope"), 404, "process.not_found")
    refused(box.http.get("/task/12345"), 404, "task.not_found")
    refused(box.http.delete("/task/12345"), 405)


@pytest.mark.parametrize("name", ["0", "-1", "1e5", "007", "..", "..%5Cetc", "9" * 30, "१२३", "a%00b", "x" * 300])
def test_what_is_no_task_id_is_404(work: Work, name: str) -> None:
    work.start()
    refused(work.box.http.get(f"/task/{name}"), 404)
    refused(work.box.http.put(f"/task/{name}/reRun"), 404)


@pytest.mark.parametrize("operate", ["rerun", "RERUN", "Resume", "cancel", "reRun2"])
def test_operate_is_rerun_or_resume_in_these_letters(work: Work, operate: str) -> None:
    work.fail()
    refused(work.box.http.put(f"/task/{work.one('again')['taskId']}/{operate}"), 400, "request.invalid")
    refused(work.box.http.put(f"/task/123/{operate}"), 400, "request.invalid")


@pytest.mark.parametrize("operate", ["reRun", "resume"])
def test_only_a_failed_task_of_a_paused_process_in_debug_mode_is_debugged(work: Work, operate: str) -> None:
    http = work.box.http
    work.start()
    work.block(1, "start.begin")
    refused(http.put(f"/task/{work.one('hello')['taskId']}/{operate}"), 409, "task.state")
    work.block(1, "monitor.failed", reason="no paper")
    refused(http.put(f"/task/{work.one('hello')['taskId']}/{operate}"), 409, "task.state")
    work.robot.say(work.robot.about("paused", path="-1/1", reason="no paper"))
    refused(http.put(f"/task/{work.one('-1')['taskId']}/{operate}"), 409, "task.state")
    work.box.yard.connection.execute("update jobs set debug = 0")
    refused(http.put(f"/task/{work.one('hello')['taskId']}/{operate}"), 409, "job.not_debug")
    assert work.robot.all("control") == []


@pytest.mark.parametrize("operate", ["reRun", "resume"])
def test_a_failed_task_at_which_nobody_waits_is_left_alone(work: Work, operate: str) -> None:
    work.start()
    work.block(1, "start.begin")
    work.block(1, "monitor.failed", reason="the flow went on without it")
    work.block(2, "start.begin")
    work.block(2, "monitor.failed", reason="no paper")
    work.robot.say(work.robot.about("paused", path="-1/2", reason="no paper"))
    refused(work.box.http.put(f"/task/{work.one('hello')['taskId']}/{operate}"), 409, "task.state")
    assert work.robot.all("control") == []


def test_an_ended_process_does_not_come_back(work: Work) -> None:
    work.fail()
    task = work.one("again")
    work.box.must("POST", f"/jobs/{work.job}/cancel", {}, 202)
    work.robot.say(work.robot.about("cancelled"))
    for operate in ("reRun", "resume"):
        refused(work.box.http.put(f"/task/{task['taskId']}/{operate}"), 409, "task.state")


def test_reading_needs_a_viewer_and_debugging_an_operator(work: Work) -> None:
    work.fail()
    task = work.one("again")["taskId"]
    nobody, viewer = work.box.nobody(), {"X-Auth-Token": work.box.token("v", "viewer")}
    refused(nobody.get(f"/task?processInstanceId={work.job}"), 401, "auth.missing")
    refused(nobody.get("/task"), 401, "auth.missing")
    assert nobody.get(f"/task/{task}", headers=viewer).status_code == 200
    refused(nobody.put(f"/task/{task}/reRun", headers=viewer), 403, "auth.role")
    refused(nobody.put(f"/task/{task}/nonsense", headers=viewer), 403, "auth.role")


# ---------------------------------------------------------------- debugging
def test_rerun_is_answered_when_the_robot_has_begun_and_keeps_the_task_id(work: Work) -> None:
    work.fail()
    before = work.one("again")
    asking = put(work.box, before, "reRun")
    control = told(work.robot, "reRun")
    assert (control["path"], control["try"]) == ("-1/2", 0)
    command = control["command"]
    work.robot.say(work.robot.about("resumed", command=command))
    work.block(3, "start.begin", path=2, try_=1)
    task = asking.answer()
    assert (task["taskId"], task["status"], task["createTime"]) == (
        before["taskId"],
        "start.begin",
        before["createTime"],
    )
    assert task["id"] != before["id"]
    assert (task["endTime"], task["reason"]) == (None, None)
    assert [one["taskId"] for one in work.tasks()].count(before["taskId"]) == 1
    work.block(3, "monitor.success", path=2, try_=1)
    assert work.one("again")["status"] == "monitor.success"
    further = work.box.yard.connection.execute("select max(n) as n, attempt from block_runs").fetchone()
    refused(work.box.http.get(f"/task/{further['attempt'] * 100_000 + further['n']}"), 404)


def test_c9_resume_leaves_debug_mode_and_rolls_back(work: Work) -> None:
    work.fail()
    asking = put(work.box, work.one("again"), "resume")
    control = told(work.robot, "resume_with_rollback")
    work.robot.say(work.robot.about("resumed", command=control["command"], rolled_back=True))
    task = asking.answer()
    assert task["status"] == "monitor.failed"
    work.block(1, "rollback.begin")
    assert work.one("hello")["status"] == "rollback.begin"
    work.block(1, "rollback.success")
    work.robot.say(work.robot.about("failed", reason="The printer is empty.", rolled_back=True))
    assert work.one("hello")["status"] == "rollback.success"
    assert work.box.yard.state(work.job) == "failed"


def test_without_an_answer_in_time_the_task_is_shown_as_it_is_and_the_request_stands(
    work: Work, impatient: FlaskClient
) -> None:
    work.fail()
    task = work.one("again")
    response = impatient.put(f"/task/{task['taskId']}/reRun")
    assert (response.status_code, json.loads(response.text)) == (200, task)
    assert told(work.robot, "reRun")["path"] == "-1/2"


def test_a_body_is_not_needed_and_not_minded(work: Work, impatient: FlaskClient) -> None:
    work.fail()
    task = work.one("again")["taskId"]
    response = impatient.put(f"/task/{task}/reRun?why=not", data="[1, 2", content_type="text/plain")
    assert response.status_code == 200


def test_an_attempt_that_ends_meanwhile_ends_the_waiting(work: Work) -> None:
    work.fail()
    asking = put(work.box, work.one("again"), "reRun")
    told(work.robot, "reRun")
    work.robot.say(work.robot.about("failed", reason="power"))
    assert asking.answer()["status"] == "monitor.failed"


def test_who_pressed_is_in_the_audit(work: Work, impatient: FlaskClient) -> None:
    work.fail()
    impatient.put(f"/task/{work.one('again')['taskId']}/reRun")
    newest = work.box.must("GET", "/audit?limit=1")["items"][0]
    assert (newest["action"], newest["subject"], newest["who"]) == ("job.rerun_block", f"job:{work.job}", "token:local")


def test_without_the_controller_nothing_is_done(work: Work) -> None:
    work.fail()
    task = work.one("again")
    work.box.controller.go_down()
    refused(work.box.http.put(f"/task/{task['taskId']}/reRun"), 503, "controller.down")
    assert work.one("again") == task


def test_c36_a_failed_block_pauses_the_process_and_the_record_says_paused(work: Work) -> None:
    work.fail()
    assert work.one("again")["status"] == "monitor.failed"
    detail = json.loads(work.box.http.get(f"/api/vwed-task-record/detail/{work.job}").text)
    assert detail["data"]["status"] == 2002


def test_c38_trying_again_is_a_new_block_run_of_the_same_attempt(work: Work, impatient: FlaskClient) -> None:
    work.fail()
    before = work.one("again")
    impatient.put(f"/task/{before['taskId']}/reRun")
    work.robot.say(work.robot.about("resumed", command=told(work.robot, "reRun")["command"]))
    work.block(3, "start.begin", path=2, try_=1)
    runs = work.box.must("GET", f"/jobs/{work.job}/blocks?block=2&order=oldest")["items"]
    assert [(run["try"], run["state"]) for run in runs] == [(0, "failed"), (1, "running")]
    assert [run["id"] for run in runs] == [before["id"], work.one("again")["id"]]
    assert len({run["attempt"] for run in runs}) == 1
