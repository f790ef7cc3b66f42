"""Agents on a real broker: reconnecting, taking over, many in one process, a disk that fills up."""

import asyncio
import json
import random
import socket
import sqlite3
import subprocess
import time
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from edge_agent.agent import EXIT_TAKEN_OVER, AgentProcess
from edge_agent.effects import Send
from edge_agent.journal import Journal, JournalFile
from edge_agent.link import LinkSettings
from edge_agent.operations import Operation
from edge_agent.profile import Profile, Timing
from edge_agent.protocol import AgentCore
from edge_agent.seat import Seat
from schemas.topics import Topics
from tests.conftest import CONFIG, Broker
from tests.fakes.agent_bench import TWO_BLOCKS, ScriptedDriver
from tests.fakes.mini_controller import MiniController

ONE_JOB = {"job": "job-1", "attempt": 1, "flow": {"id": "f", "version": 1} | TWO_BLOCKS}
ENDS = {"succeeded", "failed", "interrupted", "rejected", "cancelled"}


class AutoDriver(ScriptedDriver):
    """Each operation succeeds after a while; events come from the loop."""

    seconds = 0.02

    def start(self, operation: Operation) -> None:
        super().start(operation)
        asyncio.get_running_loop().call_later(self.seconds, self.end, operation.key, "succeeded")

    def end(self, key: Any, what: Any, **more: Any) -> None:
        if key in self.moving:
            super().end(key, what, **more)
            self.emit(self.events.pop())


def started(driver: ScriptedDriver) -> int:
    return len(driver.started)


Story = Callable[["House"], Coroutine[Any, Any, None]]
InHouse = Callable[..., int]
"""Runs a story, on a broker of its own if one is given; the exit code of the agents."""


class House:
    """One process with agents, and a controller outside of it."""

    def __init__(self, folder: Path, host: str, port: int, topics: Topics) -> None:
        self.folder, self.topics = folder, topics
        self.link = LinkSettings(host, port, topics, reconnect_first_s=0.1, reconnect_max_s=0.5)
        self.file = JournalFile(folder / "journal.db")
        self.process = AgentProcess(self.file, 0.002)
        self.running = asyncio.get_running_loop().create_task(self.process.run())
        self.controller = MiniController(host, port, topics)

    def add(self, robot: str, link: LinkSettings | None = None, driver: ScriptedDriver | None = None) -> ScriptedDriver:
        driver = driver or AutoDriver()
        core = AgentCore(
            robot, Journal(self.file, robot), driver, Profile(), Timing(heartbeat_s=0.2, resend_s=0.5), random.Random()
        )
        self.process.add(core, driver, link or self.link)
        return driver

    def job(self, robot: str, attempt: int = 1) -> None:
        self.controller.tell(robot, "assign", **(ONE_JOB | {"attempt": attempt, "job": f"job-{attempt}"}))

    def ended(self, robot: str) -> list[str]:
        return [kind for kind in self.controller.kinds(robot) if kind in ENDS]

    def all_ended(self, robots: list[str], times: int) -> bool:
        return all(len(self.ended(robot)) == times for robot in robots)

    async def until(self, condition: Callable[[], Any], seconds: float = 20.0) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "it did not come to that"
            await asyncio.sleep(0.02)

    async def close(self) -> int:
        self.process.stop()
        code = await self.running
        self.controller.close()
        self.file.close()
        return code


@pytest.fixture
def in_house(tmp_path: Path, broker: Broker, request: pytest.FixtureRequest) -> InHouse:
    """Run a coroutine function with a house of its own."""

    def run(story: Story, where: Any = broker) -> int:
        async def live() -> int:
            house = House(tmp_path, where.host, where.port, Topics(request.node.name.replace("[", ".").strip("]")))
            try:
                await story(house)
            finally:
                code = await house.close()
            return code

        return asyncio.run(live())

    return run


def test_a_job_over_a_real_broker(in_house: InHouse) -> None:
    async def story(house: House) -> None:
        driver = house.add("agv-01")
        await house.until(lambda: "agv-01" in house.controller.beats)
        house.job("agv-01")
        await house.until(lambda: house.ended("agv-01"))
        assert house.ended("agv-01") == ["succeeded"]
        assert started(driver) == 2
        await house.until(lambda: house.controller.beats["agv-01"].holds == ())
        assert house.controller.presence["agv-01"]

    assert in_house(story) == 0


def test_a_goodbye_and_a_will(in_house: InHouse) -> None:
    async def story(house: House) -> None:
        for robot in ("polite", "dead"):
            house.add(robot)
            await house.until(partial(house.controller.presence.get, robot))
        house.process.remove("polite")
        house.process.remove("dead", goodbye=False)
        await house.until(lambda: house.controller.presence == {"polite": False, "dead": False})

    in_house(story)


def test_many_agents_in_one_process(in_house: InHouse) -> None:
    robots = [f"agv-{i:02}" for i in range(40)]

    async def story(house: House) -> None:
        drivers = {robot: house.add(robot) for robot in robots}
        await house.until(lambda: len(house.controller.beats) == len(robots))
        for attempt in (1, 2, 3):
            for robot in robots:
                house.job(robot, attempt)
            await house.until(partial(house.all_ended, robots, attempt))
        assert all(started(driver) == 6 for driver in drivers.values())
        assert all(set(house.ended(robot)) == {"succeeded"} for robot in robots)

    in_house(story)


def test_an_agent_that_cannot_connect_keeps_nobody_waiting(in_house: InHouse) -> None:
    async def story(house: House) -> None:
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen(1)
            house.add("stuck", LinkSettings("127.0.0.1", silent.getsockname()[1]))
            house.add("nowhere", LinkSettings("127.0.0.1", 1))
            house.add("agv-01")
            await house.until(lambda: "agv-01" in house.controller.beats)
            house.job("agv-01")
            await house.until(lambda: house.ended("agv-01"))

    in_house(story)


def test_another_agent_with_this_name(in_house: InHouse, broker: Broker) -> None:
    async def story(house: House) -> None:
        house.add("agv-01")
        await house.until(lambda: "agv-01" in house.controller.beats)
        other = paho.Client(CallbackAPIVersion.VERSION2, "agv-01")
        other.username_pw_set("agv-01")
        other.reconnect_delay_set(1, 1)
        other.connect(broker.host, broker.port)
        other.loop_start()
        try:
            await house.until(house.running.done, 40)
        finally:
            other.disconnect()
            other.loop_stop()

    assert in_house(story) == EXIT_TAKEN_OVER


def test_retained_and_strange_messages_change_nothing(in_house: InHouse) -> None:
    async def story(house: House) -> None:
        topic = house.topics.of("agv-01", "assign")
        await house.until(house.controller.client.is_connected)
        house.controller.client.publish(topic, json.dumps({"v": 1} | ONE_JOB), 1, retain=True).wait_for_publish(10)
        driver = house.add("agv-01")
        await house.until(lambda: "agv-01" in house.controller.beats)
        house.controller.client.publish(house.topics.of("agv-01", "control"), b"\xff\x00", 1)
        await house.until(lambda: house.process.seat("agv-01").core.problems)
        assert started(driver) == 0
        assert house.controller.kinds("agv-01") == []
        house.controller.client.publish(topic, b"", 1, retain=True).wait_for_publish(10)

    in_house(story)


def test_a_full_disk_and_a_free_one_again(in_house: InHouse) -> None:
    async def story(house: House) -> None:
        driver = house.add("agv-01")
        await house.until(lambda: "agv-01" in house.controller.beats)
        real, full = house.file._write, [True]

        def write() -> None:
            real()
            if full:
                raise sqlite3.OperationalError("database or disk is full")

        house.file._write = write  # type: ignore[method-assign]
        house.job("agv-01")
        await house.until(lambda: house.process.counters["journal writes failed"] > 1)
        assert house.controller.kinds("agv-01") == []
        assert started(driver) == 0
        full.clear()
        await house.until(lambda: house.ended("agv-01"))
        assert house.ended("agv-01") == ["succeeded"]
        assert started(driver) == 2

    in_house(story)


def test_a_defect_ends_one_agent_and_no_other(in_house: InHouse) -> None:
    async def story(house: House) -> None:
        house.add("broken")
        house.add("agv-01")
        await house.until(lambda: len(house.controller.beats) == 2)
        house.process.seat("broken").core.receive = lambda *_: 1 / 0  # type: ignore[method-assign, assignment]
        house.job("broken")
        await house.until(lambda: "broken" not in house.process)
        house.job("agv-01")
        await house.until(lambda: house.ended("agv-01"))

    in_house(story)


def test_a_driver_that_fails_is_reported(in_house: InHouse) -> None:
    class Broken(AutoDriver):
        def start(self, operation: Operation) -> None:
            raise RuntimeError("no such gripper")

    async def story(house: House) -> None:
        house.add("agv-01", driver=Broken())
        await house.until(lambda: "agv-01" in house.controller.beats)
        house.job("agv-01")
        await house.until(lambda: house.ended("agv-01"))
        assert house.ended("agv-01") == ["interrupted"]

    in_house(story)


class OwnBroker:
    """A broker that may be killed."""

    def __init__(self, program: str, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.host, self.port = probe.getsockname()
        self.program, self.config = program, folder / "own.conf"
        self.config.write_text(CONFIG.format(port=self.port) + "user root\n")
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen([self.program, "-c", str(self.config)], stderr=subprocess.DEVNULL)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def test_a_broker_that_is_killed_again_and_again(in_house: InHouse, mosquitto: str, tmp_path: Path) -> None:
    own = OwnBroker(mosquitto, tmp_path)

    async def story(house: House) -> None:
        driver = house.add("agv-01")
        for attempt in range(1, 6):
            house.job("agv-01", attempt)
            await asyncio.sleep(random.uniform(0, 0.3))
            own.kill()
            await asyncio.sleep(0.3)
            own.start()
            give_up = time.monotonic() + 30
            while len(house.ended("agv-01")) < attempt:
                assert time.monotonic() < give_up
                house.controller.tell("agv-01", "assign", **(ONE_JOB | {"attempt": attempt, "job": f"job-{attempt}"}))
                await asyncio.sleep(0.2)
            await house.until(lambda: house.process.seat("agv-01").core.wake_at < float("inf"))
        rows = house.controller.rows["agv-01"]
        assert len(driver.started) == 10
        assert {row["attempt"] for row in rows if row["kind"] == "block"} == {1, 2, 3, 4, 5}

    try:
        in_house(story, own)
    finally:
        own.kill()


def test_the_broker_is_told_only_after_the_commit() -> None:
    """The seat by itself: inside the transaction nothing reaches the line."""

    class Line:
        def __init__(self) -> None:
            self.log: list[str] = []

        def publish(self, send: Send) -> bool:
            self.log.append(send.kind)
            return True

        def ack(self, message: Any) -> None:
            self.log.append("ack")

    from edge_agent.link import Received

    file, driver = JournalFile(":memory:"), ScriptedDriver()
    core = AgentCore("a", Journal(file, "a"), driver, Profile(), Timing(), random.Random(1))
    seat, line = Seat(core, driver, lambda seat: None), Line()
    seat.line = line
    with file.transaction():
        core.boot(0.0)
    seat.link_up()
    seat.link_received(Received("assign", json.dumps({"v": 1} | ONE_JOB).encode(), 1, 1, 1))
    with file.transaction():
        seat.work(1.0)
        assert line.log == []
    seat.follow()
    assert line.log == ["block-status", "presence", "heartbeat", "ack"]
