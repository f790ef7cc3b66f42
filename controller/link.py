"""The controller's connection to the broker: the only place that knows paho, driven by the controller's own loop.

Paho opens, guards and closes the connection. Messages and their acknowledgements, nearly all of the traffic, pass it
by: as bytes of our own (`controller.packets`) a packet costs a small part of what it costs there.
"""

import logging
import queue
import random
import selectors
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from config.clock import steady
from config.settings import Address
from controller.packets import KIND, PUBLISH, next_mid, puback, publish, read_puback, read_publish
from controller.wire import BufferedSocket, connect
from schemas.topics import Topics

log = logging.getLogger(__name__)

KEEPALIVE_S = 10
MOST_QUEUED = 10_000
MOST_UNANSWERED_BYTES = 64 * 1024 * 1024
MOST_UNSENT_BYTES = 4 * 1024 * 1024
"""Beyond these a message is not sent: the outbox does it later."""
_CLOSED = "the connection was closed"
_CONNECT_S = 10.0
"""For names, routes and the handshake up to the subscription."""
_GOOD_S = 10.0
"""A connection that lasted this long starts the waits anew; two controllers on one broker throw each other off."""


class Received(NamedTuple):
    """A message as it came; `ack` it once what it changed is committed."""

    topic: str
    payload: bytes
    retained: bool
    mid: int
    qos: int
    connection: int


@dataclass(frozen=True)
class LinkSettings:
    """Where the broker is and who we are there."""

    address: Address
    topics: Topics
    user: str = "yardmaster"
    password: str | None = None
    reconnect_first_s: float = 0.5
    reconnect_max_s: float = 30.0


class _Client(paho.Client):
    """Paho on a socket that was connected elsewhere, so that connecting never holds up the loop."""

    own_socket: BufferedSocket

    def _create_socket(self) -> BufferedSocket:
        return self.own_socket


class Link:
    """One MQTT connection after another; nothing of one survives into the next.

    `connected` is true from the subscription's confirmation on; `connection` numbers the connections.
    """

    def __init__(self, settings: LinkSettings, selector: selectors.BaseSelector, wake: Callable[[], None]) -> None:
        self.connected = False
        self.connection = 0
        self.problem = "not connected yet"
        self.counters: Counter[str] = Counter()
        self._settings = settings
        self._selector = selector
        self._wake = wake
        self._opened: queue.SimpleQueue[socket.socket | OSError] = queue.SimpleQueue()
        self._client: _Client | None = None
        self._socket: BufferedSocket | None = None
        self._events = 0
        self._inbox: list[Received] = []
        self._limit = 0
        self._mid = 0
        self._sizes: dict[int, int] = {}
        self._unanswered = 0
        self._failure: str | None = None
        self._failures = 0
        self._since = 0.0
        self._next = steady()
        self._opening = self._closing = False

    # ------------------------------------------------------------ driven by the loop
    @property
    def wake_at(self) -> float:
        """When `drive` is needed next, in steady seconds."""
        if self._socket is not None and self._socket.unread and self._events & selectors.EVENT_READ:
            return steady()
        return self._next

    def drive(self) -> None:
        """Connect when it is time, keep the connection alive, notice a handshake that does not end."""
        now = steady()
        self._adopt()
        if self._client is None:
            if not self._opening and now >= self._next:
                self._open()
        elif not self.connected and now > self._since + _CONNECT_S:
            self._drop("the broker does not answer")
        else:
            self._next = max(self._next, now + 1)

    def receive(self, limit: int, until: float) -> list[Received]:
        """Messages that have arrived, at most `limit` and until that steady second; with 0 the broker is not read."""
        if self._client is None or self._socket is None:
            return []
        self._limit = limit
        if limit > 0 or not self.connected:
            self._socket.dry = False
            while self._socket is not None and not self._socket.dry:
                self._read_once(self._client, self._socket)
                if len(self._inbox) >= limit or steady() >= until:
                    break
        self._keep_alive()
        taken, self._inbox = self._inbox, []
        self._watch()
        return taken

    def ack(self, message: Received) -> None:
        """Tell the broker that a message is safe; one of an earlier connection is sent again by its robot instead."""
        if message.qos and message.connection == self.connection and self._socket is not None:
            self._socket.write(puback(message.mid))

    def publish(self, topic: str, payload: bytes, qos: int) -> bool:
        """Hand a message over; False when there is no room or no connection, the outbox sends it again."""
        if not self._has_room() or self._socket is None:
            self.counters["not sent"] += 1
            return False
        if qos:
            self._mid = next_mid(self._mid)
            while self._mid in self._sizes:
                self._mid = next_mid(self._mid)
            self._sizes[self._mid] = len(payload)
            self._unanswered += len(payload)
        self._socket.write(publish(topic, payload, qos, self._mid))
        return True

    def flush(self) -> None:
        """Send what was handed over, in as few system calls as possible."""
        if self._client is None or self._socket is None:
            return
        self._client.loop_write()
        try:
            if self._socket is not None:
                self._socket.flush()
        except OSError as error:
            self._failure = str(error)
        self._check()
        self._watch()

    def close(self) -> None:
        """Say goodbye and close."""
        self._closing = True
        if self._client is not None:
            self._client.disconnect()
            self.flush()
        if self._client is not None:
            self._drop("closed")
        self._next = float("inf")

    # ------------------------------------------------------------ connecting
    def _open(self) -> None:
        self._opening, self._next = True, float("inf")  # the thread wakes the loop
        arguments = (*self._settings.address, _CONNECT_S / 2, self._report)
        threading.Thread(target=connect, args=arguments, daemon=True, name="connect").start()

    def _report(self, outcome: socket.socket | OSError) -> None:
        self._opened.put(outcome)
        self._wake()

    def _adopt(self) -> None:
        """Put paho on a socket that the connecting thread has opened."""
        try:
            outcome = self._opened.get_nowait()
        except queue.Empty:
            return
        self._opening = False
        if isinstance(outcome, OSError):
            self._wait(f"no broker at {self._settings.address}: {outcome}")
            return
        self.connection += 1
        self._since = self._next = steady()
        self._failure, self._sizes, self._unanswered = None, {}, 0
        self._socket = BufferedSocket(outcome, MOST_UNSENT_BYTES)
        self._client = self._new_client(self._socket)
        self._client.reconnect()
        self.flush()

    def _new_client(self, own_socket: BufferedSocket) -> _Client:
        name = self._settings.user
        client = _Client(
            CallbackAPIVersion.VERSION2,
            name,
            clean_session=True,
            protocol=MQTTProtocolVersion.MQTTv311,
            manual_ack=True,
        )
        client.own_socket = own_socket
        client.username_pw_set(name, self._settings.password)
        client.on_connect, client.on_subscribe = self._on_connect, self._on_subscribe
        client.on_disconnect, client.on_socket_close = self._on_disconnect, self._on_socket_close
        # With these set paho leaves writing to us, and a turn's packets leave together.
        client.on_socket_register_write = client.on_socket_unregister_write = lambda *_: None
        client.connect_async(*self._settings.address, KEEPALIVE_S)
        return client

    def _drop(self, reason: str) -> None:
        if self._socket is not None:
            self._unwatch()
            self._socket.close()
        lasted = steady() - self._since if self.connected else 0.0
        self._client, self._socket, self.connected = None, None, False
        self._inbox, self._sizes, self._unanswered = [], {}, 0
        if lasted >= _GOOD_S:
            self._failures = 0
        self._wait(reason)

    def _wait(self, reason: str) -> None:
        """Full jitter: a fleet of clients must not come back in step."""
        most = min(self._settings.reconnect_max_s, self._settings.reconnect_first_s * 2 ** min(self._failures, 16))
        self._failures += 1
        self._next = steady() + random.uniform(0, most)  # noqa: S311 - no secret
        self.problem = reason
        if not self._closing:
            log.log(logging.WARNING if self._failures <= 1 else logging.INFO, "broker: %s", reason)

    # ------------------------------------------------------------ paho calls these
    def _on_connect(self, client: paho.Client, data: Any, flags: Any, code: Any, properties: Any) -> None:  # noqa: ARG002
        if code.is_failure:
            self._failure = f"the broker refuses {self._settings.user}: {code}"
        else:
            client.subscribe([(topic, 1) for topic in self._settings.topics.for_controller()])

    def _on_subscribe(self, client: Any, data: Any, mid: Any, codes: list[Any], properties: Any) -> None:  # noqa: ARG002
        if any(code.is_failure for code in codes):
            self._failure = f"the broker does not let {self._settings.user} read the topics of robots"
            return
        self.connected, self.problem = True, ""
        self._since = steady()
        log.info("connected to the broker at %s", self._settings.address)

    def _on_disconnect(self, client: Any, data: Any, flags: Any, code: Any, properties: Any) -> None:  # noqa: ARG002
        if self._failure in (None, _CLOSED):
            self._failure = f"the connection was lost: {code}"

    def _on_socket_close(self, client: Any, data: Any, sock: Any) -> None:  # noqa: ARG002
        """While the descriptor is still ours: its number may be given away at once."""
        self._unwatch()
        self._failure = self._failure or _CLOSED

    # ------------------------------------------------------------ inside
    def _keep_alive(self) -> None:
        """Paho asks whether the broker still lives, and hears the answer only when all that has come was read."""
        if self._client is not None and self._socket is not None and (self._socket.dry or self._limit <= 0):
            self._client.loop_misc()
            self._check()

    def _read_once(self, client: _Client, own: BufferedSocket) -> None:
        """One packet, or the news that the connection is lost."""
        try:
            front = own.take()
            if front is None:
                if own.ended:
                    client.loop_read()
            elif front.body is None:
                client.loop_read()
            elif front.header & KIND == PUBLISH:
                self._inbox.append(Received(*read_publish(front.header, front.body), self.connection))
            else:
                self._unanswered -= self._sizes.pop(read_puback(front.body), 0)
        except (ValueError, IndexError, KeyError, struct.error) as error:
            self._failure = f"the connection was lost: the broker sent what is not MQTT: {error}"
        self._check()

    def _check(self) -> None:
        if self._failure is not None and self._client is not None:
            kept, self._inbox = self._inbox, []
            self._drop(self._failure)
            self._inbox = kept

    def _has_room(self) -> bool:
        if not self.connected or self._socket is None or self._client is None:
            return False
        waits = len(self._sizes) >= MOST_QUEUED or self._unanswered >= MOST_UNANSWERED_BYTES
        return self._socket.unsent < MOST_UNSENT_BYTES and not waits

    def _on_ready(self, mask: int) -> None:
        if mask & selectors.EVENT_WRITE:
            self.flush()

    def _watch(self) -> None:
        """Look for what can be done next: reading unless it is held back, writing while something waits."""
        if self._socket is None or self._client is None:
            return
        reading = selectors.EVENT_READ if self._limit > 0 or not self.connected else 0
        writing = selectors.EVENT_WRITE if self._socket.unsent or self._client.want_write() else 0
        if reading | writing != self._events:
            self._unwatch()
            if reading | writing:
                self._selector.register(self._socket, reading | writing, self._on_ready)
            self._events = reading | writing

    def _unwatch(self) -> None:
        if self._events and self._socket is not None:
            self._selector.unregister(self._socket)
        self._events = 0
