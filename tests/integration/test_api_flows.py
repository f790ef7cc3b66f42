"""Flows: checked, saved as versions, read; kinds of blocks."""

from typing import Any

from schemas.blocks import BLOCK_KINDS
from tests.fakes.box import Box
from tests.fakes.yard import PRINT_FLOW
from tests.rows import block, definition

TWO = definition(block(1, "b1", "PrintBp", message="a"), block(2, "b2", "PrintBp", message="b"))
WRONG = definition(block(1, "b1", "NoSuchBp"), block(2, "b1", "PrintBp"))


def test_check_says_everything_and_saves_nothing(box: Box) -> None:
    assert box.must("POST", "/flows/check", {"definition": TWO}) == {"problems": []}
    problems = box.must("POST", "/flows/check", {"definition": WRONG, "flow": "x"})["problems"]
    assert len(problems) >= 2
    assert {"path", "code", "message"} == set(problems[0])
    assert [flow["id"] for flow in box.must("GET", "/flows")["items"]] == ["hello"]
    bodies: tuple[dict[str, Any], ...] = (
        {},
        {"definition": []},
        {"definition": None},
        {"definition": {}, "flow": "a b"},
    )
    for body in bodies:
        box.refused("POST", "/flows/check", body, status=422, code="request.invalid")


def test_versions_never_change(box: Box) -> None:
    first = box.ask("PUT", "/flows/two", {"definition": TWO, "name": "Two", "note": "first"})
    assert (first.status_code, first.headers["ETag"]) == (201, '"1"')
    same = box.ask("PUT", "/flows/two", {"definition": TWO, "name": "Two"})
    assert (same.status_code, same.headers["ETag"]) == (200, '"1"')
    next_one = box.ask("PUT", "/flows/two", {"definition": PRINT_FLOW, "name": "Two"}, If_Match='"1"')
    assert (next_one.status_code, next_one.headers["ETag"]) == (200, '"2"')
    latest = box.ask("GET", "/flows/two")
    assert latest.json is not None
    assert (latest.json["version"], latest.json["definition"], latest.headers["ETag"]) == (2, PRINT_FLOW, '"2"')
    old = box.must("GET", "/flows/two/versions/1")
    assert (old["version"], old["latest"], old["definition"], old["note"]) == (1, 2, TWO, "first")
    for version in ("3", "0", "9" * 30):
        box.refused("GET", f"/flows/two/versions/{version}", status=404, code="flow.not_found")
    box.refused("GET", "/flows/two/versions/x", status=404, code="route.not_found")


def test_if_match_guards_against_another_version(box: Box) -> None:
    for tag in ('"7"', "1", 'W/"1"', '"x"', '"1", "2"'):
        box.refused("PUT", "/flows/hello", {"definition": TWO}, status=412, code="version.mismatch", If_Match=tag)
    box.refused("PUT", "/flows/new", {"definition": TWO}, status=412, code="version.mismatch", If_Match='"1"')
    assert box.ask("PUT", "/flows/hello", {"definition": TWO}, If_Match="*").status_code == 200


def test_a_wrong_flow_is_refused_with_every_problem(box: Box) -> None:
    refusal = box.refused("PUT", "/flows/wrong", {"definition": WRONG}, status=422, code="flow.invalid")
    assert len(refusal["details"]) >= 2
    assert all(detail["path"].startswith("-1") for detail in refusal["details"])
    box.refused("GET", "/flows/wrong", status=404, code="flow.not_found")
    box.refused("PUT", "/flows/a b", {"definition": TWO}, status=422, code="request.invalid")


def test_lists(box: Box) -> None:
    for name in ("a", "b"):
        box.must("PUT", f"/flows/{name}", {"definition": TWO, "name": f"Flow {name}"}, 201)
    page = box.must("GET", "/flows?limit=2")
    assert [flow["id"] for flow in page["items"]] == ["a", "b"]
    assert [flow["id"] for flow in box.must("GET", f"/flows?limit=2&after={page['next']}")["items"]] == ["hello"]
    assert [flow["id"] for flow in box.must("GET", "/flows?q=FLOW%20B")["items"]] == ["b"]
    assert "definition" not in page["items"][0]


def test_block_kinds_are_all_there(box: Box) -> None:
    kinds = box.must("GET", "/block-kinds")["items"]
    assert [kind["kind"] for kind in kinds] == list(BLOCK_KINDS)
    assert all(kind["name"]["en"] and kind["name"]["zh"] for kind in kinds)
