"""Health, metrics and the board."""

from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from schemas.commands import Answer
from tests.fakes.box import Box
from tests.fakes.yard import FakeRobot


def test_health(box: Box) -> None:
    assert box.must("GET", "/health")["state"] == "ok"
    box.controller.go_down()
    down = box.must("GET", "/health", status=503)
    assert (down["state"], down["parts"]["controller"]["state"]) == ("down", "down")
    assert down["reasons"][0]["code"] == "controller.down"


def test_health_is_down_when_the_controller_says_so(box: Box, monkeypatch: Any) -> None:
    said = {"state": "down", "parts": {"store": "full"}, "reasons": ["disk full"]}
    monkeypatch.setattr(box.controller, "call", lambda *_: Answer(id=1, ok=said))
    assert box.must("GET", "/health", status=503)["reasons"] == ["disk full"]


def test_metrics_of_controller_and_web(box: Box) -> None:
    box.must("GET", "/jobs")
    box.ask("GET", "/jobs/none")
    families = {one.name: one for one in text_string_to_metric_families(box.http.get("/metrics").text)}
    assert {"yardmaster_jobs", "yardmaster_web_requests", "yardmaster_web_streams"} <= set(families)
    counted = {(s.labels["route"], s.labels["status"]) for s in families["yardmaster_web_requests"].samples}
    assert {("list_jobs", "200"), ("get_job", "404")} <= counted
    assert families["yardmaster_web_controller_up"].samples[0].value == 1
    box.controller.go_down()
    alone = {one.name: one for one in text_string_to_metric_families(box.http.get("/metrics").text)}
    assert alone["yardmaster_web_controller_up"].samples[0].value == 0


def test_the_board_says_when_the_controller_is_down(box: Box, robot: FakeRobot) -> None:
    box.controller.go_down()
    page = box.http.get("/").text
    assert "The controller does not answer" in page
    assert "offline" in page
