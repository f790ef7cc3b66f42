"""The heartbeat: what the agent holds and where its journal stands, and what the screen shows of the robot."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from pydantic import ValidationError

from edge_agent.attempt import InHand
from edge_agent.effects import Send
from edge_agent.journal import Journal
from edge_agent.operations import Telemetry
from edge_agent.profile import Profile
from edge_agent.rows import MAX_PATH
from schemas.messages import Heartbeat, Held, Position

Holds = Iterable[tuple[InHand, int | None]]
"""Attempts in hand, each with the ask that goes with it."""


def heartbeat(journal: Journal, profile: Profile, holds: Holds, facts: dict[str, Any], telemetry: Telemetry) -> Send:
    """Compose a heartbeat; `facts` are boot, beat, accepting and time."""
    fields = {
        "journal": journal.id,
        "highest": journal.highest,
        "head": journal.head,
        "first": journal.first,
        "holds": tuple(_held(hand, ask) for hand, ask in holds),
        **asdict(profile),
        **facts,
    }
    try:
        beat = Heartbeat(**fields, **_shown(telemetry))
    except (ValidationError, TypeError):
        # A driver that shows nonsense must not make its agent silent.
        beat = Heartbeat(**fields)
    return Send("heartbeat", beat.model_dump_json(exclude_none=True).encode(), qos=0)


def _held(hand: InHand, ask: int | None) -> Held:
    return Held(
        job=hand.held.job,
        attempt=hand.attempt,
        activity=hand.activity,
        path=hand.flow.path and hand.flow.path[:MAX_PATH],
        progress=hand.flow.progress,
        ask=ask,
    )


def _shown(telemetry: Telemetry) -> dict[str, Any]:
    position = None if telemetry.position is None else Position(**telemetry.position)
    return {
        "battery": telemetry.battery,
        "charging": telemetry.charging,
        "position": position,
        "load": None if telemetry.load is None else dict(telemetry.load),
    }
