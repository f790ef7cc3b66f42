"""The overview: what it says of how things stand, what it says needs a person, and with which button."""

import json
import re
import time
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from controller.core_settings import CoreSettings
from tests.fakes.box import Box
from tests.fakes.yard import FakeRobot, running

YARD_BEGAN_S = 1_790_000_000
ALL_WELL: dict[str, Any] = {"state": "ok", "parts": {"broker": {"state": "ok"}}, "reasons": []}
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
    """A box in the present, whose screens look anew each time, with the flow `hello` and the queue `main`."""
    monkeypatch.setattr("web.console.look.FRESH_S", 0.0)
    monkeypatch.setattr("web.console.estimates.KEPT_S", 0.0)
    made = Box(tmp_path)
    made.yard.now = time.time() - YARD_BEGAN_S - 600
    made.yard.flow()
    made.must("PUT", "/queues/main", {}, 201)
    yield made
    made.close()


def until_now(box: Box) -> None:
    """The yard's clock catches up with ours while its robots go on saying what they last held."""
    box.yard.now = time.time() - YARD_BEGAN_S


def html(box: Box, lang: str = "en") -> str:
    response = box.http.get("/", headers={"Accept-Language": lang})
    assert response.status_code == 200
    return response.text


def read(text: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", text)).split())


def part(text: str, begin: str, end: str) -> str:
    found = re.search(rf'id="{begin}".*?{end}', text, re.DOTALL)
    assert found is not None, begin
    return found[0]


def needs(box: Box, lang: str = "en") -> list[tuple[str, str, list[str]]]:
    """What is listed: head, sentence, and where the buttons lead."""
    page = html(box, lang)
    rows = re.findall(r'<li id="need-.*?</li>', page, re.DOTALL)
    found = [
        (
            read(re.findall(r"<h3>(.*?)</h3>", row, re.DOTALL)[0]),
            read(re.findall(r"<p>(.*?)</p>", row, re.DOTALL)[0]),
            [unescape(path) for path in re.findall(r'class="btn[^>]*?(?:hx-get|href)="([^"]*)"', row)],
        )
        for row in rows
    ]
    pill = re.findall(r'<a class="pill( none)?" href="/#need">.*?(?:<b>(\d+)</b>|</a>)', page, re.DOTALL)
    assert pill == [("" if found else " none", str(len(found)) if found else "")]
    return found


def verdict(box: Box, lang: str = "en") -> str:
    return read(part(html(box, lang), "o-say", "</h1>").partition(">")[2])


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


# ---------------------------------------------------------------- what needs a person
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
    from schemas.commands import Answer

    call = box.controller.call

    def answer(command: str, *args: Any, **more: Any) -> Answer:
        return Answer(id=1, ok=said) if command == "system.health" else call(command, *args, **more)

    box.controller.call = answer  # type: ignore[method-assign]


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
    assert re.findall(r"Somebody [^<]*", settled) == ["Somebody released r1.", "Somebody ended “hello” by force."]
    assert f'href="/jobs/{job}"' in settled
    assert "有人解除了 r1 的锁定。" in html(box, "zh")


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
