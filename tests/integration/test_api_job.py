"""One job: what it shows, and commands to it."""

import pytest

from tests.fakes.box import Box
from tests.fakes.yard import FakeRobot
from tests.rows import block, definition

LOOP = definition(
    block(1, "loop", "RepeatNumBp", {"default": [block(2, "say", "PrintBp", message="hello")]}, num="3"),
    block(3, "choice", "IfElseBp", {"if": [block(4, "yes", "PrintBp", message="y")], "else": []}, conditionIf="false"),
)


@pytest.fixture
def running(box: Box, robot: FakeRobot) -> str:
    """A job that robot r1 is carrying out."""
    job = box.submit()
    robot.accept()
    return job


def test_a_queued_job_jumps_the_queue(box: Box) -> None:
    job = box.submit()
    changed = box.must("PATCH", f"/jobs/{job}", {"priority": 4000, "reason": "urgent"})
    assert changed["priority"] == 4000
    assert changed["version"] == 2
    event = box.must("GET", f"/jobs/{job}/events")["items"][0]
    assert (event["event"], event["old"], event["new"], event["why"]) == ("priority", "2000", "4000", "urgent")
    for body in ({}, {"priority": 5001}, {"priority": 1.5}, {"priority": None}):
        box.refused("PATCH", f"/jobs/{job}", body, status=422, code="request.invalid")
    box.refused("PATCH", "/jobs/none", {"priority": 1}, status=404, code="job.not_found")


def test_cancel_is_done_or_recorded(box: Box, running: str) -> None:
    waiting = box.submit()
    assert box.must("POST", f"/jobs/{waiting}/cancel")["state"] == "cancelled"
    told = box.must("POST", f"/jobs/{running}/cancel", {"reason": "wrong load"}, 202)
    assert told["state"] == "cancelling"
    box.refused("POST", f"/jobs/{waiting}/cancel", status=409, code="job.state")
    box.refused("POST", "/jobs/none/cancel", status=404, code="job.not_found")
    box.refused("POST", f"/jobs/{'x' * 300}/cancel", status=404, code="job.not_found")


def test_a_key_of_a_command_is_answered_once(box: Box) -> None:
    job = box.submit()
    first = box.ask("POST", f"/jobs/{job}/cancel", Idempotency_Key="c")
    again = box.ask("POST", f"/jobs/{job}/cancel", Idempotency_Key="c")
    assert first.json == again.json
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (200, "true")
    refused = box.ask("POST", f"/jobs/{job}/cancel", Idempotency_Key="d")
    refused_again = box.ask("POST", f"/jobs/{job}/cancel", Idempotency_Key="d")
    assert refused.status_code == refused_again.status_code == 409
    assert refused_again.headers["Idempotent-Replayed"] == "true"


def test_if_attempt_guards_against_a_newer_attempt(box: Box, running: str) -> None:
    attempt = box.must("GET", f"/jobs/{running}")["attempt"]
    box.refused("POST", f"/jobs/{running}/cancel", {"if_attempt": 1}, status=409, code="job.attempt_changed")
    box.must("POST", f"/jobs/{running}/cancel", {"if_attempt": attempt}, 202)


def test_pause_and_resume(box: Box, robot: FakeRobot, running: str) -> None:
    box.must("POST", f"/jobs/{running}/pause", status=202)
    robot.say(robot.about("noted", command=robot.last("control")["command"]))
    robot.say(robot.about("paused", command=robot.last("control")["command"]))
    assert box.must("GET", f"/jobs/{running}")["state"] == "paused"
    box.must("POST", f"/jobs/{running}/resume", status=202)
    box.refused("POST", f"/jobs/{box.submit()}/pause", status=409, code="job.state")


def test_force_needs_an_outcome_and_a_reason(box: Box, running: str) -> None:
    for body in (
        {},
        {"outcome": "succeeded", "reason": "x"},
        {"outcome": "failed"},
        {"outcome": "failed", "reason": ""},
    ):
        box.refused("POST", f"/jobs/{running}/force", body, status=422, code="request.invalid")
    box.refused("POST", f"/jobs/{running}/force", {"outcome": "failed", "reason": "x"}, status=409, code="job.state")
    box.must("POST", f"/jobs/{running}/cancel", status=202)
    box.yard.tick(31)
    assert (
        box.must("POST", f"/jobs/{running}/force", {"outcome": "cancelled", "reason": "I saw it"})["state"]
        == "cancelled"
    )
    assert box.must("GET", "/robots/r1")["state"] == "on_hold"


def test_release_is_for_parked_jobs(box: Box) -> None:
    job = box.submit()
    box.refused("POST", f"/jobs/{job}/release", {"reason": "x"}, status=409, code="job.state")
    box.refused("POST", f"/jobs/{job}/release", {}, status=422, code="request.invalid")


def test_rerun_makes_another_like_it(box: Box) -> None:
    job = box.submit(priority=11)
    box.refused("POST", f"/jobs/{job}/rerun", status=409, code="job.state")
    box.must("POST", f"/jobs/{job}/cancel")
    (again,) = box.must("POST", f"/jobs/{job}/rerun", {"priority": 12}, 201)["items"]
    assert (again["rerun_of"], again["priority"], again["state"]) == (job, 12, "queued")
    (third,) = box.must("POST", f"/jobs/{job}/rerun", status=201)["items"]
    assert third["priority"] == 11


def test_retry_sends_a_failed_job_again(box: Box, robot: FakeRobot) -> None:
    job = box.submit(max_retries=0, priority=11)
    box.refused("POST", f"/jobs/{job}/retry", status=409, code="job.state")
    robot.accept()
    robot.say(robot.about("failed", reason="the pallet slipped"))
    (again,) = box.must("POST", f"/jobs/{job}/retry", status=201, Idempotency_Key="k")["items"]
    assert (again["retried_from"], again["rerun_of"], again["priority"]) == (job, None, 11)
    assert again["source"]["remarks"] == f"重发任务(原记录 {job})"
    assert box.must("POST", f"/jobs/{job}/retry", status=201, Idempotency_Key="k")["items"][0]["id"] == again["id"]
    for unknown in ("none", "x" * 300):
        box.refused("POST", f"/jobs/{unknown}/retry", status=404, code="job.not_found")


def test_set_error_ends_a_job_as_failed(box: Box, robot: FakeRobot, running: str) -> None:
    waiting = box.submit()
    assert box.must("POST", f"/jobs/{waiting}/set-error", {"reason": "wrong load"})["state"] == "failed"
    assert box.must("POST", f"/jobs/{running}/set-error", {"reason": "broken"}, 202)["intention"] == "failed"
    robot.say(robot.about("cancelled", command=robot.last("cancel")["command"]))
    ended = box.must("GET", f"/jobs/{running}")
    assert (ended["state"], ended["reason"]) == ("failed", {"code": "set_error", "message": "broken"})
    box.refused("POST", f"/jobs/{running}/set-error", {"reason": "x"}, status=409, code="job.state")
    box.refused("POST", f"/jobs/{running}/set-error", {}, status=422, code="request.invalid")
    box.refused("POST", "/jobs/none/set-error", {"reason": "x"}, status=404, code="job.not_found")


def test_what_became_of_it(box: Box) -> None:
    robot = box.yard.robot("r1", kinds=["RootBp", "RepeatNumBp", "IfElseBp", "PrintBp"])
    box.must("PUT", "/flows/loop", {"definition": LOOP}, 201)
    job = box.submit(flow="loop")
    robot.accept()
    robot.say(robot.about("block", path="-1/1", n=1, status="start.begin"))
    for k in range(3):
        robot.say(robot.about("block", path=f"-1/1#{k}/2", n=2 + k, status="monitor.success", outputs={"k": k}))
    robot.say(robot.about("log", path="-1/1#2/2", level=1, type="print", text="hello"), topic="log")
    robot.say(robot.about("log", level=3, text="trouble"), topic="log")
    robot.say(robot.about("block", path="-1/1", n=1, status="monitor.success"), robot.about("succeeded"))
    assert box.must("GET", f"/jobs/{job}")["state"] == "succeeded"

    tree = box.must("GET", f"/jobs/{job}/results")
    assert (tree["flat"], tree["block"], tree["run"]["state"]) == (False, "-1", "succeeded")
    loop, choice = tree["children"]
    assert (loop["children"][0]["path"], loop["children"][0]["runs"]) == ("-1/1#2/2", 3)
    assert (choice["run"], choice["children"][0]["branch"]) == (None, "if")
    assert loop["iterations"] is None
    every = box.must("GET", f"/jobs/{job}/results?iterations=all")["children"][0]["iterations"]
    assert [one["children"][0]["run"]["outputs"] for one in every] == [{"k": 0}, {"k": 1}, {"k": 2}]

    (attempt,) = box.must("GET", f"/jobs/{job}/attempts")["items"]
    assert (attempt["state"], attempt["robot"], attempt["open"]) == ("succeeded", "r1", False)
    number = attempt["number"]
    runs = box.must("GET", f"/jobs/{job}/blocks?order=oldest&attempt={number}")["items"]
    assert [run["block_name"] for run in runs] == ["-1", "loop", "say", "say", "say"]
    assert runs[2]["try"] == 0
    assert len(box.must("GET", f"/jobs/{job}/blocks?block=2&limit=2")["items"]) == 2
    assert [row["text"] for row in box.must("GET", f"/jobs/{job}/logs")["items"]] == ["trouble", "hello"]
    assert [row["text"] for row in box.must("GET", f"/jobs/{job}/logs?block=2&attempt={number}")["items"]] == ["hello"]
    assert [row["text"] for row in box.must("GET", f"/jobs/{job}/logs?level=3")["items"]] == ["trouble"]
    assert box.must("GET", f"/jobs/{job}/events?order=oldest")["items"][0]["new"] == "queued"
    for part in ("results", "blocks", "logs"):
        box.refused("GET", f"/jobs/{job}/{part}?attempt=7", status=404, code="attempt.not_found")
        for wrong in ("0", "x", "-1", "99999999999999999999"):
            box.refused("GET", f"/jobs/{job}/{part}?attempt={wrong}", status=422, code="request.invalid")
    for level in ("4", "-1", "error"):
        box.refused("GET", f"/jobs/{job}/logs?level={level}", status=422, code="request.invalid")


def test_what_undid_a_loop_stands_below_it_once(box: Box) -> None:
    robot = box.yard.robot("r1", kinds=["RootBp", "RepeatNumBp", "PrintBp"])
    say = block(2, "say", "PrintBp", message="hello") | {"rollback": [block(12, "unsay", "PrintBp", message="x")]}
    undo = {"rollback": [block(11, "undo", "PrintBp", message="x")]}
    loop = block(1, "loop", "RepeatNumBp", {"default": [say]}, num="2") | undo
    box.must("PUT", "/flows/undone", {"definition": definition(loop)}, 201)
    job = box.submit(flow="undone")
    robot.accept()
    paths = ("-1/1", "-1/1#0/2", "-1/1#1/2", "-1/1/11", "-1/1#1/2/12", "-1/1#0/2/12")
    for n, path in enumerate(paths, 1):
        robot.say(robot.about("block", path=path, n=n, status="monitor.success"))
    (shown,) = box.must("GET", f"/jobs/{job}/results?iterations=all")["children"]
    assert [child["path"] for child in shown["children"]] == ["-1/1#1/2", "-1/1/11"]
    every = [[child["path"] for child in one["children"]] for one in shown["iterations"]]
    assert every == [["-1/1#0/2"], ["-1/1#1/2"]]
    assert [child["path"] for child in shown["iterations"][0]["children"][0]["children"]] == ["-1/1#0/2/12"]


def test_before_any_attempt(box: Box) -> None:
    job = box.submit()
    tree = box.must("GET", f"/jobs/{job}/results")
    assert (tree["attempt"], tree["run"], tree["children"][0]["run"]) == (None, None, None)
    for part in ("attempts", "blocks", "logs"):
        assert box.must("GET", f"/jobs/{job}/{part}") == {"items": [], "next": None}


def test_why_it_waits(box: Box, robot: FakeRobot, running: str) -> None:
    first, second = box.submit(), box.submit()
    waiting = box.must("GET", f"/jobs/{second}/waiting")
    assert waiting["position"] == 2
    assert waiting["reasons"][0]["robot"] == robot.name
    assert waiting["reasons"][0]["message"]
    assert box.must("GET", f"/jobs/{first}/waiting")["position"] == 1
    assert box.must("GET", f"/jobs/{running}/waiting") == {"position": None, "reasons": []}
    box.refused("GET", "/jobs/none/waiting", status=404, code="job.not_found")


# ---------------------------------------------------------------- debug mode
@pytest.fixture
def stuck(box: Box, robot: FakeRobot) -> tuple[str, str]:
    """A job in debug mode whose block has failed, and the failed run."""
    job = box.submit(debug=True)
    robot.accept()
    about = {"job": job, "attempt": robot.last("assign")["attempt"]}
    for status in ("start.begin", "monitor.failed"):
        robot.say({"kind": "block", "path": "-1/1", "n": 1, "try": 0, "status": status} | about)
    robot.say(robot.about("paused", path="-1/1", reason="the pallet slipped"))
    found = box.must("GET", f"/jobs/{job}")
    assert (found["state"], found["debug"]) == ("paused", True)
    assert found["reason"] == {"code": "debug", "message": "the pallet slipped"}
    return job, found["failed_run"]


def test_a_failed_block_is_run_again(box: Box, robot: FakeRobot, stuck: tuple[str, str]) -> None:
    job, run = stuck
    answer = box.must("POST", f"/jobs/{job}/blocks/{run}/rerun", {"reason": "I put it back"}, 202)
    assert answer["state"] == "paused"
    asked = robot.last("control")
    assert (asked["do"], asked["path"], asked["try"]) == ("reRun", "-1/1", 0)
    robot.say(robot.about("noted", command=asked["command"]))
    robot.say(robot.about("resumed", command=asked["command"], path="-1/1"))
    found = box.must("GET", f"/jobs/{job}")
    assert (found["state"], found["reason"], found["failed_run"]) == ("running", None, None)


def test_leaving_debug_mode_undoes(box: Box, robot: FakeRobot, stuck: tuple[str, str]) -> None:
    job, _ = stuck
    box.must("POST", f"/jobs/{job}/rollback", status=202)
    assert robot.last("control")["do"] == "resume_with_rollback"


def test_debug_commands_are_refused_with_the_reason(box: Box, stuck: tuple[str, str], running: str) -> None:
    job, run = stuck
    box.refused("POST", f"/jobs/{job}/resume", status=409, code="job.state")
    for other in ("1.1", run.replace(".1", ".0"), run.replace(".1", ".7"), "x", "1.2.3", "٣.1"):
        box.refused("POST", f"/jobs/{job}/blocks/{other}/rerun", status=404, code="block.not_found")
    for path in ("rollback", f"blocks/{run}/rerun"):
        box.refused("POST", f"/jobs/{running}/{path}", status=409, code="job.not_debug")
        box.refused("POST", f"/jobs/none/{path}", status=404, code="job.not_found")
        box.refused("POST", f"/jobs/{job}/{path}", {"if_attempt": 1}, status=409, code="job.attempt_changed")


def test_debug_commands_are_for_operators(box: Box, stuck: tuple[str, str]) -> None:
    job, run = stuck
    viewer = {"Authorization": f"Bearer {box.token('eye', 'viewer')}"}
    for path in ("rollback", f"blocks/{run}/rerun"):
        box.refused("POST", f"/jobs/{job}/{path}", status=403, code="auth.role", **viewer)
