"""Who a robot says it is, and the numbers its agent works with."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Profile:
    """What heartbeats declare of a robot; `capabilities` are block kinds, scripts and `stops_with_agent`."""

    kind: str = "agv"
    capabilities: tuple[str, ...] = ()
    capacity: int = 1
    queues: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    name: str | None = None
    version: str = "unknown"


@dataclass(frozen=True)
class Timing:
    """Durations in seconds and bounds of one agent's protocol."""

    heartbeat_s: float = 2.0
    grant_age_s: float = 15.0
    resend_s: float = 5.0
    resend_max_s: float = 30.0
    settle_s: float = 0.5
    """How often a driver that is not idle yet is asked again."""
    elapsed_s: float = 30.0
    """How often the run time of an attempt is journalled when nothing else is."""
    window_rows: int = 1000
    """Rows that may be on their way unacknowledged."""
