"""The floor a simulated robot drives on: shortest ways along the plan's edges, also from the middle of an edge."""

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import atan2, hypot

from config.fleet import Plan


class NoWay(ValueError):
    """There is no such place, or no edges lead to it; the message is a sentence for people."""


@dataclass(frozen=True)
class Place:
    """At a node (`to` is None), or `metres` beyond `node` on the edge towards `to`."""

    node: str
    to: str | None = None
    metres: float = 0.0


@dataclass(frozen=True)
class Leg:
    """A straight piece of a drive, from `metres_from` to `metres_to` beyond `node` on the line towards `to`."""

    node: str
    to: str
    metres_from: float
    metres_to: float

    @property
    def length(self) -> float:
        return abs(self.metres_to - self.metres_from)

    @property
    def goal(self) -> str:
        """The node where it ends; backing out of an edge ends where that edge begins."""
        return self.to if self.metres_to >= self.metres_from else self.node

    def after(self, metres: float) -> Place:
        """Where a robot stands that has driven so far on this leg and not reached its end."""
        at = self.metres_from + (metres if self.metres_to >= self.metres_from else -metres)
        return Place(self.node, self.to, at)


class Floor:
    """A plan made ready for driving."""

    def __init__(self, plan: Plan) -> None:
        self._points: Mapping[str, tuple[float, float]] = {name: (node.x, node.y) for name, node in plan.nodes.items()}
        self._chargers = frozenset(name for name, node in plan.nodes.items() if node.charge)
        self._ways: dict[str, list[tuple[float, str]]] = {name: [] for name in plan.nodes}
        both = [*plan.edges, *((end, start) for start, end in plan.edges), *plan.one_way]
        for start, end in both:
            self._ways[start].append((self._distance(start, end), end))

    def charges(self, place: Place) -> bool:
        """A charger is within reach."""
        return place.to is None and place.node in self._chargers

    def point(self, place: Place) -> tuple[float, float, float | None]:
        """x, y and heading in radians (None at a node: it may stand any way round)."""
        x, y = self._points[place.node]
        if place.to is None:
            return x, y, None
        to_x, to_y = self._points[place.to]
        length = self._distance(place.node, place.to)
        share = min(place.metres / length, 1.0) if length else 0.0
        return x + (to_x - x) * share, y + (to_y - y) * share, atan2(to_y - y, to_x - x)

    def way(self, start: Place, goal: str) -> tuple[Leg, ...]:
        """The shortest drive; raises `NoWay`."""
        if goal not in self._points:
            raise NoWay(f"there is no site {goal!r} on the floor plan")
        before = self._search(self._doors(start), goal)
        nodes = [goal]
        while previous := before[nodes[-1]]:
            nodes.append(previous)
        nodes.reverse()
        legs = [*self._first(start, nodes[0])]
        legs += [Leg(a, b, 0.0, self._distance(a, b)) for a, b in pairwise(nodes)]
        return tuple(leg for leg in legs if leg.length > 0)

    def _doors(self, start: Place) -> Iterable[tuple[float, str]]:
        """Nodes that can be reached without passing another one; backing out of an edge is always allowed."""
        if start.to is None:
            return [(0.0, start.node)]
        return [(start.metres, start.node), (self._distance(start.node, start.to) - start.metres, start.to)]

    def _first(self, start: Place, door: str) -> Iterable[Leg]:
        if start.to is None:
            return ()
        end = 0.0 if door == start.node else self._distance(start.node, start.to)
        return (Leg(start.node, start.to, start.metres, end),)

    def _search(self, doors: Iterable[tuple[float, str]], goal: str) -> dict[str, str]:
        """Dijkstra: which node comes before which on the shortest way; "" before the first one."""
        heap = [(metres, node, "") for metres, node in doors]
        heapq.heapify(heap)
        before: dict[str, str] = {}
        while heap:
            metres, node, previous = heapq.heappop(heap)
            if node in before:
                continue
            before[node] = previous
            if node == goal:
                return before
            for length, neighbour in self._ways[node]:
                if neighbour not in before:
                    heapq.heappush(heap, (metres + length, neighbour, node))
        raise NoWay(f"no way leads to {goal!r}")

    def _distance(self, start: str, end: str) -> float:
        (x1, y1), (x2, y2) = self._points[start], self._points[end]
        return hypot(x2 - x1, y2 - y1)
