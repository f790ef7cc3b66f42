"""The only place that builds and parses MQTT topics."""

import re
from dataclasses import dataclass

TO_AGENT = ("assign", "cancel", "control", "child", "ack")
TO_CONTROLLER = ("block-status", "log", "submit", "heartbeat", "presence")
ROW_TOPICS = ("block-status", "log", "submit")
"""Topics whose messages carry numbered rows."""
DEFAULT_PREFIX = "fleet/v1"
_ROBOT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")
_PREFIX = re.compile(r"[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*\Z")


class BadTopic(ValueError):
    """The topic is not one of ours."""


@dataclass(frozen=True)
class Topics:
    """Topics below one prefix, `{prefix}/{robot}/{kind}`; raises `ValueError` for a prefix MQTT cannot carry."""

    prefix: str = DEFAULT_PREFIX

    def __post_init__(self) -> None:
        if not _PREFIX.match(self.prefix):
            raise ValueError(f"topic prefix {self.prefix!r}: words of letters, digits, . _ - joined by /")

    def of(self, robot: str, kind: str) -> str:
        """Topic of one kind of message of one robot."""
        return f"{self.prefix}/{robot}/{kind}"

    def for_controller(self) -> tuple[str, ...]:
        """What the controller subscribes to."""
        return tuple(f"{self.prefix}/+/{kind}" for kind in TO_CONTROLLER)

    def for_agent(self, robot: str) -> tuple[str, ...]:
        """What the agent of one robot subscribes to."""
        return tuple(self.of(robot, kind) for kind in TO_AGENT)

    def parse(self, topic: str) -> tuple[str, str]:
        """Robot and kind of a topic; raises `BadTopic`."""
        head, slash, rest = topic[: len(self.prefix)], topic[len(self.prefix) :][:1], topic[len(self.prefix) + 1 :]
        robot, _, kind = rest.partition("/")
        known = kind in TO_AGENT or kind in TO_CONTROLLER
        if head != self.prefix or slash != "/" or not known or not _ROBOT.match(robot):
            raise BadTopic(topic[:200])
        return robot, kind
