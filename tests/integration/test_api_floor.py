"""The floor plan over HTTP: saved whole, versioned, and nothing that does not fit together."""

from typing import Any

import pytest

from schemas.floor import MAX_EDGES, MAX_NODES
from tests.fakes.box import Box

NODES: list[dict[str, Any]] = [
    {"id": "A", "name": "一号站", "x": 0, "y": -1.5, "station": True, "charge": False},
    {"id": "B", "name": "", "x": 4.25, "y": 3, "station": False, "charge": True},
    {"id": "C", "name": "", "x": 8, "y": 3, "station": False, "charge": False},
]
PLAN: dict[str, Any] = {
    "name": "Hall",
    "nodes": NODES,
    "edges": [{"from": "A", "to": "B", "one_way": False}, {"from": "B", "to": "C", "one_way": True}],
    "areas": [{"name": "Goods in", "x": 0, "y": 0, "width": 2, "height": 0.5}],
}


def test_there_is_none_before_one_was_saved(box: Box) -> None:
    box.refused("GET", "/floor-plan", status=404, code="floor_plan.not_found")


def test_saved_read_and_versioned(box: Box) -> None:
    made = box.ask("PUT", "/floor-plan", PLAN)
    assert (made.status_code, made.headers["ETag"]) == (201, '"1"')
    found = box.ask("GET", "/floor-plan")
    assert found.headers["ETag"] == '"1"'
    assert found.json == made.json
    assert {name: found.json[name] for name in PLAN} == PLAN  # type: ignore[index]
    assert (found.json["version"], found.json["updated_by"]) == (1, "token:local")  # type: ignore[index]
    same = box.ask("PUT", "/floor-plan", PLAN, If_Match='"1"')
    assert (same.status_code, same.headers["ETag"]) == (200, '"1"')
    changed = box.ask("PUT", "/floor-plan", PLAN | {"areas": []}, If_Match='"1"')
    assert (changed.status_code, changed.headers["ETag"]) == (200, '"2"')
    assert box.must("GET", "/floor-plan")["areas"] == []
    box.refused("PUT", "/floor-plan", PLAN, status=412, code="version.mismatch", If_Match='"1"')
    box.refused("PUT", "/floor-plan", PLAN, status=412, code="version.mismatch", If_Match="rubbish")
    assert box.must("GET", "/floor-plan")["version"] == 2


def test_what_is_left_out_is_gone_and_has_its_default(box: Box) -> None:
    box.must("PUT", "/floor-plan", PLAN, 201)
    plain = box.must("PUT", "/floor-plan", {"nodes": [{"id": "A", "x": 0, "y": 0}]})
    assert (plain["name"], plain["edges"], plain["areas"]) == ("", [], [])
    assert plain["nodes"] == [{"id": "A", "name": "", "x": 0, "y": 0, "station": False, "charge": False}]


def test_it_is_still_there_after_a_restart_and_each_change_is_on_record(box: Box) -> None:
    box.must("PUT", "/floor-plan", PLAN, 201)
    box.must("PUT", "/floor-plan", PLAN)
    box.must("PUT", "/floor-plan", PLAN | {"name": "Hall 2"})
    box.yard.boot()
    assert box.must("GET", "/floor-plan")["name"] == "Hall 2"
    told = [row for row in box.yard.rows("events") if row["event"] == "floor plan saved"]
    assert [(row["who"], row["new"]) for row in told] == [
        ("token:local", "floor plan version 1"), ("token:local", "floor plan version 2"),
    ]  # fmt: skip


def edge(start: str, end: str, *, one_way: bool = False) -> dict[str, Any]:
    return {"from": start, "to": end, "one_way": one_way}


@pytest.mark.parametrize(
    ("change", "path", "code"),
    [
        ({"nodes": []}, "/nodes", "too_short"),
        ({"nodes": [*NODES, NODES[0]]}, "/nodes/3/id", "duplicate"),
        ({"nodes": [{"id": "", "x": 0, "y": 0}]}, "/nodes/0/id", "string_too_short"),
        ({"nodes": [{"id": "A" * 256, "x": 0, "y": 0}]}, "/nodes/0/id", "string_too_long"),
        ({"nodes": [{"id": "A", "x": "0", "y": 0}]}, "/nodes/0/x", "float_type"),
        ({"nodes": [{"id": "A", "x": 1e6, "y": 0}]}, "/nodes/0/x", "less_than_equal"),
        ({"nodes": [{"id": "A", "x": 0}]}, "/nodes/0/y", "missing"),
        ({"nodes": [NODES[0] | {"z": 1}]}, "/nodes/0/z", "extra_forbidden"),
        ({"nodes": [NODES[0] | {"station": 1}]}, "/nodes/0/station", "bool_type"),
        ({"edges": [edge("A", "Z")]}, "/edges/0/to", "unknown"),
        ({"edges": [edge("A", "B"), edge("Z", "A")]}, "/edges/1/from", "unknown"),
        ({"edges": [edge("A", "A")]}, "/edges/0", "loop"),
        ({"edges": [edge("A", "B"), edge("A", "B")]}, "/edges/1", "duplicate"),
        ({"edges": [edge("A", "B"), edge("B", "A")]}, "/edges/1", "duplicate"),
        ({"edges": [edge("A", "B", one_way=True), edge("B", "A")]}, "/edges/1", "duplicate"),
        ({"edges": [edge("A", "B"), edge("B", "A", one_way=True)]}, "/edges/1", "duplicate"),
        ({"edges": [{"from_": "A", "to": "B"}]}, "/edges/0/from", "missing"),
        ({"areas": [{"name": "a", "x": 0, "y": 0, "width": 0, "height": 1}]}, "/areas/0/width", "greater_than"),
        ({"areas": [{"name": "", "x": 0, "y": 0, "width": 1, "height": 1}]}, "/areas/0/name", "string_too_short"),
        ({"stations": []}, "/stations", "extra_forbidden"),
        ({"version": 1}, "/version", "extra_forbidden"),
        ({"name": "n" * 201}, "/name", "string_too_long"),
        ({"edges": {}}, "/edges", "tuple_type"),
    ],
)  # fmt: skip
def test_plans_that_do_not_hold(box: Box, change: dict[str, Any], path: str, code: str) -> None:
    refusal = box.refused("PUT", "/floor-plan", PLAN | change, status=422, code="request.invalid")
    first = refusal["details"][0]
    assert (first["path"], first["code"]) == (path, code), refusal["details"]
    box.refused("GET", "/floor-plan", status=404, code="floor_plan.not_found")


def test_two_one_way_edges_may_go_there_and_back(box: Box) -> None:
    both = [edge("A", "B", one_way=True), edge("B", "A", one_way=True)]
    assert box.must("PUT", "/floor-plan", PLAN | {"edges": both}, 201)["edges"] == both


def test_bounds(box: Box) -> None:
    many = [{"id": str(n), "x": n, "y": 0} for n in range(MAX_NODES + 1)]
    box.refused("PUT", "/floor-plan", {"nodes": many}, status=422, code="request.invalid")
    ways = [{"from": "A", "to": str(n)} for n in range(MAX_EDGES + 1)]
    box.refused("PUT", "/floor-plan", PLAN | {"edges": ways}, status=422, code="request.invalid")
    lost = box.refused("PUT", "/floor-plan", PLAN | {"edges": ways[:-1]}, status=422, code="request.invalid")
    assert len(lost["details"]) == 200
    box.refused("PUT", "/floor-plan", PLAN | {"name": "n" * 2**21}, status=413, code="request.size")
    biggest = many[:-1]
    line = [{"from": str(n), "to": str(n + 1)} for n in range(MAX_NODES - 1)]
    saved = box.must("PUT", "/floor-plan", {"nodes": biggest, "edges": line}, 201)
    assert (len(saved["nodes"]), len(saved["edges"])) == (MAX_NODES, MAX_NODES - 1)


@pytest.mark.parametrize("body", ['{"nodes":[{"id":"A","x":NaN,"y":0}]}', '{"nodes":[{"id":"A","x":1e999,"y":0}]}'])
def test_numbers_that_are_none(box: Box, body: str) -> None:
    response = box.http.put("/api/v1/floor-plan", data=body, content_type="application/json")
    assert response.status_code in (400, 422), response.text


def test_without_the_controller_nothing_is_saved(box: Box) -> None:
    box.must("PUT", "/floor-plan", PLAN, 201)
    box.controller.go_down()
    box.refused("PUT", "/floor-plan", PLAN, status=503, code="controller.down")
    assert box.must("GET", "/floor-plan")["name"] == "Hall"
