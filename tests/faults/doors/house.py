"""A broker with the box's own rules and a real controller behind it, and raw clients that try to get past them."""

import hashlib
import json
import os
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion

from cli.broker_part import OwnClients, broker_part, controller_environment, own_clients
from cli.probes import free_port
from config.certificates import Authority, Signed
from config.credentials import broker_hash, new_password
from config.settings import ServeSettings
from controller.broker import CONFIG, RULES
from controller.client import Client, ControllerDown, NoAnswer
from schemas.topics import Topics
from tests.waiting import wait_for

TOPICS = Topics()
Mutant = Callable[[str, str], str]
"""What becomes of a file that the broker reads: (name, text) to text."""
PRESENCE = b'{"online":true,"boot":"b1"}'
"""A robot's own word that it is there: heard, counted, and no row."""
HOST = "127.0.0.1"
BY_ITSELF = ("retention clock", "turns")
"""What changes a minute after the start without anybody."""


class House:
    """One box without web and station; robots are enrolled as the web does it, by the controller's own command."""

    def __init__(self, folder: Path, mutant: Mutant | None = None, **settings: Any) -> None:
        ports = {name: f"{HOST}:{free_port()}" for name in ("mqtt", "mqtts", "mqtts_certificates")}
        self.settings = ServeSettings(data_dir=folder, broker="mosquitto", station=False, **ports | settings)
        self.folder, self.topics = folder, Topics()
        self.mutant = mutant
        self.own: OwnClients = own_clients(self.settings)
        self.client = Client(folder)
        self.part = broker_part(self.settings, self.own, lambda: self.listens())
        self.controller: subprocess.Popen[bytes] | None = None
        self.broker: subprocess.Popen[bytes] | None = None
        self.visitors: list[Visitor] = []

    def port(self, which: str) -> int:
        """Of `mqtt`, `mqtts` or `mqtts_certificates`."""
        return int(str(getattr(self.settings, which)).rpartition(":")[2])

    def listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((HOST, self.port("mqtt"))) == 0

    # ------------------------------------------------------------ processes
    def start(self) -> None:
        """Broker and controller; the database first, as `serve` makes it."""
        from controller.direct import has_people

        has_people(self.folder)
        self.start_broker()
        environment = os.environ | controller_environment(self.settings, self.own)
        with (self.folder / "controller.log").open("wb") as log:
            self.controller = subprocess.Popen(
                [sys.executable, "-m", "controller.app"], stdin=subprocess.PIPE, env=environment, stdout=log, stderr=log
            )
        wait_for(self.is_well, 30, f"the controller ({self.folder}/controller.log)")

    def start_broker(self) -> None:
        """As the supervisor does it; a mutant's files are read from a folder beside."""
        self.part.prepare()
        config = self.folder / "broker" / CONFIG
        if self.mutant is not None:
            config = self._mutate(config)
        with (self.folder / "broker.log").open("ab") as log:
            self.broker = subprocess.Popen([*self.part.command[:-1], str(config)], stdout=log, stderr=log)
        wait_for(self.listens, 20, f"the broker ({self.folder}/broker.log)")

    def _mutate(self, config: Path) -> Path:
        assert self.mutant is not None
        folder = config.parent.with_name("mutant")
        folder.mkdir(mode=0o700, exist_ok=True)
        for name in (CONFIG, RULES):
            text = (config.parent / name).read_text().replace(str(config.parent / RULES), str(folder / RULES))
            (folder / name).write_text(self.mutant(name, text))
            (folder / name).chmod(0o600)
        return folder / CONFIG

    def is_well(self) -> bool:
        """The controller answers and has its broker."""
        try:
            health = self.client.call("system.health").ok or {}
        except (ControllerDown, NoAnswer):
            return False
        return bool(health.get("parts", {}).get("broker", {}).get("state") == "ok")

    def end(self) -> None:
        for visitor in self.visitors:
            visitor.close()
        for process in (self.controller, self.broker):
            if process is not None:
                process.send_signal(signal.SIGTERM)
                process.wait(20)

    # ------------------------------------------------------------ asking
    def must(self, command: str, **args: Any) -> dict[str, Any]:
        """A command that is carried out."""
        answer = self.client.call(command, args)
        assert answer.error is None, answer.error
        return answer.ok or {}

    def enrol(self, robot: str) -> str:
        """A robot's new password."""
        password = new_password()
        self.must("robot.put", robot=robot)
        self.must("robot.enrol", robot=robot, hash=broker_hash(password))
        # mosquitto reads its files a moment after it was told to.
        wait_for(lambda: Visitor(self, robot, password).leaves(), 15, f"the broker to know {robot}")
        return password

    def certify(self, robot: str, into: Path) -> Signed:
        """A robot's new certificate, with its key in files."""
        signed = Authority.load(self.folder / "tls").for_robot(robot)
        self.must("robot.put", robot=robot)
        self.must("robot.enrol", robot=robot, serial=signed.serial, expires_at=signed.ends_us)
        write_pair(signed, into)
        return signed

    def counted(self, *start: str) -> float:
        """Sum of the controller's counters whose line begins with one of these."""
        lines = str(self.must("system.metrics")["text"]).splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(start))

    def rows(self) -> dict[str, str]:
        """Each table of the database, as a hash over all of its rows; what a sweep by age keeps is left out."""
        found = {}
        with sqlite3.connect(f"file:{self.folder}/yardmaster.db?mode=ro", uri=True) as db:
            tables = [name for (name,) in db.execute("select name from sqlite_master where type = 'table'")]
            for name in sorted(tables):
                rows = [tuple(row) for row in db.execute(f"select * from {name}")]
                text = json.dumps([row for row in rows if name != "meta" or row[0] not in BY_ITSELF], default=repr)
                found[name] = hashlib.sha256(text.encode()).hexdigest()
        return found


class Visitor:
    """A raw client: what it was told, what it received, how often it was let in and thrown out."""

    def __init__(
        self,
        house: House,
        user: str | None = None,
        password: str | None = None,
        client_id: str = "visitor",
        *,
        which: str = "mqtt",
        tls: ssl.SSLContext | None = None,
        protocol: MQTTProtocolVersion = paho.MQTTv311,
        will: tuple[str, bytes] | None = None,
    ) -> None:
        # One that was thrown out stays out: coming back, it would throw out the next of its name.
        self.client = paho.Client(CallbackAPIVersion.VERSION2, client_id, protocol=protocol, reconnect_on_failure=False)
        if user is not None:
            self.client.username_pw_set(user, password)
        if tls is not None:
            self.client.tls_set_context(tls)
        if will is not None:
            self.client.will_set(will[0], will[1], 1, True)
        self.got: list[tuple[str, bytes]] = []
        self.let_in = self.thrown_out = self.answered = 0
        self.problem = ""
        self.client.on_message = lambda _c, _d, m: self.got.append((m.topic, bytes(m.payload)))
        self.client.on_connect = self._on_connect
        self.client.on_disconnect = self._on_disconnect
        self.client.on_subscribe = lambda *_: setattr(self, "answered", self.answered + 1)
        house.visitors.append(self)
        try:
            self.client.connect(HOST, house.port(which), keepalive=10)
        except OSError as error:  # ssl.SSLError is one
            self.problem = str(error)
            return
        self.client.loop_start()
        wait_for(lambda: self.let_in or self.thrown_out, 15, "an answer of the broker")

    def _on_connect(self, _client: Any, _data: Any, _flags: Any, code: Any, _properties: Any) -> None:
        if code.is_failure:
            self.problem = str(code)
        else:
            self.let_in += 1

    def _on_disconnect(self, _client: Any, _data: Any, _flags: Any, code: Any, _properties: Any) -> None:
        self.problem = self.problem or str(code)
        self.thrown_out += 1

    @property
    def is_in(self) -> bool:
        return self.let_in > 0 and not self.thrown_out

    def publish(self, topic: str, payload: bytes, *, retain: bool = False, qos: int = 1) -> None:
        """Publish and wait until the broker has decided; in 3.1.1 it says yes to what it denies, too."""
        assert self.publishes(topic, payload, retain=retain, qos=qos), f"no answer of the broker about {topic}"

    def publishes(self, topic: str, payload: bytes, *, retain: bool = False, qos: int = 1) -> bool:
        """Whether the broker took it, before it threw this client out or 10 s had passed."""
        sent = self.client.publish(topic, payload, qos, retain)
        if sent.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:  # thrown out before it could say anything
            return False
        with suppress(AssertionError):
            wait_for(lambda: sent.is_published() or self.thrown_out, 10, "an answer of the broker")
        return sent.is_published()

    def subscribe(self, topic: str) -> None:
        """Ask for a topic; the answer says nothing about whether anything will come."""
        before = self.answered
        self.client.subscribe(topic, 1)
        wait_for(lambda: self.answered > before or self.thrown_out, 10, "the answer")

    def leaves(self) -> bool:
        """Close; whether it was in until then."""
        was_in = self.is_in
        self.close()
        return was_in

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@contextmanager
def house(folder: Path, mutant: Mutant | None = None, **settings: Any) -> Iterator[House]:
    """A house until the end of the block."""
    made = House(folder, mutant, **settings)
    try:
        made.start()
        yield made
    finally:
        made.end()


def trusting(folder: Path, pair: Path | None = None) -> ssl.SSLContext:
    """TLS as a robot speaks it: knows the box by its authority, shows a certificate if it has one."""
    made = ssl.create_default_context(cafile=folder / "tls" / "ca.pem")
    if pair is not None:
        made.load_cert_chain(pair / "certificate.pem", pair / "key.pem")
    return made


def write_pair(signed: Signed, into: Path) -> None:
    """A certificate and its key as files."""
    into.mkdir(parents=True, exist_ok=True)
    (into / "certificate.pem").write_text(signed.certificate)
    (into / "key.pem").write_text(signed.key)


def settle(house: House, robot: Visitor, name: str) -> None:
    """Until all that was published before has gone its way: the robot's own presence comes last, and changes no row."""
    counter = 'yardmaster_messages_total{kind="presence"}'
    before = house.counted(counter)
    robot.publish(TOPICS.of(name, "presence"), PRESENCE)
    wait_for(lambda: house.counted(counter) > before, 15, "the robot's own message")
