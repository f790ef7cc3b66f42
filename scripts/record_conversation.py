"""Records docs/wire-conversation.jsonl: every MQTT message of one job of three blocks, from a real box and agent."""

import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from cli.client import READY, Client, find_token, read_ready_file
from cli.job import wait_for_end
from cli.probes import find_mosquitto, free_port
from schemas.topics import DEFAULT_PREFIX
from scripts.wire_docs import CONVERSATION
from tests.waiting import wait_for

ROBOT = "agv-1"
FLEET = """seed = 1
speed = 4
[plan.nodes]
A1 = { x = 0, y = 0 }
B1 = { x = 12, y = 0 }
[plan]
edges = [["A1", "B1"]]
[scripts]
load = 4
[[robot]]
id = "agv-1"
queues = ["agv"]
start = "A1"
"""


def _block(number: int, name: str, kind: str, **inputs: str) -> dict[str, Any]:
    values = {key: {"type": "Simple", "value": value} for key, value in inputs.items()}
    return {"id": number, "name": name, "blockType": kind, "inputParams": values, "children": {}}


BLOCKS = [
    _block(1, "drive", "CAgvOperationBp", targetSiteLabel="B1"),
    _block(2, "load", "CAgvOperationBp", scriptName="load"),
    _block(3, "say", "PrintBp", message="loaded at B1"),
]
ROOT_BLOCK = {"id": -1, "name": "-1", "blockType": "RootBp", "inputParams": {}, "children": {"default": BLOCKS}}
FLOW = {"name": "Fetch", "definition": {"inputParams": [], "outputParams": [], "rootBlock": ROOT_BLOCK}}


class Recorder:
    """Hears everything on the broker, in its order."""

    def __init__(self, port: int) -> None:
        self.heard: list[dict[str, Any]] = []
        self._subscribed = threading.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="recorder")
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = lambda _client, _data, message: self._hear(message)
        self._client.connect("127.0.0.1", port)
        self._client.subscribe(f"{DEFAULT_PREFIX}/#", 1)
        self._client.loop_start()
        if not self._subscribed.wait(10):
            raise SystemExit("the broker does not answer")

    def _hear(self, message: mqtt.MQTTMessage) -> None:
        self.heard.append({"topic": message.topic, "payload": json.loads(message.payload)})

    def close(self) -> None:
        """Hear no more."""
        self._client.disconnect()
        self._client.loop_stop()

    def is_all_acknowledged(self) -> bool:
        """Whether the last report has its acknowledgement."""
        rows = [one["payload"]["rows"][-1]["seq"] for one in self.heard if "rows" in one["payload"]]
        done = [one["payload"]["upto"] for one in self.heard if one["topic"].endswith("/ack")]
        return bool(rows) and bool(done) and max(done) >= max(rows)


@contextmanager
def process(folder: Path, name: str, command: list[str]) -> Iterator[None]:
    """A process for as long as it is needed."""
    with (folder / f"{name}.log").open("wb") as log:
        started = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield
    finally:
        started.terminate()
        started.wait(30)


def yardmaster(*words: str) -> list[str]:
    """A command of the product."""
    return [sys.executable, "-m", "cli.main", *words]


def record(folder: Path) -> list[dict[str, Any]]:
    """Run the job and give what was said about it."""
    broker, port = find_mosquitto(), free_port()
    if broker is None:
        raise SystemExit("mosquitto is needed")
    (folder / "fleet.toml").write_text(FLEET)
    where = f"127.0.0.1:{port}"
    with ExitStack() as stack:
        # Without access rules, so that somebody may listen to everything; with -p it is on loopback only.
        stack.enter_context(process(folder, "broker", [broker, "-p", str(port)]))
        recorder = wait_for(lambda: _recorder(port), 10, "the broker listens")
        stack.callback(recorder.close)
        box = ["--data-dir", str(folder), "--http", "127.0.0.1:0", "--broker", "external", "--mqtt", where]
        stack.enter_context(process(folder, "serve", yardmaster("serve", *box)))
        wait_for((folder / READY).exists, 60, "the box is ready")
        agent = [ROBOT, "--mqtt", where, "--data-dir", str(folder / "agent"), "--driver", "simulated"]
        fleet = ["--fleet", str(folder / "fleet.toml"), "--queue", "agv"]
        stack.enter_context(process(folder, "agent", yardmaster("agent", *agent, *fleet)))
        with Client(read_ready_file(folder / READY), find_token(None, None, folder)) as client:
            _run_job(client, recorder)
        wait_for(recorder.is_all_acknowledged, 30, "all is acknowledged")
        return [one for one in list(recorder.heard) if _is_worth_reading(one)]


def _recorder(port: int) -> Recorder | None:
    try:
        return Recorder(port)
    except OSError:
        return None  # not listening yet


def _run_job(client: Client, recorder: Recorder) -> None:
    client.put(f"/robots/{ROBOT}", {"name": "AGV 1", "kind": "agv", "queues": ["agv"]})
    wait_for(lambda: client.get(f"/robots/{ROBOT}")["state"] == "free", 30, "the robot is free")
    client.put("/flows/fetch", FLOW)
    recorder.heard.clear()
    job = client.post("/jobs", {"flow": "fetch", "target": {"queue": "agv"}})["items"][0]
    ended = wait_for_end(client, str(job["id"]))
    if ended["state"] != "succeeded":
        raise SystemExit(f"the job {ended['state']}: {ended['reason']}")


def _is_worth_reading(message: dict[str, Any]) -> bool:
    about = f"{DEFAULT_PREFIX}/{ROBOT}/"
    idle = message["topic"].endswith("/heartbeat") and not message["payload"].get("holds")
    return str(message["topic"]).startswith(about) and not idle


def main() -> None:
    """Record and write."""
    with tempfile.TemporaryDirectory(prefix="yardmaster-") as folder:
        messages = record(Path(folder))
    lines = [json.dumps(one, ensure_ascii=False) + "\n" for one in messages]
    CONVERSATION.write_text("".join(lines), encoding="utf-8")
    print(f"wrote {len(lines)} messages to {CONVERSATION.name}; now run scripts/docs")


if __name__ == "__main__":
    main()
