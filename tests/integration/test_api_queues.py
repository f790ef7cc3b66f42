"""Queues: made, changed, removed, and what waits in them."""

from typing import Any

from tests.fakes.box import Box


def test_a_queue_is_made_changed_and_removed(box: Box) -> None:
    made = box.must("PUT", "/queues/night", {"name": "Night", "wait_limit_s": 60.0}, 201)
    assert made == {
        "id": "night", "name": "Night", "robots": [], "waiting": 0, "oldest_wait_s": None, "wait_limit_s": 60.0,
    }  # fmt: skip
    assert box.must("PUT", "/queues/night", {})["wait_limit_s"] is None
    assert box.must("GET", "/queues/night")["name"] == ""
    assert box.ask("DELETE", "/queues/night").status_code == 204
    box.refused("DELETE", "/queues/night", status=404, code="queue.not_found")
    box.refused("GET", "/queues/night", status=404, code="queue.not_found")


def test_a_queue_in_use_stays(box: Box) -> None:
    box.submit()
    box.refused("DELETE", "/queues/main", status=409, code="queue.in_use")


def test_what_waits(box: Box) -> None:
    for _ in range(3):
        box.submit()
    queue = box.must("GET", "/queues/main")
    assert queue["waiting"] == 3
    assert queue["oldest_wait_s"] >= 0


def test_lists(box: Box) -> None:
    for name in ("a", "b", "c"):
        box.must("PUT", f"/queues/{name}", {"name": name.upper() * 3}, 201)
    page = box.must("GET", "/queues?limit=2")
    assert [queue["id"] for queue in page["items"]] == ["a", "b"]
    rest = box.must("GET", f"/queues?limit=2&after={page['next']}")
    assert [queue["id"] for queue in rest["items"]] == ["c", "main"]
    assert [queue["id"] for queue in box.must("GET", "/queues?q=bb")["items"]] == ["b"]


def test_bodies_and_names_that_make_no_sense(box: Box) -> None:
    bodies: tuple[dict[str, Any], ...] = (
        {"wait_limit_s": 0}, {"wait_limit_s": -1}, {"name": "x" * 201}, {"robots": []},
    )  # fmt: skip
    for body in bodies:
        box.refused("PUT", "/queues/q", body, status=422, code="request.invalid")
    box.refused("PUT", "/queues/a b", {}, status=422, code="request.invalid")
