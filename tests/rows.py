"""Handmade rows for tests of what is read: a database as the controller would have left it."""

import json
from pathlib import Path
from typing import Any

from controller.store import definitions, events, jobs, robots
from controller.store.connection import Store
from schemas.ids import uuid7

START = 1_750_000_000_000_000
"""2025-06-15T15:06:40Z in microseconds."""
SECOND = 1_000_000


def block(
    number: int, name: str, kind: str, children: dict[str, list[Any]] | None = None, **params: Any
) -> dict[str, Any]:
    """A block of a definition; parameters are literals."""
    given = {key: {"type": "Simple", "value": value} for key, value in params.items()}
    return {"id": number, "name": name, "blockType": kind, "children": children or {}, "inputParams": given}


def definition(*blocks: dict[str, Any]) -> dict[str, Any]:
    """A definition with these blocks below its root."""
    root = {"id": -1, "name": "-1", "blockType": "RootBp", "children": {"default": list(blocks)}, "inputParams": {}}
    return {"inputParams": [], "outputParams": [], "rootBlock": root}


class Rows:
    """Writes rows through the store's own functions."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "yardmaster.db"
        self.store = Store.open(self.path)
        self.db = self.store.db
        self.count = 0

    def flow(self, name: str, body: dict[str, Any], subs: dict[str, Any] | None = None, version: int = 1) -> None:
        """A flow version."""
        bundle = {"id": name, "version": version, **body, "subFlows": subs or {}}
        need = definitions.need(self.db, frozenset({"PrintBp"}))
        definitions.add_version(
            self.db, name, name.upper(), version, json.dumps(body), json.dumps(bundle), f"{name}{version}", need, None,
            "local", START,
        )  # fmt: skip

    def robot(self, name: str, *queues: str, kind: str = "agv", tags: tuple[str, ...] = ()) -> None:
        """A robot and its queues."""
        for queue in queues:
            robots.put_queue(self.db, queue, "", None)
        robots.insert(self.db, name, "", kind, queues, tags, START)

    def deployment(self, name: str, title: str, flow: str = "pick") -> None:
        """A deployment of a flow for the queue `a`."""
        body = {"name": title, "flow": flow, "enabled": True, "target": {"queue": "a"}, "priority": 7}
        definitions.put_deployment(self.db, name, body, 1, START)

    def job(self, state: str = "queued", **values: Any) -> int:
        """A job, one second younger than the one before it."""
        self.count += 1
        created = values.pop("created_at", START + self.count * SECOND)
        later = {k: values.pop(k) for k in ("robot", "started_at", "ended_at", "reason_code", "reason") if k in values}
        row = {
            "uid": uuid7(created // 1000), "run": uuid7(created // 1000), "priority": 2000, "target": "q:a", "need": 1,
            "flow": "pick", "flow_version": 1, "parameters": "{}", "max_retries": 3, "on_lost": "hold", "safe": 0,
            "recording": "never", "source": "{}", "source_type": "api", "created_by": "local", "created_at": created,
        }  # fmt: skip
        number = jobs.insert(self.db, row | values)
        if state != "queued" or later:
            changes = {"state": state} | later
            self.db.execute(
                f"update jobs set {', '.join(f'{k} = ?' for k in changes)} where id = ?", (*changes.values(), number)
            )
        return number

    def uid(self, job: int) -> str:
        """The public id of a job."""
        return str(self.db.execute("select uid from jobs where id = ?", (job,)).fetchone()["uid"])

    def attempt(self, job: int, number: int, robot: str = "r1", *, started: bool = True, is_open: bool = True) -> None:
        """An attempt, the job's current one."""
        jobs.open_attempt(self.db, number, job, robot, 0, requeue=False, now_us=START)
        self.db.execute("update attempts set open = ? where number = ?", (int(is_open), number))
        if started:
            self.db.execute("update attempts set started_at = ?, state = 'running' where number = ?", (START, number))
        self.db.execute("update jobs set attempt = ?, attempt_count = attempt_count + 1 where id = ?", (number, job))

    def run(self, attempt: int, n: int, path: str, state: str = "succeeded", **values: Any) -> None:
        """A block run."""
        phase = {"succeeded": "monitor.success", "running": "start.begin", "failed": "monitor.failed"}[state]
        self.db.execute(
            "insert into block_runs (attempt, n, path, try, status, state, inputs, outputs, started_at)"
            " values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                attempt, n, path, values.get("try_", 0), phase, state, json.dumps(values.get("inputs")),
                json.dumps(values.get("outputs")), START,
            ),
        )  # fmt: skip

    def log(self, job: int, attempt: int, text: str, path: str | None = None, level: int = 1) -> None:
        """A log line."""
        self.db.execute(
            "insert into logs (job, attempt, robot, path, level, type, text, time, recorded_at)"
            " values (?, ?, 'r1', ?, ?, 'system', ?, '', ?)",
            (job, attempt, path, level, text, START),
        )

    def event(self, topic: str = "job", event: str = "moved", **values: Any) -> None:
        """A move."""
        events.add(self.store.pending, START, topic, event, "local", **values)
        self.store.pending.write()
