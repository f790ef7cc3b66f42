"""`yardmaster agent` as a process: jobs of its driver, killed and started again, two of one name, a clean end."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from schemas.topics import Topics
from tests.conftest import Broker
from tests.fakes.flow_bench import block, flow
from tests.fakes.mini_controller import MiniController
from tests.waiting import wait_for

HERE = Path(__file__).parents[2]
ENDS = {"succeeded", "failed", "interrupted", "rejected", "cancelled"}


class Yard:
    """Starts agents and ends them, with a controller for all."""

    def __init__(self, folder: Path, address: str, topics: Topics, controller: MiniController) -> None:
        self.folder, self.address, self.topics, self.controller = folder, address, topics, controller
        self.agents: list[subprocess.Popen[str]] = []

    def agent(self, name: str, *more: str, data: str | None = None) -> subprocess.Popen[str]:
        where = ["--mqtt", self.address, "--data-dir", str(self.folder / (data or name))]
        command = [sys.executable, "-m", "cli.main", "agent", name, *where, "--topic-prefix", self.topics.prefix, *more]
        made = subprocess.Popen(command, cwd=HERE, stderr=subprocess.PIPE, text=True)
        self.agents.append(made)
        return made

    def heard(self, name: str) -> None:
        self.controller.beats.pop(name, None)
        wait_for(lambda: name in self.controller.beats, 20, f"a heartbeat of {name}")

    def job(self, name: str, attempt: int, *blocks: dict[str, Any]) -> None:
        definition = {"id": "f", "version": 1} | flow(*blocks)
        self.controller.tell(name, "assign", job=f"job-{attempt}", attempt=attempt, flow=definition)

    def end_of(self, name: str, attempt: int) -> dict[str, Any]:
        def find() -> dict[str, Any] | None:
            rows = [row for row in self.controller.rows[name] if row.get("attempt") == attempt]
            return next((row for row in rows if row["kind"] in ENDS), None)

        found = wait_for(find, 20, f"the end of attempt {attempt}")
        assert found is not None
        return found


@pytest.fixture
def yard(tmp_path: Path, broker: Broker) -> Iterator[Yard]:
    topics = Topics(tmp_path.name)
    controller = MiniController(broker.host, broker.port, topics)
    made = Yard(tmp_path, broker.address, topics, controller)
    yield made
    for agent in made.agents:
        agent.kill()
        agent.wait()
        if agent.stderr is not None:
            agent.stderr.close()
    controller.close()


def rpa(folder: Path) -> tuple[str, ...]:
    config = folder / "agent.toml"
    work = "import os, json; json.dump({'pid': os.getpid()}, open(os.environ['YARDMASTER_OUTPUT'], 'w'))"
    wait = "import time; time.sleep(600)"
    config.write_text(
        f"[commands.work]\nargv = [{sys.executable!r}, '-c', \"{work}\"]\n"
        f"[commands.wait]\nargv = [{sys.executable!r}, '-c', \"{wait}\"]\n"
    )
    return ("--kind", "rpa", "--config", str(config))


def test_a_program_is_run_for_a_job(yard: Yard, tmp_path: Path) -> None:
    yard.agent("rpa-01", *rpa(tmp_path))
    yard.heard("rpa-01")
    assert {"RpaRunBp", "PrintBp", "stops_with_agent"} <= set(yard.controller.beats["rpa-01"].capabilities)
    yard.job("rpa-01", 1, block(1, "RpaRunBp", p_command="work"))
    assert yard.end_of("rpa-01", 1)["kind"] == "succeeded"
    rows = {row["status"]: row for row in yard.controller.rows["rpa-01"] if row["kind"] == "block"}
    assert [*rows] == [
        "start.begin", "start.success", "monitor.begin", "monitor.success", "delete.begin", "delete.success",
    ]  # fmt: skip
    assert rows["monitor.success"]["outputs"]["outputs"]["pid"] > 0
    assert "outputs" not in rows["delete.success"], "its working folder is gone; what it came to stands at its end"


def test_killed_in_the_middle_of_a_program(yard: Yard, tmp_path: Path) -> None:
    first = yard.agent("rpa-01", *rpa(tmp_path))
    yard.heard("rpa-01")
    yard.job("rpa-01", 1, block(1, "RpaRunBp", p_command="wait"))
    wait_for(lambda: yard.controller.kinds("rpa-01").count("block") >= 2, 20, "the program runs")
    first.kill()
    yard.agent("rpa-01", *rpa(tmp_path))
    assert yard.end_of("rpa-01", 1)["kind"] == "interrupted"
    yard.job("rpa-01", 2, block(1, "RpaRunBp", p_command="work"))
    assert yard.end_of("rpa-01", 2)["kind"] == "succeeded"


def test_a_station_needs_no_driver(yard: Yard) -> None:
    yard.agent("station", "--kind", "station", "--queue", "station")
    yard.heard("station")
    yard.job("station", 1, block(1, "PrintBp", p_message="hello"))
    assert yard.end_of("station", 1)["kind"] == "succeeded"
    yard.job("station", 2, block(1, "CAgvOperationBp", p_targetSiteLabel="A"))
    end = yard.end_of("station", 2)
    assert (end["kind"], end["reason"]) == ("failed", "CAgvOperationBp needs a robot; here is none")


def test_one_process_a_data_directory(yard: Yard) -> None:
    yard.agent("one", data="shared")
    yard.heard("one")
    second = yard.agent("one", data="shared")
    _, error = second.communicate(timeout=20)
    assert second.returncode == 1
    assert error.startswith("error: another agent works")


def test_of_two_agents_with_one_name_one_stops_and_says_why(yard: Yard) -> None:
    agents = [yard.agent("twin", data=data) for data in "ab"]
    wait_for(lambda: any(agent.poll() is not None for agent in agents), 60, "one of them gives up")
    loser = next(agent for agent in agents if agent.poll() is not None)
    assert loser.returncode == 6
    assert "another agent uses the name twin" in loser.communicate()[1]


@pytest.mark.skipif(os.name == "nt", reason="signals are those of POSIX")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(yard: Yard, number: int) -> None:
    agent = yard.agent("one")
    yard.heard("one")
    agent.send_signal(number)
    assert agent.wait(10) == 0
    wait_for(lambda: yard.controller.presence["one"] is False, 5, "it says goodbye")


def test_a_journal_that_is_none(yard: Yard, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "journal.db").write_text("a shopping list " * 100)
    agent = yard.agent("one")
    _, error = agent.communicate(timeout=20)
    assert agent.returncode == 1
    assert "is not a journal" in error
