"""A simulated fleet on a real broker: what it reports is what it did, also when agents crash and links drop."""

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cli.main import SUBCOMMANDS
from config.fleet import Fleet, parse_fleet, read_fleet
from edge_agent.journal import JournalFile
from edge_agent.link import LinkSettings
from edge_agent.profile import Timing
from edge_agent.simulator.fleet import MOTIONS, Bodies
from edge_agent.simulator.motions import read_motions
from edge_agent.simulator.process import SimulatedAgents
from edge_agent.simulator.timers import LoopTimers
from schemas.topics import Topics
from tests.conftest import Broker
from tests.fakes.mini_controller import MiniController
from tests.fakes.simulation import FLOOR
from tests.waiting import wait_for

FACTORY = Path("cli/examples/factory")
ENDS = {"succeeded", "failed", "interrupted", "rejected", "cancelled"}
OPERATED = ("CAgvOperationBp", "RpaRunBp")


def block(n: int, **params: str) -> dict[str, Any]:
    inputs = {name: {"type": "Simple", "value": value} for name, value in params.items()}
    return {"id": n, "name": f"b{n}", "blockType": "CAgvOperationBp", "inputParams": inputs, "children": {}}


def flow(*blocks: dict[str, Any]) -> dict[str, Any]:
    root = {"id": -1, "name": "-1", "blockType": "RootBp", "inputParams": {}, "children": {"default": list(blocks)}}
    return {"id": "f", "version": 1, "inputParams": [], "rootBlock": root}


THERE_AND_BACK = flow(block(1, targetSiteLabel="b"), block(2, targetSiteLabel="dock"))


class Hall:
    """A fleet and a controller for it."""

    def __init__(self, folder: Path, fleet: Fleet, broker: Broker, topics: Topics) -> None:
        self.fleet, self.file, self.motions = fleet, JournalFile(folder / "journal.db"), folder / MOTIONS
        self.bodies = Bodies(fleet, folder, LoopTimers(asyncio.get_running_loop()))
        link = LinkSettings(broker.host, broker.port, topics, reconnect_first_s=0.1, reconnect_max_s=0.5)
        self.agents = SimulatedAgents(self.file, self.bodies, link, Timing(heartbeat_s=0.2, resend_s=0.5))
        self.controller = MiniController(broker.host, broker.port, topics)
        self.running = asyncio.get_running_loop().create_task(self.agents.run())
        for robot in fleet.robots:
            self.agents.start(robot)

    def job(self, robot: str, attempt: int, what: dict[str, Any], **inputs: Any) -> None:
        more = {"inputs": inputs, "scope": {"task": {"id": f"job-{attempt}"}}}
        self.controller.tell(robot, "assign", job=f"job-{attempt}", attempt=attempt, flow=what, **more)

    def ended(self, robot: str, attempt: int) -> str | None:
        with self.controller.lock:
            rows = [row for row in self.controller.rows[robot] if row.get("attempt") == attempt]
        return next((row["kind"] for row in rows if row["kind"] in ENDS), None)

    async def until(self, condition: Callable[[], Any], what: str, seconds: float = 30.0) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, what
            await asyncio.sleep(0.02)

    async def until_all_there(self) -> None:
        await self.until(lambda: len(self.controller.beats) == len(self.fleet.robots), "every robot is heard")

    def did(self, robot: str) -> set[tuple[int, int, str | None]]:
        """What its body says it did."""
        return {(m.attempt, m.n, m.outcome) for m in read_motions(self.motions) if m.robot == robot}

    def reported(self, robot: str) -> set[tuple[int, int, str]]:
        """What its agent says it did: operations that were taken, with their end."""
        words = {"monitor.success": "succeeded", "monitor.failed": "failed", "cancel.success": "stopped"}
        taken, ends = set(), {}
        with self.controller.lock:
            for row in self.controller.rows[robot]:
                if row["kind"] == "block":
                    key = (row["attempt"], row["n"])
                    if row["status"] == "start.success":
                        taken.add(key)
                    ends[key] = words.get(row["status"], row["status"])
        return {(*key, ends[key]) for key in taken}

    async def close(self) -> None:
        self.agents.stop()
        await self.running
        self.controller.close()
        self.bodies.log.close()
        self.file.close()


Story = Callable[[Hall], Coroutine[Any, Any, None]]


@pytest.fixture
def in_hall(tmp_path: Path, broker: Broker, request: pytest.FixtureRequest) -> Callable[[Story, Fleet], None]:
    """Run a story with a hall of its own."""

    def run(story: Story, fleet: Fleet) -> None:
        async def live() -> None:
            hall = Hall(tmp_path, fleet, broker, Topics(request.node.name.replace("[", ".").strip("]")))
            try:
                await hall.until_all_there()
                await story(hall)
            finally:
                await hall.close()

        asyncio.run(live())

    return run


def hall_fleet(faults: str = "", speed: float = 100.0, robots: int = 1) -> Fleet:
    fleet = parse_fleet(f"speed = {speed}\n{FLOOR}{faults}")
    only_agv = fleet.model_copy(update={"robots": fleet.robots[:1]})
    return only_agv.grown_to(robots)


def test_many_robots_report_what_they_did(in_hall: Any) -> None:
    async def story(hall: Hall) -> None:
        for i, robot in enumerate(hall.fleet.robots):
            hall.job(robot.id, i + 1, THERE_AND_BACK)
        for i, robot in enumerate(hall.fleet.robots):
            await hall.until(partial(hall.ended, robot.id, i + 1), "the job ends")
            assert hall.ended(robot.id, i + 1) == "succeeded"
            assert hall.did(robot.id) == hall.reported(robot.id) == {(i + 1, 1, "succeeded"), (i + 1, 2, "succeeded")}

    in_hall(story, hall_fleet(robots=30))


def test_a_robot_shows_where_it_is(in_hall: Any) -> None:
    async def story(hall: Hall) -> None:
        hall.job("agv", 1, THERE_AND_BACK)
        await hall.until(lambda: hall.controller.beats["agv"].position.x > 5, "it drives")
        beat = hall.controller.beats["agv"]
        assert (beat.kind, beat.position.y, beat.charging) == ("agv", 0, False)
        assert "stops_with_agent" in beat.capabilities
        assert {"CAgvOperationBp", "WhileBp"} <= set(beat.capabilities)

    in_hall(story, hall_fleet(speed=10))


def test_an_agent_that_crashes_comes_back_and_says_what_was_cut_off(in_hall: Any) -> None:
    faults = '\n[[fault]]\nat = "b"\nwhat = "crash"\nevery = 1\nseconds = 0.5\n'

    async def story(hall: Hall) -> None:
        boot = hall.controller.beats["agv"].boot
        hall.job("agv", 1, THERE_AND_BACK)
        await hall.until(lambda: hall.ended("agv", 1), "the job ends")
        assert hall.ended("agv", 1) == "interrupted"
        assert hall.did("agv") == {(1, 1, "cut")}
        await hall.until(lambda: hall.controller.beats["agv"].boot != boot, "it is heard again")
        hall.job("agv", 2, flow(block(1, targetSiteLabel="dock")))
        await hall.until(lambda: hall.ended("agv", 2) == "succeeded", "it works again")

    in_hall(story, hall_fleet(faults, speed=20))


def test_a_link_that_drops_changes_no_record(in_hall: Any) -> None:
    faults = '\n[[fault]]\nat = "b"\nwhat = "drop_link"\nevery = 1\nseconds = 1.5\n'

    async def story(hall: Hall) -> None:
        boot = hall.controller.beats["agv"].boot
        hall.job("agv", 1, THERE_AND_BACK)
        await hall.until(lambda: hall.controller.presence.get("agv") is False, "the broker speaks the will")
        await hall.until(lambda: hall.ended("agv", 1), "the job ends")
        assert hall.ended("agv", 1) == "succeeded"
        assert hall.did("agv") == hall.reported("agv") == {(1, 1, "succeeded"), (1, 2, "succeeded")}
        assert hall.controller.beats["agv"].boot == boot
        assert hall.agents.counters["simulated losses of a connection"] == 1

    in_hall(story, hall_fleet(faults, speed=20))


def test_every_flow_of_the_factory_runs_to_its_end(in_hall: Any) -> None:
    deployments = json.loads((FACTORY / "deployments.json").read_text())
    fleet = read_fleet(FACTORY / "fleet.toml").changed(speed=200)

    async def story(hall: Hall) -> None:
        busy: set[str] = set()
        for attempt, row in enumerate(deployments, 1):
            saved = json.loads((FACTORY / "flows" / f"{row['flow']}.json").read_text())["definition"]
            able = [robot.id for robot in fleet.robots if row["target"]["queue"] in robot.queues]
            robot = next((name for name in able if name not in busy), able[0])
            busy.add(robot)
            inputs = {p["name"]: p["defaultValue"] for p in saved["inputParams"]} | row["parameters"]
            hall.job(robot, attempt, {"id": row["flow"], "version": 1} | saved, **inputs)
            await hall.until(partial(hall.ended, robot, attempt), f"{row['id']} ends")
            with hall.controller.lock:
                rows = [one for one in hall.controller.rows[robot] if one.get("attempt") == attempt]
            assert hall.ended(robot, attempt) == "succeeded", [one for one in rows if one.get("reason")]
            assert any(one["kind"] == "log" and one["type"] == "print" for one in rows)

    in_hall(story, fleet.model_copy(update={"faults": ()}))


def test_the_quality_desk_catches_what_its_camera_does_not_see(in_hall: Any) -> None:
    fleet = read_fleet(FACTORY / "fleet.toml").changed(speed=200)
    always = tuple(fault.model_copy(update={"every": 1}) for fault in fleet.faults if fault.at == "inspect")
    saved = json.loads((FACTORY / "flows" / "quality-check.json").read_text())["definition"]

    async def story(hall: Hall) -> None:
        hall.job("AGV-01", 1, {"id": "quality-check", "version": 1} | saved, cell="CELL-4", part="G-1")
        await hall.until(lambda: hall.ended("AGV-01", 1), "the job ends")
        with hall.controller.lock:
            end = next(row for row in hall.controller.rows["AGV-01"] if row["kind"] in ENDS)
        assert (end["kind"], end["outputs"]) == ("succeeded", {"verdict": "look at it by hand"})

    in_hall(story, fleet.model_copy(update={"faults": always, "robots": fleet.robots[:1]}))


# ---------------------------------------------------------------- the command
def simulate(*arguments: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "cli.main", "simulate", *arguments]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def test_tokens_do_not_leave_the_machine_in_clear(tmp_path: Path) -> None:
    where = ("--data-dir", str(tmp_path), "--http", "http://box:8080", "--tokens", "tokens.json")
    fleet = simulate(str(FACTORY / "fleet.toml"), *where)
    assert "tokens could be read on the way" in fleet.communicate(timeout=60)[1]
    assert fleet.returncode == 2


def test_the_command_runs_a_fleet_until_it_is_told_to_end(tmp_path: Path, broker: Broker) -> None:
    assert SUBCOMMANDS["simulate"].module == "cli.simulate"
    topics = Topics("command")
    where = ("--mqtt", broker.address, "--data-dir", str(tmp_path), "--topic-prefix", topics.prefix)
    controller = MiniController(broker.host, broker.port, topics)
    fleet = simulate(str(FACTORY / "fleet.toml"), *where, "--robots", "14", "--speed", "50", "--seed", "3")
    try:
        wait_for(lambda: len(controller.beats) == 14, 30, "14 robots are heard")
        assert controller.beats["AGV-01-2"].name == "Pallet truck 1 2"
        second = simulate(str(FACTORY / "fleet.toml"), *where)
        assert "another agent works" in second.communicate(timeout=30)[1]
        assert second.returncode == 1
        fleet.send_signal(signal.SIGTERM)
        assert fleet.wait(20) == 0
        wait_for(lambda: not any(controller.presence.values()), 10, "all say goodbye")
    finally:
        fleet.kill()
        fleet.communicate()
        controller.close()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["no-such-file.toml"], "no-such-file.toml: cannot be read"),
        ([str(FACTORY / "fleet.toml"), "--mqtt", "here"], "HOST:PORT is wanted"),
        ([str(FACTORY / "fleet.toml"), "--speed", "0"], "speed: Input should be greater than 0"),
    ],
)
def test_what_the_command_cannot_do_it_says_in_one_line(arguments: list[str], said: str) -> None:
    process = simulate(*arguments)
    error = process.communicate(timeout=30)[1]
    assert (process.returncode, said in error, error.count("\n")) == (2, True, 1)
