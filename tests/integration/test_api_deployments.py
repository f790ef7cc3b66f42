"""Deployments: saved, run with changes for one run, removed."""

from typing import Any

import pytest

from tests.fakes.box import Box

BODY: dict[str, Any] = {
    "name": "Night shift",
    "flow": "hello",
    "target": {"queue": "main"},
    "priority": 7,
    "max_retries": 1,
}


@pytest.fixture(autouse=True)
def _saved(box: Box) -> None:
    box.must("PUT", "/deployments/night", BODY, 201)


def test_saved_and_read(box: Box) -> None:
    answer = box.ask("GET", "/deployments/night")
    assert answer.json is not None
    assert answer.headers["ETag"] == '"1"'
    found = {key: answer.json[key] for key in BODY if key != "target"}
    assert found == {key: value for key, value in BODY.items() if key != "target"}
    assert (answer.json["target"]["queue"], answer.json["enabled"], answer.json["flow_version"]) == ("main", True, None)
    same = box.ask("PUT", "/deployments/night", BODY)
    assert (same.status_code, same.headers["ETag"]) == (200, '"1"')
    changed = box.ask("PUT", "/deployments/night", BODY | {"note": "x"}, If_Match='"1"')
    assert (changed.status_code, changed.headers["ETag"]) == (200, '"2"')
    box.refused("PUT", "/deployments/night", BODY, status=412, code="version.mismatch", If_Match='"1"')


def test_run_with_changes_for_this_run_only(box: Box) -> None:
    (plain,) = box.must("POST", "/deployments/night/run", status=201)["items"]
    assert (plain["deployment"], plain["deployment_name"], plain["priority"], plain["max_retries"]) == (
        "night",
        "Night shift",
        7,
        1,
    )
    (changed,) = box.must("POST", "/deployments/night/run", {"priority": 9, "max_retries": 0}, 201)["items"]
    assert (changed["priority"], changed["max_retries"]) == (9, 0)
    assert box.must("GET", "/deployments/night")["priority"] == 7
    again = box.ask("POST", "/deployments/night/run", Idempotency_Key="k")
    assert box.ask("POST", "/deployments/night/run", Idempotency_Key="k").json == again.json
    (submitted,) = box.must("POST", "/jobs", {"deployment": "night", "priority": 1}, 201)["items"]
    assert submitted["priority"] == 1
    assert len(box.must("GET", "/jobs?q=shift")["items"]) == 4
    box.refused("POST", "/deployments/none/run", status=404, code="deployment.not_found")
    box.refused("POST", "/deployments/a b/run", status=404, code="deployment.not_found")


def test_removed_unless_its_jobs_wait(box: Box) -> None:
    (job,) = box.must("POST", "/deployments/night/run", status=201)["items"]
    box.refused("DELETE", "/deployments/night", status=409, code="deployment.in_use")
    box.must("POST", f"/jobs/{job['id']}/cancel")
    assert box.ask("DELETE", "/deployments/night").status_code == 204
    box.refused("GET", "/deployments/night", status=404, code="deployment.not_found")
    box.refused("DELETE", "/deployments/night", status=404, code="deployment.not_found")
    kept = box.must("GET", f"/jobs/{job['id']}")
    assert (kept["deployment"], kept["deployment_name"]) == ("night", None)


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"name": ""}, "/name"), ({"flow": "none"}, "/flow"), ({"flow_version": 9}, "/flow"),
        ({"target": None}, ""), ({"target": {"queue": "none"}}, "/target/queue"),
        ({"target": {"robots": ["none"]}}, "/target/robots"), ({"on_lost": "requeue"}, "/on_lost"),
        ({"on_lost": "forget"}, "/on_lost"), ({"time_limit_s": 90000}, "/time_limit_s"), ({"retries": 1}, "/retries"),
    ],
)  # fmt: skip
def test_deployments_that_make_no_sense(box: Box, change: dict[str, Any], path: str) -> None:
    refusal = box.refused("PUT", "/deployments/x", BODY | change, status=422, code="request.invalid")
    assert refusal["details"][0]["path"] == path


def test_lists(box: Box) -> None:
    box.must("PUT", "/deployments/day", BODY | {"name": "Day shift"}, 201)
    page = box.must("GET", "/deployments?limit=1")
    assert [one["id"] for one in page["items"]] == ["day"]
    assert [one["id"] for one in box.must("GET", f"/deployments?limit=1&after={page['next']}")["items"]] == ["night"]
    assert [one["id"] for one in box.must("GET", "/deployments?q=NIGHT")["items"]] == ["night"]
