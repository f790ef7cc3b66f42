"""The dialogs about one job: what they say in each state, what they refuse, and that the controller is asked once."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.fakes.box import Box
from tests.fakes.yard import FakeRobot, running

OURS = {"HX-Request": "true"}
ACTIONS = ("cancel", "pause", "resume", "again", "undo", "priority", "decide", "release", "rerun", "retry", "set_error")


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Box]:
    monkeypatch.setattr("web.console.look.FRESH_S", 0.0)
    made = Box(tmp_path)
    made.yard.flow()
    made.must("PUT", "/queues/main", {}, 201)
    yield made
    made.close()


def ask(box: Box, job: str, action: str, lang: str = "en") -> str:
    """The dialog as it is read."""
    response = box.http.get(f"/jobs/{job}/{action}", headers=OURS | {"Accept-Language": lang})
    assert response.status_code == 200
    return read(response)


def read(response: TestResponse) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", response.text)).split())


def fields(box: Box, job: str, action: str) -> dict[str, str]:
    """The hidden fields of the dialog."""
    text = box.http.get(f"/jobs/{job}/{action}", headers=OURS).text
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', text))


def send(box: Box, job: str, action: str, form: dict[str, Any], **headers: str) -> TestResponse:
    return box.http.post(f"/jobs/{job}/{action}", data=form, headers=headers or OURS)


def do(box: Box, job: str, action: str, **more: Any) -> str:
    """Open the dialog, fill it in, send it; what is said."""
    response = send(box, job, action, fields(box, job, action) | more)
    assert (response.status_code, response.text) == (200, ""), response.text
    return str(response.headers["HX-Trigger"].encode().decode("unicode_escape"))


def assigned(box: Box) -> tuple[FakeRobot, str]:
    robot = box.yard.robot("r1")
    return robot, box.submit()


def uncertain(box: Box) -> tuple[FakeRobot, str]:
    robot, job = running(box.yard)
    box.yard.tick(30)
    assert box.yard.state(job) == "uncertain"
    return robot, job


# ---------------------------------------------------------------- what is said before
def test_cancelling_a_queued_job(box: Box) -> None:
    job = box.submit()
    assert "No robot holds it. It ends at once as cancelled and is not tried again." in ask(box, job, "cancel")
    assert "没有机器人持有它。它将立即结束为已取消，不再重试。" in ask(box, job, "cancel", "zh")
    assert "The job is cancelled." in do(box, job, "cancel", reason="wrong order")
    assert box.yard.state(job) == "cancelled"
    assert box.must("GET", f"/jobs/{job}/events")["items"][0]["why"] == "wrong order"


def test_cancelling_an_assigned_job(box: Box) -> None:
    _, job = assigned(box)
    assert "r1 is told first; it has not moved for this job yet." in ask(box, job, "cancel")
    assert "先通知 r1；它尚未为此任务移动。" in ask(box, job, "cancel", "zh")
    assert "r1 is told to stop." in do(box, job, "cancel")


@pytest.mark.parametrize(
    ("kind", "load", "sentence"),
    [
        ("agv", None, "r1 is told to stop where it is. Whatever it carries stays on it."),
        ("agv", {"id": "P-1"}, "r1 is told to stop where it is. The load stays on it."),
        ("rpa", None, "r1 is told to stop. What it has done already stays done."),
    ],
)
def test_cancelling_a_running_job_names_the_load_only_where_there_can_be_one(
    box: Box, kind: str, load: dict[str, str] | None, sentence: str
) -> None:
    box.must("PUT", "/robots/r1", {"kind": kind, "queues": ["main"]}, 201)
    robot = box.yard.robot("r1")
    job = box.submit()
    robot.accept()
    robot.beat(robot.hold(), kind=kind, load=load)
    text = ask(box, job, "cancel")
    assert f"{sentence} If it finishes first, the job ends as succeeded." in text
    assert "After" not in text
    assert "If no answer comes for 30 s, you can decide in its place." in text
    assert "Keep the job" in text


def test_pausing_and_going_on(box: Box) -> None:
    robot, job = running(box.yard)
    assert "r1 finishes the step that it is doing and then stands." in ask(box, job, "pause")
    assert "Only a paused job can go on." in ask(box, job, "resume")
    assert "r1 is told to pause." in do(box, job, "pause")
    robot.say(robot.about("paused", command=robot.last("control")["command"]))
    assert box.yard.state(job) == "paused"
    assert "See that nobody stands in its way." in ask(box, job, "resume")
    assert "r1 has paused. It is told to give the job up" in ask(box, job, "cancel")
    assert "It may go on" not in ask(box, job, "pause")
    assert "r1 is told to go on." in do(box, job, "resume")
    assert robot.last("control")["do"] == "resume"


def test_an_uncertain_job_is_decided_by_a_person_who_saw_the_robot(box: Box) -> None:
    _, job = uncertain(box)
    assert "r1 is silent, so nobody knows what it does." in ask(box, job, "cancel")
    assert "Decide in its place…" in ask(box, job, "cancel")
    text = ask(box, job, "decide")
    assert "r1 has been silent since" in text
    assert "r1 is told to give it up and is on hold" in text
    filled = fields(box, job, "decide")
    missing = send(box, job, "decide", filled | {"outcome": "failed"})
    assert missing.status_code == 422
    assert "Say why: this is kept with the job." in read(missing)
    assert "Tick this first." in read(missing)
    assert box.yard.state(job) == "uncertain"
    nothing = send(box, job, "decide", filled | {"outcome": "wait"})
    assert "Nothing is changed" in nothing.headers["HX-Trigger"]
    assert box.yard.state(job) == "uncertain"
    said = do(box, job, "decide", outcome="failed", reason="battery is out", seen="yes")
    assert "The job is ended as failed. r1 is on hold" in said
    assert box.yard.state(job) == "failed"
    assert "forced" in box.yard.holds("r1")


def test_a_cancel_that_is_not_answered_can_be_decided_after_a_while(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    _, job = running(box.yard)
    do(box, job, "cancel")
    # Moves carry the yard's wall clock, which stands in 2026; the page compares them with the present.
    told = datetime.fromtimestamp(box.yard.instant().utc_us / 1e6, UTC)
    monkeypatch.setattr("web.console.job_asked.now", lambda: told + timedelta(seconds=5))
    assert "It can be decided when the robot has not answered for 30 s." in ask(box, job, "decide")
    monkeypatch.setattr("web.console.job_asked.now", lambda: told + timedelta(seconds=31))
    assert "r1 was told to stop at" in ask(box, job, "decide")
    assert "It is told once more." in ask(box, job, "cancel")


def test_the_queue_jump(box: Box) -> None:
    first, second = box.submit(), box.submit()
    assert "It is number 2 in line now, with priority 2000." in ask(box, second, "priority")
    for bad in ("5001", "-1", "1e3", "٣", "", "9" * 19):
        response = send(box, second, "priority", fields(box, second, "priority") | {"priority": bad})
        assert response.status_code == 422
        assert "A whole number from 0 to 5000." in read(response)
    assert "Its priority is 4500 now." in do(box, second, "priority", priority="4500", reason="truck waits")
    assert box.must("GET", f"/jobs/{second}")["priority"] == 4500
    assert "It is number 2 in line now" in ask(box, first, "priority")


def test_executing_again_warns_where_work_may_be_done_twice(box: Box) -> None:
    robot, job = running(box.yard)
    assert "Only a job that has ended can be executed again." in ask(box, job, "rerun")
    robot.say(robot.about("succeeded"))
    text = ask(box, job, "rerun")
    assert "It runs version 1 of the flow hello, as this one did." in text
    assert "it is not marked safe to repeat: its work may be done a second time." in text
    assert send(box, job, "rerun", fields(box, job, "rerun") | {"priority": "2000"}).status_code == 422
    assert "A new job is made: " in do(box, job, "rerun", priority="3000", seen="yes")
    made = box.must("GET", "/jobs")["items"][0]
    assert (made["rerun_of"], made["priority"]) == (job, 3000)


def test_executing_again_says_which_version_and_whether_it_is_safe(box: Box) -> None:
    box.must("PUT", "/deployments/d", {"name": "D", "flow": "hello", "target": {"queue": "main"}}, 201)
    never, safe = box.submit(), box.submit(flow="hello", safe_to_repeat=True)
    of_deployment = box.must("POST", "/deployments/d/run", {}, 201)["items"][0]["id"]
    for job in (never, safe, of_deployment):
        do(box, job, "cancel")
    assert "No robot began it, so nothing is done twice." in ask(box, never, "rerun")
    assert "It is marked safe to repeat." in ask(box, safe, "rerun")
    assert "by now" not in ask(box, of_deployment, "rerun")
    newer = box.must("GET", "/flows/hello")["definition"]
    newer["rootBlock"]["children"]["default"][0]["name"] = "renamed"
    box.must("PUT", "/flows/hello", {"definition": newer})
    assert "The deployment D uses version 2 by now" in ask(box, of_deployment, "rerun")


def test_a_parked_job_waits_for_its_robots_and_for_a_word(box: Box) -> None:
    box.yard.robot("r1", "elsewhere")
    job = box.submit()
    box.yard.connection.execute("update jobs set parked = 1")
    box.yard.boot()
    with box.yard.store.transaction():
        box.yard.core.desk.hold(box.yard.core.desk.memory.robots["r1"], "restored", None, None)
    assert "This is possible when none of these is on hold any more: r1." in ask(box, job, "release")
    assert "This is possible when none of these is on hold any more: r1." in ask(box, job, "cancel")
    box.must("POST", "/robots/r1/release", {"reason": "seen"})
    assert "look first how far it got" in ask(box, job, "release")
    assert send(box, job, "release", fields(box, job, "release")).status_code == 422
    assert "The job is released." in do(box, job, "release", reason="it had not begun")
    assert not box.must("GET", f"/jobs/{job}")["parked"]


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_action_has_an_answer_in_every_state(box: Box, lang: str) -> None:
    robot, job = running(box.yard)
    queued = box.submit()
    _ask_all(box, lang, queued, job)
    do(box, job, "cancel")
    _ask_all(box, lang, job)
    robot.say(robot.about("cancelled", command=robot.last("cancel")["command"]))
    assert box.yard.state(job) == "cancelled"
    _ask_all(box, lang, job)
    assert "cannot" not in ask(box, job, "cancel", "zh")
    assert "It has been cancelled already." in ask(box, job, "cancel")


def _ask_all(box: Box, lang: str, *jobs: str) -> None:
    for job in jobs:
        for action in ACTIONS:
            assert "%(" not in ask(box, job, action, lang)


# ---------------------------------------------------------------- what is not done
def test_pressing_twice_does_it_once(box: Box) -> None:
    robot, job = running(box.yard)
    filled = fields(box, job, "cancel")
    for _ in range(2):
        assert "r1 is told to stop." in send(box, job, "cancel", filled).headers["HX-Trigger"]
    assert len({message["command"] for message in robot.all("cancel")}) == 1
    robot.say(robot.about("cancelled", command=robot.last("cancel")["command"]))
    assert "r1 is told to stop." in send(box, job, "cancel", filled).headers["HX-Trigger"]
    rerun = fields(box, job, "rerun") | {"priority": "2000", "seen": "yes"}
    for _ in range(2):
        assert send(box, job, "rerun", rerun).status_code == 200
    assert len(box.must("GET", "/jobs")["items"]) == 2


def test_a_queued_job_that_a_robot_took_meanwhile_is_asked_about_again(box: Box) -> None:
    job = box.submit()
    filled = fields(box, job, "cancel")
    robot = box.yard.robot("r1")
    robot.accept()
    assert box.yard.state(job) == "running"
    response = send(box, job, "cancel", filled)
    assert "The job has changed since you were asked." in read(response)
    assert "r1 is told to stop where it is." in read(response)
    assert box.yard.state(job) == "running"


def test_a_newer_attempt_is_asked_about_again(box: Box) -> None:
    robot, job = running(box.yard)
    filled = fields(box, job, "pause")
    robot.say(robot.about("failed", reason="stuck"))
    box.yard.tick(8, beating=True)
    robot.accept()
    assert box.yard.state(job) == "running"
    assert len({message["attempt"] for message in robot.all("assign")}) > 1
    response = send(box, job, "pause", filled)
    assert "The job has changed since you were asked." in read(response)
    assert robot.all("control") == []


@pytest.mark.parametrize("action", ["cancel", "priority"])
def test_forms_come_from_our_own_pages_only(box: Box, action: str) -> None:
    job = box.submit()
    filled = fields(box, job, action) | {"priority": "1"}
    assert send(box, job, action, filled, Accept="text/html").status_code == 403
    assert send(box, job, action, filled, Origin="http://evil.example", HX_Request="true").status_code == 403
    assert box.yard.job(job)["state"] == "queued"
    assert box.yard.job(job)["priority"] == 2000


def test_the_controller_being_down_is_said_in_the_dialog(box: Box) -> None:
    job = box.submit()
    filled = fields(box, job, "cancel")
    box.controller.go_down()
    response = send(box, job, "cancel", filled)
    assert response.status_code == 503
    assert "The controller does not run" in read(response)


def test_a_failed_job_is_sent_again_by_who_knows_that_it_may_be_done_twice(box: Box) -> None:
    robot, job = running(box.yard, max_retries=0)
    assert "Only a job that has failed can be sent again." in ask(box, job, "retry")
    robot.say(robot.about("failed", reason="stuck"))
    assert "its work may be done a second time" in ask(box, job, "retry")
    assert "将以相同的流程版本、参数、目标、优先级和来源新建任务。" in ask(box, job, "retry", "zh")
    missing = send(box, job, "retry", fields(box, job, "retry"))
    assert (missing.status_code, len(box.yard.rows("jobs"))) == (422, 1)
    assert "A new job is made:" in do(box, job, "retry", seen="yes")
    assert box.yard.rows("jobs")[1]["retried_from"] == job


def test_a_job_is_ended_as_failed_with_a_reason(box: Box) -> None:
    job = box.submit()
    assert "No robot holds it. It ends at once as failed and is not tried again." in ask(box, job, "set_error")
    missing = send(box, job, "set_error", fields(box, job, "set_error"))
    assert missing.status_code == 422
    assert "Say why: this is kept with the job." in read(missing)
    assert "The job is ended as failed." in do(box, job, "set_error", reason="wrong order")
    assert (box.yard.state(job), box.yard.job(job)["reason"]) == ("failed", "wrong order")
    robot, held = running(box.yard)
    text = ask(box, held, "set_error")
    assert "r1 is told to stop where it is. Whatever it carries stays on it." in text
    assert "Its answer ends the job as failed, and so does 30 s without one: then r1 is on hold." in text
    assert "它答复后任务记为失败；30 秒内无答复同样记为失败" in ask(box, held, "set_error", "zh")
    assert "r1 is told to stop." in do(box, held, "set_error", reason="broken")
    robot.say(robot.about("cancelled", command=robot.last("cancel")["command"]))
    assert box.yard.state(held) == "failed"
    assert "It has failed already." in ask(box, held, "set_error")


def test_an_unknown_job_is_a_dialog(box: Box) -> None:
    response = box.http.get("/jobs/nothing/cancel", headers=OURS)
    assert response.status_code == 404
    assert "<dialog" in response.text


def test_what_people_typed_is_shown_as_text(box: Box) -> None:
    nasty = '<img src=x onerror="alert(1)">&{{7*7}}'
    box.must("PUT", "/deployments/d", {"name": nasty, "flow": "hello", "target": {"queue": "main"}}, 201)
    job = box.must("POST", "/deployments/d/run", {}, 201)["items"][0]["id"]
    response = send(box, job, "priority", {"key": "k1", "priority": nasty[:20], "reason": '"><script>'})
    assert "<img" not in response.text
    assert "<script>" not in response.text
    assert nasty in read(response)
