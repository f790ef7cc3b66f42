"""One agent's connection to the broker: paho on a socket of the process's asyncio loop."""

import asyncio
import logging
import random
import socket
import ssl
import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion

from config.clock import steady
from edge_agent.dial import TlsFiles, TlsSocket, open_socket
from edge_agent.effects import Send
from edge_agent.shown import Secrets
from edge_agent.wire import BufferedSocket
from schemas.topics import BadTopic, Topics

_LOG = logging.getLogger(__name__)

KEEPALIVE_S = 15
GOOD_S = 10.0
"""A connection that lasted this long was good."""
THROWN_OFF = 3
"""So often in a row thrown off sooner than that: somebody else uses this name."""
_CONNECT_S = 10.0
_INFLIGHT, _QUEUED, _UNANSWERED_BYTES = 100, 1000, 8 * 1024 * 1024
_NOT_LET_IN = ("Not authorized", "Bad user name or password")
_NOT_MQTT = (ValueError, IndexError, KeyError, struct.error)


def refusal(robot: str, code: object) -> str:
    """Why the broker lets nobody in, and what to do about it; it is tried again, for that may happen at any time."""
    if str(code) in _NOT_LET_IN:
        return (
            f"the broker does not let {robot} in with what it shows: it is not enrolled, has another password, or was "
            f"revoked; `yardmaster robot enrol {robot}` on the box gives it a new one, and this agent keeps trying"
        )
    return f"the broker refuses this agent: {code}"


def no_way_in(error: OSError | TimeoutError) -> str:
    """Why there is no connection, in words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"it is not the box that ca_file vouches for: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        why = getattr(error, "reason", None) or error
        return f"TLS fails: {why}; is this the address for TLS, and the certificate still good?"
    return str(error) or "no answer"


class Received(NamedTuple):
    """A message as it came; `ack` it once what it changed is committed."""

    kind: str
    payload: bytes
    mid: int
    qos: int
    connection: int


@dataclass(frozen=True)
class LinkSettings:
    """Where the broker is, and how long to wait before going there again."""

    host: str = "127.0.0.1"
    port: int = 1883
    topics: Topics = Topics()  # noqa: RUF009 - frozen
    secrets: Secrets = Secrets()  # noqa: RUF009 - frozen
    tls: TlsFiles | None = None
    reconnect_first_s: float = 0.5
    reconnect_max_s: float = 30.0


class Listener(Protocol):
    """Whom a link tells; all calls come from the loop."""

    def link_up(self) -> None:
        """Subscribed: messages arrive and may be sent."""

    def link_down(self) -> None:
        """The connection is gone."""

    def link_received(self, message: Received) -> None:
        """A message came."""

    def link_taken_over(self) -> None:
        """Another agent uses this name; the link has given up."""


class _Client(paho.Client):
    """Paho on a socket that was connected elsewhere, so that connecting holds nobody up."""

    own_socket: BufferedSocket

    def _create_socket(self) -> BufferedSocket:
        return self.own_socket


class Link:
    """One connection after another; nothing of one survives into the next, since reports are repeated anyway."""

    def __init__(self, robot: str, settings: LinkSettings, listener: Listener, will: Callable[[], Send]) -> None:
        self.counters: Counter[str] = Counter()
        self.is_up = False
        self._robot, self._settings, self._listener, self._will = robot, settings, listener, will
        self._loop = asyncio.get_running_loop()
        self._client: _Client | None = None
        self._socket: BufferedSocket | None = None
        self._flushing: asyncio.Handle | None = None
        self._is_writing = False
        """The system has no room, and will tell when there is some."""
        self._connection = 0
        self._since = 0.0
        self._failures = self._thrown_off = 0
        self._failure: str | None = None
        self._by_broker = False
        """The broker ended the connection; a bad network breaks it, which says nothing about other agents."""
        self._told = ""
        self._sizes: dict[int, int] = {}
        self._unanswered = 0
        self._dialling: asyncio.Task[None] | None = None
        self._is_closed = False

    # ------------------------------------------------------------ for the agent
    def start(self, after: float = 0.0) -> None:
        """Connect, for the first time after so many seconds, and again whenever the connection is lost."""
        self._dialling = self._loop.create_task(self._dial(after))

    def publish(self, send: Send) -> bool:
        """Hand a message over; False: no connection or no room, and its repeat will have to do."""
        if self._client is None or not self.is_up or self._unanswered > _UNANSWERED_BYTES:
            self.counters["not sent"] += 1
            return False
        info = self._client.publish(self._topic(send.kind), send.payload, send.qos, send.retain)
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            self.counters["not sent"] += 1
            return False
        if send.qos:
            self._sizes[info.mid] = len(send.payload)
            self._unanswered += len(send.payload)
        return True

    def ack(self, message: Received) -> None:
        """What the message changed is on the disk; of an earlier connection it is forgotten by the broker anyway."""
        if self._client is not None and message.qos and message.connection == self._connection:
            self._client.ack(message.mid, message.qos)

    def tick(self) -> None:
        """Keep the connection alive and notice one that is dead; wanted every few seconds."""
        if self._client is None:
            return
        if not self.is_up and steady() > self._since + _CONNECT_S:
            self._drop("the broker does not answer")
        else:
            self._client.loop_misc()
            self._check()

    def close(self, last: Send | None = None) -> None:
        """Say a last word and goodbye; without one the broker speaks the will."""
        self._is_closed = True
        if self._dialling is not None:
            self._dialling.cancel()
        if self._client is None:
            return
        if last is not None:
            self.publish(last)
            self._client.disconnect()
            self._client.loop_write()
        self._hang_up()

    # ------------------------------------------------------------ connecting
    async def _dial(self, after: float, *, thrown_off: bool = False) -> None:
        if thrown_off and await self._is_somebody_else():
            self._is_closed = True
            self._listener.link_taken_over()
        wait = after
        while not self._is_closed:
            await asyncio.sleep(wait)
            try:
                self._adopt(await self._open())
            except (OSError, TimeoutError) as error:
                self._log_once(f"no broker at {self._settings.host}:{self._settings.port}: {no_way_in(error)}")
                wait = self._pause()
            else:
                return

    async def _is_somebody_else(self) -> bool:
        """A broker that is still there has thrown us off; one that died has not. Three times in a row is no chance."""
        try:
            (await self._open()).close()
        except (OSError, TimeoutError):
            self._thrown_off = 0
        else:
            self._thrown_off += 1
        return self._thrown_off >= THROWN_OFF

    async def _open(self) -> socket.socket | TlsSocket:
        tls = None if self._settings.tls is None else self._settings.tls.context()
        return await asyncio.wait_for(open_socket(self._settings.host, self._settings.port, tls), _CONNECT_S)

    def _adopt(self, ready: socket.socket | TlsSocket) -> None:
        self._connection += 1
        self._since, self._failure, self._by_broker = steady(), None, False
        self._sizes, self._unanswered = {}, 0
        self._socket = BufferedSocket(ready)
        self._client = self._new_client(self._socket)
        self._loop.add_reader(self._socket, self._on_readable)
        self._client.reconnect()
        self._check()

    def _new_client(self, own_socket: BufferedSocket) -> _Client:
        client = _Client(
            CallbackAPIVersion.VERSION2,
            self._robot,
            clean_session=True,
            protocol=MQTTProtocolVersion.MQTTv311,
            manual_ack=True,
        )
        client.own_socket = own_socket
        client.username_pw_set(self._robot, self._settings.secrets.of(self._robot))
        client.max_inflight_messages_set(_INFLIGHT)
        client.max_queued_messages_set(_QUEUED)
        will = self._will()
        client.will_set(self._topic(will.kind), will.payload, will.qos, will.retain)
        client.on_connect, client.on_subscribe = self._on_connect, self._on_subscribe
        client.on_message, client.on_publish = self._on_message, self._on_publish
        client.on_disconnect, client.on_socket_close = self._on_disconnect, self._on_socket_close
        # With these set paho leaves writing to us, and all packets of a turn leave together.
        client.on_socket_register_write = self._on_want_write
        client.on_socket_unregister_write = lambda *_: None
        client.connect_async(self._settings.host, self._settings.port, KEEPALIVE_S)
        return client

    def _drop(self, reason: str) -> None:
        """The connection is lost: tell, and go there again."""
        was_up, was_good = self.is_up, steady() - self._since >= GOOD_S
        self._hang_up()
        if was_up:
            if was_good:
                self._thrown_off = self._failures = 0
            self._listener.link_down()
        if not self._is_closed:
            self._log_once(reason)
            dial = self._dial(self._pause(), thrown_off=was_up and not was_good and self._by_broker)
            self._dialling = self._loop.create_task(dial)

    def _hang_up(self) -> None:
        client, self._client, self.is_up = self._client, None, False
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None
        if self._socket is not None:
            self._forget(self._socket)
            self._socket.close()
            self._socket = None
        if client is not None:
            # Paho closes once more when it is collected, and the descriptor may be another's by then.
            client.on_socket_close = client.on_socket_unregister_write = None

    def _pause(self) -> float:
        """Full jitter: a fleet must not come back in step."""
        most = min(self._settings.reconnect_max_s, self._settings.reconnect_first_s * 2 ** min(self._failures, 16))
        self._failures += 1
        return random.uniform(0, most)  # noqa: S311 - no secret

    def _log_once(self, reason: str) -> None:
        self.counters["connections lost or refused"] += 1
        is_news, self._told = self._failures == 0 or reason != self._told, reason
        level = logging.WARNING if is_news else logging.DEBUG
        _LOG.log(level, "%s: %s", self._robot, reason)

    # ------------------------------------------------------------ the loop calls these
    def _on_readable(self) -> None:
        """Read all that has come; what was read of a connection that was lost since is good all the same."""
        own = self._socket
        while own is not None and own is self._socket and self._client is not None:
            own.dry = False
            try:
                self._client.loop_read()
            except _NOT_MQTT as error:
                self._failure = f"the broker sent what is not MQTT: {error}"
            self._check()
            if own.dry:
                return

    def _flush(self) -> None:
        """Send what was handed over since the last time, in as few system calls as possible."""
        self._flushing, own = None, self._socket
        if self._client is None or own is None:
            return
        self._client.loop_write()
        try:
            own.flush()
        except OSError as error:
            self._failure = self._failure or f"the connection was lost: {error}"
        self._check()
        if own is self._socket and bool(own.unsent) != self._is_writing:
            self._is_writing = not self._is_writing
            if self._is_writing:
                self._loop.add_writer(own, self._flush)
            else:
                self._loop.remove_writer(own)

    def _check(self) -> None:
        """Paho may notice a lost connection in any call; it is dropped where nothing of paho is running."""
        if self._failure is not None and self._client is not None:
            self._drop(self._failure)

    # ------------------------------------------------------------ paho calls these
    def _on_connect(self, client: paho.Client, data: Any, flags: Any, code: Any, properties: Any) -> None:  # noqa: ARG002
        if code.is_failure:
            self._failure = refusal(self._robot, code)
        else:
            client.subscribe([(topic, 1) for topic in self._settings.topics.for_agent(self._robot)])

    def _on_subscribe(self, client: Any, data: Any, mid: Any, codes: list[Any], properties: Any) -> None:  # noqa: ARG002
        if any(code.is_failure for code in codes):
            self._failure = "the broker does not let this agent read its own topics"
        elif not self.is_up:
            self.is_up, self._since = True, steady()
            _LOG.info("%s: connected to the broker at %s:%s", self._robot, self._settings.host, self._settings.port)
            self._listener.link_up()

    def _on_message(self, client: Any, data: Any, message: paho.MQTTMessage) -> None:  # noqa: ARG002
        try:
            robot, kind = self._settings.topics.parse(message.topic)
        except (BadTopic, UnicodeDecodeError):
            robot, kind = "", ""
        received = Received(kind, bytes(message.payload), message.mid, message.qos, self._connection)
        if robot != self._robot or message.retain:
            # What the broker kept says nothing about now.
            self.counters["retained" if message.retain else "topic"] += 1
            self.ack(received)
        else:
            self._listener.link_received(received)

    def _on_publish(self, client: Any, data: Any, mid: int, code: Any, properties: Any) -> None:  # noqa: ARG002
        self._unanswered -= self._sizes.pop(mid, 0)

    def _on_disconnect(self, client: Any, data: Any, flags: Any, code: Any, properties: Any) -> None:  # noqa: ARG002
        if client is self._client:
            shows = self._settings.tls is not None and self._settings.tls.certificate is not None
            refused = "; was the certificate revoked, or is it out of date?" if shows and not self.is_up else ""
            self._failure = self._failure or f"the connection was lost: {code}{refused}"
            # Noticed inside a call that does not look at it, publishing for one.
            self._loop.call_soon(self._check)

    def _on_want_write(self, client: Any, data: Any, sock: Any) -> None:  # noqa: ARG002
        if self._flushing is None:
            self._flushing = self._loop.call_soon(self._flush)

    def _on_socket_close(self, client: Any, data: Any, sock: Any) -> None:  # noqa: ARG002
        """While the descriptor is still ours: its number may be given away at once."""
        self._forget(sock)
        own = self._socket
        if own is not None and sock is own:
            self._by_broker, self._socket = own.ended, None

    def _forget(self, sock: BufferedSocket) -> None:
        self._is_writing = False
        self._loop.remove_reader(sock)
        self._loop.remove_writer(sock)

    def _topic(self, kind: str) -> str:
        return self._settings.topics.of(self._robot, kind)
