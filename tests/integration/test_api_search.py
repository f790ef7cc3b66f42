"""Searching the list of jobs: by name, state, time, robot, queue and source, with counts that agree."""

from typing import Any
from urllib.parse import urlencode

import pytest

from tests.fakes.box import Box

NAMES = {"press": "2 号压机换模", "scrap": "废料箱送外场", "pick": "Pick and Place"}


@pytest.fixture
def filled(box: Box) -> dict[str, list[str]]:
    """Four jobs of each deployment, the first of each cancelled, the second from a handheld; one for another queue."""
    box.must("PUT", "/queues/far", {}, 201)
    made: dict[str, list[str]] = {}
    for slug, name in NAMES.items():
        box.must("PUT", f"/deployments/{slug}", {"name": name, "flow": "hello", "target": {"queue": "main"}}, 201)
        bodies: list[dict[str, Any]] = [{}, {"source": {"type": "handheld"}}, {"target": {"queue": "far"}}, {}]
        made[slug] = [box.must("POST", f"/deployments/{slug}/run", body, 201)["items"][0]["id"] for body in bodies]
        box.must("POST", f"/jobs/{made[slug][0]}/cancel", {})
    return made


def found(box: Box, **query: Any) -> tuple[set[str], dict[str, int], Any]:
    """Ids of the list, its counts by state, and the names that the text fits."""
    text = urlencode(query, doseq=True)
    page = box.must("GET", f"/jobs?limit=200&{text}")
    counts = box.must("GET", f"/job-counts?{text}")
    states: dict[str, int] = {}
    for job in page["items"]:
        states[job["state"]] = states.get(job["state"], 0) + 1
    assert counts == {"by_state": states, "total": {"value": len(page["items"]), "exact": True}}
    return {job["id"] for job in page["items"]}, counts["by_state"], page["matched"]


def test_search_by_deployment_name_fuzzy_says_which_names_it_found(box: Box, filled: dict[str, list[str]]) -> None:
    ids, by_state, matched = found(box, q="压机")
    assert (ids, by_state) == (set(filled["press"]), {"cancelled": 1, "queued": 3})
    assert matched == {"names": [{"id": "press", "name": "2 号压机换模"}], "count": 1, "similar": False}
    ids, _, matched = found(box, q="压鸡换模")
    assert ids == set(filled["press"])
    assert matched == {"names": [{"id": "press", "name": "2 号压机换模"}], "count": 1, "similar": True}
    assert found(box, q="pikc and plase")[0] == set(filled["pick"])
    assert found(box, q=filled["pick"][2])[2] is None
    assert found(box)[2] is None


def test_unknown_words_find_nothing_and_say_so(box: Box, filled: dict[str, list[str]]) -> None:
    assert filled
    assert found(box, q="完全没有") == (set(), {}, {"names": [], "count": 0, "similar": False})


def test_filter_by_time_and_by_state(box: Box, filled: dict[str, list[str]]) -> None:
    jobs = [box.must("GET", f"/jobs/{one[0]}") for one in filled.values()]
    ended = {job["id"] for job in jobs}
    assert found(box, state=["cancelled"])[0] == ended
    assert found(box, state=["queued", "cancelled"], q="2号")[0] == set(filled["press"])
    assert found(box, created_to=jobs[0]["created_at"])[0] == set()
    assert len(found(box, created_from=jobs[0]["created_at"])[0]) == 12
    assert found(box, ended_from=jobs[0]["ended_at"])[0] == ended
    assert found(box, started_from="2000-01-01T00:00:00Z")[0] == set()


def test_filter_by_robot_queue_and_source(box: Box, filled: dict[str, list[str]]) -> None:
    assert found(box, queue="far")[0] == {one[2] for one in filled.values()}
    assert found(box, source="handheld", q="scrap")[0] == {filled["scrap"][1]}
    robot = box.yard.robot("r1")
    robot.accept()
    ids, by_state, _ = found(box, robot="r1")
    assert (len(ids), by_state) == (1, {"running": 1})
    assert found(box, robot="r1", started_from="2000-01-01T00:00:00Z")[0] == ids


def test_deployments_and_flows_are_found_the_same_way(box: Box, filled: dict[str, list[str]]) -> None:
    assert filled

    def ids(noun: str, q: str) -> list[str]:
        return [one["id"] for one in box.must("GET", f"/{noun}?{urlencode({'q': q})}")["items"]]

    assert ids("deployments", "压鸡换模") == ["press"]
    assert ids("deployments", "ＰＩＣＫ") == ["pick"]
    assert ids("flows", "olleh") == []
    assert ids("flows", "helo") == ["hello"]
    assert ids("flows", "HELL") == ["hello"]
