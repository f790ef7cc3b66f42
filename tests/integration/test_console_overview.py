"""The overview: what it says of how things stand, of queues, and of where robots are."""

import json
import re
import time
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.box import Box
from tests.fakes.yard import running
from tests.integration.overview_page import YARD_BEGAN_S, box_now, html, needs, part, read, until_now, verdict

PLAN: dict[str, Any] = {
    "name": "Hall",
    "nodes": [
        {"id": "A", "name": "Dock </script><b>", "x": 0, "y": 0, "station": True, "charge": True},
        {"id": "B", "x": 10, "y": 5},
    ],
    "edges": [{"from": "A", "to": "B", "one_way": True}],
    "areas": [{"name": "Store", "x": 2, "y": 1, "width": 4, "height": 3}],
}


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Box]:
    """A box in the present."""
    with box_now(tmp_path, monkeypatch) as made:
        yield made


# ---------------------------------------------------------------- how things stand
def test_a_new_box_says_what_to_do_first(box: Box) -> None:
    page = html(box)
    assert verdict(box) == "Welcome. No robot is here yet."
    steps = re.findall(r'<li>.*?#i-(\w+)".*?<code[^>]*>(.*?)</code>', part(page, "o-floor", "</section>"), re.DOTALL)
    assert steps == [
        ("none", "yardmaster agent --config agent.toml"),
        ("succeeded", "yardmaster flow save FLOW.json"),
        ("none", "yardmaster job submit --flow FLOW --queue main"),
    ]
    assert "– succeeded in the last 24 h" in read(page)
    assert "没有任务等待" in html(box, "zh")


def test_with_a_robot_the_floor_says_how_to_get_a_plan(box: Box) -> None:
    box.yard.robot("r1")
    assert verdict(box) == "Nothing needs a person. All is quiet."
    floor = read(part(html(box), "o-floor", "</section>"))
    assert "No floor plan is saved yet." in floor
    assert "yardmaster floor save FILE" in floor


def test_the_numbers_are_those_of_the_api(box: Box) -> None:
    until_now(box)
    running(box.yard)
    box.yard.robot("r2")
    box.yard.robot("r3")
    box.must("POST", "/robots/r3/disable")
    waiting = (
        [box.submit(target={"queue": "empty"}) for _ in range(2)] if box.must("PUT", "/queues/empty", {}, 201) else []
    )
    page = html(box)
    tally = dict(re.findall(r'/robots\?state=(\w+)"><b>(\d+)</b>', page))
    states = [robot["state"] for robot in box.must("GET", "/robots")["items"]]
    assert {state: int(n) for state, n in tally.items()} == {state: states.count(state) for state in tally}
    assert (tally["working"], tally["free"], tally["disabled"]) == ("1", "1", "1")
    said = read(part(page, "o-say", "</div>"))
    assert "1 of 3 robots work" in said
    assert "2 jobs wait, the oldest for" in said
    oldest = box.must("GET", f"/jobs/{waiting[0]}")["created_at"]
    assert f'<time data-since="{oldest}"' in part(page, "o-say", "</div>")
    assert ">2</td>" in part(page, "queue-empty", "</tr>")


def test_success_counts_what_could_have_succeeded_and_never_rounds_up(box: Box) -> None:
    until_now(box)
    robot = box.yard.robot("r1")
    for ending in ["succeeded"] * 2 + ["failed"]:
        box.submit(max_retries=0)
        robot.accept()
        robot.say(robot.about(ending, **({"code": "x", "message": "x"} if ending == "failed" else {})))
        robot.beat()
    box.must("PUT", "/queues/nowhere", {}, 201)
    cancelled = box.submit(target={"queue": "nowhere"})
    box.must("POST", f"/jobs/{cancelled}/cancel")
    page = html(box)
    assert "66.6\u202f% succeeded in the last 24 h" in unescape(re.sub(r"<[^>]+>", "", page))
    assert "2 succeeded, 1 failed; 1 cancelled, not counted" in page
    last = re.findall(r'<tr><th scope="row">[\d:]+</th>((?:<td>\d+</td>)+)</tr>', page)[-1]
    assert re.findall(r"\d+", last) == ["2", "1", "1"]  # succeeded, cancelled, failed


# ---------------------------------------------------------------- queues
def test_who_is_free_next_and_about_when(box: Box) -> None:
    robot = box.yard.robot("r1")
    for _ in range(3):
        box.submit()
        robot.accept()
        box.yard.tick(150)
        robot.say(robot.about("succeeded"))
        robot.beat()
    box.yard.now = time.time() - YARD_BEGAN_S - 30
    robot.beat()
    box.submit()
    robot.accept()
    until_now(box)
    robot.beat(robot.hold())
    assert "0 of 1 free · r1 in about 2 min" in read(part(html(box), "queue-main", "</tr>"))
    assert "空闲 0/1 · r1 约 2 分后空闲" in read(part(html(box, "zh"), "queue-main", "</tr>"))
    robot.say(robot.about("paused"))
    robot.beat(robot.hold("paused"))
    assert "in about" not in html(box)  # nobody knows when it goes on


# ---------------------------------------------------------------- the floor
def test_the_plan_is_drawn_and_robots_elsewhere_are_listed(box: Box) -> None:
    until_now(box)
    box.must("PUT", "/floor-plan", PLAN, 201)
    here, away, lost = (box.yard.robot(name) for name in ("here", "away", "lost"))
    here.beat(position={"x": 5, "y": 5, "theta": 1.0})
    away.beat(position={"x": 500, "y": 5})
    lost.beat()
    page = html(box)
    plan = json.loads(part(page, "plan", "</script>").partition(">")[2].removesuffix("</script>"))
    assert plan["stations"] == [["A", "Dock </script><b>", 0.0, 0.0, True]]
    assert plan["areas"] == [["Store", 2.0, -4.0, 4.0, 3.0]]  # y points down on screens
    assert plan["ways"] == "M0 0L10 -5"
    assert plan["oneWay"] == [[5.0, -2.5, -27]]
    x, y, width, height = plan["box"]
    assert (x < 0, y < -5, x + width > 10, y + height > 0) == (True, True, True, True)
    footer = part(page, "o-floor", "</section>").partition("<footer")[2]
    assert re.findall(r'/robots#(\w+)"', footer) == ["away", "lost"]
    fleet = json.loads(part(page, "fleet", "</script>").partition(">")[2].removesuffix("</script>"))
    assert fleet["robots"]["here"] == {
        "state": "free", "position": {"x": 5.0, "y": 5.0, "theta": 1.0}, "battery": None, "loaded": False,
        "paused": False, "known": True,
    }  # fmt: skip
    assert fleet["robots"]["lost"]["position"] is None


def test_a_robot_that_was_not_heard_lately_is_not_known_even_if_it_is_on_hold(box: Box) -> None:
    until_now(box)
    robot, _ = running(box.yard)
    robot.beat(robot.hold("paused"), position={"x": 1, "y": 1}, battery=50.4)
    fleet = json.loads(part(html(box), "fleet", "</script>").partition(">")[2].removesuffix("</script>"))
    assert fleet["robots"]["r1"]["known"]
    assert (fleet["robots"]["r1"]["paused"], fleet["robots"]["r1"]["battery"]) == (True, 50)
    box.yard.now -= 20  # as if it had been heard twenty seconds ago
    robot.beat(robot.hold())
    fleet = json.loads(part(html(box), "fleet", "</script>").partition(">")[2].removesuffix("</script>"))
    assert not fleet["robots"]["r1"]["known"]


# ---------------------------------------------------------------- while the controller is away
def test_without_the_controller_the_page_stands_and_says_so(box: Box) -> None:
    until_now(box)
    robot, _ = running(box.yard)
    robot.say(robot.about("paused"))
    box.controller.go_down()
    page = html(box)
    assert 'data-state="disconnected"' in page
    assert [head for head, _, _ in needs(box)] == ["“hello” is paused"]  # nobody is called offline: nothing is known
