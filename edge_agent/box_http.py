"""The box over HTTP, as agents ask it: with the robot's token from a file, past every proxy, never waiting for long."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from edge_agent.dial import TlsFiles

API = "/api/v1"
CONNECT_S, ANSWER_S = 5.0, 30.0
_HEAD = "HEAD"
logging.getLogger("httpx").setLevel(logging.WARNING)  # it would log every request


class NotReachable(Exception):
    """The box cannot be asked now, or the robot has no token to show; it may be different later."""


class BoxRefused(Exception):
    """The box answered no: its HTTP status, its code (`http.STATUS` where it gave none), and a sentence."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.headers = status, code, message, headers or {}


class BoxHttp:
    """One box; calls block, so they belong in a thread, and any thread may make them.

    `url` is HTTP(S)://HOST:PORT. `token_file` holds the robot's token, or a JSON object from robot to token where one
    process runs several; it is read anew for each request, so that a new token needs no restart. `ca_file` vouches for
    the box instead of whom the system trusts; raises `BadCertificate`.
    """

    def __init__(
        self,
        url: str,
        token_file: Path,
        *,
        ca_file: Path | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.url, self._token_file = url.rstrip("/"), token_file
        timeout = httpx.Timeout(ANSWER_S, connect=CONNECT_S)
        # A proxy of the company network does not know the box, and must not see tokens.
        self._http = httpx.Client(
            base_url=self.url + API,
            timeout=timeout,
            trust_env=False,
            follow_redirects=False,
            transport=transport,
            verify=True if ca_file is None else TlsFiles(ca_file).context(),
        )

    def ask(
        self,
        robot: str,
        method: str,
        path: str,
        *,
        body: Any = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """One request in a robot's name, `body` as JSON or `content` as it is; raises `NotReachable`, `BoxRefused`."""
        shown = {"Authorization": f"Bearer {token_of(self._token_file, robot)}", **(headers or {})}
        try:
            answer = self._http.request(method, path, json=body, content=content, headers=shown)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise NotReachable(f"{self.url} is not reachable: {error or type(error).__name__}") from error
        if not answer.is_success:
            raise _refusal(answer)
        return answer

    def get(self, robot: str, path: str) -> dict[str, Any]:
        """What a GET answers, which must be a JSON object; raises `NotReachable`, `BoxRefused`."""
        answer = self.ask(robot, "GET", path)
        try:
            found = answer.json()
        except ValueError as error:
            raise NotReachable(f"{self.url} does not answer like a box") from error
        if not isinstance(found, dict):
            raise NotReachable(f"{self.url} does not answer like a box")
        return found

    def close(self) -> None:
        """Let go of connections."""
        self._http.close()


def token_of(file: Path, robot: str) -> str:
    """The token of a robot from a file of one token, or of a JSON object with the tokens of several.

    Raises `NotReachable`; what the file holds is in no message.
    """
    try:
        text = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise NotReachable(f"the token file {file} cannot be read") from error
    if text.startswith("{"):
        try:
            text = json.loads(text).get(robot) or ""
        except ValueError as error:
            raise NotReachable(f"the token file {file} is not JSON") from error
    if not isinstance(text, str) or not text or not text.isascii() or not text.isprintable() or " " in text:
        raise NotReachable(f"the token file {file} holds no token for {robot}")
    return text


def _refusal(answer: httpx.Response) -> BoxRefused:
    status = answer.status_code
    try:
        said = answer.json() if answer.request.method != _HEAD else {}
        code, message = str(said["code"]), str(said["message"])
    except (ValueError, KeyError, TypeError):
        code, message = f"http.{status}", answer.reason_phrase
    return BoxRefused(status, code, message[:500], dict(answer.headers))
