"""The list of robots and what opens below a row: filters, order, pages, wording, escaping."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path

import pytest

from schemas.views import Robot
from tests.fakes.box import Box
from tests.fakes.yard import running
from web.console import robot_words
from web.console.frame import BOARD
from web.console.parts import PartKey, write
from web.console.robot_list import PAGE, Filters, choose


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Box]:
    monkeypatch.setattr("web.console.look.FRESH_S", 0.0)
    monkeypatch.setattr(robot_words, "HEARD", timedelta(days=36_500))  # the yard has a clock of its own
    made = Box(tmp_path)
    made.yard.flow()
    yield made
    made.close()


def get(box: Box, path: str = "/robots", lang: str = "en", status: int = 200) -> str:
    response = box.http.get(path, headers={"Accept-Language": lang})
    assert response.status_code == status, response.text
    return response.text


def read(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def rows(html: str) -> list[str]:
    return re.findall(r'<tbody id="robot-([^"]+)"', html)


def row(html: str, robot: str) -> str:
    found = re.search(rf'<tbody id="robot-{re.escape(robot)}".*?</tbody>', html, re.DOTALL)
    assert found is not None
    return found[0]


def part(box: Box, key: str) -> str:
    """A live part as the board writes it."""
    board = box.app.extensions[BOARD]
    found = PartKey.read(key, board.parts)
    assert found is not None
    with box.app.app_context():
        return write(board.parts[found.name], found, board.look())


# ------------------------------------------------------------ which ones, and in what order
def test_robots_stand_in_the_order_of_their_names_as_people_count(box: Box) -> None:
    for name in ("AGV-10", "AGV-2", "agv-3", "RPA-01", "AGV-1"):
        box.yard.robot(name)
    assert rows(get(box)) == ["AGV-1", "AGV-2", "agv-3", "AGV-10", "RPA-01"]


def test_filters_stand_in_the_address_and_add_up(box: Box) -> None:
    for name, queue, kind, tags in (
        ("AGV-1", "heavy", "agv", ["coil"]), ("AGV-2", "light", "agv", ["coil"]), ("RPA-1", "heavy", "rpa", []),
    ):  # fmt: skip
        box.yard.must("robot.put", robot=name, name=f"name of {name}", kind=kind, queues=[queue], tags=tags)
    expected = {
        "": ["AGV-1", "AGV-2", "RPA-1"],
        "queue=heavy": ["AGV-1", "RPA-1"],
        "tag=coil&queue=heavy": ["AGV-1"],
        "kind=rpa": ["RPA-1"],
        "q=NAME+OF+rpa": ["RPA-1"],
        "q=agv-2": ["AGV-2"],
        "state=offline": ["AGV-1", "AGV-2", "RPA-1"],
        "state=free": [],
        "state=nonsense": [],
        "unknown=1": ["AGV-1", "AGV-2", "RPA-1"],
    }
    assert {query: rows(get(box, f"/robots?{query}")) for query in expected} == expected
    tabs = get(box, "/robots?queue=heavy&state=free")
    assert 'href="/robots?state=offline&amp;queue=heavy"' in tabs  # the other filters stay
    assert read(tabs.split('id="r-tabs"')[1].split("</nav>")[0]).endswith("Offline 2 Disabled 0")


def test_nothing_fits_is_said_with_the_way_out(box: Box) -> None:
    assert "A robot appears when its agent speaks to this box" in read(get(box))
    box.yard.robot("AGV-1")
    assert "No robot is “On hold” now. 1 robot fits in another state. Show them" in read(
        get(box, "/robots?state=on_hold")
    )
    assert "No robot fits these filters. Show all robots" in read(get(box, "/robots?q=nobody"))


def test_many_robots_come_in_pages_that_do_not_overlap(box: Box) -> None:
    names = [f"T-{n}" for n in range(1, PAGE * 2 + 4)]
    for name in names:
        box.yard.must("robot.put", robot=name, queues=["main"])
    seen: list[str] = []
    path: str | None = "/robots?queue=main"
    while path is not None:
        html = get(box, path)
        assert len(rows(html)) <= PAGE
        seen += rows(html)
        following = re.search(r'href="([^"]+)" rel="next"', html)
        path = unescape(following[1]) if following else None
    assert seen == names
    last = get(box, f"/robots?start=T-{PAGE * 2 + 1}")
    assert f"{PAGE * 2 + 1} to {PAGE * 2 + 3} of {PAGE * 2 + 3}" in read(last)
    before = re.search(r'href="([^"]+)" rel="prev"', last)
    assert before is not None
    assert rows(get(box, unescape(before[1]))) == names[PAGE : PAGE * 2]
    assert rows(get(box, "/robots?start=T-15x"))[0] == "T-16"  # one that is not there: from where it would be
    assert rows(get(box, "/robots?start=zzz")) == []


def test_a_page_costs_no_more_than_its_rows() -> None:
    robots = [
        Robot(
            id=f"T-{n}", name="", kind="agv", queues=[], tags=[], state="free", enabled=True, note=None, holds=[],
            held=[], accepting=True, battery=None, charging=None, position=None, load=None, capabilities=[],
            capacity=1, version=None, last_seen=None, clock_offset_ms=None,
        )
        for n in range(1000)
    ]  # fmt: skip
    shown = choose(robots, Filters(state="free", start="T-500"))
    assert (len(shown.robots), shown.first, shown.total, shown.after) == (PAGE, 500, 1000, f"T-{500 + PAGE}")
    assert shown.counts == {"free": 1000}


def test_filters_that_no_stream_could_carry_are_refused_in_words(box: Box) -> None:
    text = get(box, "/robots?" + "&".join(f"{name}={'卡' * 60}" for name in ("q", "tag", "kind")), status=422)
    assert "This cannot be understood" in text


def test_the_live_part_shows_what_the_page_showed(box: Box) -> None:
    running(box.yard)
    box.yard.robot("r2", "other")
    page = get(box, "/robots?queue=main")
    (wanted,) = [key for key in re.findall(r'data-parts="([^"]+)"', page)[0].split(" ") if key.startswith("robots.")]
    assert wanted == "robots.en?queue=main"
    assert row(part(box, wanted), "r1") == row(page, "r1")
    assert rows(part(box, wanted)) == ["r1"]


# ------------------------------------------------------------ a row
def test_a_row_says_what_it_holds_and_how_it_is(box: Box) -> None:
    robot, job = running(box.yard)
    at = "2026-09-21T15:00:00Z"
    robot.beat(
        robot.hold(path="-1/1", progress=45.0), battery=19.9, charging=True, version="2.8.1",
        position={"x": 1.25, "y": 2.5}, time=at,
    )  # fmt: skip
    html = row(get(box), "r1")
    text = read(html)
    assert text.startswith("r1 Working hello b1 45 % 19 % charging 1.2 / 2.5 m main just now")
    assert f'href="/jobs/{job}"' in html
    assert 'class="meter" data-s="wait"' in html
    robot.beat(robot.hold(), battery=20.0, position={"x": 1, "y": 2, "node": "CP-02"})
    html = row(get(box), "r1")
    assert "CP-02" in html
    assert 'class="meter" data-s=""' in html


def test_a_job_that_has_just_ended_is_not_shown_as_held(box: Box) -> None:
    robot, job = running(box.yard)
    held = robot.hold()
    robot.beat(held)
    robot.say(robot.about("succeeded"))
    assert box.yard.state(job) == "succeeded"
    assert "hello" not in read(row(get(box), "r1"))


def test_an_odd_clock_is_said(box: Box) -> None:
    robot = box.yard.robot("r1")
    now = box.yard.instant().utc_us // 1_000_000
    for seconds, said in ((1, None), (5, "clock 5.0 s ahead"), (-90, "clock 1:30 behind")):
        robot.beat(time=datetime.fromtimestamp(now + seconds, UTC).isoformat())
        text = read(row(get(box), "r1"))
        assert ("clock" in text) is (said is not None)
        assert said is None or said in text


def test_why_it_gets_no_work_stands_below_its_state(box: Box) -> None:
    robot, job = running(box.yard)
    box.yard.must("robot.drain", robot="r1")
    assert "Draining Finishes this, then gets nothing new." in read(row(get(box), "r1"))
    box.yard.must("robot.disable", robot="r1", reason="<b>antenna</b>")
    html = row(get(box), "r1")
    assert "&lt;b&gt;antenna&lt;/b&gt;" in html
    assert "Enable…" in read(html)
    box.yard.must("robot.enable", robot="r1")
    box.yard.tick(30.0)  # nothing is heard
    text = read(row(get(box), "r1"))
    assert "Offline Silent with a job: it may still move." in text
    assert "Uncertain" in text
    assert "Open job" in text
    assert box.yard.state(job) == "uncertain"
    assert robot.name == "r1"


def test_a_robot_on_hold_says_why_and_what_to_look_at(box: Box) -> None:
    robot = box.yard.robot("r1")
    robot.beat(position={"x": 1, "y": 2, "node": "AP-02"})
    job = box.submit()
    box.yard.tick(5.0, beating=False)
    robot.beat(settled=False, position={"x": 1, "y": 2, "node": "AP-02"})
    box.yard.tick(6.0)
    assert box.yard.holds("r1") == {"no_answer"}
    page = get(box)
    assert "1 robot gets no work until somebody looks at it: r1" in read(page)
    assert "It did not answer an assignment." in read(row(page, "r1"))
    html = part(box, "robot.en?id=r1")
    text = read(html)
    assert re.search(r"r1 may have heard the assignment of [\d: -]+ and could still start to move\.", text)
    assert "It ends by itself when the robot reports that the attempt is over. Or a person looks." in text
    assert (
        "Before you release it Go there: AP-02. It stands still, and nobody is in its way. It carries nothing." in text
    )
    assert f'href="/jobs/{job}"' in html
    assert 'hx-get="/robots/r1/release"' in html
    chinese = read(part(box, "robot.zh?id=r1"))
    assert "机器人上报该执行实例已结束时自动解除；或由人到场确认。" in chinese


def test_what_opens_shows_jobs_events_and_abilities_escaped(box: Box) -> None:
    robot, job = running(box.yard)
    robot.beat(robot.hold(), load={"<i>pallet</i>": "D-1000/3"}, version="<v>")
    box.yard.must("robot.disable", robot="r1", reason="<script>")
    html = get(box, "/robots/r1/about")
    text = read(html)
    assert "<script>" not in html
    assert "<i>" not in html
    assert "<v>" not in html
    assert "Disabled <script> · local" in text
    assert "Added heard for the first time" in text
    assert "5 block kinds it can run" in text
    assert f'hx-get="/jobs/{job}/cancel"' in html
    assert text.count("hello") == 2  # what it holds, and one line for its attempt
    robot.say(robot.about("failed", reason="no <fork>"))
    assert "Queued hello no <fork>" in read(get(box, "/robots/r1/about"))


def test_a_robot_that_is_not_there(box: Box) -> None:
    get(box, "/robots/nobody/about", status=404)
    assert "There is no such robot" in part(box, "robot.en?id=nobody")
    assert "&lt;b&gt;" in part(box, "robot.en?id=%3Cb%3E")


# ------------------------------------------------------------ while the controller is down
def test_what_was_known_last_is_shown_with_its_time(box: Box) -> None:
    box.yard.robot("r1")
    assert "just now" in row(get(box), "r1")
    box.controller.go_down()
    html = get(box)
    assert 'data-state="disconnected"' in html
    assert "As they were known last; the controller does not answer." in read(html)
    assert "just now" not in row(html, "r1")
    assert re.search(r"<time datetime=", row(html, "r1"))


def test_nothing_is_made_up_when_the_controller_never_answered(box: Box) -> None:
    box.yard.robot("r1")
    box.controller.go_down()
    text = read(row(get(box), "r1"))
    assert "Offline Not known: the controller does not answer." in text
    assert "data-heard" not in get(box)


# ------------------------------------------------------------ strangers
def test_robots_that_nobody_knows_are_named_above_the_list(box: Box) -> None:
    object.__setattr__(box.yard.settings, "auto_accept", False)
    for n in range(7):
        box.yard.robot(f"X-{n}")
    text = read(get(box))
    assert "X-0 speaks but is not known here. It gets no work until somebody adds it. AGV · last heard" in text
    assert "2 more speak and are not known here." in text
    assert "X-4" in text
    assert "X-5" not in text


def test_states_in_the_fleet_are_in_the_words_of_the_page(box: Box) -> None:
    box.yard.robot("r1")
    text = read(get(box, lang="zh"))
    for word in ("机器人", "状态", "持有", "电量", "位置", "队列与标签", "最近上报", "版本", "空闲", "已锁定", "刚刚"):
        assert word in text, word


def test_a_robot_has_an_address(box: Box) -> None:
    box.yard.robot("r1")
    answer = box.http.get("/robots/r1")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/robots#r1")
    answer = box.http.get("/robots/nobody", headers={"Accept-Language": "zh"})
    assert answer.status_code == 404
    assert "没有这台机器人" in answer.text
