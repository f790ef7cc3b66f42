"""The controller's MQTT connection: against a real mosquitto, and against brokers that misbehave."""

import selectors
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

import controller.link
from config.clock import steady
from config.settings import Address
from controller.link import Link, LinkSettings, Received
from schemas.topics import Topics
from tests.conftest import Broker, _listens, _start
from tests.fakes.broker import ScriptedBroker, connack, welcome
from tests.waiting import wait_for

MOST_INFLIGHT = 1000
"""The broker lets so many messages wait for their acknowledgement."""


class Driven:
    """A link with a loop of its own, turned only while a test waits for something."""

    def __init__(self, address: Address, topics: Topics) -> None:
        self.selector = selectors.DefaultSelector()
        self._near, self._far = socket.socketpair()
        self.selector.register(self._near, selectors.EVENT_READ, lambda _mask: self._near.recv(100))
        settings = LinkSettings(address, topics, reconnect_first_s=0.1, reconnect_max_s=0.2)
        self.link = Link(settings, self.selector, self._wake)
        self.got: list[Received] = []

    def _wake(self) -> None:
        self._far.send(b"\0")

    def turn(self, limit: int = 1000) -> None:
        for key, mask in self.selector.select(0.005):
            key.data(mask)
        self.link.drive()
        self.got += self.link.receive(limit, steady() + 1)
        self.link.flush()

    def until(self, condition: Callable[[], object], what: str, limit: int = 1000) -> None:
        def turned() -> object:
            self.turn(limit)
            return condition()

        wait_for(turned, 20, what)

    def close(self) -> None:
        self.link.close()
        self.selector.close()
        self._near.close()
        self._far.close()


@contextmanager
def driven(port: int, topics: Topics, *, connected: bool = True) -> Iterator[Driven]:
    """A link to a port of this machine."""
    made = Driven(Address("127.0.0.1", port), topics)
    try:
        if connected:
            made.until(lambda: made.link.connected, "the connection")
        yield made
    finally:
        made.close()


@contextmanager
def peer(port: int, *subscribe: str) -> Iterator[tuple[paho.Client, list[paho.MQTTMessage]]]:
    """Another client of the broker, in its own thread, with what it received."""
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv311)
    client.max_inflight_messages_set(0)
    got: list[paho.MQTTMessage] = []
    ready: list[bool] = []
    client.on_message = lambda _c, _d, message: got.append(message)
    client.on_subscribe = lambda *_: ready.append(True)
    client.connect("127.0.0.1", port)
    client.loop_start()
    try:
        if subscribe:
            wait_for(client.is_connected, 10, "the peer")
            client.subscribe([(topic, 1) for topic in subscribe])
            wait_for(lambda: ready, 10, "the peer's subscription")
        yield client, got
    finally:
        client.loop_stop()
        client.disconnect()


@pytest.fixture
def topics(request: pytest.FixtureRequest) -> Topics:
    """A prefix that no other test uses."""
    return Topics("link/" + "".join(c for c in request.node.name if c.isalnum()))


def test_messages_arrive_with_all_that_matters(broker: Broker, topics: Topics) -> None:
    with peer(broker.port) as (client, _):
        client.publish(topics.of("r1", "presence"), b"kept", 1, retain=True).wait_for_publish(10)
        with driven(broker.port, topics) as link:
            client.publish(topics.of("r1", "heartbeat"), b"beat", 0)
            client.publish(topics.of("r1", "log"), b"row", 1)
            client.publish(topics.of("r1", "assign"), b"not for us", 1)
            link.until(lambda: len(link.got) == 3, "three messages")
        client.publish(topics.of("r1", "presence"), b"", 1, retain=True).wait_for_publish(10)
    found = {(m.topic.rpartition("/")[2], m.payload, m.retained, m.qos) for m in link.got}
    assert found == {("presence", b"kept", True, 1), ("heartbeat", b"beat", False, 0), ("log", b"row", False, 1)}


def test_nothing_is_acknowledged_by_itself(broker: Broker, topics: Topics) -> None:
    """The broker lets 1000 messages wait for their acknowledgement; the next ones show that ours left."""
    more = 50
    with driven(broker.port, topics) as link, peer(broker.port) as (client, _):
        for number in range(MOST_INFLIGHT + more):
            client.publish(topics.of("r1", "log"), str(number).encode(), 1)
        client.publish(topics.of("r1", "heartbeat"), b"after all", 0).wait_for_publish(10)
        link.until(lambda: any(m.qos == 0 for m in link.got), "the heartbeat")
        assert sum(m.qos for m in link.got) == MOST_INFLIGHT
        for message in link.got[:more]:
            link.link.ack(message)
        link.until(lambda: sum(m.qos for m in link.got) == MOST_INFLIGHT + more, "the rest")
        assert [m.payload for m in link.got if m.qos] == [str(n).encode() for n in range(MOST_INFLIGHT + more)]


def test_reading_stops_at_the_limit(broker: Broker, topics: Topics) -> None:
    with driven(broker.port, topics) as link, peer(broker.port) as (client, _):
        for number in range(100):
            client.publish(topics.of("r1", "log"), str(number).encode(), 1)
        sizes: list[int] = []

        def everything() -> bool:
            before = len(link.got)
            link.turn(limit=10)
            sizes.append(len(link.got) - before)
            return len(link.got) == 100

        wait_for(everything, 10, "all messages")
        assert max(sizes) == 10
        client.publish(topics.of("r1", "log"), b"held back", 1).wait_for_publish(10)
        for _ in range(5):
            link.turn(limit=0)
        assert len(link.got) == 100
        link.until(lambda: len(link.got) == 101, "the one held back")


def test_messages_are_published_in_order(broker: Broker, topics: Topics) -> None:
    with peer(broker.port, f"{topics.prefix}/#") as (_, got), driven(broker.port, topics) as link:
        for number in range(500):
            assert link.link.publish(topics.of("r1", "assign"), str(number).encode(), 1)
        link.until(lambda: len(got) == 500, "500 messages")
        assert [m.payload for m in got] == [str(n).encode() for n in range(500)]
        assert {m.qos for m in got} == {1}
        link.until(lambda: not link.link._unanswered, "the broker's acknowledgements")


def test_without_a_connection_nothing_is_taken(topics: Topics, unused_port: int) -> None:
    with driven(unused_port, topics, connected=False) as link:
        assert not link.link.publish(topics.of("r1", "assign"), b"x", 1)
        link.until(lambda: "no broker at" in link.link.problem, "the reason")
        assert link.link.counters["not sent"] == 1


@pytest.fixture
def unused_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def has_got(link: Driven, count: int) -> bool:
    """Whether so many messages have arrived."""
    return len(link.got) == count


def test_a_new_broker_is_found_and_old_acknowledgements_are_forgotten(
    mosquitto: str, topics: Topics, tmp_path: Path, unused_port: int
) -> None:
    where = Broker("127.0.0.1", unused_port)
    with driven(unused_port, topics, connected=False) as link:
        for round_ in (1, 2):
            process = _start(mosquitto, where, tmp_path)
            try:
                wait_for(lambda: _listens(where), 10, "mosquitto")
                link.until(lambda: link.link.connected, "the connection")
                assert link.link.connection == round_
                with peer(unused_port) as (client, _):
                    client.publish(topics.of("r1", "log"), b"x", 1)
                    link.until(partial(has_got, link, round_), "a message")
            finally:
                process.kill()
                process.wait(10)
            link.until(lambda: not link.link.connected, "the loss")
        for message in link.got:
            link.link.ack(message)
        assert [m.connection for m in link.got] == [1, 2]


def test_small_packets_do_not_wait(broker: Broker, topics: Topics) -> None:
    with driven(broker.port, topics) as link:
        assert link.link._socket is not None
        assert link.link._socket._raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


# ------------------------------------------------------------ brokers that misbehave
@contextmanager
def scripted(script: Callable[[socket.socket], None]) -> Iterator[ScriptedBroker]:
    """A broker that follows a script."""
    made = ScriptedBroker(script)
    try:
        yield made
    finally:
        made.close()


def test_a_broker_that_reads_nothing_does_not_fill_memory(topics: Topics, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(controller.link, "MOST_UNSENT_BYTES", 200_000)
    monkeypatch.setattr(controller.link, "MOST_QUEUED", 300)
    with scripted(welcome) as fake, driven(fake.port, topics) as link:
        payload = b"x" * 20_000

        def is_full() -> bool:
            return not all(link.link.publish(topics.of("r1", "assign"), payload, 1) for _ in range(50))

        link.until(is_full, "the limit")
        assert link.link._socket is not None
        assert link.link._socket.unsent <= 200_000 + 2 * len(payload)
        assert link.link.counters["not sent"] == 1
        assert link.link.connected


def refuses(connection: socket.socket) -> None:
    connection.recv(4096)
    connection.sendall(connack(5))


def lets_nobody_subscribe(connection: socket.socket) -> None:
    welcome(connection, 0x80)


def says_garbage(connection: socket.socket) -> None:
    connection.recv(4096)
    connection.sendall(b"\xff" * 6)


def sends_half_a_message(connection: socket.socket) -> None:
    welcome(connection)
    connection.sendall(b"\x32\x03\x00\xffx")


def closes(connection: socket.socket) -> None:
    connection.recv(4096)
    connection.close()


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (refuses, "refuses"),
        (lets_nobody_subscribe, "does not let"),
        (says_garbage, "lost"),
        (sends_half_a_message, "not MQTT|lost"),
        (closes, "lost"),
    ],
)
def test_what_a_broker_does_wrong_is_said_and_tried_again(
    topics: Topics, script: Callable[[socket.socket], None], reason: str
) -> None:
    seen: set[str] = set()
    with scripted(script) as fake, driven(fake.port, topics, connected=False) as link:

        def tried_again() -> bool:
            seen.add(link.link.problem)
            return link.link.connection >= 3

        link.until(tried_again, "further attempts")
    assert any(word in problem for problem in seen for word in reason.split("|")), seen


def test_a_broker_that_says_nothing_is_given_up(topics: Topics, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(controller.link, "_CONNECT_S", 0.2)
    with scripted(lambda _connection: None) as fake, driven(fake.port, topics, connected=False) as link:
        link.until(lambda: "does not answer" in link.link.problem, "the reason")


@pytest.mark.parametrize("answers", [True, False])
def test_a_quiet_connection_is_asked_after(topics: Topics, monkeypatch: pytest.MonkeyPatch, *, answers: bool) -> None:
    monkeypatch.setattr(controller.link, "KEEPALIVE_S", 1)
    asked: list[bytes] = []

    def script(connection: socket.socket) -> None:
        welcome(connection)
        while True:
            packet = connection.recv(4096)
            if not packet:
                return
            asked.append(packet)
            if answers:
                connection.sendall(b"\xd0\0")

    with scripted(script) as fake, driven(fake.port, topics) as link:
        if answers:
            link.until(lambda: len(asked) >= 3, "three questions")
            assert (link.link.connected, link.link.connection) == (True, 1)
        else:
            link.until(lambda: link.link.connection >= 2, "another connection")
        assert set(asked) == {b"\xc0\0"}
