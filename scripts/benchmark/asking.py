"""Timed requests over one connection that stays open, as a browser or a system keeps one."""

import http.client
import json
import time
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from cli.stage import Stage

OK = 200


class WrongAnswer(Exception):
    """Something else than 200 came back, so its time means nothing."""


class Asker:
    """One connection to a box."""

    def __init__(self, stage: Stage) -> None:
        parts, self._headers = urlsplit(stage.url), stage.headers()
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._connection.close()

    def status(self, path: str) -> int:
        """How a path is answered; its body is read and dropped."""
        return self._ask(path)[0]

    def milliseconds(self, path: str) -> float:
        """From sending a request to the last byte of its answer; raises `WrongAnswer`."""
        began = time.perf_counter()
        status, body = self._ask(path)
        passed = (time.perf_counter() - began) * 1e3
        if status != OK:
            raise WrongAnswer(f"GET {path} was answered {status}: {body[:300]!r}")
        return passed

    def json(self, path: str) -> Any:
        """An answer to look into; raises `WrongAnswer`."""
        status, body = self._ask(path)
        if status != OK:
            raise WrongAnswer(f"GET {path} was answered {status}: {body[:300]!r}")
        return json.loads(body)

    def _ask(self, path: str) -> tuple[int, bytes]:
        self._connection.request("GET", path, headers=self._headers)
        response = self._connection.getresponse()
        return response.status, response.read()
