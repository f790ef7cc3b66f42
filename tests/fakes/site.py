"""A box in China that is asked for AGV task records: robots that answer at once, and records in every state."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from schemas.commands import Answer, Caller
from tests.fakes.box import Box, CoreClient
from tests.fakes.carried import carry_out
from tests.fakes.yard import FakeRobot
from tests.rows import block, definition
from tests.samples import sample
from web.app import create_app
from web.settings import WebSettings

BASE = "/api/vwed-task-record"
ZONE = "Asia/Shanghai"
KINDS = [
    "RootBp", "PrintBp", "IterateListBp", "RepeatNumBp", "IfElseBp", "CSelectAgvBp", "CAgvOperationBp", "TaskStateBp",
    "WorkTypesBp", "SetTaskVariableBp", "ThrowExceptionBp", "SubTaskBp", "TryCatchBp",
]  # fmt: skip
WHY = sample("003/set-error.request")["error_reason"]
SOURCE = {
    "type": "dispatch", "system": "WMS", "user": "admin", "device": "PC-001", "ip": "192.168.1.100",
    "time": "2025-04-30T17:28:18+08:00", "client": "Mozilla/5.0 (Windows NT 10.0; Win64; x64)", "remarks": "测试任务",
}  # fmt: skip


class Commands(CoreClient):
    """Lets a robot answer right after a command, before anybody waits for it."""

    after: Callable[[], None] | None = None

    def call(
        self, command: str, args: dict[str, Any] | None = None, caller: Caller | None = None, key: str | None = None
    ) -> Answer:
        answer = super().call(command, args, caller, key)
        if self.after is not None and command in ("record.stop", "job.set_error"):
            self.after()
        return answer


class Site(Box):
    """A box in China whose requests wait as long as a test says."""

    def __init__(self, folder: Path, wait_s: float = 0.0, force_s: float = 0.0) -> None:
        super().__init__(folder)
        self.controller = self.robots_end = Commands(self.yard)
        given = WebSettings(folder, zone=ZONE, answer_wait_s=wait_s, force_s=force_s)
        self.app = create_app(given, self.controller)
        self.http = self.client("admin")
        self.yard.must("queue.put", queue="main")

    def when_asked(self, answer: Callable[[], None] | None) -> None:
        """What the robot does as soon as a stop or a set-error has reached the controller."""
        self.robots_end.after = answer

    def client(self, role: str, **more: Any) -> FlaskClient:
        """Somebody with a role."""
        client = self.app.test_client()
        client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {self.token(role, role, **more)}"
        return client

    def flow(self, name: str, *blocks: dict[str, Any], title: str = "", **more: Any) -> None:
        self.yard.must("flow.save", flow=name, name=title or name, definition=definition(*blocks) | more)

    def get(self, what: str, which: str, query: str = "") -> TestResponse:
        return self.http.get(f"{BASE}/{what}/{which}{query}")

    def post(self, what: str, which: str, body: Any = None) -> TestResponse:
        more = {} if body is None else {"data": json.dumps(body), "content_type": "application/json"}
        return self.http.post(f"{BASE}/{what}/{which}", **more)

    def data(self, what: str, which: str, query: str = "") -> Any:
        response = self.get(what, which, query)
        assert response.status_code == 200, response.text
        return ordered(response)["data"]

    def failed(self) -> str:
        """A record that has failed."""
        self.flow("sad", block(1, "b1", "ThrowExceptionBp", message="托盘滑落"))
        uid = self.submit(flow="sad", max_retries=0)
        carry_out(self.robot)
        assert self.yard.state(uid) == "failed"
        return uid

    @property
    def robot(self) -> FakeRobot:
        return self.yard.robots.get("AGV001") or self.yard.robot("AGV001", kinds=KINDS)

    def held(self, **more: Any) -> str:
        """A record that its robot carries out, with one block that has begun."""
        self.flow("hello", block(1, "b1", "PrintBp", message="hi"), block(2, "b2", "PrintBp", message="ho"))
        robot, uid = self.robot, self.submit(**more)
        robot.accept()
        robot.say(robot.about("block", path="-1/1", n=1, status="start.begin", inputs={"message": "hi"}))
        return uid


def ordered(response: TestResponse) -> Any:
    """An answer with its keys in the order in which they were sent."""
    return json.loads(response.get_data(as_text=True))


def in_mind(ask: Callable[[], TestResponse]) -> tuple[threading.Thread, list[TestResponse]]:
    """A request that somebody waits for."""
    answers: list[TestResponse] = []
    thread = threading.Thread(target=lambda: answers.append(ask()))
    thread.start()
    return thread, answers


# ---------------------------------------------------------------- what the document's samples are about
def example_blocks(site: Site) -> str:
    site.flow(
        "loop",
        block(
            1, "b1", "IterateListBp", {"default": [block(2, "b2", "PrintBp", message="blocks.b1.item")]},
            list="[1,2,3,4,5]",
        ),
    )  # fmt: skip
    uid = site.submit(flow="loop")
    carry_out(site.robot)
    return uid


def example_results(site: Site) -> str:
    one = block(9, "b5", "CSelectAgvBp", keyRoute="AP1")
    one["inputParams"]["keyRoute"]["required"] = True
    site.flow("select", one)
    robot = site.yard.robot("Fake-03", kinds=KINDS)
    uid = site.submit(flow="select", target={"robots": ["Fake-03"]})
    carry_out(robot)
    return uid


def example_detail(site: Site) -> str:
    blocks = (
        block(1, "b1", "SetTaskVariableBp", varName="position", varValue='{"x": 100, "y": 200}'),
        block(2, "b2", "WorkTypesBp", workTypes="运输任务", workStations="WS001"),
    )
    inputs = [{"name": "from", "type": "String"}, {"name": "to", "type": "String"}]
    site.flow("move", blocks[0], title="示例任务", inputParams=inputs)
    site.flow("move", *blocks, title="示例任务", inputParams=inputs)
    robot = site.robot
    uid = site.submit(flow="move", parameters={"from": "A", "to": "B"}, priority=1, source=SOURCE)
    carry_out(robot)
    return uid
