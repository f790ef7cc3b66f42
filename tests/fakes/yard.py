"""A controller core over an in-memory store, with scripted robots and a clock that only tests move."""

import functools
import json
from typing import Any

from config.clock import Instant
from controller.core import Core
from controller.core_settings import CoreSettings
from controller.desk import Outgoing
from controller.store.connection import Store, connect, migrate
from schemas.commands import Answer, Frame

PRINT_FLOW: dict[str, Any] = {
    "inputParams": [],
    "outputParams": [],
    "rootBlock": {
        "id": -1,
        "name": "-1",
        "blockType": "RootBp",
        "inputParams": {},
        "children": {
            "default": [
                {
                    "id": 1,
                    "name": "b1",
                    "blockType": "PrintBp",
                    "children": {},
                    "inputParams": {"message": {"type": "Simple", "value": "hello", "required": True}},
                }
            ]
        },
    },
}
KINDS = ["RootBp", "PrintBp", "DelayBp", "CAgvOperationBp", "stops_with_agent"]


class FakeRobot:
    """What a robot would say, message by message; nothing happens by itself."""

    def __init__(self, yard: "Yard", name: str, queues: tuple[str, ...], kinds: list[str]) -> None:
        self.yard, self.name, self.queues, self.kinds = yard, name, queues, kinds
        self.journal, self.boot, self.seq, self.first = f"{name}-journal", f"{name}-boot", 0, 1
        self.beats = self.highest = self.asks = 0
        self.kind = "agv"
        self.got: list[tuple[str, dict[str, Any]]] = []

    def beat(self, *holds: dict[str, Any], settled: bool = True, **more: Any) -> None:
        """Send a heartbeat."""
        self.beats += 1
        message = {
            "v": 1, "journal": self.journal, "boot": self.boot, "beat": self.beats, "holds": list(holds),
            "highest": self.highest, "head": self.seq if settled else self.seq + 1, "first": self.first,
            "kind": self.kind, "capabilities": self.kinds, "queues": list(self.queues), "accepting": True,
        } | more  # fmt: skip
        self.yard.hear(self.name, "heartbeat", message)

    def say(self, *rows: dict[str, Any], topic: str = "block-status", first: int | None = None) -> None:
        """Send rows with the next numbers."""
        numbered = []
        for row in rows:
            self.seq += 1
            numbered.append({"seq": self.seq, "time": "2026-01-01T00:00:00.000000Z"} | row)
        self.send(numbered, topic, first)

    def send(self, rows: list[dict[str, Any]], topic: str = "block-status", first: int | None = None) -> None:
        """Send an envelope of rows that have their numbers."""
        envelope = {"v": 1, "journal": self.journal, "boot": self.boot, "first": first or self.first, "rows": rows}
        self.yard.hear(self.name, topic, envelope)

    def about(self, kind: str, **more: Any) -> dict[str, Any]:
        """A row about the newest attempt that this robot was given."""
        assign = self.last("assign")
        return {"kind": kind, "job": assign["job"], "attempt": assign["attempt"]} | more

    def last(self, kind: str) -> dict[str, Any]:
        """The newest message of a kind that was sent to this robot."""
        return [message for k, message in self.got if k == kind][-1]

    def all(self, kind: str) -> list[dict[str, Any]]:
        """All messages of a kind that were sent to this robot."""
        return [message for k, message in self.got if k == kind]

    def accept(self) -> None:
        """Accept the newest assignment and ask for leave to move."""
        self.asks += 1
        self.highest = max(self.highest, self.last("assign")["attempt"])
        self.say(self.about("accepted", ask=self.asks))

    def hold(self, activity: str = "running", **more: Any) -> dict[str, Any]:
        """The newest assignment as a heartbeat names it."""
        assign = self.last("assign")
        return {"job": assign["job"], "attempt": assign["attempt"], "activity": activity} | more


@functools.cache
def blank() -> bytes:
    """A database with all tables and no rows: what thousands of tests begin with is made once."""
    connection = connect(":memory:")
    migrate(connection)
    return connection.serialize()


class Yard:
    """Turns of the controller: messages in, one transaction, messages out."""

    def __init__(self, settings: CoreSettings | None = None, core: type[Core] = Core) -> None:
        self.connection = connect(":memory:")
        self.connection.deserialize(blank())
        self.settings = settings or CoreSettings()
        self.core_type = core
        self.now = 1000.0
        self.robots: dict[str, FakeRobot] = {}
        self.sent: list[Outgoing] = []
        self.frames = 0
        self.boot()

    def boot(self) -> None:
        """A fresh controller process over the same database."""
        self.store = Store(self.connection)
        self.core = self.core_type(self.store, self.settings)
        with self.store.transaction():
            self.core.start(self.instant())
            self.core.broker(True, self.instant())
        self.pump()

    def instant(self) -> Instant:
        """The present of the test."""
        return Instant(self.now, 1_790_000_000_000_000 + int(self.now * 1_000_000))

    def robot(self, name: str, *queues: str, kinds: list[str] | None = None) -> FakeRobot:
        """A robot that has been heard."""
        robot = self.robots[name] = FakeRobot(self, name, queues or ("main",), kinds or KINDS)
        robot.beat()
        return robot

    def hear(self, robot: str, kind: str, message: dict[str, Any] | bytes, *, retained: bool = False) -> None:
        """One message arrives; a turn is made of it."""
        payload = message if isinstance(message, bytes) else json.dumps(message).encode()
        with self.store.transaction():
            self.core.receive(self.instant(), robot, kind, payload, retained)
            self.core.tick(self.instant())
        self.pump()

    def tick(self, seconds: float = 0.0, step: float = 0.5, *, beating: bool = False) -> None:
        """Time passes; with `beating`, every robot goes on sending what it last held."""
        end = self.now + seconds
        while True:
            with self.store.transaction():
                self.core.tick(self.instant())
            self.pump()
            if self.now >= end:
                return
            self.now = min(end, self.now + step)
            if beating:
                for robot in self.robots.values():
                    robot.beat()

    def pump(self) -> None:
        """What left goes to the robots' ears."""
        for out in self.core.take():
            self.sent.append(out)
            if out.robot in self.robots:
                self.robots[out.robot].got.append((out.kind, json.loads(out.payload)))

    def ask(self, command: str, key: str | None = None, **args: Any) -> Answer:
        """One command of the web."""
        self.frames += 1
        with self.store.transaction():
            answer = self.core.command(self.instant(), Frame(id=self.frames, command=command, key=key, args=args))
            self.core.tick(self.instant())
        self.pump()
        return answer

    def must(self, command: str, **args: Any) -> dict[str, Any]:
        """A command that is carried out."""
        answer = self.ask(command, **args)
        assert answer.ok is not None, answer.error
        return answer.ok

    def flow(self, name: str = "hello", definition: dict[str, Any] | None = None) -> str:
        """Save a flow."""
        self.must("flow.save", flow=name, definition=definition or PRINT_FLOW)
        return name

    def submit(self, flow: str = "hello", **more: Any) -> str:
        """Submit one job for the queue `main` (or another target)."""
        target = more.pop("target", {"queue": "main"})
        return str(self.must("job.submit", flow=flow, target=target, **more)["jobs"][0])

    def job(self, uid: str) -> dict[str, Any]:
        """A job's row."""
        row = self.connection.execute("select * from jobs where uid = ?", (uid,)).fetchone()
        return dict(row)

    def state(self, uid: str) -> str:
        """A job's state."""
        return str(self.job(uid)["state"])

    def holds(self, robot: str) -> set[str]:
        """Reasons why a robot is on hold."""
        rows = self.connection.execute("select reason from holds where robot = ?", (robot,))
        return {row["reason"] for row in rows}

    def rows(self, table: str) -> list[dict[str, Any]]:
        """A whole table."""
        return [dict(row) for row in self.connection.execute(f"select * from {table}")]


def running(yard: Yard, **more: Any) -> tuple[FakeRobot, str]:
    """A job that runs on robot r1."""
    yard.flow()
    robot = yard.robots.get("r1") or yard.robot("r1")
    uid = yard.submit(**more)
    robot.accept()
    return robot, uid
