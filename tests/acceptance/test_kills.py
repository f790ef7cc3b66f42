"""kill -9 in the middle of a shift: the controller, every agent, the broker; nothing is lost, nothing happens twice."""

import contextlib
import json
import os
import random
import shutil
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from cli.demo import FACTORY
from cli.stage import Stage, all_there, save_deployments, save_flows
from cli.workload import next_submissions
from tests.acceptance.ledger import Books, audit
from tests.waiting import wait_for

SPEED = 60.0
ROUNDS, JOBS_A_ROUND = 3, 12
SETTLED_S = 180


class Shift:
    """The demonstration's factory at work, with a customer who insists on an answer for each of his keys."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.dice, self.ticks = random.Random(5), 0
        self.accepted: dict[str, str] = {}
        data = stage.data_dir
        self.books = Books(data / "yardmaster.db", data / "fleet" / "motions.jsonl", data / "fleet" / "journal.db")

    def ready(self) -> dict[str, Any]:
        """The ready file."""
        found: dict[str, Any] = json.loads((self.stage.data_dir / "ready.json").read_text())
        return found

    def pid(self, part: str) -> int:
        """The process of a part, once it is there."""
        return int(wait_for(lambda: self.ready()["parts"].get(part), 60, f"{part} runs"))

    def submit(self, count: int) -> None:
        """Submit so many jobs, each under its key until it is answered, as a warehouse system would."""
        wanted: list[dict[str, Any]] = []
        while len(wanted) < count:
            wanted += [b for b in next_submissions(self.dice, self.ticks) if b["deployment"] != "shift-report"]
            self.ticks += 1
        for body in wanted[:count]:
            key = uuid.uuid4().hex
            wait_for(partial(self._ask, key, body), 60, "an answer")

    def _ask(self, key: str, body: dict[str, Any]) -> bool:
        with contextlib.suppress(httpx.HTTPError):
            headers = {"Idempotency-Key": key} | self.stage.headers()
            answer = httpx.post(f"{self.stage.url}/api/v1/jobs", json=body, headers=headers, timeout=10)
            if answer.status_code == 201:
                self.accepted[key] = answer.json()["items"][0]["id"]
                return True
            assert answer.status_code in (503, 504), answer.text
        return False

    def wait_until_moving(self) -> None:
        """Something moves right now: begun and not ended in the robots' own count."""
        wait_for(self._moving, 60, "a robot that moves")

    def _moving(self) -> bool:
        open_: set[tuple[int, int]] = set()
        for line in self.books.lines():
            key = (line["attempt"], line["n"])
            (open_.discard if line.get("outcome") else open_.add)(key)
        return bool(open_)

    def settle(self) -> None:
        """A person looks after what only a person may, until every job has ended and every report has arrived."""
        wait_for(self._settled, SETTLED_S, "every job has ended")

    def _settled(self) -> bool:
        for row in self.books.rows("select distinct robot from holds where reason in ('failures', 'refusals')"):
            with contextlib.suppress(httpx.HTTPError):
                url = f"{self.stage.url}/api/v1/robots/{row['robot']}/release"
                httpx.post(url, json={"reason": "looked at"}, headers=self.stage.headers(), timeout=10)
        open_ = self.books.rows("select 1 from jobs where state not in ('succeeded', 'failed', 'cancelled')")
        return not open_ and not self.books.unsent() and not self.books.rows("select 1 from outbox")


@pytest.fixture
def shift(tmp_path: Path, mosquitto: str) -> Iterator[Shift]:
    """A factory that has begun its shift."""
    del mosquitto
    stage = Stage(tmp_path / "box", FACTORY / "fleet.toml", speed=SPEED)
    stage.settings = {"YARDMASTER_RETRY_FIRST_S": "0.2", "YARDMASTER_RETRY_MAX_S": "1"}
    with stage:
        with stage.client() as client:
            stage.wait_for(all_there(client, FACTORY / "fleet.toml"), 60, "all robots are there")
            save_flows(client, FACTORY / "flows")
            save_deployments(client, FACTORY / "deployments.json")
        yield Shift(stage)
    assert stage.left_behind == []


def _kill_part(shift: Shift, part: str) -> None:
    """kill -9 of a part, and the supervisor has brought it back."""
    pid = shift.pid(part)
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: shift.ready()["parts"].get(part, pid) != pid, 30, f"{part} is back")


def _kill_broker(shift: Shift) -> None:
    """The broker's files go with it: nothing may depend on them."""
    folder = shift.stage.data_dir / "broker"
    pid = shift.pid("broker")
    os.kill(pid, signal.SIGKILL)
    for file in folder.iterdir():
        shutil.rmtree(file) if file.is_dir() else file.unlink()
    wait_for(lambda: shift.ready()["parts"].get("broker", pid) != pid, 30, "the broker is back")


def _kill_agents(shift: Shift) -> None:
    """Every agent dies at once, with its robot; started again over its journal a moment later."""
    process = shift.stage._processes["simulate"]
    process.kill()
    process.wait()
    arguments = process.args[3:]  # type: ignore[index]
    shift.stage._start("simulate", list(arguments)[1:])


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    "kill",
    [lambda s: _kill_part(s, "controller"), _kill_agents, _kill_broker, lambda s: _kill_part(s, "web")],
    ids=["controller", "agents", "broker", "web"],
)
def test_kill_9_in_the_middle_of_a_shift(shift: Shift, kill: Callable[[Shift], None]) -> None:
    for _ in range(ROUNDS):
        shift.submit(JOBS_A_ROUND)
        shift.wait_until_moving()
        kill(shift)
        time.sleep(shift.dice.random() * 0.5)  # the next round begins at any moment of the recovery
    shift.settle()
    assert audit(shift.books, shift.accepted) == []
    states = [row["state"] for row in shift.books.rows("select state from jobs")]
    assert states.count("succeeded") > len(states) / 3


@pytest.mark.timeout(200)
def test_fifty_posts_at_once_with_one_key_are_one_job(shift: Shift) -> None:
    body = next(b for tick in range(500) for b in next_submissions(shift.dice, tick) if b["deployment"] == "labels")

    def post(_: int) -> tuple[int, str]:
        headers = {"Idempotency-Key": "order-4711"} | shift.stage.headers()
        answer = httpx.post(f"{shift.stage.url}/api/v1/jobs", json=body, headers=headers, timeout=30)
        return answer.status_code, answer.json()["items"][0]["id"]

    with ThreadPoolExecutor(50) as people:
        answers = set(people.map(post, range(50)))
    assert len(answers) == 1
    status, job = answers.pop()
    assert status == 201
    assert [row["uid"] for row in shift.books.rows("select uid from jobs")] == [job]
    shift.settle()
    assert audit(shift.books, {"order-4711": job}) == []


@pytest.mark.timeout(300)
def test_a_controller_that_did_not_run_for_half_a_minute_expires_nothing(shift: Shift) -> None:
    """The machine slept, or its disk hung: the silence was ours, so no robot is blamed for it."""
    shift.submit(JOBS_A_ROUND)
    shift.wait_until_moving()
    pid = shift.pid("controller")
    os.kill(pid, signal.SIGSTOP)
    time.sleep(28)  # longer than any answer or silence may take
    os.kill(pid, signal.SIGCONT)
    shift.settle()
    assert audit(shift.books, shift.accepted) == []
    blamed = shift.books.rows("select * from events where code in ('no_answer', 'silent') or new in ('uncertain')")
    assert [dict(row) for row in blamed] == []
    assert shift.pid("controller") == pid
