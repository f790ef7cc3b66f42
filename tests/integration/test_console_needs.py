"""What needs a person now: what is listed, in which words, and with which button."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from controller.core_settings import CoreSettings
from tests.fakes.box import Box
from tests.fakes.yard import FakeRobot, running
from tests.integration.overview_page import box_now, html, needs, part, until_now, verdict


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Box]:
    """A box in the present."""
    with box_now(tmp_path, monkeypatch) as made:
        yield made


def test_a_paused_job_is_resumed_or_cancelled(box: Box) -> None:
    until_now(box)
    robot, job = running(box.yard)
    assert needs(box) == []
    robot.say(robot.about("paused"))
    robot.beat(robot.hold("paused"))
    assert needs(box) == [
        ("“hello” is paused", "r1 waits and takes no other work.", [f"/jobs/{job}/resume", f"/jobs/{job}/cancel"])
    ]
    assert verdict(box) == "1 thing needs a person. The rest runs."
    assert verdict(box, "zh") == "1 件事需要人处理，其余正常。"
    assert needs(box, "zh")[0][:2] == ("“hello”已暂停", "r1 在等待，不接受其他工作。")


def test_silence_is_told_once_by_the_job(box: Box) -> None:
    robot, job = running(box.yard)
    robot.beat(robot.hold(), load={"pallet": "P-1"})
    box.yard.tick(30)
    assert box.must("GET", "/robots/r1")["state"] == "offline"
    assert needs(box) == [
        (
            "r1 went silent with a load",
            "“hello”. Nobody knows whether the robot stands.",
            [f"/jobs/{job}/decide"],
        )
    ]
    assert verdict(box) == "1 thing needs a person."  # nothing else runs that could be said to


def test_a_cancel_that_is_not_answered(box: Box) -> None:
    robot, job = running(box.yard)
    box.must("POST", f"/jobs/{job}/cancel", status=202)
    assert needs(box)[0][0] == "r1 does not answer a cancel"  # the yard's clock is long behind ours
    until_now(box)
    box.yard.robots["r1"].beat(robot.hold())
    assert needs(box)[0][2] == [f"/jobs/{job}/decide"]


def test_holds_are_released_with_their_reasons_said(box: Box) -> None:
    box.yard.robot("r1")
    job = box.submit()
    box.yard.tick(12, beating=True)
    assert box.yard.holds("r1") == {"no_answer"}
    (only,) = needs(box)
    assert only == (
        "r1 is on hold",
        "It did not answer an assignment. "
        "It gets no work until it says that it is idle, or somebody has seen it stand.",
        ["/robots/r1/release"],
    )
    assert needs(box, "zh")[0][1] == "它未应答派工。在它上报空闲或有人确认其静止之前不再派工。"
    box.must("POST", f"/jobs/{job}/cancel")
    box.must("POST", "/robots/r1/release", {"reason": "seen"})
    assert needs(box) == []


def test_a_robot_that_is_not_heard_needs_somebody_unless_it_is_switched_off(box: Box) -> None:
    box.yard.robot("r1")
    box.yard.tick(10)
    assert needs(box) == [
        (
            "r1 is offline",
            "It gets no work until it is heard again. Look at its power and network.",
            ["/robots#r1"],
        )
    ]
    box.must("PUT", "/robots/new", {"queues": ["main"]}, 201)
    assert "It has not been heard since the box started." in needs(box)[0][1]
    for robot in ("r1", "new"):
        box.must("POST", f"/robots/{robot}/disable")
    assert needs(box) == []


def test_nothing_is_said_of_robots_that_cannot_be_reached_one_by_one(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    box.yard.robot("r1")
    box.yard.tick(10)
    broken = {
        "state": "degraded",
        "parts": {"broker": {"state": "down"}, "store": {"state": "down"}},
        "reasons": [
            {"part": "broker", "code": "broker.down", "message": "refused"},
            {"part": "store", "code": "store.full", "message": "no room"},
            {"part": "clock", "code": "clock.odd", "message": "It runs backwards <b>."},
        ],
    }
    _health(box, broken)
    assert [(head, buttons) for head, _, buttons in needs(box)] == [
        ("No robot can be reached", []),
        ("Something is wrong with the box", []),
        ("Nothing can be recorded", []),
    ]
    assert needs(box)[1][1] == "It runs backwards <b>."
    assert "It runs backwards <b>" not in html(box)


def _health(box: Box, said: dict[str, Any]) -> None:
    box.controller.says["system.health"] = said


def test_who_was_never_added_can_be(box: Box) -> None:
    box.yard.settings = CoreSettings(auto_accept=False)
    box.yard.boot()
    stranger = FakeRobot(box.yard, "x&1", ("main",), ["RootBp"])
    stranger.beat()
    assert needs(box) == [
        (
            "x&1 reports, but was never added",
            "It gets no work until somebody who knows it adds it.",
            ["/robots/x%261/accept"],
        )
    ]


def test_queues_over_their_limit_and_queues_that_nobody_serves(box: Box) -> None:
    box.must("PUT", "/queues/main", {"name": "Main <i>", "wait_limit_s": 90})
    box.must("PUT", "/queues/lost", {}, 201)
    robot, _ = running(box.yard)
    box.submit()
    box.submit(target={"queue": "lost"})
    until_now(box)
    robot.beat(robot.hold())
    assert needs(box) == [
        (
            "No robot serves the queue lost",
            "Jobs wait there for ever. Put a robot into the queue, or cancel them.",
            ["/jobs?queue=lost&state=queued"],
        ),
        (
            "Main <i>: jobs wait too long",
            "1 waiting; the oldest is over the limit of 1 min 30 s.",
            ["/jobs?queue=main&state=queued"],
        ),
    ]
    row = part(html(box), "queue-main", "</tr>")
    assert 'data-s="wait"' in row
    assert 'class="m1" width="100.0%"' in row
    assert "Main <i>" not in html(box)


def test_what_blocks_most_comes_first(box: Box) -> None:
    yard = box.yard
    for name in ("r4", "r3", "r1", "r2"):
        robot = yard.robot(name, name)
        if name != "r4":
            yard.submit(target={"queue": name})
        if name in ("r1", "r3"):
            robot.accept()
    paused = yard.robots["r3"]
    paused.say(paused.about("paused"))
    for _ in range(30):
        yard.tick(1)
        paused.beat(paused.hold("paused"))
        yard.robots["r2"].beat()
    assert [head for head, _, _ in needs(box)] == [
        "r1 went silent",
        "r2 is on hold",
        "“hello” is paused",
        "r4 is offline",
    ]


def test_a_parked_job_is_released_or_cancelled(box: Box) -> None:
    job = box.submit()
    box.yard.connection.execute("update jobs set parked = 1 where uid = ?", (job,))
    box.yard.connection.commit()
    until_now(box)
    box.yard.robot("r1")
    ((head, text, buttons),) = needs(box)
    assert head == "“hello” may have run already"
    assert text == "The box was restored since. Release the job if it is to run now, or cancel it."
    assert buttons == [f"/jobs/{job}/release", f"/jobs/{job}/cancel"]


def test_what_people_settled_today(box: Box) -> None:
    until_now(box)
    robot, job = running(box.yard)
    assert "Settled today" not in html(box)
    box.yard.tick(40)
    box.must("POST", f"/jobs/{job}/force", {"outcome": "failed", "reason": "stands"})
    box.must("POST", f"/robots/{robot.name}/release", {"reason": "seen"})
    settled = part(html(box), "need-settled", "</ul>")
    assert re.findall(r"token:local [^<]*", settled) == [
        "token:local released r1.",
        "token:local ended “hello” by force.",
    ]
    assert f'href="/jobs/{job}"' in settled
    assert "token:local 解除了 r1 的锁定。" in html(box, "zh")
