"""Robots: declared, heard, commanded."""

from datetime import datetime, timedelta

from tests.fakes.box import Box
from tests.fakes.yard import FakeRobot


def test_a_robot_is_added_changed_and_removed(box: Box) -> None:
    body = {"name": "Fork 1", "kind": "agv", "queues": ["main", "night"], "tags": ["heavy"]}
    added = box.must("PUT", "/robots/f1", body, 201)
    assert (added["id"], added["name"], added["queues"], added["state"]) == (
        "f1",
        "Fork 1",
        ["main", "night"],
        "offline",
    )
    assert box.must("PUT", "/robots/f1", body | {"name": "Fork one"})["name"] == "Fork one"
    assert [queue["id"] for queue in box.must("GET", "/queues")["items"]] == ["main", "night"]
    assert box.must("GET", "/robots/f1/events")["items"][0]["event"] == "changed"
    assert box.ask("DELETE", "/robots/f1").status_code == 204
    box.refused("GET", "/robots/f1", status=404, code="robot.not_found")
    box.refused("DELETE", "/robots/f1", status=404, code="robot.not_found")
    box.refused("GET", "/robots/f1/events", status=404, code="robot.not_found")
    assert box.must("PUT", "/robots/f1", body, 201)["id"] == "f1"


def test_names_that_robots_cannot_have(box: Box) -> None:
    for name in ("a b", "-a", "x" * 65, "é", "+", "%23"):
        refusal = box.refused("PUT", f"/robots/{name}", {}, status=422, code="request.invalid")
        assert (refusal["details"][0]["in"], refusal["details"][0]["path"]) == ("path", "/robot")
    for body in ({"queues": ["a b"]}, {"tags": [""]}, {"kind": ""}, {"queues": "main"}, {"name": 7}):
        box.refused("PUT", "/robots/r9", body, status=422, code="request.invalid")


def test_what_it_says_is_shown(box: Box, robot: FakeRobot) -> None:
    robot.beat(battery=55.5, charging=True, position={"x": 1.5, "y": 2.0}, load={"pallet": 7})
    shown = box.must("GET", "/robots/r1")
    assert (shown["state"], shown["battery"], shown["charging"], shown["accepting"]) == ("charging", 55.5, True, True)
    assert (shown["position"]["x"], shown["load"], shown["last_seen"][-1]) == (1.5, {"pallet": 7}, "Z")
    job = box.submit()
    robot.accept()
    robot.beat(robot.hold("running", path="-1/1", progress=40.0))
    held = box.must("GET", "/robots/r1")
    assert held["state"] == "working"
    assert held["held"] == [
        {
            "job": job,
            "attempt": robot.last("assign")["attempt"],
            "activity": "running",
            "path": "-1/1",
            "progress": 40.0,
        }
    ]


def test_how_far_its_clock_is_ahead(box: Box, robot: FakeRobot) -> None:
    heard = datetime.fromisoformat(box.must("GET", "/robots/r1")["last_seen"])
    for said, offset in (
        ((heard + timedelta(seconds=90)).isoformat(), 90_000),
        ((heard - timedelta(milliseconds=250)).isoformat(), -250),
        ("2026-01-01T00:00:00", None),
        ("noon", None),
    ):
        robot.beat(time=said)
        assert box.must("GET", "/robots/r1")["clock_offset_ms"] == offset


def test_states_from_worst_to_best(box: Box, robot: FakeRobot) -> None:
    def state() -> str:
        return str(box.must("GET", "/robots/r1")["state"])

    assert state() == "free"
    assert box.must("POST", "/robots/r1/drain", {"reason": "lunch"})["state"] == "disabled"
    assert box.must("GET", "/robots/r1")["note"] == "lunch"
    assert box.must("POST", "/robots/r1/disable")["state"] == "disabled"
    assert box.must("POST", "/robots/r1/enable")["state"] == "free"
    assert box.must("POST", "/robots/r1/enable")["state"] == "free"
    box.submit()
    robot.accept()
    assert state() == "working"
    assert box.must("POST", "/robots/r1/disable")["state"] == "draining"
    box.yard.tick(10)
    assert state() == "offline"
    box.yard.tick(30)
    job = box.must("GET", "/jobs?state=uncertain")["items"][0]["id"]
    box.must("POST", f"/jobs/{job}/force", {"outcome": "failed", "reason": "gone"})
    assert state() == "on_hold"
    assert box.must("GET", "/robots/r1")["holds"][0]["reason"] == "forced"


def test_release_and_removal_of_a_robot_on_hold(box: Box, robot: FakeRobot) -> None:
    job = box.submit()
    box.yard.tick(11, beating=True)
    assert box.must("GET", "/robots/r1")["holds"][0]["reason"] == "no_answer"
    assert box.must("GET", f"/jobs/{job}")["state"] == "queued"
    box.refused("DELETE", "/robots/r1", status=409, code="robot.in_use")
    box.refused("DELETE", "/robots/r1?force=true", status=422, code="request.invalid")
    box.refused("DELETE", "/robots/r1?force=yes", status=422, code="request.invalid")
    box.refused("POST", "/robots/r1/release", {}, status=422, code="request.invalid")
    assert box.must("POST", "/robots/r1/release", {"reason": "I saw it stand"})["holds"] == []
    robot.beat()
    box.yard.tick(11, beating=True)
    assert box.ask("DELETE", "/robots/r1?force=true&reason=sold").status_code == 204


def test_lists_and_filters(box: Box) -> None:
    for name, queue in (("r1", "main"), ("r2", "main"), ("r3", "night")):
        box.yard.robot(name, queue)
    box.must("PUT", "/robots/rpa1", {"kind": "rpa", "tags": ["sap"], "name": "Invoices"}, 201)

    def found(query: str) -> list[str]:
        return [one["id"] for one in box.must("GET", f"/robots?{query}")["items"]]

    assert found("") == ["r1", "r2", "r3", "rpa1"]
    assert found("kind=rpa") == found("tag=sap") == found("q=INV") == found("state=offline") == ["rpa1"]
    assert found("queue=main&state=free") == ["r1", "r2"]
    page = box.must("GET", "/robots?limit=3")
    assert [one["id"] for one in box.must("GET", f"/robots?limit=3&after={page['next']}")["items"]] == ["rpa1"]
    box.refused("GET", f"/robots?kind=agv&after={page['next']}", status=422, code="page.cursor")
    box.refused("GET", "/robots?state=asleep", status=422, code="request.invalid")


def test_a_stranger_is_shown_until_it_is_added(box: Box) -> None:
    object.__setattr__(box.yard.settings, "auto_accept", False)
    stranger = box.yard.robot("new1")
    (unknown,) = box.must("GET", "/robots")["unknown"]
    assert (unknown["robot"], unknown["kind"]) == ("new1", "agv")
    box.must("PUT", "/robots/new1", {"queues": ["main"]}, 201)
    stranger.beat()
    answer = box.must("GET", "/robots")
    assert (answer["unknown"], answer["items"][0]["state"]) == ([], "free")


def test_without_the_controller_robots_are_shown_as_recorded(box: Box, robot: FakeRobot) -> None:
    box.controller.go_down()
    assert box.must("GET", f"/robots/{robot.name}")["state"] == "offline"
    assert [one["state"] for one in box.must("GET", "/robots")["items"]] == ["offline"]
    box.controller.fall_silent()
    assert box.must("GET", f"/robots/{robot.name}")["last_seen"] is None


def test_unknown_robots_cannot_be_commanded(box: Box) -> None:
    for what in ("enable", "drain", "disable", "release"):
        box.refused("POST", f"/robots/none/{what}", {"reason": "x"}, status=404, code="robot.not_found")
        box.refused("POST", f"/robots/a b/{what}", {"reason": "x"}, status=404, code="robot.not_found")
