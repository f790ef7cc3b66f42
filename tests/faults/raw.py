"""A client of the broker that says whatever it likes, under the name of a robot."""

import json
import time
import uuid
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from config.clock import steady
from schemas.topics import DEFAULT_PREFIX, Topics

TOPICS = Topics(DEFAULT_PREFIX)
CONNECT_S = 15.0


Will = Callable[["Raw"], tuple[str, dict[str, Any]]]
"""Topic and body of a last will, which is retained."""


class Raw:
    """One connection; `journal` and `boot` are its own."""

    def __init__(self, broker: str, robot: str, will: Will | None = None, *, returns: bool = True) -> None:
        self.robot, self.journal, self.boot = robot, uuid.uuid4().hex, uuid.uuid4().hex[:16]
        self.got: list[tuple[str, dict[str, Any]]] = []
        self._beat = self.seq = 0
        host, _, port = broker.rpartition(":")
        self._client = paho.Client(
            # Who uses the name of a robot that is here is thrown out by it, and must not come back.
            CallbackAPIVersion.VERSION2, robot, protocol=paho.MQTTv311, reconnect_on_failure=returns
        )  # fmt: skip
        self._client.username_pw_set(robot)
        self._client.max_queued_messages_set(0)
        self._client.max_inflight_messages_set(1000)
        self._client.on_message = self._on_message
        self._client.on_connect = self._on_connect
        if will is not None:
            topic, body = will(self)
            self._client.will_set(topic, json.dumps(body), qos=1, retain=True)
        self._client.connect(host, int(port), 30)
        self._client.loop_start()

    def __enter__(self) -> Self:
        end = steady() + CONNECT_S
        while not self._client.is_connected():
            if steady() > end:
                raise TimeoutError(f"{self.robot} is not let in")
            time.sleep(0.02)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def die(self) -> None:
        """Go without a goodbye: the broker speaks the last will."""
        self._client.loop_stop()
        sock = self._client.socket()
        if sock is not None:
            sock.close()

    def _on_connect(self, *_: Any) -> None:
        self._client.subscribe([(topic, 1) for topic in TOPICS.for_agent(self.robot)])

    def _on_message(self, _client: Any, _data: Any, message: paho.MQTTMessage) -> None:
        self.got.append((message.topic.rpartition("/")[2], json.loads(message.payload)))

    def send(
        self, kind: str, payload: bytes | dict[str, Any], *, robot: str = "", qos: int = 1, retain: bool = False
    ) -> None:
        """Publish on a topic of its own, or of another robot, and wait until the broker has it."""
        data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        told = self._client.publish(TOPICS.of(robot or self.robot, kind), data, qos, retain)
        if qos:
            told.wait_for_publish(CONNECT_S)

    def beat(self, **more: Any) -> dict[str, Any]:
        """A heartbeat of a robot that could take anything and holds nothing."""
        self._beat += 1
        body = {
            "v": 1, "journal": self.journal, "boot": self.boot, "beat": self._beat, "holds": [], "highest": 0,
            "head": self.seq, "first": self.seq + 1, "accepting": True, "kind": "agv", "version": "0", "capacity": 1,
            "capabilities": ["RootBp", "CAgvOperationBp", "PrintBp", "stops_with_agent"], "queues": ["liars"],
        }  # fmt: skip
        return body | more

    def rows(self, *rows: dict[str, Any]) -> dict[str, Any]:
        """An envelope with the next rows of its journal."""
        first = self.seq + 1
        self.seq += len(rows)
        numbered = [{"seq": first + n, "time": ""} | row for n, row in enumerate(rows)]
        return {"v": 1, "journal": self.journal, "boot": self.boot, "first": 1, "rows": numbered}
