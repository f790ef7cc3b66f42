"""The web over a real controller core and a database on disk, in one process: no sockets, no waiting."""

import json
import threading
from pathlib import Path
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from config.credentials import digest, new_token
from controller.client import ControllerDown, NoAnswer
from controller.core import Core
from controller.core_settings import CoreSettings
from controller.store.connection import connect
from schemas.commands import Answer, Caller, Frame
from schemas.ids import uuid7
from tests.fakes.yard import Yard, blank
from web.app import create_app
from web.settings import WebSettings


class DiskYard(Yard):
    """A yard whose database is a file, so that others may read it."""

    def __init__(self, folder: Path, settings: CoreSettings | None = None) -> None:
        self.folder = folder
        self.settings = settings or CoreSettings()
        self.core_type = Core
        if not (file := folder / "yardmaster.db").exists():
            file.write_bytes(blank())
        self.connection = connect(file)
        self.now = 1000.0
        self.robots, self.sent, self.frames = {}, [], 0
        self.boot()


class CoreClient:
    """The command socket's other end without a socket: every call is a turn of the core, answered after commit."""

    def __init__(self, yard: Yard) -> None:
        self.yard = yard
        self.fails: Exception | None = None
        self.tried: list[str] = []
        """Every command, also those that nobody answered."""
        self.asked: list[Frame] = []
        self.says: dict[str, Any] = {
            "system.health": {"state": "ok", "parts": {"broker": {"state": "ok"}}, "reasons": []},
            "system.metrics": {"text": "# TYPE yardmaster_jobs gauge\nyardmaster_jobs 3.0\n"},
            "doors.state": {"broker": "locked", "stale": None, "ends_later": False},  # with a broker of its own
        }
        """What is answered as it stands here, and not by the core."""
        self._lock = threading.Lock()

    def call(
        self,
        command: str,
        args: dict[str, Any] | None = None,
        caller: Caller | None = None,
        key: str | None = None,
    ) -> Answer:
        """Carry out one command."""
        self.tried.append(command)
        if self.fails is not None:
            raise self.fails
        frame = Frame(id=1, command=command, args=args or {}, caller=caller or Caller(), key=key)
        with self._lock:
            self.asked.append(frame)
            if command in self.says:
                return Answer(id=1, ok=self.says[command])
            with self.yard.store.transaction():
                answer = self.yard.core.command(self.yard.instant(), frame)
                self.yard.core.tick(self.yard.instant())
            self.yard.pump()
        return answer

    def go_down(self) -> None:
        """Nobody listens any more."""
        self.fails = ControllerDown("no socket")

    def fall_silent(self) -> None:
        """Commands are taken and not answered."""
        self.fails = NoAnswer("too late")


class Box:
    """A box to send requests to."""

    def __init__(self, folder: Path, threads: int = 320) -> None:
        self.yard = DiskYard(folder)
        self.controller = CoreClient(self.yard)
        self.app: Flask = create_app(WebSettings(folder, threads=threads), self.controller)
        self.http = self.app.test_client()
        self.http.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {self.token()}"

    def token(self, name: str = "local", role: str = "admin", robot: str | None = None, **more: Any) -> str:
        """A token of its own for somebody; requests of `http` show one of an administrator."""
        text = new_token()
        self.yard.must("token.create", token=uuid7(), name=name, role=role, robot=robot, hash=digest(text), **more)
        return text

    def nobody(self) -> FlaskClient:
        """Somebody who shows nothing."""
        return self.app.test_client()

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> TestResponse:
        """One request below the API's base; header names with _ for -."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        # Not `json=`: Flask would sort the keys, and the order of branches means something.
        more: dict[str, Any] = {} if body is None else {"data": json.dumps(body), "content_type": "application/json"}
        return self.http.open(f"/api/v1{path}", method=method, headers=named, **more)

    def must(self, method: str, path: str, body: Any = None, status: int = 200, **headers: str) -> Any:
        """A request that works, and its answer."""
        response = self.ask(method, path, body, **headers)
        assert response.status_code == status, (response.status_code, response.text)
        return response.json

    def refused(self, method: str, path: str, body: Any = None, *, status: int, code: str, **headers: str) -> Any:
        """A request that is refused in the one shape, with this status and code."""
        response = self.ask(method, path, body, **headers)
        assert response.json is not None, response.text
        assert (response.status_code, response.json["code"]) == (status, code), response.text
        assert set(response.json) == {"code", "message", "details", "request_id"}
        assert response.json["request_id"] == response.headers["X-Request-Id"]
        return response.json

    def submit(self, **more: Any) -> str:
        """One job of the flow `hello` for the queue `main`, and its id."""
        body = {"flow": "hello", "target": {"queue": "main"}} | more
        return str(self.must("POST", "/jobs", body, 201)["items"][0]["id"])

    def close(self) -> None:
        """Let go of the database."""
        self.yard.store.close()
