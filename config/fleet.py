"""FLEET.toml: the floor plan, robots, working times and faults of a simulated fleet."""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from schemas.ids import Slug
from schemas.robot import Tag

NodeName = Annotated[str, Field(min_length=1, max_length=64)]
Metres = Annotated[float, Field(ge=-100_000, le=100_000, allow_inf_nan=False)]
Percent = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
Duration = Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)]
FaultKind = Literal["fail", "hang", "refuse", "slow", "drop_link", "crash"]
MAX_NODES = 10_000
MAX_ROBOTS = 2_000


class BadFleet(ValueError):
    """The fleet file cannot be used; `problems` names each fault with its place in the file."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Declared(BaseModel):
    """What all tables of the file share: frozen, and an unknown key is a misspelling."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Node(Declared):
    """A place on the floor, in metres; a charger charges whoever stands there."""

    x: Metres
    y: Metres
    name: Annotated[str, Field(max_length=200)] = ""
    station: bool = Field(default=False, description="robots work here; the map names it")
    charge: bool = False


class Area(Declared):
    """A named rectangle for the map: goods-in, packing …"""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    x: Metres
    y: Metres
    width: Annotated[Metres, Field(gt=0)]
    height: Annotated[Metres, Field(gt=0)]


class Plan(Declared):
    """The floor plan: edges are driven in a straight line, both ways unless under `one_way`."""

    name: Annotated[str, Field(max_length=200)] = ""
    nodes: Annotated[dict[NodeName, Node], Field(min_length=1, max_length=MAX_NODES)]
    edges: tuple[tuple[NodeName, NodeName], ...] = ()
    one_way: tuple[tuple[NodeName, NodeName], ...] = ()
    areas: tuple[Area, ...] = ()


class Command(Declared):
    """What a simulated RPA machine does for one command name."""

    seconds: Duration = 5.0
    outputs: dict[str, Any] = Field(default_factory=dict)


class Robot(Declared):
    """One simulated robot."""

    id: Slug
    name: Annotated[str, Field(max_length=200)] = ""
    kind: Literal["agv", "rpa", "station"] = "agv"
    queues: Annotated[tuple[Slug, ...], Field(max_length=32)] = ()
    tags: Annotated[tuple[Tag, ...], Field(max_length=32)] = ()
    start: NodeName | None = Field(default=None, description="node where it stands at first; an AGV needs one")
    speed: Annotated[float, Field(gt=0, le=50, allow_inf_nan=False, description="metres a second")] = 1.2
    battery: Percent = 100.0
    drain: Annotated[float, Field(ge=0, le=100, description="percent a metre")] = 0.01
    charge: Annotated[float, Field(ge=0, le=100, description="percent a second at a charger")] = 0.1
    hands_on: bool = Field(default=False, description="goes on by itself while its agent is away")


class Fault(Declared):
    """Something that goes wrong on purpose: every n-th time, or with a chance, at a site, script, command or kind."""

    robot: Slug | None = Field(default=None, description="absent: any robot, each counted for itself")
    at: Annotated[str, Field(min_length=1, max_length=255)]
    what: FaultKind
    every: Annotated[int | None, Field(ge=1)] = None
    chance: Annotated[float | None, Field(gt=0, le=1)] = None
    times: Annotated[float, Field(gt=1, le=1000, description="slow: how many times longer")] = 5.0
    seconds: Annotated[Duration, Field(description="drop_link, crash: how long it is away")] = 10.0


class Fleet(Declared):
    """The whole file, with its cross references checked."""

    name: Annotated[str, Field(max_length=200)] = ""
    seed: int = 1
    speed: Annotated[float, Field(gt=0, le=1000, description="how many times faster than life")] = 1.0
    plan: Plan
    robots: Annotated[tuple[Robot, ...], Field(alias="robot", min_length=1, max_length=MAX_ROBOTS)]
    scripts: dict[Annotated[str, Field(min_length=1, max_length=255)], Duration] = Field(default_factory=dict)
    commands: dict[Annotated[str, Field(min_length=1, max_length=64)], Command] = Field(default_factory=dict)
    faults: Annotated[tuple[Fault, ...], Field(alias="fault")] = ()

    def changed(self, *, seed: int | None = None, speed: float | None = None, robots: int | None = None) -> Self:
        """The same fleet with what is given instead; raises `BadFleet`."""
        given = {name: value for name, value in (("seed", seed), ("speed", speed)) if value is not None}
        try:
            fleet = self.model_validate(self.model_dump(by_alias=True) | given)
        except ValidationError as error:
            raise BadFleet(_problems(error)) from error
        return fleet if robots is None else fleet.grown_to(robots)

    def grown_to(self, count: int) -> Self:
        """The same fleet with `count` robots: the declared ones first, then copies named ID-2, ID-3 …"""
        if count > MAX_ROBOTS:
            raise BadFleet((f"robots: {count} are wanted; at most {MAX_ROBOTS}",))
        first, size = self.robots, len(self.robots)
        copies = tuple(_copy(first[i % size], i // size + 1) for i in range(size, count))
        return self.model_copy(update={"robots": (*first, *copies)[:count]})


def _copy(robot: Robot, number: int) -> Robot:
    return robot.model_copy(update={"id": f"{robot.id}-{number}", "name": f"{robot.name} {number}".strip()})


def read_fleet(path: Path) -> Fleet:
    """Read a fleet file; raises `BadFleet` with every problem in it."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadFleet((f"{path}: cannot be read: {error}",)) from error
    try:
        return parse_fleet(text)
    except BadFleet as error:
        raise BadFleet(tuple(f"{path}: {problem}" for problem in error.problems)) from error


def parse_fleet(text: str) -> Fleet:
    """Fleet of a TOML text; raises `BadFleet` with every problem in it."""
    try:
        fleet = Fleet.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise BadFleet((f"not TOML: {error}",)) from error
    except ValidationError as error:
        raise BadFleet(_problems(error)) from error
    found = (*_plan_problems(fleet.plan), *_robot_problems(fleet), *_fault_problems(fleet))
    if found:
        raise BadFleet(found)
    return fleet


def _problems(error: ValidationError) -> tuple[str, ...]:
    details = error.errors(include_url=False, include_context=False, include_input=False)
    return tuple(f"{_place(detail['loc'])}: {detail['msg']}" for detail in details)


def _place(parts: tuple[int | str, ...]) -> str:
    text = ""
    for part in parts:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}"
    return text.lstrip(".")


def _plan_problems(plan: Plan) -> list[str]:
    found: list[str] = []
    for table, edges in (("edges", plan.edges), ("one_way", plan.one_way)):
        for number, (start, end) in enumerate(edges, 1):
            place = f"plan.{table}[{number}]"
            found += [f"{place}: there is no node {name!r}" for name in (start, end) if name not in plan.nodes]
            if start == end:
                found.append(f"{place}: begins and ends at {start!r}")
    return found


def _robot_problems(fleet: Fleet) -> list[str]:
    found: list[str] = []
    seen: set[str] = set()
    for number, robot in enumerate(fleet.robots, 1):
        place = f"robot[{number}] {robot.id}"
        if robot.id in seen:
            found.append(f"{place}: the id is used twice")
        seen.add(robot.id)
        if robot.start is None and robot.kind == "agv":
            found.append(f"{place}: an AGV needs a start node")
        if robot.start is not None and robot.start not in fleet.plan.nodes:
            found.append(f"{place}: start: there is no node {robot.start!r}")
    return found


def _fault_problems(fleet: Fleet) -> list[str]:
    found: list[str] = []
    robots = {robot.id for robot in fleet.robots}
    for number, fault in enumerate(fleet.faults, 1):
        place = f"fault[{number}]"
        if (fault.every is None) == (fault.chance is None):
            found.append(f"{place}: give either every or chance")
        if fault.robot is not None and fault.robot not in robots:
            found.append(f"{place}: there is no robot {fault.robot!r}")
    return found
