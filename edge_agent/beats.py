"""The heartbeat: what the agent holds and where its journal stands, and what the screen shows of the robot."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from pydantic_core import to_json

from edge_agent.attempt import InHand
from edge_agent.effects import Send
from edge_agent.flow.debug import Waiting
from edge_agent.journal import Journal
from edge_agent.operations import Telemetry
from edge_agent.profile import Profile
from edge_agent.rows import MAX_PATH, clean
from schemas.messages import Heartbeat

Holds = Iterable[tuple[InHand, int | None]]
"""Attempts in hand, each with the ask that goes with it."""
MOST_SHOWN_BYTES = 65_536
MOST_OF_REASON = 500
_CHANGING: dict[str, Any] = {"journal": "-", "boot": "-", "beat": 1, "highest": 0, "head": 0, "first": 1, "life": 0}


class Beat:
    """Composes heartbeats. What a robot declares and shows seldom changes, so that part is written when it does."""

    def __init__(self) -> None:
        self._declared: Profile | None = None
        self._shown = b""
        self._standing = b""

    def compose(
        self, journal: Journal, profile: Profile, holds: Holds, facts: dict[str, Any], telemetry: Telemetry
    ) -> Send:
        """One heartbeat; `facts` are boot, beat, life, accepting and time."""
        changing = {
            "journal": journal.id,
            "highest": journal.highest,
            "head": journal.head,
            "first": journal.first,
            "holds": [_held(hand, ask) for hand, ask in holds],
            **facts,
        }
        standing = self._standing_part(profile, telemetry)
        return Send("heartbeat", to_json(changing)[:-1] + b"," + standing[1:], qos=0)

    def _standing_part(self, profile: Profile, telemetry: Telemetry) -> bytes:
        try:
            fields = _fields(telemetry)
            shown = to_json(fields)
            if profile is not self._declared or shown != self._shown:
                self._standing = _written(profile, fields)
                self._declared, self._shown = profile, shown
        except (ValueError, TypeError):
            # A driver that shows nonsense must not make its agent silent.
            self._declared = None
            return _written(profile, {})
        return self._standing


def _written(profile: Profile, shown: dict[str, Any]) -> bytes:
    """The lasting part of a heartbeat as JSON; raises `ValueError` if the wire does not allow it."""
    beat = Heartbeat(**_CHANGING, **asdict(profile), **shown)
    left_out = {*_CHANGING, "holds", "accepting", "time"}
    body = beat.model_dump_json(exclude=left_out, exclude_none=True).encode()
    if shown and len(body) > MOST_SHOWN_BYTES:
        raise ValueError("the robot shows too much")
    return body


def _held(hand: InHand, ask: int | None) -> dict[str, Any]:
    found = {
        "job": hand.held.job,
        "attempt": hand.attempt,
        "activity": hand.activity,
        "path": hand.flow.path and hand.flow.path[:MAX_PATH],
        "progress": hand.flow.progress,
        "ask": ask,
        "failed": None if hand.held.failed is None else _failed(hand.held.failed, hand.flow.failed),
    }
    return {name: value for name, value in found.items() if value is not None}


def _failed(path: str, run: Waiting | None) -> dict[str, Any]:
    """The block that waits for a person, as far as its flow remembers its run."""
    found: dict[str, Any] = {"path": path[:MAX_PATH]}
    if run is not None and run.path == path:
        found |= {"n": run.n, "try": run.try_, "reason": clean(run.reason)[:MOST_OF_REASON]}
    return found


def _fields(telemetry: Telemetry) -> dict[str, Any]:
    return {
        "battery": telemetry.battery,
        "charging": telemetry.charging,
        "position": None if telemetry.position is None else dict(telemetry.position),
        "load": None if telemetry.load is None else dict(telemetry.load),
    }
