"""The work that is measured: a fleet of robots that stand still, a flow of three pure blocks, bulk submission."""

from collections.abc import Sequence
from typing import Any

from cli.client import Client

QUEUE = "bench"
FLOW = "three"
BULK = 1000
_FLEET = """
name = "For measuring"
seed = 1
speed = 100

[plan]
name = "One place"
edges = []

[plan.nodes]
P = {{ x = 0, y = 0, station = true }}

[[robot]]
id = "m"
queues = [{queues}]
start = "P"
"""


def fleet_file(queues: Sequence[str]) -> str:
    """A fleet of one robot that serves these queues; `simulate --robots` makes more of it."""
    return _FLEET.format(queues=", ".join(f'"{queue}"' for queue in queues))


def block(number: int, kind: str, **given: tuple[str, Any]) -> dict[str, Any]:
    """A block of a flow; `given` has a type and a value for each parameter."""
    parameters = {name: {"type": sort, "value": value, "required": True} for name, (sort, value) in given.items()}
    return {"id": number, "name": f"b{number}", "blockType": kind, "children": {}, "inputParams": parameters}


def variable(number: int) -> dict[str, Any]:
    """A pure block: it costs a robot no time, so what is measured is us."""
    return block(
        number, "SetTaskVariableBp", varName=("Simple", f"v{number}"), varValue=("Expression", f"'block {number}'")
    )


def definition(*blocks: dict[str, Any]) -> dict[str, Any]:
    """A flow of blocks in a row."""
    root = {"id": -1, "name": "-1", "blockType": "RootBp", "inputParams": {}, "children": {"default": list(blocks)}}
    return {"inputParams": [], "outputParams": [], "rootBlock": root}


THREE = definition(variable(1), variable(2), variable(3))
JOB: dict[str, Any] = {"flow": FLOW, "target": {"queue": QUEUE}}


def save_flow(client: Client) -> None:
    """The flow that every measured job runs."""
    client.put(f"/flows/{FLOW}", {"definition": THREE})


def submit(client: Client, jobs: int) -> None:
    """So many jobs, a thousand a request."""
    for first in range(0, jobs, BULK):
        client.post("/jobs/bulk", {"jobs": [JOB] * min(BULK, jobs - first)})
