"""The plan of a floor: places, ways between them, named areas; metres on axes x to the right and y up."""

from collections.abc import Iterator
from typing import Annotated, NamedTuple

from pydantic import ConfigDict, Field

from schemas.ids import OpaqueId
from schemas.job import Asked

MAX_NODES, MAX_EDGES, MAX_AREAS = 10_000, 40_000, 1_000
Metres = Annotated[float, Field(ge=-100_000, le=100_000)]
Size = Annotated[float, Field(gt=0, le=100_000)]
Name = Annotated[str, Field(max_length=200)]


class FloorNode(Asked):
    """A place on the floor that robots drive to or through."""

    id: OpaqueId = Field(description="as robots name it in their positions")
    name: Name = ""
    x: Metres
    y: Metres
    station: bool = Field(default=False, description="robots work here; the map names it")
    charge: bool = Field(default=False, description="whoever stands here is charged")


class FloorEdge(Asked):
    """A straight way between two nodes, in both directions unless it is one-way."""

    model_config = ConfigDict(populate_by_name=False)  # `from` only, which no field of Python can be called

    from_: OpaqueId = Field(alias="from")
    to: OpaqueId
    one_way: bool = False


class FloorArea(Asked):
    """A named rectangle of the map, from its lower left corner."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    x: Metres
    y: Metres
    width: Size
    height: Size


Nodes = Annotated[tuple[FloorNode, ...], Field(strict=False, min_length=1, max_length=MAX_NODES)]
Edges = Annotated[tuple[FloorEdge, ...], Field(strict=False, max_length=MAX_EDGES)]
Areas = Annotated[tuple[FloorArea, ...], Field(strict=False, max_length=MAX_AREAS)]


class FloorPlanSave(Asked):
    """A floor plan as it is saved, whole: what is left out is gone."""

    name: Name = ""
    nodes: Nodes
    edges: Edges = ()
    areas: Areas = ()


class FloorProblem(NamedTuple):
    """What is wrong with a plan, and where."""

    path: str
    code: str
    message: str


def floor_problems(plan: FloorPlanSave) -> Iterator[FloorProblem]:
    """What the fields alone do not show: ids given twice, edges that lead nowhere, ways drawn twice."""
    known: set[str] = set()
    for number, node in enumerate(plan.nodes):
        if node.id in known:
            yield FloorProblem(f"/nodes/{number}/id", "duplicate", f"there is another node {node.id!r}")
        known.add(node.id)
    ways: set[tuple[str, str]] = set()
    for number, edge in enumerate(plan.edges):
        yield from _edge_problems(edge, f"/edges/{number}", known, ways)


def _edge_problems(edge: FloorEdge, path: str, known: set[str], ways: set[tuple[str, str]]) -> Iterator[FloorProblem]:
    for field, node in (("from", edge.from_), ("to", edge.to)):
        if node not in known:
            yield FloorProblem(f"{path}/{field}", "unknown", f"there is no node {node!r}")
    if edge.from_ == edge.to:
        yield FloorProblem(path, "loop", f"it begins and ends at {edge.to!r}")
    mine = {(edge.from_, edge.to)} | (set() if edge.one_way else {(edge.to, edge.from_)})
    if mine & ways:
        yield FloorProblem(path, "duplicate", f"the way from {edge.from_!r} to {edge.to!r} is there already")
    ways |= mine
