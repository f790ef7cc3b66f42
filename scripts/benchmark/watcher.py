"""A raw MQTT subscriber on the robots' command topics: when which job's `assign` was on the wire."""

import json
import os
import signal
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from config.settings import address

NAME = "bench-watcher"
PATIENCE_S = 10.0


def let_in(acl: Path, broker: int, prefix: str) -> None:
    """Have a running mosquitto read one more rule: the watcher may listen to every robot's `assign`.

    The rule goes to the end of the file that the box has written; the next start of the broker writes it anew.
    """
    with acl.open("a", encoding="utf-8") as file:
        file.write(f"\nuser {NAME}\ntopic read {prefix}/+/assign\n")
    os.kill(broker, signal.SIGHUP)


class Watcher:
    """Collects what it sees until it is left; moments are of `time.perf_counter`."""

    def __init__(self, mqtt_address: str, prefix: str) -> None:
        self.at = address(mqtt_address)
        self.topic = f"{prefix}/+/assign"
        self.seen: list[tuple[float, bytes]] = []
        self._subscribed = threading.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=NAME)
        self._client.username_pw_set(NAME)
        self._client.on_connect = self._connected
        self._client.on_subscribe = self._heard_back
        self._client.on_message = self._message

    def __enter__(self) -> Self:
        self._client.connect(self.at.host, self.at.port)
        self._client.loop_start()
        if not self._subscribed.wait(PATIENCE_S):
            self._client.loop_stop()
            raise TimeoutError(f"the broker did not let the watcher listen to {self.topic}")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _connected(self, client: mqtt.Client, *_: Any) -> None:
        client.subscribe(self.topic, 1)

    def _heard_back(self, _client: mqtt.Client, _data: Any, _mid: int, codes: list[Any], *_: Any) -> None:
        if not any(code.is_failure for code in codes):
            self._subscribed.set()

    def _message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        self.seen.append((time.perf_counter(), bytes(message.payload)))

    def first_by_job(self) -> dict[str, float]:
        """The first moment of each job, by its public id."""
        found: dict[str, float] = {}
        for moment, payload in list(self.seen):
            found.setdefault(json.loads(payload)["job"], moment)
        return found
