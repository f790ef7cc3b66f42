"""What leaves the agent: reports, heartbeats with their asks, presence; only while the broker is there."""

import random
from typing import Any

from edge_agent.asks import Asks, Beats
from edge_agent.beats import Beat
from edge_agent.effects import Send
from edge_agent.hands import Hands
from edge_agent.journal import Journal
from edge_agent.operations import Telemetry
from edge_agent.outbox import Outbox
from edge_agent.profile import Profile, Timing
from schemas.messages import Presence


class Sender:
    """Holds nothing that may not be lost: journal and hands say what there is to say."""

    def __init__(self, journal: Journal, hands: Hands, timing: Timing, rng: random.Random) -> None:
        self._journal, self._hands, self._timing = journal, hands, timing
        self.outbox = Outbox(journal, timing, rng)
        self.asks, self.beats, self._beat = Asks(timing.grant_age_s), Beats(), Beat()
        self.boot_id = ""
        self.life = 0
        """The newest life of the box that this boot has heard of; a restored box begins a new one."""
        self.beat_at = float("inf")
        self._is_connected = False
        self._sends: list[Send] = []

    def connected(self) -> None:
        """From now on messages leave."""
        self._is_connected = True
        self._sends.append(self.presence(online=True))

    def disconnected(self) -> None:
        """Nothing can be sent; what waits is composed anew later."""
        self._is_connected, self.beat_at = False, float("inf")
        self.outbox.stop()
        self._sends.clear()

    def presence(self, *, online: bool) -> Send:
        """The hint for the screen, also used as the last will."""
        return Send("presence", Presence(online=online, boot=self.boot_id).model_dump_json().encode(), retain=True)

    def beat(self, profile: Profile, facts: dict[str, Any], telemetry: Telemetry, now: float) -> None:
        """A heartbeat, unless it would say more than is known; an ask for each attempt without a grant."""
        if not self._is_connected:
            return
        self.beat_at = now + self._timing.heartbeat_s
        if not self._hands.proven:
            return
        holds = [(hand, None if hand.granted else self.asks.new(hand.attempt, now)) for hand in self._hands]
        facts = {**facts, "boot": self.boot_id, "beat": self.beats.new(now), "life": self.life}
        self._sends.append(self._beat.compose(self._journal, profile, holds, facts, telemetry))

    def take(self, now: float) -> list[Send]:
        """Reports first, so that a heartbeat never speaks of rows that have not left."""
        if not self._is_connected:
            return []
        reports = self.outbox.messages(self.boot_id, lambda attempt: self._ask(attempt, now), now)
        others, self._sends = self._sends, []
        return reports + others

    def _ask(self, attempt: int, now: float) -> int | None:
        return None if self._hands.get(attempt) is None else self.asks.new(attempt, now)
