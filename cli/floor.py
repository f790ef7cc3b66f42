"""`yardmaster floor …`: show and save the floor plan."""

from collections import defaultdict
from pathlib import Path
from typing import Annotated, Any

import typer

from cli import show
from cli.client import usage
from cli.main import plain_app
from cli.options import Desk, command
from cli.parameters import read_json
from config.fleet import BadFleet, Plan, read_fleet
from schemas.floor import FloorArea, FloorEdge, FloorNode, FloorPlanSave

app = plain_app(no_args_is_help=True, help="Show and save the floor plan.")
File = Annotated[
    Path,
    typer.Argument(metavar="FILE", help="Floor plan as JSON, or a FLEET.toml with one.", exists=True, dir_okay=False),
]
_FROM_THE_BOX = frozenset({"version", "updated_at", "updated_by"})


def plan_of_fleet(plan: Plan) -> FloorPlanSave:
    """A simulated fleet's plan as the box keeps it; ways that the fleet file draws twice are there once."""
    both = [(start, end, False) for start, end in plan.edges]
    one_way = [(start, end, True) for start, end in plan.one_way]
    drawn: set[tuple[str, str]] = set()
    edges: list[FloorEdge] = []
    for start, end, single in (*both, *one_way):
        if (start, end) not in drawn:
            edges.append(FloorEdge.model_validate({"from": start, "to": end, "one_way": single}))
        drawn |= {(start, end)} if single else {(start, end), (end, start)}
    return FloorPlanSave(
        name=plan.name,
        nodes=tuple(FloorNode(id=name, **node.model_dump()) for name, node in plan.nodes.items()),
        edges=tuple(edges),
        areas=tuple(FloorArea(**area.model_dump()) for area in plan.areas),
    )


def read_floor(file: Path) -> dict[str, Any]:
    """Saved form of a floor plan file: TOML is a fleet with its plan, JSON what `floor show --json` printed."""
    if file.suffix.lower() == ".toml":
        try:
            fleet = read_fleet(file)
        except BadFleet as error:
            raise usage(str(error)) from error
        return plan_of_fleet(fleet.plan).model_dump(mode="json", by_alias=True)
    content = read_json(file)
    if not isinstance(content, dict):
        raise usage(f"{file}: a JSON object is needed")
    return {name: value for name, value in content.items() if name not in _FROM_THE_BOX}


@command(app, "show")
def show_floor(desk: Desk) -> None:
    """Show the floor plan: places, ways and areas."""
    desk.show(desk.client.get("/floor-plan"), _table)


@command(app, "save")
def save(desk: Desk, file: File) -> None:
    """Save the floor plan whole, instead of the one before."""
    desk.show(desk.client.put("/floor-plan", read_floor(file)), _summary)


def _summary(plan: dict[str, Any]) -> None:
    counts = [len(plan[part]) for part in ("nodes", "edges", "areas")]
    show.table(("name", "version", "nodes", "edges", "areas"), [(plan["name"], plan["version"], *counts)])


def _table(plan: dict[str, Any]) -> None:
    _summary(plan)
    ways: dict[str, list[str]] = defaultdict(list)
    for edge in plan["edges"]:
        ways[edge["from"]].append(edge["to"])
        if not edge["one_way"]:
            ways[edge["to"]].append(edge["from"])
    rows = [
        (node["id"], node["name"], node["x"], node["y"], _use(node), ", ".join(ways[node["id"]]))
        for node in plan["nodes"]
    ]
    show.table(("node", "name", "x", "y", "for", "ways to"), rows)


def _use(node: dict[str, Any]) -> str:
    return ", ".join(word for word, is_so in (("station", node["station"]), ("charging", node["charge"])) if is_so)
