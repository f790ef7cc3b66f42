"""The dialogs about one robot: what they say in each state, what they refuse, and that all is done once."""

import re
from collections.abc import Iterator
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import TestResponse

from schemas.status import HoldReason
from tests.fakes.box import Box
from tests.fakes.yard import FakeRobot, running
from web.console import robot_words
from web.console.words import HOLDS

OURS = {"HX-Request": "true"}
ACTIONS = ("enable", "drain", "disable", "release")


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Box]:
    monkeypatch.setattr("web.console.look.FRESH_S", 0.0)
    monkeypatch.setattr(robot_words, "HEARD", timedelta(days=36_500))  # the yard has a clock of its own
    made = Box(tmp_path)
    made.yard.must("queue.put", queue="main")
    made.yard.flow()
    yield made
    made.close()


def read(response: TestResponse) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", response.text)).split())


def ask(box: Box, robot: str, action: str, lang: str = "en") -> str:
    """The dialog as it is read."""
    response = box.http.get(f"/robots/{robot}/{action}", headers=OURS | {"Accept-Language": lang})
    assert response.status_code == 200, response.text
    assert response.text.lstrip().startswith("<dialog")
    return read(response)


def send(box: Box, robot: str, action: str, form: dict[str, Any], **headers: str) -> TestResponse:
    return box.http.post(f"/robots/{robot}/{action}", data=form, headers=headers or OURS)


def key_of(box: Box, robot: str, action: str) -> str:
    found = re.search(r'name="key" value="([^"]+)"', box.http.get(f"/robots/{robot}/{action}", headers=OURS).text)
    assert found is not None
    return found[1]


def asked(box: Box, command: str) -> list[dict[str, Any]]:
    return [frame.args for frame in box.controller.asked if frame.command == command]


def held(box: Box, reason: str = "failures") -> FakeRobot:
    """A robot on hold."""
    robot = box.yard.robot("r1")
    with box.yard.store.transaction():
        box.yard.core.desk.hold(box.yard.core.desk.memory.robots["r1"], reason, None, "a note")
    return robot


# ------------------------------------------------------------ drain, disable, enable
def test_drain_names_what_is_finished_first(box: Box) -> None:
    running(box.yard)
    text = ask(box, "r1", "drain")
    assert "Drain r1? r1 finishes “hello” first, then gets nothing new." in text
    assert "No other robot serves main: jobs for it wait until then." in text
    box.yard.robot("r2")
    assert "No other robot serves" not in ask(box, "r1", "drain")
    done = send(box, "r1", "drain", {"key": key_of(box, "r1", "drain")})
    assert done.headers["HX-Trigger"] == '{"said": "r1 gets nothing new until somebody enables it."}'
    assert (asked(box, "robot.drain"), done.text) == ([{"robot": "r1", "reason": None}], "")
    assert box.must("GET", "/robots/r1")["state"] == "draining"


def test_disable_needs_a_note_and_keeps_what_was_typed(box: Box) -> None:
    box.yard.robot("r1")
    assert "r1 holds nothing, so it gets nothing new from now on." in ask(box, "r1", "disable")
    refused = send(box, "r1", "disable", {"key": "k1", "reason": "  "})
    assert refused.status_code == 422
    assert "Say why: people will read it." in read(refused)
    assert asked(box, "robot.disable") == []
    assert send(box, "r1", "disable", {"key": "k2", "reason": " <b>oil</b> "}).status_code == 200
    robot = box.must("GET", "/robots/r1")
    assert (robot["state"], robot["note"]) == ("disabled", "<b>oil</b>")


def test_enable_says_what_waits(box: Box) -> None:
    box.yard.robot("r1")
    box.yard.must("robot.disable", robot="r1", reason="x")
    box.submit()
    assert "r1 gets new work at once and may start to move. 1 job waits in its queues." in ask(box, "r1", "enable")
    assert send(box, "r1", "enable", {"key": "k"}).status_code == 200
    assert box.must("GET", "/robots/r1")["enabled"] is True
    assert "r1 is enabled already." in ask(box, "r1", "enable")


def test_enable_does_not_promise_work_to_one_on_hold_or_silent(box: Box) -> None:
    held(box)
    box.yard.must("robot.disable", robot="r1", reason="x")
    assert "Its hold stays: r1 gets no work until it is released as well." in ask(box, "r1", "enable")
    box.yard.must("robot.release", robot="r1", reason="x")
    box.yard.tick(20.0)
    assert "r1 is not heard now. It gets work as soon as it speaks again." in ask(box, "r1", "enable")


def test_what_is_not_possible_is_said_and_has_no_form(box: Box) -> None:
    box.yard.robot("r1")
    assert "r1 is not on hold." in ask(box, "r1", "release")
    box.yard.must("robot.disable", robot="r1", reason="in the workshop")
    for action in ("drain", "disable"):
        text = ask(box, "r1", action)
        assert "r1 gets nothing new already. in the workshop Close" in text
        assert "hx-post" not in box.http.get(f"/robots/r1/{action}", headers=OURS).text


# ------------------------------------------------------------ release
@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("reason", [one.value for one in HoldReason])
def test_each_hold_has_its_own_words(box: Box, reason: str, lang: str) -> None:
    held(box, reason)
    text = ask(box, "r1", "release", lang)
    assert "r1" in text
    assert reason in HOLDS
    assert reason in robot_words.MAY
    assert reason in robot_words.ENDS
    if lang == "en":
        assert robot_words.MAY[reason] % {"robot": "r1"} in text


def test_release_needs_a_person_who_saw_it_and_a_reason(box: Box) -> None:
    held(box)
    text = ask(box, "r1", "release")
    assert "After release r1 gets new work at once." in text
    for form, missing in (
        ({"reason": "looked"}, "Only somebody who has seen it may release it."),
        ({"seen": "yes"}, "Say why: people will read it."),
    ):
        refused = send(box, "r1", "release", form | {"key": "k"})
        assert refused.status_code == 422
        assert missing in read(refused)
    assert 'value="looked"' in send(box, "r1", "release", {"reason": "looked", "key": "k"}).text  # what was typed stays
    assert asked(box, "robot.release") == []
    assert send(box, "r1", "release", {"seen": "yes", "reason": "looked", "key": "k"}).status_code == 200
    assert box.yard.holds("r1") == set()


def test_several_holds_end_together_and_are_all_named(box: Box) -> None:
    held(box, "failures")
    with box.yard.store.transaction():
        box.yard.core.desk.hold(box.yard.core.desk.memory.robots["r1"], "refusals")
    text = ask(box, "r1", "release")
    assert "It failed several jobs in a row." in text
    assert "It refused several jobs in a row." in text
    assert "This ends all its 2 holds." in text


def test_a_machine_without_wheels_is_looked_at_otherwise(box: Box) -> None:
    robot = held(box)
    robot.kind = "rpa"
    robot.beat()
    text = ask(box, "r1", "release")
    assert "I have looked: no program of a job runs there any more" in text
    assert "carries" not in text


def test_one_that_says_that_it_moves_is_not_released(box: Box) -> None:
    robot, _job = running(box.yard)
    robot.beat(robot.hold())
    with box.yard.store.transaction():
        box.yard.core.desk.hold(box.yard.core.desk.memory.robots["r1"], "failures")
    refused = send(box, "r1", "release", {"seen": "yes", "reason": "x", "key": "k"})
    assert refused.status_code == 409
    assert "It says that it moves; cancel what it holds first." in read(refused)
    assert refused.text.lstrip().startswith("<dialog")


# ------------------------------------------------------------ every form
def test_pressing_twice_does_it_once(box: Box) -> None:
    held(box)
    form = {"seen": "yes", "reason": "looked", "key": key_of(box, "r1", "release")}
    first, second = send(box, "r1", "release", form), send(box, "r1", "release", form)
    assert (first.status_code, second.status_code) == (200, 200)
    ended = [one for one in box.must("GET", "/robots/r1/events")["items"] if one["event"] == "hold ended"]
    assert len(ended) == 1


def test_forms_of_other_sites_do_nothing(box: Box) -> None:
    box.yard.robot("r1")
    assert send(box, "r1", "disable", {"reason": "x", "key": "k"}, Accept="text/html").status_code == 403
    assert send(box, "r1", "disable", {"reason": "x", "key": "k"}, Origin="http://evil.example").status_code == 403
    assert asked(box, "robot.disable") == []


@pytest.mark.parametrize("action", [*ACTIONS, "accept"])
def test_a_robot_that_is_not_there(box: Box, action: str) -> None:
    for response in (box.http.get(f"/robots/nobody/{action}", headers=OURS), send(box, "nobody", action, {"key": "k"})):
        assert response.status_code == 404
        assert "There is no such robot" in read(response)


@pytest.mark.parametrize("action", ACTIONS)
def test_nothing_is_done_while_the_controller_is_down(box: Box, action: str) -> None:
    held(box)
    if action == "enable":
        box.yard.must("robot.disable", robot="r1", reason="x")
    ask(box, "r1", action)
    box.controller.go_down()
    refused = send(box, "r1", action, {"key": "k", "reason": "x", "seen": "yes"})
    assert refused.status_code == 503
    assert "Nothing was done." in read(refused)
    box.controller.fall_silent()
    silent = send(box, "r1", action, {"key": "k", "reason": "x", "seen": "yes"})
    assert silent.status_code == 504
    assert "Pressing again is safe: it is done once at most." in read(silent)


def test_a_text_that_is_too_long_is_refused(box: Box) -> None:
    box.yard.robot("r1")
    assert send(box, "r1", "disable", {"key": "k", "reason": "x" * 2001}).status_code == 422


# ------------------------------------------------------------ strangers
@pytest.fixture
def stranger(box: Box) -> FakeRobot:
    object.__setattr__(box.yard.settings, "auto_accept", False)
    robot = FakeRobot(box.yard, "AGV-11", ("main",), ["RootBp", "PrintBp"])
    robot.beat()
    return robot


def test_a_stranger_is_added_as_it_was_said(box: Box, stranger: FakeRobot) -> None:
    text = ask(box, "AGV-11", "accept")
    assert "Calls itself AGV-11 Kind AGV" in text
    assert "main 0 jobs wait · 0 robots" in text
    form = {
        "key": key_of(box, "AGV-11", "accept"), "name": " Truck 11 ", "queue": ["main", "main"], "new_queue": "cold",
        "tags": "coil， heavy;heavy", "seen": "yes",
    }  # fmt: skip
    done = send(box, "AGV-11", "accept", form)
    assert (done.status_code, done.headers["HX-Trigger"]) == (200, '{"said": "AGV-11 is added and gets work."}')
    robot = box.must("GET", "/robots/AGV-11")
    assert (robot["name"], robot["kind"], robot["queues"], robot["tags"]) == (
        "Truck 11", "agv", ["main", "cold"], ["coil", "heavy"],
    )  # fmt: skip
    assert "AGV-11 was added already" in read(send(box, "AGV-11", "accept", form | {"name": "other", "key": "k2"}))
    assert box.must("GET", "/robots/AGV-11")["name"] == "Truck 11"
    added = [one for one in box.must("GET", "/robots/AGV-11/events")["items"] if one["topic"] == "robot"]
    assert [one["event"] for one in added] == ["added"]
    assert "AGV-11 was added already" in ask(box, "AGV-11", "accept")
    stranger.beat()
    assert box.must("GET", "/robots/AGV-11")["state"] == "free"


def test_adding_twice_within_a_moment_is_once(box: Box, stranger: FakeRobot, monkeypatch: pytest.MonkeyPatch) -> None:
    form = {"key": key_of(box, stranger.name, "accept"), "queue": "main", "seen": "yes"}
    monkeypatch.setattr("web.console.look.FRESH_S", 60.0)  # the screen has not heard of the first yet
    assert [send(box, stranger.name, "accept", form).status_code for _ in range(2)] == [200, 200]
    added = [one["event"] for one in box.must("GET", "/robots/AGV-11/events")["items"]]
    assert added == ["added"]


@pytest.mark.usefixtures("stranger")
def test_what_is_missing_or_cannot_be_stands_at_its_field(box: Box) -> None:
    for form, said in (
        ({"seen": "yes"}, "Choose at least one"),
        ({"seen": "yes", "new_queue": "über alles"}, "A queue is called by letters"),
        ({"seen": "yes", "queue": "../x"}, "A queue is called by letters"),
        ({"seen": "yes", "queue": "main", "tags": "x" * 65}, "At most 32 tags"),
        ({"seen": "yes", "queue": "main", "tags": " ".join(f"t{n}" for n in range(33))}, "At most 32 tags"),
        ({"queue": "main", "name": "<b>"}, "Only somebody who knows the machine may add it."),
    ):
        refused = send(box, "AGV-11", "accept", form | {"key": "k"})
        assert (refused.status_code, said in read(refused)) == (422, True), form
        assert "<b>" not in refused.text.replace("<b>main</b>", "")
    assert asked(box, "robot.put") == []
