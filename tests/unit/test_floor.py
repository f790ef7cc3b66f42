"""Floor plan files: what a fleet file draws becomes the plan that the box keeps, and what it shows may be saved."""

import json
from pathlib import Path

import pytest

from cli.client import Refused
from cli.floor import plan_of_fleet, read_floor
from config.fleet import Plan, parse_fleet
from schemas.floor import FloorPlanSave, floor_problems

EXAMPLES = sorted(Path("cli/examples").glob("*/fleet.toml"))
FLEET = """
[plan]
name = "Hall"
edges = [["A", "B"], ["B", "A"], ["A", "B"], ["B", "C"]]
one_way = [["A", "B"], ["C", "A"], ["C", "A"], ["A", "C"]]
areas = [{ name = "In", x = 0, y = 1, width = 2, height = 3 }]
[plan.nodes]
A = { x = 0, y = 0, name = "Dock", station = true }
B = { x = 1, y = 0, charge = true }
C = { x = 2, y = 0.5 }
[[robot]]
id = "r1"
start = "A"
"""


def plan() -> Plan:
    return parse_fleet(FLEET).plan


def test_a_fleet_s_plan_has_each_way_once() -> None:
    saved = plan_of_fleet(plan())
    assert [(edge.from_, edge.to, edge.one_way) for edge in saved.edges] == [
        ("A", "B", False), ("B", "C", False), ("C", "A", True), ("A", "C", True),
    ]  # fmt: skip
    assert [(node.id, node.name, node.x, node.y, node.station, node.charge) for node in saved.nodes] == [
        ("A", "Dock", 0.0, 0.0, True, False), ("B", "", 1.0, 0.0, False, True), ("C", "", 2.0, 0.5, False, False),
    ]  # fmt: skip
    assert [(area.name, area.x, area.y, area.width, area.height) for area in saved.areas] == [("In", 0, 1, 2, 3)]
    assert saved.name == "Hall"


def test_a_way_back_that_was_one_way_first_is_not_drawn_twice() -> None:
    drawn = plan().model_copy(update={"edges": (("A", "B"),), "one_way": (("B", "A"),)})
    assert len(plan_of_fleet(drawn).edges) == 1


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.parent.name)
def test_the_examples_have_plans_that_the_box_takes(file: Path) -> None:
    saved = FloorPlanSave.model_validate_json(json.dumps(read_floor(file)))
    assert list(floor_problems(saved)) == []
    assert any(node.station for node in saved.nodes)


def test_what_was_shown_may_be_saved_again(tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    shown = plan_of_fleet(plan()).model_dump(mode="json", by_alias=True)
    file.write_text(json.dumps(shown | {"version": 3, "updated_at": "2026-01-01T00:00:00.000000Z", "updated_by": "x"}))
    assert read_floor(file) == shown


@pytest.mark.parametrize(("name", "text"), [("a.json", "[]"), ("a.json", "{"), ("a.toml", "x ="), ("a.toml", "")])
def test_files_that_are_none(name: str, text: str, tmp_path: Path) -> None:
    file = tmp_path / name
    file.write_text(text)
    with pytest.raises(Refused) as refused:
        read_floor(file)
    assert refused.value.exit_code == 2
