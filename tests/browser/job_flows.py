"""Flows, parameters and settings by which the page of a job is looked at."""

from typing import Any

from cli.client import Client
from tests.rows import block, definition
from tests.waiting import wait_for

QUICK = {
    "YARDMASTER_RETRY_FIRST_S": "1",
    "YARDMASTER_LEASE_S": "3",
    "YARDMASTER_SILENT_S": "8",
}
"""A retry waits long enough to be drawn; a robot is silent soon."""
CHATTER = '\n[commands.chatter]\nseconds = 1\noutputs = {{ said = "{}" }}\n'.format("word " * 16_000)
"""A program that says more than can be kept: that is logged as a warning."""
GIVEN = {
    "note": "first line\nsecond line",
    "a_name_that_is_much_longer_than_the_values_beside_it": "三号线 L3-02",
    "goods": [{"material": "40-1187", "备注": "<b>小心轻放</b>"}] * 6,
}


def _flow(name: str, *blocks: dict[str, Any], **inputs: str) -> dict[str, Any]:
    given = [
        {"name": one, "type": kind, "label": one, "required": False, "defaultValue": None}
        for one, kind in inputs.items()
    ]
    return {"name": name, "definition": definition(*blocks) | {"inputParams": given}}


def _survey() -> dict[str, Any]:
    """Passes within passes, both branches of a decision, and a look that fails every second time."""
    inner = block(3, "count", "RepeatNumBp", {"default": [block(4, "say", "PrintBp", message="counted")]}, num=2)
    rounds = block(
        1, "rounds", "RepeatNumBp", {"default": [block(2, "pause", "DelayBp", timeMillis=150), inner]}, num=4
    )
    ways = {"if": [block(7, "slow", "PrintBp", message="slow")], "else": [block(8, "fast", "PrintBp", message="fast")]}
    heavy = block(6, "Heavier than 800 kg?", "IfElseBp", ways, conditionIf=False)
    look = block(5, "look", "CAgvOperationBp", scriptName="look")
    return _flow(
        "Survey of the place, with a name so long that it does not fit into one line of a handheld（复检）",
        rounds, look, heavy,
        note="String", a_name_that_is_much_longer_than_the_values_beside_it="String", goods="JSONArray",
    )  # fmt: skip


FLOWS = {
    "survey": _survey(),
    "two-waits": _flow(
        "Two waits",
        block(1, "first", "DelayBp", timeMillis=1500),
        block(2, "second", "DelayBp", timeMillis=4000),
        block(3, "last", "PrintBp", message="all is done"),
    ),
    "patrol": _flow(
        "Patrol",
        block(1, "rounds", "RepeatNumBp", {"default": [block(2, "stand", "DelayBp", timeMillis=300)]}, num=900),
    ),
    "office": _flow(
        "Office work",
        block(1, "alpha", "PrintBp", message="alpha is read"),
        block(2, "chatter", "RpaRunBp", command="chatter"),
        block(3, "beta", "PrintBp", message="beta is booked"),
    ),
}

ENDED = ("succeeded", "failed", "cancelled")


def state_of(client: Client, job: str) -> str:
    """The state of a job, by the API."""
    return str(client.get(f"/jobs/{job}")["state"])


def submit(client: Client, flow: str, queue: str, **more: Any) -> str:
    """A job of a flow for a queue, and its id."""
    return str(client.post("/jobs", {"flow": flow, "target": {"queue": queue}} | more)["items"][0]["id"])


def until(client: Client, job: str, *states: str) -> None:
    """Wait until a job is in one of these states."""
    wait_for(lambda: state_of(client, job) in states, 60, f"the job is {' or '.join(states)}")


def end(client: Client, job: str) -> None:
    """See to it that a job has ended."""
    if state_of(client, job) not in (*ENDED, "cancelling"):
        client.post(f"/jobs/{job}/cancel", {})
    until(client, job, *ENDED)
