"""The floor plan as browsers draw it, and where the robots are on it; y points down here, as on screens."""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from markupsafe import Markup

from schemas.status import RobotState
from schemas.views import FloorPlan, Robot
from web.console.look import Look

MARGIN_M, MARGIN_SHARE = 1.0, 0.02
"""Room around the plan; a robot beyond it is not on this floor."""
HEARD_S = 6.0
"""A robot that was not heard for longer may be anywhere."""


@dataclass(frozen=True)
class Drawing:
    """A plan ready to be drawn: its box (x, y, width, height in metres) and the rest as JSON for the browser."""

    box: tuple[float, float, float, float]
    json: Markup

    def holds(self, robot: Robot) -> bool:
        """Whether the robot says that it is somewhere on this floor."""
        at = place(robot)
        if at is None:
            return False
        x, y, width, height = self.box
        return x <= at[0] <= x + width and y <= -at[1] <= y + height


_last: tuple[FloorPlan, Drawing] | None = None


def drawn(plan: FloorPlan | None) -> Drawing | None:
    """The drawing of a plan, made once as long as the plan is the same."""
    global _last  # noqa: PLW0603 - plans are large and seldom change
    if plan is None:
        return None
    last = _last
    if last is None or last[0] is not plan:
        last = (plan, _drawn(plan))
        _last = last
    return last[1]


def _drawn(plan: FloorPlan) -> Drawing:
    box = _box(plan)
    at = {node.id: (node.x, 0.0 - node.y) for node in plan.nodes}
    ways = [(*at[edge.from_], *at[edge.to]) for edge in plan.edges]
    shown = {
        "name": plan.name,
        "box": box,
        "gap": _gap(ways),
        "ways": "".join(f"M{_m(a)} {_m(b)}L{_m(c)} {_m(d)}" for a, b, c, d in ways),
        "oneWay": [_middle(*way) for edge, way in zip(plan.edges, ways, strict=True) if edge.one_way],
        "areas": [[area.name, area.x, -area.y - area.height, area.width, area.height] for area in plan.areas],
        "stations": [[n.id, n.name, n.x, -n.y, n.charge] for n in plan.nodes if n.station or n.charge],
    }
    return Drawing(box, _for_script(shown))


def _box(plan: FloorPlan) -> tuple[float, float, float, float]:
    xs = [node.x for node in plan.nodes] + [x for a in plan.areas for x in (a.x, a.x + a.width)]
    ys = [-node.y for node in plan.nodes] + [-y for a in plan.areas for y in (a.y, a.y + a.height)]
    margin = MARGIN_M + MARGIN_SHARE * max(max(xs) - min(xs), max(ys) - min(ys))
    corner = (min(xs) - margin, min(ys) - margin)
    width, height = max(xs) - min(xs) + 2 * margin, max(ys) - min(ys) + 2 * margin
    return round(corner[0], 2), round(corner[1], 2), round(width, 2), round(height, 2)


def _gap(ways: Iterable[tuple[float, float, float, float]]) -> float:
    """How long short ways are, in metres: roads are drawn narrower than that."""
    lengths = sorted(math.hypot(c - a, d - b) for a, b, c, d in ways)
    return round(lengths[len(lengths) // 10], 2) if lengths else 2.0


def _middle(a: float, b: float, c: float, d: float) -> list[float]:
    return [round((a + c) / 2, 2), round((b + d) / 2, 2), round(math.degrees(math.atan2(d - b, c - a)))]


def _m(metres: float) -> str:
    return f"{metres:.2f}".rstrip("0").rstrip(".")


def _for_script(value: Any) -> Markup:
    """JSON that may stand in a page: no name in it can end the element that it stands in."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c"))  # noqa: S704


def place(robot: Robot) -> tuple[float, float] | None:
    """Where a robot says that it is, in metres with y up; None if it says nothing sensible."""
    said = robot.position or {}
    x, y = said.get("x"), said.get("y")
    if not isinstance(x, int | float) or not isinstance(y, int | float) or not math.isfinite(x + y):
        return None
    return float(x), float(y)


def fleet(look: Look) -> dict[str, Any]:
    """What moves, as numbers: {up, robots: {id: {state, position, battery, loaded, paused, known}}}.

    `paused`: it waits in the middle of a job. `known`: it was heard just now, so that it is where it says. Numbers are
    as exact as screens are, so that nothing is sent while everything stands still.
    """
    heard = look.heard_at or look.at
    return {"up": look.up, "robots": {robot.id: _seen(robot, heard) for robot in look.robots}}


def _seen(robot: Robot, now: datetime) -> dict[str, Any]:
    at = place(robot)
    return {
        "state": robot.state.value,
        "position": None if at is None else _where(robot, at),
        "battery": None if robot.battery is None else round(robot.battery),
        "loaded": bool(robot.load),
        "paused": is_paused(robot),
        "known": robot.state is not RobotState.OFFLINE and _heard_lately(robot, now),
    }


def is_paused(robot: Robot) -> bool:
    """Whether it says that it waits in the middle of a job."""
    return any(held.activity == "paused" for held in robot.held)


def _where(robot: Robot, at: tuple[float, float]) -> dict[str, Any]:
    where: dict[str, Any] = {"x": round(at[0], 2), "y": round(at[1], 2)}
    theta = (robot.position or {}).get("theta")
    if isinstance(theta, int | float) and math.isfinite(theta):
        where["theta"] = round(float(theta), 2)
    return where


def _heard_lately(robot: Robot, now: datetime) -> bool:
    if robot.last_seen is None:
        return False
    return (now - datetime.fromisoformat(robot.last_seen)).total_seconds() <= HEARD_S


def fleet_json(look: Look) -> Markup:
    """`fleet` for a page's script."""
    return _for_script(fleet(look))
