"""Batches over HTTP: preview, apply by hash, results a row; by ids and by filter."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.fakes.box import Box
from tests.fakes.yard import running


def bulk(box: Box, n: int, **more: Any) -> list[str]:
    """So many jobs, first to last."""
    made: list[str] = []
    while len(made) < n:
        jobs = [{"flow": "hello", "target": {"queue": "main"}} | more] * min(1000, n - len(made))
        made += [one["jobs"][0]["id"] for one in box.must("POST", "/jobs/bulk", {"jobs": jobs})["items"]]
    return made


@contextmanager
def turning(box: Box) -> Iterator[None]:
    """The controller takes turns by itself meanwhile."""
    end = threading.Event()

    def turn() -> None:
        while not end.is_set():
            with box.controller._lock:
                box.yard.tick(0.01, step=0.01)
            end.wait(0.002)

    thread = threading.Thread(target=turn)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


def preview(box: Box, action: str, **more: Any) -> Any:
    return box.must("POST", "/job-batches", {"action": action} | more, 201)


def apply(box: Box, batch: Any, **more: Any) -> Any:
    return box.must("POST", f"/job-batches/{batch['id']}/apply", {"hash": batch["hash"]} | more, 202)


def rows(box: Box, batch: Any, query: str = "") -> list[Any]:
    found: list[Any] = box.must("GET", f"/job-batches/{batch['id']}/rows?limit=200{query}")["items"]
    return found


def test_a_preview_says_what_will_change_what_will_not_and_why(box: Box) -> None:
    robot, runs = running(box.yard)
    queued, ended = box.submit(), box.submit()
    box.must("POST", f"/jobs/{ended}/cancel", {})
    response = box.ask("POST", "/job-batches", {"action": "cancel", "ids": [runs, queued, ended]})
    batch = response.json
    assert batch is not None
    assert response.headers["Location"] == f"/api/v1/job-batches/{batch['id']}"
    assert (batch["state"], batch["total"], batch["results"]) == ("open", 3, None)
    assert batch["will"]["count"] == 2
    assert {(one["code"], one["count"]) for one in batch["will"]["groups"]} == {("stops", 1), ("at_once", 1)}
    assert batch["will_not"] == {
        "count": 1, "groups": [{"code": "ended", "message": "It has ended already.", "count": 1}],
    }  # fmt: skip
    assert box.must("GET", f"/job-batches/{batch['id']}") == batch
    assert [(one["job"], one["will"], one["outlook"]["code"], one["result"]) for one in rows(box, batch)] == [
        (runs, True, "stops", None), (queued, True, "at_once", None), (ended, False, "ended", None),
    ]  # fmt: skip
    assert [one["job"] for one in rows(box, batch, "&will=false")] == [ended]
    assert robot.all("cancel") == []


def test_it_is_applied_by_its_hash_with_a_result_a_row(box: Box) -> None:
    queued = bulk(box, 3)
    box.must("POST", f"/jobs/{queued[2]}/cancel", {})
    batch = preview(box, "cancel", ids=queued)
    box.must("PATCH", f"/jobs/{queued[1]}", {"priority": 9})
    assert apply(box, batch, reason="line 3 stands")["reason"] == "line 3 stands"
    done = box.must("GET", f"/job-batches/{batch['id']}")
    assert (done["state"], done["applied_by"]) == ("applied", "token:local")
    assert done["results"] == {"done": 1, "refused": 0, "changed": 1, "unchanged": 1, "left": 0}
    assert [(one["result"], one["state"]) for one in rows(box, batch)] == [
        ("done", "cancelled"), ("changed", "queued"), ("unchanged", "cancelled"),
    ]  # fmt: skip
    assert rows(box, batch)[1]["reason"]["message"] == "It has changed since the preview, so it was left alone."
    for result in ("done", "changed", "unchanged"):
        assert len(rows(box, batch, f"&result={result}")) == 1
    assert box.must("GET", f"/jobs/{queued[0]}/events")["items"][0]["why"] == "line 3 stands"


def test_executed_again_the_result_names_the_new_job(box: Box) -> None:
    job = box.submit(priority=4321)
    box.must("POST", f"/jobs/{job}/cancel", {})
    batch = preview(box, "execute", ids=[job, box.submit()])
    assert batch["will_not"]["groups"][0]["code"] == "not_ended"
    apply(box, batch)
    made = box.must("GET", f"/jobs/{rows(box, batch)[0]['made']}")
    assert (made["rerun_of"], made["priority"], made["state"]) == (job, 4321, "queued")


def test_a_filter_leads_to_the_jobs_of_its_list(box: Box) -> None:
    for slug, name in (("press", "2 号压机换模"), ("scrap", "废料箱送外场")):
        box.must("PUT", f"/deployments/{slug}", {"name": name, "flow": "hello", "target": {"queue": "main"}}, 201)
    press, _scrap = ([box.must("POST", f"/deployments/{d}/run", {}, 201)["items"][0]["id"] for _ in range(4)]
                     for d in ("press", "scrap"))  # fmt: skip
    box.must("POST", f"/jobs/{press[0]}/cancel", {})
    batch = preview(box, "priority", priority=4000, filter={"q": "压机", "state": ["queued"]})
    assert batch["filter"] == {"q": "压机", "state": ["queued"]}
    assert sorted(one["job"] for one in rows(box, batch)) == sorted(press[1:])
    apply(box, batch)
    found = box.must("GET", "/jobs?limit=200")["items"]
    assert {one["id"] for one in found if one["priority"] == 4000} == set(press[1:])


def test_more_than_may_be_and_none_are_refused_with_the_count(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    bulk(box, 5)
    monkeypatch.setattr("web.api.batches.MAX_JOBS", 4)
    body = {"action": "cancel", "filter": {"queue": "main"}}
    found = box.refused("POST", "/job-batches", body, status=422, code="request.invalid")
    assert found["message"] == "5 jobs fit this filter; a batch may have 4 at most."
    assert found["details"][0]["path"] == "/filter"
    none = {"action": "cancel", "filter": {"q": "no such deployment"}}
    assert box.refused("POST", "/job-batches", none, status=422, code="request.invalid")["details"][0]["code"] == (
        "nothing"
    )


def test_a_filter_that_leads_too_far_has_to_be_narrowed(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    bulk(box, 20)
    bulk(box, 20, source={"type": "button"})
    box.yard.connection.execute("update jobs set flow = 'other' where source_type = 'button'")
    for module in ("walk", "job_lists"):
        monkeypatch.setattr(f"controller.store.queries.{module}.SCAN_ROWS", 7)
    body = {"action": "cancel", "filter": {"source": "button", "flow": "hello"}}
    none = box.refused("POST", "/job-batches", body, status=422, code="request.invalid")
    assert none["details"][0]["code"] == "nothing"
    monkeypatch.setattr("controller.store.queries.batches.MAX_LOOKS", 2)
    wide = box.refused("POST", "/job-batches", body, status=422, code="request.invalid")
    assert wide["details"][0]["code"] == "too_wide"


@pytest.mark.parametrize(
    "body",
    [
        {"action": "cancel"},
        {"action": "cancel", "ids": []},
        {"action": "cancel", "ids": ["x"], "filter": {}},
        {"action": "cancel", "ids": ["x"], "priority": 3},
        {"action": "priority", "ids": ["x"]},
        {"action": "priority", "ids": ["x"], "priority": 5001},
        {"action": "sing", "ids": ["x"]},
        {"action": "cancel", "filter": {"colour": "red"}},
        {"action": "cancel", "ids": ["x"] * 10_001},
    ],
)
def test_what_makes_no_sense_is_refused(box: Box, body: Any) -> None:
    box.refused("POST", "/job-batches", body, status=422, code="request.invalid")


def test_stale_unknown_and_repeated(box: Box) -> None:
    batch = preview(box, "cancel", ids=[box.submit()])
    path = f"/job-batches/{batch['id']}/apply"
    box.refused("POST", path, {"hash": "0" * 64}, status=409, code="batch.stale")
    box.refused("POST", path, {"hash": "x"}, status=422, code="request.invalid")
    box.refused("POST", "/job-batches/none/apply", {"hash": "0" * 64}, status=404, code="batch.not_found")
    box.refused("GET", "/job-batches/none", status=404, code="batch.not_found")
    box.refused("GET", "/job-batches/none/rows", status=404, code="batch.not_found")
    body = {"hash": batch["hash"]}
    first = box.must("POST", path, body, 202, Idempotency_Key="k")
    again = box.ask("POST", path, body, Idempotency_Key="k")
    assert (again.status_code, again.headers["Idempotent-Replayed"], again.json) == (202, "true", first)
    box.refused("POST", path, body, status=409, code="batch.stale")


def test_viewers_look_and_operators_act(box: Box) -> None:
    batch = preview(box, "cancel", ids=[box.submit()])
    viewer = {"Authorization": f"Bearer {box.token('v', 'viewer')}"}
    path = f"/api/v1/job-batches/{batch['id']}"
    assert box.nobody().get(path).status_code == 401
    assert box.http.get(path, headers=viewer).status_code == 200
    assert box.http.post(f"{path}/apply", json={"hash": batch["hash"]}, headers=viewer).status_code == 403


def test_ten_thousand_are_previewed_and_applied_in_turns(box: Box) -> None:
    jobs = bulk(box, 1200)
    with turning(box):
        batch = preview(box, "cancel", ids=jobs)
        assert (batch["state"], batch["will"]["count"]) == ("open", 1200)
        begun = apply(box, batch)
        assert begun["results"]["done"] + begun["results"]["left"] == 1200
        for _ in range(500):
            now = box.must("GET", f"/job-batches/{batch['id']}")
            if now["state"] == "applied":
                break
            box.controller.call("job.waiting", {"job": jobs[0]})
    assert now["results"] == {"done": 1200, "refused": 0, "changed": 0, "unchanged": 0, "left": 0}
    first = box.must("GET", f"/job-batches/{batch['id']}/rows?limit=200")
    second = box.must("GET", f"/job-batches/{batch['id']}/rows?limit=200&after={first['next']}")
    assert [one["n"] for one in first["items"] + second["items"]] == list(range(1, 401))
    box.refused(
        "GET", f"/job-batches/{batch['id']}/rows?after={first['next']}&will=true", status=422, code="page.cursor"
    )
