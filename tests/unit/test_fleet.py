"""Fleet files: every problem with its place, and fleets of any size."""

from pathlib import Path

import pytest

from config.fleet import MAX_ROBOTS, BadFleet, parse_fleet, read_fleet
from edge_agent.simulator.floor import Floor, Leg, NoWay, Place
from tests.fakes.simulation import FLOOR

GOOD = """
[plan.nodes]
a = { x = 0, y = 0 }
b = { x = 3, y = 4 }
[plan]
edges = [["a", "b"]]
[[robot]]
id = "agv"
start = "a"
"""


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[plan", "not TOML: Expected ']' at the end of a table declaration (at end of document)"),
        ("", "plan: Field required"),
        (GOOD.replace("y = 4", "y = 'up'"), "plan.nodes.b.y: Input should be a valid number"),
        (GOOD.replace("y = 4", "z = 4"), "plan.nodes.b.z: Extra inputs are not permitted"),
        (GOOD + "speed = -1", "robot[1].speed: Input should be greater than 0"),
        (GOOD + "speeed = 1", "robot[1].speeed: Extra inputs are not permitted"),
        (GOOD + "kind = 'plane'", "robot[1].kind: Input should be 'agv', 'rpa' or 'station'"),
        (GOOD.replace('["a", "b"]', '["a", "b"], ["a", "c"]'), "plan.edges[2]: there is no node 'c'"),
        (GOOD.replace('["a", "b"]', '["a", "a"]'), "plan.edges[1]: begins and ends at 'a'"),
        (GOOD.replace("[plan]", "[plan]\none_way = [['x', 'b']]"), "plan.one_way[1]: there is no node 'x'"),
        (GOOD.replace('start = "a"', 'start = "z"'), "robot[1] agv: start: there is no node 'z'"),
        (GOOD.replace('start = "a"', ""), "robot[1] agv: an AGV needs a start node"),
        (GOOD + "[[robot]]\nid = 'agv'\nstart = 'b'", "robot[2] agv: the id is used twice"),
        (GOOD + "[[robot]]\nid = 'a b'\nstart = 'b'", "robot[2].id: String should match pattern"),
        (GOOD + "[[fault]]\nat = 'x'\nwhat = 'explode'\nevery = 1", "fault[1].what: Input should be 'fail'"),
        (GOOD + "[[fault]]\nat = 'x'\nwhat = 'fail'", "fault[1]: give either every or chance"),
        (GOOD + "[[fault]]\nat = 'x'\nwhat = 'fail'\nevery = 2\nchance = 0.5", "fault[1]: give either every or chance"),
        (GOOD + "[[fault]]\nrobot = 'x'\nat = 'x'\nwhat = 'fail'\nevery = 2", "fault[1]: there is no robot 'x'"),
    ],
)
def test_each_problem_is_named_with_its_place(text: str, problem: str) -> None:
    with pytest.raises(BadFleet) as caught:
        parse_fleet(text)
    assert problem in str(caught.value)


def test_all_problems_are_named_at_once(tmp_path: Path) -> None:
    file = tmp_path / "fleet.toml"
    file.write_text(GOOD.replace('["a", "b"]', '["x", "y"]') + "[[fault]]\nat = 'x'\nwhat = 'fail'\n")
    with pytest.raises(BadFleet) as caught:
        read_fleet(file)
    assert len(caught.value.problems) == 3
    assert all(str(file) in problem for problem in caught.value.problems)


def test_a_file_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(BadFleet, match="cannot be read"):
        read_fleet(tmp_path / "none.toml")


def test_a_fleet_grows_by_copies() -> None:
    fleet = parse_fleet(FLOOR)
    assert [robot.id for robot in fleet.grown_to(2).robots] == ["agv", "rpa"]
    grown = fleet.grown_to(10).robots
    assert [robot.id for robot in grown[:6]] == ["agv", "rpa", "stubborn", "station", "agv-2", "rpa-2"]
    assert len({robot.id for robot in grown}) == 10
    with pytest.raises(BadFleet, match="at most"):
        fleet.grown_to(MAX_ROBOTS + 1)


def test_flags_change_a_fleet_within_its_bounds() -> None:
    fleet = parse_fleet(FLOOR).changed(seed=9, speed=20, robots=1)
    assert (fleet.seed, fleet.speed, len(fleet.robots)) == (9, 20, 1)
    assert parse_fleet(FLOOR).changed() == parse_fleet(FLOOR)
    with pytest.raises(BadFleet, match="speed: Input should be greater than 0"):
        fleet.changed(speed=0)


# ---------------------------------------------------------------- the floor
SQUARE = """
[plan.nodes]
a = { x = 0, y = 0 }
b = { x = 10, y = 0 }
c = { x = 10, y = 10 }
d = { x = 0, y = 10 }
[plan]
edges = [["a", "b"], ["b", "c"], ["c", "d"]]
one_way = [["d", "a"]]
[[robot]]
id = "agv"
start = "a"
"""


@pytest.mark.parametrize(
    ("start", "goal", "nodes", "metres"),
    [
        (Place("a"), "a", [], 0),
        (Place("a"), "c", ["b", "c"], 20),
        (Place("a"), "d", ["b", "c", "d"], 30),  # the short way is one-way, the other way round
        (Place("d"), "b", ["a", "b"], 20),
        (Place("a", "b", 4), "a", ["a"], 4),
        (Place("a", "b", 4), "c", ["b", "c"], 16),
        (Place("d", "a", 3), "d", ["d"], 3),  # out of an edge there is always a way back
        (Place("b", "c", 10), "c", [], 0),
    ],
)
def test_the_shortest_way(start: Place, goal: str, nodes: list[str], metres: float) -> None:
    legs = Floor(parse_fleet(SQUARE).plan).way(start, goal)
    assert [leg.goal for leg in legs] == nodes
    assert sum(leg.length for leg in legs) == metres


def test_equal_ways_are_no_trouble() -> None:
    text = SQUARE.replace('one_way = [["d", "a"]]', "").replace('["c", "d"]', '["c", "d"], ["d", "a"]')
    floor = Floor(parse_fleet(text).plan)
    assert sum(leg.length for leg in floor.way(Place("a"), "c")) == 20
    assert sum(leg.length for leg in floor.way(Place("a", "b", 5), "d")) == 15


def test_no_way_is_a_sentence() -> None:
    floor = Floor(parse_fleet(FLOOR).plan)
    with pytest.raises(NoWay, match="no way leads to 'island'"):
        floor.way(Place("dock"), "island")
    with pytest.raises(NoWay, match="there is no site 'x'"):
        floor.way(Place("dock"), "x")


def test_points_lie_on_the_edges() -> None:
    floor = Floor(parse_fleet(GOOD).plan)
    assert floor.point(Place("a")) == (0, 0, None)
    x, y, heading = floor.point(Leg("a", "b", 0, 5).after(2.5))
    assert (x, y) == (1.5, 2)
    assert heading == pytest.approx(0.9273, abs=1e-3)
