"""What an agent needs of a controller, over a real broker: rows recorded in order, acknowledged, every ask answered."""

import json
import threading
from collections import defaultdict
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from schemas.reading import BadRow, read, read_rows
from schemas.topics import ROW_TOPICS, Topics


class MiniController:
    """Runs in paho's own thread; `verdict` answers asks."""

    def __init__(self, host: str, port: int, topics: Topics) -> None:
        self.topics, self.verdict = topics, "grant"
        self.lock = threading.Lock()
        self.rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.upto: dict[tuple[str, str], int] = {}
        self.beats: dict[str, Any] = {}
        self.presence: dict[str, bool] = {}
        self.client = paho.Client(CallbackAPIVersion.VERSION2, "yardmaster")
        self.client.username_pw_set("yardmaster")
        self.client.on_connect = self._on_connect
        self.client.on_message = self._on_message
        self.client.reconnect_delay_set(1, 1)
        self.client.connect_async(host, port)
        self.client.loop_start()

    def _on_connect(self, client: paho.Client, data: Any, flags: Any, code: Any, properties: Any) -> None:
        client.subscribe([(topic, 1) for topic in self.topics.for_controller()])

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def tell(self, robot: str, kind: str, **fields: Any) -> None:
        self.client.publish(self.topics.of(robot, kind), json.dumps({"v": 1} | fields), 1)

    def kinds(self, robot: str) -> list[str]:
        with self.lock:
            return [row["kind"] for row in self.rows[robot]]

    def _on_message(self, client: Any, data: Any, message: paho.MQTTMessage) -> None:
        robot, kind = self.topics.parse(message.topic)
        with self.lock:
            if kind in ROW_TOPICS:
                self._record(robot, bytes(message.payload))
            elif kind == "heartbeat":
                self._beat(robot, bytes(message.payload))
            elif kind == "presence":
                self.presence[robot] = json.loads(message.payload)["online"]

    def _record(self, robot: str, payload: bytes) -> None:
        batch = read_rows(payload)
        where = (robot, batch.journal)
        asks = []
        for row in batch.rows:
            assert not isinstance(row, BadRow), row
            if row.seq == max(self.upto.get(where, 0), batch.first - 1) + 1:
                self.rows[robot].append(row.model_dump(exclude_none=True, by_alias=True))
                self.upto[where] = row.seq
            if getattr(row, "ask", None):
                asks.append((row.attempt, row.ask))  # type: ignore[union-attr]
        self._ack(robot, batch.journal, batch.boot)
        for attempt, ask in asks:
            self._ack(robot, batch.journal, batch.boot, attempt=attempt, ask=ask, verdict=self.verdict)

    def _beat(self, robot: str, payload: bytes) -> None:
        beat: Any = read("heartbeat", payload)
        self.beats[robot] = beat
        for held in beat.holds:
            more = {"attempt": held.attempt, "ask": held.ask, "verdict": self.verdict} if held.ask else {}
            self._ack(robot, beat.journal, beat.boot, beat=beat.beat, **more)

    def _ack(self, robot: str, journal: str, boot: str, **more: Any) -> None:
        self.tell(robot, "ack", journal=journal, boot=boot, upto=self.upto.get((robot, journal), 0), **more)
