"""A job in debug mode on its page: what is said of the block that failed, what is asked, and what is told the robot."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.box import Box
from tests.fakes.yard import FakeRobot
from tests.integration.test_console_job_actions import ask, do, fields, read, send
from tests.rows import block, definition

BACK = {"rollback": [block(11, "bring it back", "PrintBp", message="back")]}
FLOW = definition(
    block(1, "take it", "PrintBp", message="a") | BACK,
    block(2, "turn", "PrintBp", message="b") | {"rollback": [block(12, "turn back", "PrintBp", message="c")]},
    block(3, "bring it", "PrintBp", message="d"),
)
Stuck = tuple[FakeRobot, str]


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Box]:
    monkeypatch.setattr("web.console.look.FRESH_S", 0.0)
    made = Box(tmp_path)
    made.yard.flow("carry", FLOW)
    made.must("PUT", "/queues/main", {}, 201)
    yield made
    made.close()


def run(robot: FakeRobot, path: str, n: int, status: str, try_: int = 0, **more: Any) -> None:
    assign = robot.last("assign")
    about = {"kind": "block", "job": assign["job"], "attempt": assign["attempt"], "path": path, "n": n, "try": try_}
    robot.say(about | {"status": "start.begin"}, about | {"status": status} | more)


def stuck(box: Box, *, finished: int = 2, kind: str = "agv", **more: Any) -> Stuck:
    """A job whose third block has failed in debug mode, after so many have finished."""
    robot = box.yard.robot("r1")
    robot.kind = kind
    robot.beat(kind=kind)
    job = box.submit(flow="carry", debug=True, **more)
    robot.accept()
    for n in range(1, finished + 1):
        run(robot, f"-1/{n}", n, "monitor.success")
    run(robot, "-1/3", finished + 1, "monitor.failed", reason="the pallet slipped")
    robot.say(robot.about("paused", path="-1/3", reason="the pallet slipped"))
    failed = {"path": "-1/3", "n": finished + 1, "try": 0, "reason": "the pallet slipped"}
    robot.beat(robot.hold("paused", failed=failed), kind=kind)
    return robot, job


def page(box: Box, job: str, lang: str = "en") -> str:
    return read(box.http.get(f"/jobs/{job}", headers={"Accept-Language": lang}))


def buttons(box: Box, job: str) -> set[str]:
    return set(re.findall(r'id="do-(\w+)"', box.http.get(f"/jobs/{job}").text))


def test_the_page_says_what_failed_and_what_can_be_decided(box: Box) -> None:
    _, job = stuck(box)
    text = page(box, job)
    assert "“bring it” failed: the pallet slipped. It runs in debug mode" in text
    assert "It runs in debug mode, so a person decides" in text
    assert "任务正在调试，由人工决定" in page(box, job, "zh")
    assert {"again", "undo", "cancel"} <= buttons(box, job)
    assert "resume" not in buttons(box, job)


def test_running_it_again_says_what_the_robot_will_do(box: Box) -> None:
    robot, job = stuck(box)
    text = ask(box, job, "again")
    assert "r1 runs “bring it” again as soon as it hears this, once. See that nobody stands in its way." in text
    assert "r1 收到后立即重新执行“bring it”一次。" in ask(box, job, "again", "zh")
    assert "r1 is told to run the block again." in do(box, job, "again", reason="I put it back")
    assert (robot.last("control")["do"], robot.last("control")["path"]) == ("reRun", "-1/3")
    assert box.must("GET", f"/jobs/{job}/events")["items"][0]["why"] == "I put it back"
    assert "asked r1 to run the block again." in page(box, job)


def test_undoing_names_the_blocks_the_last_first(box: Box) -> None:
    robot, job = stuck(box)
    text = ask(box, job, "undo")
    assert "r1 undoes what has finished, the last first: “turn”, “take it”." in text
    assert "Then the job ends as failed. It is not tried again." in text
    assert "“turn”、“take it”" in ask(box, job, "undo", "zh")
    assert "r1 is told to undo what has finished." in do(box, job, "undo")
    command = robot.last("control")
    assert command["do"] == "resume_with_rollback"
    robot.say(robot.about("resumed", command=command["command"], rolled_back=True))
    assert "It undoes what has finished; then the job ends as failed." in page(box, job)


def test_nothing_to_undo_moves_nothing(box: Box) -> None:
    _, job = stuck(box, finished=0)
    assert "Nothing that has finished has steps that undo it. r1 does not move" in ask(box, job, "undo")


@pytest.mark.parametrize(("kind", "more"), [("rpa", {}), ("agv", {"mock": True})])
def test_where_nothing_drives_nobody_is_warned(box: Box, kind: str, more: dict[str, Any]) -> None:
    _, job = stuck(box, kind=kind, **more)
    for action in ("again", "undo"):
        assert "stands in its way" not in ask(box, job, action)


def test_what_is_not_possible_is_said(box: Box) -> None:
    robot, job = stuck(box)
    assert "A block has failed, and r1 waits" in ask(box, job, "resume")
    robot.say(robot.about("resumed", command=1))
    for action in ("again", "undo"):
        text = ask(box, job, action)
        assert "in debug mode and waits for a person can be" in text
        assert fields(box, job, action) == {}


def test_a_dialog_about_an_older_failure_is_asked_again(box: Box) -> None:
    robot, job = stuck(box)
    filled = fields(box, job, "again")
    robot.say(robot.about("resumed", command=1))
    run(robot, "-1/3", 4, "monitor.failed", try_=1, reason="it slipped once more")
    robot.say(robot.about("paused", path="-1/3", reason="it slipped once more"))
    again = send(box, job, "again", filled)
    assert "The job has changed since you were asked." in read(again)
    assert robot.all("control") == []


def test_pressing_twice_runs_it_once(box: Box) -> None:
    robot, job = stuck(box)
    filled = fields(box, job, "again")
    for _ in range(2):
        assert send(box, job, "again", filled).status_code == 200
    assert len({message["command"] for message in robot.all("control")}) == 1


def test_jobs_that_are_no_ordinary_work_say_so(box: Box) -> None:
    _, job = stuck(box, mock=True)
    for address in (f"/jobs/{job}", "/jobs"):
        text = read(box.http.get(address))
        assert "debug" in text
        assert "dry run" in text
        assert "试运行" in read(box.http.get(address, headers={"Accept-Language": "zh"}))
    assert "dry run" not in page(box, box.submit(flow="carry"))
