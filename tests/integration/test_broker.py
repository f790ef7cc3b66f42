"""The broker as `serve` starts it: access rules that really deny, and the one for demos."""

import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from cli.probes import free_port
from config.settings import Address
from controller.broker import BrokerPlan, access_rules, amqtt_command, mosquitto_command, passwords, write_config
from controller.store.credentials import Credential
from schemas.topics import TO_AGENT, TO_CONTROLLER, Topics
from tests.integration.test_link import driven
from tests.waiting import wait_for

TOPICS = Topics("plant-7/x")


def listens(port: int) -> bool:
    """Whether somebody listens there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def process(command: list[str], port: int, log: Path) -> Iterator[None]:
    """A broker until the end of the block; it ends at SIGTERM."""
    with log.open("wb") as file:
        running = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=file, stderr=file)
        try:
            wait_for(lambda: listens(port), 20, f"the broker ({log})")
            yield
        finally:
            running.terminate()
            assert running.wait(20) in (0, -15)


@pytest.fixture(scope="module")
def port(mosquitto: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A mosquitto with the rules of the box."""
    folder, number = tmp_path_factory.mktemp("broker of a box"), free_port()
    plan = BrokerPlan(folder / "broker", Address("127.0.0.1", number), TOPICS)
    write_config(plan)
    command = mosquitto_command(mosquitto, plan.folder)
    with process(command, number, folder / "log"):
        yield number


class Someone:
    """A client with a user name, what it was told and what it received."""

    def __init__(self, port: int, user: str | None, client_id: str = "") -> None:
        self.client = paho.Client(CallbackAPIVersion.VERSION2, client_id, protocol=paho.MQTTv311)
        self.client.username_pw_set(user) if user is not None else None
        self.got: list[tuple[str, bytes]] = []
        self.codes: list[bool] = []
        self.refused: list[str] = []
        self._subscribed = 0
        self.client.on_message = lambda _c, _d, m: self.got.append((m.topic, bytes(m.payload)))
        self.client.on_connect = lambda _c, _d, _f, code, _p: (
            self.refused.append(str(code)) if code.is_failure else None
        )
        self.client.on_subscribe = lambda *_: setattr(self, "_subscribed", self._subscribed + 1)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()

    def subscribe(self, *topics: str) -> None:
        """Ask for topics; a broker of MQTT 3.1.1 says yes and sends nothing when the rules say no."""
        wait_for(self.client.is_connected, 10, "the connection")
        before = self._subscribed
        self.client.subscribe([(topic, 1) for topic in topics])
        wait_for(lambda: self._subscribed > before, 10, "the subscription")

    def publish(self, topic: str, payload: bytes, qos: int = 1) -> None:
        """Publish; a denied message is acknowledged like any other."""
        wait_for(self.client.is_connected, 10, "the connection")
        self.client.publish(topic, payload, qos).wait_for_publish(10)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture
def someone(port: int) -> Iterator[Callable[..., Someone]]:
    """Makes clients and ends them."""
    made: list[Someone] = []

    def make(user: str | None, client_id: str = "") -> Someone:
        made.append(Someone(port, user, client_id))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_a_robot_hears_only_what_is_its_own(someone: Callable[..., Someone]) -> None:
    controller, robot = someone("yardmaster"), someone("r1", "r2")
    robot.subscribe("#", f"{TOPICS.prefix}/#", *TOPICS.for_agent("r2"), *TOPICS.for_agent("r1"))
    robot.subscribe(*(TOPICS.of("r1", kind) for kind in TO_CONTROLLER))
    for name in ("r2", "r1"):
        for kind in (*TO_AGENT, *TO_CONTROLLER):
            controller.publish(TOPICS.of(name, kind), name.encode())
    last = TOPICS.of("r1", "ack")
    controller.publish(last, b"last")
    wait_for(lambda: (last, b"last") in robot.got, 10, "the last message")
    assert {topic for topic, _ in robot.got} == set(TOPICS.for_agent("r1")), "its name is the one it logged in with"


def test_a_robot_speaks_only_for_itself(someone: Callable[..., Someone]) -> None:
    controller, robot = someone("yardmaster"), someone("r1")
    controller.subscribe(f"{TOPICS.prefix}/#")
    for name in ("r2", "r1"):
        for kind in (*TO_AGENT, *TO_CONTROLLER):
            robot.publish(TOPICS.of(name, kind), b"x")
    robot.publish(TOPICS.of("r1", "heartbeat"), b"last")
    wait_for(lambda: any(payload == b"last" for _, payload in controller.got), 10, "the last message")
    assert {topic for topic, _ in controller.got} == {TOPICS.of("r1", kind) for kind in TO_CONTROLLER}


def test_who_gives_no_name_is_not_let_in(someone: Callable[..., Someone]) -> None:
    nobody = someone(None, "r1")
    wait_for(lambda: nobody.refused, 10, "the refusal")


def test_the_controller_works_with_these_rules(port: int, someone: Callable[..., Someone]) -> None:
    with driven(port, TOPICS) as link:
        robot = someone("r9")
        robot.subscribe(*TOPICS.for_agent("r9"))
        robot.publish(TOPICS.of("r9", "log"), b"row")
        link.until(lambda: link.got, "the row")
        link.link.publish(TOPICS.of("r9", "ack"), b"upto", 1)
        link.until(lambda: robot.got, "the acknowledgement")


def test_files_are_for_the_owner_only(tmp_path: Path) -> None:
    plan = BrokerPlan(tmp_path / "broker", Address("127.0.0.1", 1), TOPICS)
    for _ in range(2):
        config = write_config(plan, [])
    files = dict.fromkeys(("acl", "passwords", config.name), 0o600)
    assert {file.name: file.stat().st_mode & 0o777 for file in plan.folder.iterdir()} == files


def test_rules_name_every_kind_once() -> None:
    rules = access_rules(TOPICS)
    for kind in TO_AGENT:
        assert rules.count(f"pattern read {TOPICS.of('%u', kind)}\n") == 1
    for kind in TO_CONTROLLER:
        assert rules.count(f"pattern write {TOPICS.of('%u', kind)}\n") == 1


def test_with_credentials_everybody_has_rules_of_his_own() -> None:
    rules = access_rules(TOPICS, [Credential("r1", "$7$"), Credential("r2", None)], ("yardmaster", "station"))
    users = [line.removeprefix("user ") for line in rules.splitlines() if line.startswith("user ")]
    assert users == ["yardmaster", "station", "r1", "r2"]
    assert "pattern" not in rules
    assert f"user r2\ntopic read {TOPICS.of('r2', TO_AGENT[0])}\n" in rules


def test_the_box_comes_before_a_robot_of_the_same_name() -> None:
    text = passwords({"station": "own"}, [Credential("r1", "one"), Credential("station", "x"), Credential("r2", None)])
    assert text == "r1:one\nstation:own\n", "and who shows a certificate has no password"


def test_the_broker_of_demos_works(tmp_path: Path) -> None:
    port = free_port()
    with process(amqtt_command(Address("127.0.0.1", port)), port, tmp_path / "log"), driven(port, TOPICS) as link:
        robot = Someone(port, "r1", "r1")
        try:
            robot.subscribe(*TOPICS.for_agent("r1"))
            robot.publish(TOPICS.of("r1", "log"), b"row")
            link.until(lambda: link.got, "the row")
            link.link.ack(link.got[0])
            assert link.link.publish(TOPICS.of("r1", "ack"), b"upto", 1)
            link.until(lambda: robot.got, "the acknowledgement")
        finally:
            robot.close()
