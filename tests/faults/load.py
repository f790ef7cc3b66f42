"""A customer of the bench: keeps a backlog of jobs over the API, insists on an answer for each key, and keeps a log."""

import collections
import contextlib
import http.client
import json
import random
import sqlite3
import threading
import time
import uuid
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from config.clock import steady
from tests.faults.bench import Bench, NotReady
from tests.faults.fleet import QUEUE

SENDERS = 3
CANCELLED, REPEATED, SAFE = 0.12, 0.08, 0.33
"""Shares of jobs that are cancelled soon, asked for again under their key, and safe to repeat."""
LATER = (500, 502, 503, 504, 507)
PAUSE_S = 0.1


class Demand(NamedTuple):
    """What customers want of a box."""

    backlog: int = 45
    """Jobs that are kept open."""
    requeued: float = 0.25
    """The share of jobs that go to another robot when theirs is silent."""
    long: float = 0.2
    """The share of jobs that are one long motion."""


class Load:
    """Senders in threads; `accepted` is the job that each key was answered with by a 2xx."""

    def __init__(self, bench: Bench, seed: int, demand: Demand) -> None:
        self.bench, self.demand = bench, demand
        self.accepted: dict[str, str] = {}
        self.again: dict[str, str] = {}
        """What some keys were answered with the second time; a restore may come between."""
        self.asked: dict[str, float] = {}
        """Every key that was ever sent, and when first."""
        self.wrong: list[str] = []
        self.cancelled = 0
        self.statuses: collections.Counter[int] = collections.Counter()
        self.refused: collections.Counter[str] = collections.Counter()
        """How often submissions were put off, by the box's word for it, as `store.full`."""
        self.presses = threading.Event()
        """While set, everybody asks for work, however much is open."""
        self.reads: list[float] = []
        """How long reading took, in seconds."""
        self._dice = random.Random(seed)
        self._stop = threading.Event()
        self._cancels: list[tuple[float, str]] = []
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._send, daemon=True) for _ in range(SENDERS)]

    def start(self) -> None:
        """Begin to send."""
        for thread in self._threads:
            thread.start()

    def finish(self, timeout_s: float) -> None:
        """Send no more; every key that is under way is asked for until it is answered."""
        self._stop.set()
        end = steady() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, end - steady()))
        if any(thread.is_alive() for thread in self._threads):
            self.wrong.append(f"I10 no answer for a key within {timeout_s:g} s after healing")

    def submit_one(self, key: str, target: dict[str, Any]) -> str:
        """A job that a suite wants for itself: judged as every other; raises `NotReady` if it is refused."""
        self.asked[key] = steady()
        body = {"flow": "short", "target": target, "parameters": {"key": key}, "max_retries": 0}
        with contextlib.closing(_Door(self.bench)) as door:
            job = self._insist(door, key, body)
        if job is None:
            raise NotReady(f"the job {key} was refused: {self.wrong[-1]}")
        self.accepted[key] = job
        return job

    # ------------------------------------------------------------ one sender
    def _send(self) -> None:
        with contextlib.closing(_Door(self.bench)) as door:
            while not self._stop.is_set():
                self._cancel_some(door)
                if self.presses.is_set() or self._waiting() < self.demand.backlog:
                    self._submit(door)
                else:
                    self._read(door)
                    time.sleep(PAUSE_S)

    def _read(self, door: "_Door") -> None:
        began = steady()
        if door.get("/api/v1/jobs?limit=20"):
            self.reads.append(steady() - began)

    def _waiting(self) -> int:
        try:
            found = self.bench.rows(
                "select sum(n) from job_counts where state not in ('succeeded','failed','cancelled')"
            )
        except sqlite3.Error:
            return self.demand.backlog  # the file is being replaced
        return int(found[0][0] or 0)

    def _submit(self, door: "_Door") -> None:
        key = uuid.uuid4().hex
        self.asked[key] = steady()
        body = self._body(key)
        job = self._insist(door, key, body)
        if job is None:
            return
        self.accepted[key] = job
        if self._dice.random() < REPEATED and (again := self._insist(door, key, body)):
            self.again[key] = again
        if self._dice.random() < CANCELLED:
            with self._lock:
                self._cancels.append((steady() + self._dice.random() * 2, job))

    def _body(self, key: str) -> dict[str, Any]:
        requeued = self._dice.random() < self.demand.requeued
        safe = requeued or self._dice.random() < SAFE
        return {
            "flow": "long" if self._dice.random() < self.demand.long else "short",
            "target": {"queue": QUEUE}, "parameters": {"key": key}, "safe_to_repeat": safe,
            "on_lost": "requeue" if requeued else "hold",
            "priority": self._dice.choice((1000, 2000, 2000, 3000)),
        }  # fmt: skip

    def _insist(self, door: "_Door", key: str, body: dict[str, Any]) -> str | None:
        """Ask until there is an answer, as a warehouse system would; nothing but "later" may come between."""
        while True:
            status, answer = door.post("/api/v1/jobs", body, key)
            self.statuses[status] += 1
            if status == 201 and answer.get("items"):
                return str(answer["items"][0]["id"])
            if status not in (0, *LATER):
                self.wrong.append(f"I21 a submission was answered {status}: {str(answer)[:200]}")
                return None
            self.refused[str(answer.get("code", ""))] += 1
            time.sleep(PAUSE_S)

    def _cancel_some(self, door: "_Door") -> None:
        with self._lock:
            due = [job for when, job in self._cancels if when <= steady()]
            self._cancels = [(when, job) for when, job in self._cancels if when > steady()]
        for job in due:
            status, answer = door.post(f"/api/v1/jobs/{job}/cancel", {}, uuid.uuid4().hex)
            self.cancelled += status in (200, 202)
            if status not in (0, 200, 202, 404, 409, *LATER):  # whether a job is gone, the checker says
                self.wrong.append(f"I21 a cancel was answered {status}: {str(answer)[:200]}")


class _Door:
    """One connection after another to the API; status 0: none, or it broke."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._connection: http.client.HTTPConnection | None = None

    def post(self, path: str, body: dict[str, Any], key: str) -> tuple[int, dict[str, Any]]:
        try:
            headers = {"Content-Type": "application/json", "Idempotency-Key": key}
            return self._ask("POST", path, json.dumps(body), headers)
        except (OSError, http.client.HTTPException, ValueError):
            self.close()
            return 0, {}

    def get(self, path: str) -> bool:
        """Whether it was answered well."""
        try:
            return self._ask("GET", path, None, {})[0] == 200
        except (OSError, http.client.HTTPException, ValueError):
            self.close()
            return False

    def _ask(self, method: str, path: str, body: str | None, headers: dict[str, str]) -> tuple[int, dict[str, Any]]:
        if self._connection is None:
            parts = urlsplit(self._bench.url)
            self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)
        self._connection.request(method, path, body, headers | self._bench.headers())
        response = self._connection.getresponse()
        return response.status, json.loads(response.read() or b"{}")

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
