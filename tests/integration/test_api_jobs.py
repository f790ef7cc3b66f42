"""Making jobs and listing them."""

from typing import Any

import pytest

from tests.fakes.box import Box
from tests.fakes.yard import PRINT_FLOW, FakeRobot

SUBMIT = {"flow": "hello", "target": {"queue": "main"}}


def test_submit_for_a_queue(box: Box) -> None:
    answer = box.ask(
        "POST", "/jobs", SUBMIT | {"priority": 7, "parameters": {}, "source": {"type": "handheld", "user": "Ann"}}
    )
    assert answer.status_code == 201
    assert answer.json is not None
    (job,) = answer.json["items"]
    assert answer.headers["Location"] == f"/api/v1/jobs/{job['id']}"
    assert (job["state"], job["priority"], job["target"]) == ("queued", 7, {"queue": "main", "robots": None})
    assert (job["max_retries"], job["attempt_count"], job["source"]["user"]) == (3, 0, "Ann")
    assert box.must("GET", f"/jobs/{job['id']}") == job


def test_the_version_of_the_flow_is_its_own_number(box: Box) -> None:
    box.must("PUT", "/flows/other", {"definition": PRINT_FLOW}, 201)
    assert box.must("GET", f"/jobs/{box.submit(flow='other')}")["flow_version"] == 1
    box.refused("POST", "/jobs", SUBMIT | {"flow_version": 2}, status=404, code="flow.not_found")


def test_submit_for_named_robots_makes_one_each(box: Box) -> None:
    box.yard.robot("r1")
    box.yard.robot("r2")
    jobs = box.must("POST", "/jobs", {"flow": "hello", "target": {"robots": ["r1", "r2"]}}, 201)["items"]
    assert [job["target"]["robots"] for job in jobs] == [["r1"], ["r2"]]
    assert len({job["run"] for job in jobs}) == 1


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, ""),
        ({"flow": "hello"}, ""),
        ({"deployment": "d", "flow": "hello"}, ""),
        (SUBMIT | {"priority": 5001}, "/priority"),
        (SUBMIT | {"priority": "7"}, "/priority"),
        (SUBMIT | {"priority": True}, "/priority"),
        (SUBMIT | {"max_retries": 11}, "/max_retries"),
        (SUBMIT | {"target": {"queue": "main", "robots": ["r1"]}}, "/target"),
        (SUBMIT | {"target": {"queue": "a b"}}, "/target/queue"),
        (SUBMIT | {"target": {"robots": []}}, "/target/robots"),
        (SUBMIT | {"source": {"type": "api", "nose": 1}}, "/source/nose"),
        (SUBMIT | {"target": {"queue": "none"}}, "/target/queue"),
    ],
)
def test_submissions_that_make_no_sense(box: Box, body: dict[str, Any], path: str) -> None:
    refusal = box.refused("POST", "/jobs", body, status=422, code="request.invalid")
    assert [detail["path"] for detail in refusal["details"]] == [path]
    assert refusal["details"][0]["in"] == "body"


def test_submissions_of_what_is_not_there(box: Box) -> None:
    box.refused("POST", "/jobs", SUBMIT | {"flow": "none"}, status=404, code="flow.not_found")
    box.refused("POST", "/jobs", {"deployment": "none"}, status=404, code="deployment.not_found")


def test_a_key_is_answered_once(box: Box) -> None:
    first = box.ask("POST", "/jobs", SUBMIT, Idempotency_Key="k1")
    second = box.ask("POST", "/jobs", SUBMIT, Idempotency_Key="k1")
    assert first.json == second.json
    assert first.status_code == second.status_code == 201
    assert "Idempotent-Replayed" not in first.headers
    assert second.headers["Idempotent-Replayed"] == "true"
    box.refused(
        "POST", "/jobs", SUBMIT | {"priority": 1}, status=409, code="idempotency.mismatch", Idempotency_Key="k1"
    )
    assert box.must("GET", "/job-counts")["total"]["value"] == 1


def test_bulk_answers_each_by_itself(box: Box) -> None:
    body = {"jobs": [SUBMIT, SUBMIT | {"priority": 9999}, {"nonsense": 1}, 7, SUBMIT | {"flow": "none"}, SUBMIT]}
    answer = box.must("POST", "/jobs/bulk", body)
    assert (answer["accepted"], answer["refused"]) == (2, 4)
    assert [item["index"] for item in answer["items"]] == list(range(6))
    assert [item["error"] is None for item in answer["items"]] == [True, False, False, False, False, True]
    assert answer["items"][0]["jobs"][0]["state"] == "queued"
    assert answer["items"][1]["error"]["details"][0]["path"] == "/jobs/1/priority"
    assert answer["items"][5]["jobs"][0]["id"] != answer["items"][0]["jobs"][0]["id"]


def test_bulk_has_bounds_and_keys(box: Box) -> None:
    for jobs in ([], [SUBMIT] * 1001, "x", None):
        box.refused("POST", "/jobs/bulk", {"jobs": jobs}, status=422, code="request.invalid")
    first = box.ask("POST", "/jobs/bulk", {"jobs": [SUBMIT] * 3}, Idempotency_Key="k")
    again = box.ask("POST", "/jobs/bulk", {"jobs": [SUBMIT] * 3}, Idempotency_Key="k")
    assert first.json == again.json
    assert again.headers["Idempotent-Replayed"] == "true"


def test_list_and_pages(box: Box) -> None:
    ids = [box.submit() for _ in range(5)]
    page = box.must("GET", "/jobs?limit=2")
    assert [job["id"] for job in page["items"]] == ids[:2:-1]
    rest = box.must("GET", f"/jobs?limit=200&after={page['next']}")
    assert [job["id"] for job in rest["items"]] == ids[2::-1]
    assert rest["next"] is None
    assert [job["id"] for job in box.must("GET", "/jobs?order=oldest")["items"]] == ids
    box.refused("GET", f"/jobs?robot=r1&after={page['next']}", status=422, code="page.cursor")


def test_filters(box: Box, robot: FakeRobot) -> None:
    running = box.submit()
    robot.accept()
    waiting = [box.submit() for _ in range(2)]
    box.must("POST", f"/jobs/{waiting[0]}/cancel")

    def found(query: str) -> list[str]:
        return [job["id"] for job in box.must("GET", f"/jobs?{query}")["items"]]

    assert found("state=running") == [running]
    assert found("state=running&state=queued") == [waiting[1], running]
    assert found("robot=r1") == [running]
    assert found("queue=main&state=cancelled") == [waiting[0]]
    assert found("flow=none") == found("deployment=none") == found("root=none") == found("queue=none") == []
    assert found(f"q={running[:20].upper()}")[-1] == running
    assert found("source=schedule") == []
    created = box.must("GET", f"/jobs/{running}")["created_at"]
    assert len(found(f"created_from={created}")) == 3
    assert found(f"created_to={created}") == []
    started = box.must("GET", f"/jobs/{running}")["started_at"]
    assert found(f"started_from={started}") == [running]
    assert found(f"started_to={started}") == []
    assert found("parked=true") == []
    assert len(found("parked=false")) == 3
    assert found(f"id={running}&id={waiting[1]}&id=unknown") == [waiting[1], running]
    assert found(f"id={running}&state=queued") == []
    assert found("order=ended_newest") == found("ended_from=2020-01-01T00:00:00%2B08:00") == [waiting[0]]


@pytest.mark.parametrize(
    "query",
    [
        "state=lost", "state=", "order=up", "created_from=yesterday", "created_from=2026-01-01", "ended_to=1700000000",
        "created_from=2026-01-01T00:00:00", "created_from=2026-13-01T00:00:00Z", "robot=a%20b", "q=",
        "queue=main&queue=b",
        "root=", "nothing=1", "limit=50&limit=50",
        "parked=1", "parked=", "id=", "started_from=now", "&".join(f"id={n}" for n in range(201)),
    ],
)  # fmt: skip
def test_bad_filters(box: Box, query: str) -> None:
    refusal = box.refused("GET", f"/jobs?{query}", status=422, code="request.invalid")
    assert refusal["details"][0]["in"] == "query"


def test_counts(box: Box, robot: FakeRobot) -> None:
    box.submit()
    robot.accept()
    for _ in range(3):
        box.submit()
    counts = box.must("GET", "/job-counts")
    assert counts == {"by_state": {"running": 1, "queued": 3}, "total": {"value": 4, "exact": True}}
    assert box.must("GET", "/job-counts?state=queued&queue=main")["total"] == {"value": 3, "exact": True}
    assert box.must("GET", "/job-counts?flow=hello&robot=r1")["by_state"] == {"running": 1}
    box.refused("GET", "/job-counts?limit=5", status=422, code="request.invalid")
