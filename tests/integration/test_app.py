"""The controller's process: killed at the worst moment, on a full disk, started twice, told to end."""

import errno
import json
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from cli.probes import free_port
from config import certificates
from config.certificates import Authority
from config.settings import PART_VARIABLE, ServeSettings, load
from controller.app import Controller
from controller.client import Client, ControllerDown, NoAnswer
from controller.store import findings
from controller.store.scrub import Scrub
from controller.store.sums_file import put
from schemas.topics import Topics
from tests.conftest import Broker
from tests.fakes.part import part
from tests.integration.test_broker import Someone
from tests.waiting import wait_for

JOURNAL = {"v": 1, "journal": "j-1", "boot": "b-1"}
DIES_BEFORE_THE_ACK = """
import os, sys
from controller.link import Link
plain = Link.ack
Link.ack = lambda self, message: os._exit(9) if message.qos else plain(self, message)
from controller.app import main
sys.exit(main())
"""


def settings_for(data_dir: Path, port: int, name: str) -> ServeSettings:
    """Settings of a controller alone, with a prefix that no other test uses."""
    return load(data_dir=data_dir, mqtt=f"127.0.0.1:{port}", topic_prefix=f"app/{name}", reconnect_max_s=1)


@contextmanager
def process(settings: ServeSettings, *how: str) -> Iterator[subprocess.Popen[str]]:
    """A controller as a process of its own, killed at the end of the block if it still runs."""
    with part({PART_VARIABLE: settings.model_dump_json()}, *(how or ("-m", "controller.app"))) as running:
        yield running


def answers(client: Client) -> bool:
    """Whether the controller is there and has its broker."""
    try:
        health = client.call("system.health").ok
    except (ControllerDown, NoAnswer):
        return False
    return health is not None and health["parts"]["broker"]["state"] == "ok"


@contextmanager
def thread(settings: ServeSettings) -> Iterator[Controller]:
    """A controller in a thread of this process, so that a test reaches what is inside."""
    controller = Controller(settings)
    running = threading.Thread(target=controller.run, daemon=True)
    running.start()
    try:
        yield controller
    finally:
        controller.stop()
        running.join(10)
        controller.close()


def rows(data_dir: Path, sql: str) -> list[tuple[Any, ...]]:
    """What the database says."""
    with closing(sqlite3.connect(f"file:{data_dir / 'yardmaster.db'}?mode=ro", uri=True)) as db:
        return db.execute(sql).fetchall()


def log_rows(*seqs: int) -> bytes:
    """An envelope of log rows."""
    some = [{"seq": seq, "kind": "log", "level": 1, "type": "note", "text": str(seq), "time": "t"} for seq in seqs]
    return json.dumps(JOURNAL | {"first": 1, "rows": some}).encode()


def heartbeat(head: int) -> bytes:
    """One from a robot that holds nothing."""
    rest = {"beat": 1, "holds": [], "highest": 0, "head": head, "first": 1, "accepting": True, "kind": "agv"}
    return json.dumps(JOURNAL | rest | {"capabilities": [], "queues": ["main"]}).encode()


@pytest.fixture
def settings(broker: Broker, tmp_path: Path, request: pytest.FixtureRequest) -> ServeSettings:
    """Those of a controller at the shared broker."""
    name = "".join(c for c in request.node.name if c.isalnum())
    return settings_for(tmp_path / "data", broker.port, name)


def test_what_was_answered_survives_a_kill(settings: ServeSettings) -> None:
    client = Client(settings.data_dir)
    for number in range(3):
        with process(settings) as running:
            wait_for(lambda: answers(client), 20, "the controller")
            for turn in range(20):
                answer = client.call("queue.put", {"queue": f"q{number}-{turn}"}, key=f"{number}-{turn}")
                assert answer.error is None
            running.kill()
            running.wait(10)
    stored = {name for (name,) in rows(settings.data_dir, "select id from queues")}
    assert stored >= {f"q{number}-{turn}" for number in range(3) for turn in range(20)}


def test_killed_between_commit_and_acknowledgement(settings: ServeSettings, broker: Broker) -> None:
    """The row is stored once and acknowledged in the end, though the first controller never said so."""
    topics, client = Topics(settings.topic_prefix), Client(settings.data_dir)
    robot = Someone(broker.port, "r1", f"r1-{settings.topic_prefix}")
    robot.subscribe(*topics.for_agent("r1"))
    try:
        with process(settings, "-c", DIES_BEFORE_THE_ACK) as running:
            wait_for(lambda: answers(client), 20, "the controller")
            robot.publish(topics.of("r1", "heartbeat"), heartbeat(0), qos=0)
            robot.publish(topics.of("r1", "log"), log_rows(1, 2))
            assert running.wait(20) == 9
        assert not [
            payload for topic, payload in robot.got if topic == topics.of("r1", "ack") and b'"upto":2' in payload
        ]
        assert rows(settings.data_dir, "select count(*) from reports") == [(2,)], "it was committed"
        with process(settings) as running:
            wait_for(lambda: answers(client), 20, "the controller")
            robot.publish(topics.of("r1", "log"), log_rows(1, 2, 3))
            wait_for(lambda: [p for _, p in robot.got if b'"upto":3' in p], 20, "the acknowledgement")
            assert rows(settings.data_dir, "select seq from reports order by seq") == [(1,), (2,), (3,)]
    finally:
        robot.close()


def test_a_full_disk_refuses_and_recovers_by_itself(settings: ServeSettings, broker: Broker) -> None:
    topics, client = Topics(settings.topic_prefix), Client(settings.data_dir)
    robot = Someone(broker.port, "r1", f"r1-{settings.topic_prefix}")
    robot.subscribe(*topics.for_agent("r1"))
    try:
        with thread(settings) as controller:
            wait_for(lambda: answers(client), 20, "the controller")
            robot.publish(topics.of("r1", "heartbeat"), heartbeat(0), qos=0)
            wait_for(lambda: (client.call("robot.live").ok or {})["robots"], 20, "the robot")
            (pages,) = controller.store.db.execute("pragma page_count").fetchone()
            controller.store.db.execute(f"pragma max_page_count = {pages}")
            first = fill(client)
            assert client.call("system.health").ok["state"] == "degraded"  # type: ignore[index]
            assert "r1" in (client.call("robot.live").ok or {})["robots"], "reading works"
            robot.publish(topics.of("r1", "log"), log_rows(*range(1, 200)))
            controller.store.db.execute("pragma max_page_count = 1000000")
            wait_for(lambda: client.call("system.health").ok["state"] == "ok", 20, "the recovery")  # type: ignore[index]
            wait_for(lambda: [p for _, p in robot.got if b'"upto":199' in p], 20, "the acknowledgement")
            assert client.call("queue.put", {"queue": first}).error is None
            assert controller.loop.kept == 0
    finally:
        robot.close()


def fill(client: Client) -> str:
    """Make queues until one is refused; its name."""
    for number in range(100_000):
        name = f"{'q' * 50}{number}"
        answer = client.call("queue.put", {"queue": name, "name": "x" * 200})
        if answer.error is not None:
            assert answer.error.code == "store.full"
            assert not [q for q in stored_queues(client) if q == name]
            return name
    raise AssertionError("the disk was never full")


def stored_queues(client: Client) -> set[str]:
    """Queues as the database has them."""
    return {name for (name,) in rows(client._data_dir, "select id from queues")}


def test_a_second_controller_refuses_to_start(settings: ServeSettings) -> None:
    client = Client(settings.data_dir)
    with process(settings):
        wait_for(lambda: answers(client), 20, "the controller")
        with process(settings) as second:
            _, said = second.communicate(timeout=30)
            assert second.returncode == 1
            assert "in use by another controller" in said
            assert "Traceback" not in said
        assert answers(client), "the first one goes on"


@pytest.mark.parametrize("how", ["SIGTERM", "SIGINT", "pipe"])
def test_it_ends_when_it_is_told_to_or_left_alone(settings: ServeSettings, how: str) -> None:
    client = Client(settings.data_dir)
    with process(settings) as running:
        wait_for(lambda: answers(client), 20, "the controller")
        assert client.call("queue.put", {"queue": "q"}).error is None
        if how == "pipe":
            assert running.stdin is not None
            running.stdin.close()
            running.stdin = None
        else:
            running.send_signal(signal.Signals[how])
        assert running.wait(10) == 0
    left = {file.name for file in settings.data_dir.iterdir()}
    sums = {"yardmaster.db-sums", "yardmaster.db-sums-log"}
    assert left == {"yardmaster.db", "lock", "incarnation", "mark", "ballast"} | sums, "socket and log are folded away"


def test_a_database_of_a_newer_version_is_refused(settings: ServeSettings) -> None:
    with thread(settings) as controller:
        later = "insert into _sqlite_migrations (migration_set, name) values ('yardmaster', 'm9999_later')"
        controller.store.db.execute(later)
    with process(settings) as running:
        _, said = running.communicate(timeout=30)
    assert running.returncode == 1
    assert "newer version" in said


def test_a_damaged_database_is_not_worked_with(settings: ServeSettings) -> None:
    with thread(settings):
        pass
    file = settings.data_dir / "yardmaster.db"
    file.write_bytes(b"not a database at all" * 1000)
    with process(settings) as running:
        _, said = running.communicate(timeout=30)
    assert running.returncode == 3
    assert "cannot start" in said
    assert file.read_bytes().startswith(b"not a database"), "nothing was made over it"


def test_without_a_broker_commands_are_still_carried_out(tmp_path: Path) -> None:
    settings = settings_for(tmp_path / "data", free_port(), "none")
    with thread(settings):
        client = Client(settings.data_dir)
        assert client.call("queue.put", {"queue": "q"}).error is None
        health = client.call("system.health").ok
        assert health is not None
        assert health["parts"] == {
            "controller": {"state": "ok"}, "broker": {"state": "down"}, "store": {"state": "ok"},
        }  # fmt: skip
        assert health["reasons"][0]["code"] == "broker.down"


def test_metrics_tell_what_happened(settings: ServeSettings, broker: Broker) -> None:
    topics, client = Topics(settings.topic_prefix), Client(settings.data_dir)
    robot = Someone(broker.port, "r1", f"r1-{settings.topic_prefix}")
    try:
        with thread(settings):
            wait_for(lambda: answers(client), 20, "the controller")
            robot.publish(topics.of("r1", "heartbeat"), heartbeat(0), qos=0)
            robot.publish(topics.of("r1", "log"), b"{")
            wait_for(said(client, 'yardmaster_bad_messages_total{kind="log"'), 20, "the bad message")
            wait_for(said(client, 'yardmaster_messages_total{kind="heartbeat"} 1.0'), 20, "the heartbeat")
            for line in (
                "yardmaster_broker_connected 1.0",
                "yardmaster_store_failing 0.0",
                'yardmaster_robots{state="on_hold"} 1.0',
                "yardmaster_outbox 0.0",
                "yardmaster_turn_seconds_count",
                "yardmaster_commit_seconds_count",
                "yardmaster_wal_bytes",
            ):
                assert said(client, line)(), line
    finally:
        robot.close()


def said(client: Client, line: str) -> Callable[[], bool]:
    """Whether the metrics have this line."""
    return lambda: line in (client.call("system.metrics").ok or {})["text"]


def rot(controller: Controller) -> None:
    """A disk that changes what was written, behind everybody's back."""
    controller.store.fold()
    with controller.database.open("r+b") as pages:
        pages.seek(controller.database.stat().st_size - 50)
        pages.write(b"rot")


def test_what_a_backup_met_is_looked_at_at_once(settings: ServeSettings) -> None:
    """Else a box whose backups fail because a page went bad would say only that, until the look of the next day."""
    with thread(settings) as controller:
        scrub = controller.scrub
        assert scrub is not None
        wait_for(lambda: scrub.passes, 20, "the first look at the file")
        rot(controller)
        command = [sys.executable, "-m", "cli.main", "backup", "--data-dir", str(settings.data_dir)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 1, done
        assert "is not what was written" in done.stderr
        wait_for(lambda: _damaged(Client(settings.data_dir)), 30, "the second look")


def test_a_page_that_goes_bad_while_it_runs_is_found_and_said(
    settings: ServeSettings, caplog: pytest.LogCaptureFixture
) -> None:
    with thread(settings) as controller:
        first = controller.scrub
        assert first is not None
        wait_for(lambda: first.passes, 20, "the first look at the file")
        rot(controller)
        first.end()
        assert controller.store.sums is not None
        controller.scrub = second = Scrub(controller.store.sums, controller._hurry)
        second.start()
        what = "select code from findings"
        wait_for(lambda: rows(settings.data_dir, what) == [("store.damaged",)], 20, "the finding")
        second.end()
        noted = rows(settings.data_dir, "select text from findings")[0][0]
        with controller.store.sums._lock:  # as if work had written the page anew, with what is wrong in it
            bad = int(noted.split()[1])
            put(controller.store.sums.sums, bad, controller.store.sums._pages.sum(bad))
        controller.scrub = third = Scrub(controller.store.sums, controller._hurry)
        third.start()
        seen_no_more = [(f"{noted} {findings.NOT_SEEN}",)]
        wait_for(lambda: rows(settings.data_dir, "select text from findings") == seen_no_more, 20, "the third look")
        third.end()
        client = Client(settings.data_dir)
        assert _damaged(client)
        client.call("box.accept_damage", {"reason": "no backup from before"})
        controller._hurry()
        wait_for(lambda: not _damaged(client), 20, "a person has accepted it")
        assert rows(settings.data_dir, what) == []
        ((why,),) = rows(settings.data_dir, "select why from events where event = 'damage_accepted'")
        assert why.startswith(f"no backup from before; accepted: {noted}")
        audit = "select why from audit where action = 'box.accept_damage'"
        assert rows(settings.data_dir, audit) == [("no backup from before",)]
    assert "of the database is not what was written" in caplog.text


def test_a_certificate_that_ends_soon_is_in_health(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificates, "BOX_DAYS", 20)
    Authority.load(tmp_path / "tls").for_box(["box.example"])
    settings = settings_for(tmp_path, free_port(), "ending").model_copy(update={"mqtts": "127.0.0.1:8883"})
    with thread(settings):
        health = Client(tmp_path).call("system.health").ok
    assert health is not None
    assert "certificate.ending" in [one["code"] for one in health["reasons"]]


def _damaged(client: Client) -> bool:
    return "store.damaged" in {one["code"] for one in client.call("system.health").ok["reasons"]}  # type: ignore[index]


class Ailing(Scrub):
    """The disk fails once, and then no more."""

    def __init__(self, controller: Controller) -> None:
        assert controller.store.sums is not None
        super().__init__(controller.store.sums, controller._hurry)
        self.fails = threading.Event()
        self.fails.set()

    def _look(self) -> str | None:
        if self.fails.is_set():
            raise OSError(errno.EIO, "Input/output error")
        return None


def test_a_file_that_cannot_be_read_is_said_until_it_can(settings: ServeSettings) -> None:
    with thread(settings) as controller:
        first = controller.scrub
        assert first is not None
        wait_for(lambda: first.passes, 20, "the first look at the file")
        first.end()
        controller.scrub = ailing = Ailing(controller)
        ailing.start()
        what = "select code from findings"
        wait_for(lambda: rows(settings.data_dir, what) == [("store.unreadable",)], 20, "the finding")
        ailing.end()
        controller.scrub = better = Ailing(controller)
        better.fails.clear()
        better.start()
        wait_for(lambda: rows(settings.data_dir, what) == [], 20, "its end")
        better.end()
