"""A planted canary: jobs print it, fail with it and hand it out, and it is found nowhere; unless nothing is hidden."""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from cli.stage import Stage
from schemas.reference import HIDDEN
from tests.acceptance.canaries import Trace, dump, files, found, pages, read_all, routes
from tests.fakes.flow_bench import block, flow
from tests.waiting import wait_for

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.usefixtures("mosquitto"), pytest.mark.timeout(600)]

SHOW = """
import base64, json, os, sys, time, urllib.parse
password, key = (os.environ["YARDMASTER_SECRET_" + name] for name in ("PASSWORD", "KEY"))
for value in (password, key):
    print("plain", value, "json", json.dumps(value), "again", json.dumps(json.dumps(value)))
    print("url", urllib.parse.quote(value), urllib.parse.quote_plus(value, safe=""))
    print("base64", *(base64.b64encode(b"u" * n + value.encode()).decode() for n in range(3)))
    sys.stdout.write(value[:9]); sys.stdout.flush(); time.sleep(0.1); print(value[9:])
    print("\\n".join((value[:7], value[7:])))
    print("x" * 1990 + value)
with open(os.environ["YARDMASTER_OUTPUT"], "w") as file:
    json.dump({"all": [password, key, {key: base64.b64encode(password.encode()).decode()}], "text": password}, file)
"""
FAIL = """
import os, sys
print(os.environ["YARDMASTER_SECRET_PASSWORD"], file=sys.stderr)
sys.exit("cannot sign in with " + os.environ["YARDMASTER_SECRET_PASSWORD"])
"""
NOTHING_IS_HIDDEN = """
import sys
from edge_agent.mask import Mask
Mask.text, Mask.value, Mask.pieces = (lambda self, text: text), (lambda self, value: value), (lambda self, t: (t, ""))
from cli.main import run
sys.argv[0] = "yardmaster"
run()
"""
FLEET = """
[plan.nodes.A]
x = 0.0
y = 0.0
station = true
[plan.nodes.B]
x = 1.0
y = 0.0
station = true
[plan]
edges = [["A", "B"]]
[scripts]
load = 0.1
[[robot]]
id = "AGV-1"
queues = ["floor"]
start = "A"
"""
INPUTS: list[dict[str, Any]] = [
    {"name": "password", "type": "String", "secret": True, "required": True},
    {"name": "key", "type": "String", "required": True},
]
TO_COMMAND = {
    "type": "Key-Value",
    "value": [{"key": name, "value": f"=taskInputs.{name}"} for name in ("password", "key")],
}


def run(id_: int, command: str) -> dict[str, Any]:
    made = block(id_, "RpaRunBp", p_command=command)
    return made | {"inputParams": made["inputParams"] | {"secrets": TO_COMMAND}}


SHOWING = flow(
    run(1, "show"),
    block(2, "PrintBp", e_message="blocks.b1.stdout"),
    block(3, "SetTaskVariableBp", p_varName="out", e_varValue="blocks.b1.outputs"),
    block(4, "TaskStateBp", e_stateMsg="blocks.b1.outputs.text"),
    block(5, "SetTaskVariableBp", p_varName="reference", e_varValue="taskInputs.password"),
    inputs=INPUTS, outputParams=[{"name": "out", "type": "JSONObject"}, {"name": "reference", "type": "String"}],
)  # fmt: skip
FAILING = flow(run(1, "fail"), inputs=INPUTS)
DRIVING = flow(
    block(1, "CAgvOperationBp", p_targetSiteLabel="B", p_scriptName="load", e_pallet="taskInputs.password"),
    block(2, "CAgvOperationBp", p_targetSiteLabel="A", e_key="taskInputs.key"),
    inputs=INPUTS,
)


class Yard:
    """A real box with a simulated robot, and RPA agents that may or may not hide what they should."""

    def __init__(self, folder: Path, stage: Stage) -> None:
        self.folder, self.stage = folder, stage
        self.http = httpx.Client(base_url=stage.url, headers=stage.headers(), timeout=30)
        self.agents: list[subprocess.Popen[bytes]] = []
        self.canaries = [f"canäry {word} \"/+'{secrets.token_hex(8)}" for word in ("asset", "parameter")]
        self.jobs: list[str] = []

    def must(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        answer = self.http.request(method, f"/api/v1{path}", json=body, headers=headers)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def agent(self, name: str, *, hides: bool = True) -> None:
        """An RPA robot with the commands of this test."""
        home = self.folder / name
        home.mkdir()
        token = self.must("POST", "/tokens", {"name": name, "role": "robot", "robot": name})["secret"]
        (home / "token").write_text(token)
        commands = {key: {"argv": [sys.executable, "-c", code]} for key, code in (("show", SHOW), ("fail", FAIL))}
        lines = [f"[commands.{key}]\nargv = {json.dumps(entry['argv'])}\n" for key, entry in commands.items()]
        (home / "agent.toml").write_text("\n".join(lines))
        flags = ["--kind", "rpa", "--queue", name, "--mqtt", self.stage.mqtt, "--data-dir", str(home / "data")]
        start = ["-m", "cli.main"] if hides else ["-c", NOTHING_IS_HIDDEN]
        more = {"YARDMASTER_AGENT_HTTP": self.stage.url, "YARDMASTER_AGENT_TOKEN_FILE": str(home / "token")}
        with (home / "log").open("wb") as log:
            command = [sys.executable, *start, "agent", name, *flags, "--config", str(home / "agent.toml")]
            self.agents.append(subprocess.Popen(command, cwd=ROOT, env=os.environ | more, stdout=log, stderr=log))
        wait_for(lambda: self.state("robots", name) == "free", 60, f"{name} is free")

    def state(self, what: str, which: str) -> str | None:
        answer = self.http.get(f"/api/v1/{what}/{which}")
        return str(answer.json()["state"]) if answer.is_success else None

    def plant(self) -> None:
        """The secret asset, the flows, and a deployment that stores the secret parameter."""
        wait_for(lambda: self.state("robots", "AGV-1") == "free", 60, "the simulated robot is free")
        self.must("PUT", "/assets/wms", {"name": "WMS", "secret": self.canaries[0]})
        for name, definition in (("showing", SHOWING), ("failing", FAILING), ("driving", DRIVING)):
            self.must("PUT", f"/flows/{name}", {"definition": definition})
        body = {"name": "Drive", "flow": "driving", "target": {"queue": "floor"}, "parameters": self.given}
        self.must("PUT", "/deployments/drive", body)
        at = (datetime.now(UTC) + timedelta(seconds=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.must("PUT", "/schedules/once", {"name": "Once", "deployment": "drive", "at": at})

    @property
    def given(self) -> dict[str, Any]:
        """Parameters: one secret typed in, one by its asset."""
        return {"password": self.canaries[1], "key": {"$secret": "wms"}}

    def work(self, queue: str) -> None:
        """Jobs that show the secrets in every way they can, and how they end."""
        body = {"target": {"queue": queue}, "parameters": self.given, "max_retries": 0}
        ends = {"showing": "succeeded", "failing": "failed"}
        made = {}
        for name in ("showing", "failing", "showing"):
            made[name] = self.made(
                self.must("POST", "/jobs", body | {"flow": name}, **{"Idempotency-Key": queue + name})
            )
        for name, job in made.items():
            self.wait_for_end(job)
            assert self.state("jobs", job) == ends[name], self.must("GET", f"/jobs/{job}")["reason"]

    def wait_for_end(self, job: str) -> None:
        wait_for(lambda: self.state("jobs", job) in ("succeeded", "failed"), 90, f"{job} ends")

    def made(self, answer: Any) -> str:
        job = str(answer["items"][0]["id"])
        self.jobs += [job] if job not in self.jobs else []
        return job

    def driven(self) -> list[str]:
        return [str(job["state"]) for job in self.must("GET", "/jobs?deployment=drive")["items"]]

    def ids(self) -> dict[str, list[str]]:
        """An id for every part of a path."""
        attempts = [a for job in self.jobs for a in self.must("GET", f"/jobs/{job}/attempts")["items"]]
        runs = [r["id"] for job in self.jobs for r in self.must("GET", f"/jobs/{job}/blocks")["items"]]
        firings = [one["id"] for one in self.must("GET", "/schedules/once/firings")["items"]]
        flows, robots = ["showing", "failing", "driving"], [one["id"] for one in self.must("GET", "/robots")["items"]]
        own = {
            "job": self.jobs, "uid": self.jobs + firings, "task_record_id": self.jobs, "block_record_id": runs,
            "run": runs, "attempt": [str(one["number"]) for one in attempts], "robot": robots, "queue": robots,
            "flow": flows, "version": ["1"], "deployment": ["drive"], "asset": ["wms"], "secret": ["wms"],
            "schedule": ["once"], "firing": firings, "project_id": ["p"], "task_id": ["once"], "record_id": firings,
            "taskId": [str(n) for n in range(1, 40)],
        }  # fmt: skip
        return Ids(own)

    def places(self, trace: Trace) -> Iterator[tuple[str, bytes]]:
        """Everything there is to see of this box and its robots."""
        ids, home = self.ids(), self.folder / "pages"
        home.mkdir(exist_ok=True)
        queries = [f"/task?processInstanceId={job}" for job in self.jobs]
        results = [f"/api/v1/jobs/{job}/results?iterations=all" for job in self.jobs]
        scheduled = [f"/v2/p/scheduled-tasks/once/records/{one}?offset=0&limit=100" for one in ids["firing"]]
        yield from read_all(self.http, [*routes(self.http), *queries, *results, *scheduled, *pages(home)], ids)
        yield from dump(self.stage.data_dir / "yardmaster.db")
        yield from files([self.stage.data_dir, *(self.folder / name for name in ("rpa-1", "rpa-2"))])
        yield from list(trace.seen)

    def close(self) -> None:
        for agent in self.agents:
            agent.terminate()
            agent.wait(30)


class Ids(dict[str, list[str]]):
    """What this test has made no thing of has an id that nothing has."""

    def __missing__(self, key: str) -> list[str]:
        return ["none"]


@pytest.fixture
def yard(tmp_path: Path) -> Iterator[Yard]:
    fleet = tmp_path / "fleet.toml"
    fleet.write_text(FLEET)
    with Stage(tmp_path / "box", fleet, speed=20) as stage:
        made = Yard(tmp_path, stage)
        yield made
        made.close()


def test_a_secret_is_nowhere_but_in_the_hands_of_the_robot_that_needs_it(yard: Yard) -> None:
    """Values marked secret (assets, parameters) are masked in every API, page, log and MQTT trace."""
    ready = json.loads((yard.stage.data_dir / "ready.json").read_text())
    with Trace(yard.stage.data_dir, ready) as trace:
        yard.plant()
        yard.agent("rpa-1")
        yard.work("rpa-1")
        yard.made(yard.must("POST", "/deployments/drive/run"))
        wait_for(lambda: yard.driven() == ["succeeded"] * 2, 90, "driven by hand and by the schedule")
        places = list(yard.places(trace))
        assert found(yard.canaries, places) == {}
        names = {name for name, _ in places}
        assert {"database", "MQTT assign", "MQTT block-status", "MQTT log", "GET /task", "GET /assets"} <= names
        shown = b"".join(content for name, content in places if name == "GET /api/v1/jobs/{job}/results")
        assert HIDDEN.encode() in shown, "what was hidden shows that something was"
        fetched = yard.must("GET", "/audit?action=secret.fetch")["items"]
        assert {row["role"] for row in fetched} == {"robot"}
        assert len([row for row in fetched if row["subject"] == "asset:wms"]) == len(fetched) / 2 == 4, "each, audited"

        yard.agent("rpa-2", hides=False)
        yard.work("rpa-2")
        bare = found(yard.canaries, yard.places(trace))
        wanted = ("database", "MQTT block-status", "MQTT log", "GET /api/v1/jobs/{job}", "GET /api/v1/jobs/{job}/logs",
                  "GET /jobs/<job>", "GET /api/vwed-task-record/detail/{task_record_id}")  # fmt: skip
        assert {place for place in wanted if place not in bare} == set(), "this test would not see a leak"
        assert any(place.startswith("file rpa-2/data/journal.db") for place in bare)
