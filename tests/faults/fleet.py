"""The robots of the bench and what they do: two pieces of work with a pure block between them, or one long one."""

from typing import Any

from tests.rows import block, definition

SHARED, OWN = 16, 4
QUEUE = "hall"
OUTSIDER = "liar"
"""A name that no agent of ours has: what waits for it waits for ever, and keeps nobody else from work."""
SHORT_S, LONG_S = 0.5, 3.0
KEY: dict[str, Any] = {"name": "key", "type": "String", "label": "key", "required": True, "defaultValue": None}
MOTIONS = {"short": 2, "long": 1}
"""How often a robot moves in each flow."""
MOVING_PATHS = ("-1/1", "-1/3")
"""Paths of blocks that move a robot, in both flows."""


def shared_robots(count: int = SHARED) -> list[str]:
    """Robots whose agents share a process."""
    return [f"s-{number}" for number in range(1, count + 1)]


def own_robots(count: int = OWN) -> list[str]:
    """Robots whose agents are processes of their own."""
    return [f"o-{number}" for number in range(1, count + 1)]


def fleet_file(robots: list[str], long_s: float = LONG_S) -> str:
    """A fleet file; every eighth robot goes on by itself while its agent is away."""
    head = f"seed = 7\nspeed = 1\n[plan.nodes]\nA = {{ x = 0, y = 0 }}\n[scripts]\nshort = {SHORT_S}\nlong = {long_s}\n"
    rows = []
    for number, robot in enumerate(robots):
        alone = "true" if number % 8 == 0 else "false"
        rows.append(f'[[robot]]\nid = "{robot}"\nqueues = ["{QUEUE}"]\nstart = "A"\nhands_on = {alone}\n')
    return head + "\n".join(rows)


def flows() -> dict[str, dict[str, Any]]:
    """Name to definition."""

    def work(number: int, script: str) -> dict[str, Any]:
        return block(number, f"b{number}", "CAgvOperationBp", scriptName=script)

    short = definition(work(1, "short"), block(2, "b2", "PrintBp", message="half way"), work(3, "short"))
    long = definition(work(1, "long"))
    return {"short": short | {"inputParams": [KEY]}, "long": long | {"inputParams": [KEY]}}
