"""The HTTP client of the command line: finds the box, asks, and turns every answer into data or one refusal."""

import json
import os
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from cli.own_certificate import only
from schemas.ids import uuid7

DONE, REFUSED, USAGE, NOT_FOUND, NOT_REACHABLE, ENDED_BADLY, NAME_IN_USE = range(7)
"""Exit codes of the command line."""
DEFAULT_URL = "http://127.0.0.1:8080"
READY, KEY_FILE = "ready.json", "cli.token"
"""What a running box leaves in its data directory: where it is, and a token for whoever may read the directory."""
CA_VARIABLE = "YARDMASTER_CA_FILE"
TIMEOUT_S = 15.0
ASK_AGAIN_S = (0.5, 1.0, 2.0)
"""Waits before the same request, with the same key, is sent again when nobody knows what became of it."""
UNKNOWN_OUTCOME = 504
UNREACHABLE = frozenset({502, 503, UNKNOWN_OUTCOME})


class Refused(Exception):
    """The box said no, or could not be asked; `exit_code` is what the command line ends with."""

    def __init__(self, exit_code: int, code: str, message: str, details: list[dict[str, Any]] | None = None) -> None:
        super().__init__(message)
        self.exit_code, self.code, self.message, self.details = exit_code, code, message, details or []

    def as_json(self) -> dict[str, Any]:
        """The refusal as machines read it."""
        return {"code": self.code, "message": self.message, "details": self.details}


def usage(message: str) -> Refused:
    """What was typed makes no sense."""
    return Refused(USAGE, "usage", message)


def find_token(token: str | None, url: str | None, data_dir: Path | None) -> str | None:
    """The token to show: as given, else the command line's own of a box on this machine that is named or is here.

    A box that is named by its address gets no token that was not given: it may be anybody's. Nor does whoever listens
    at the usual address while no box of ours runs.
    """
    if token is not None:
        return token
    if url or (data_dir is None and os.environ.get("YARDMASTER_URL")):
        return None
    try:
        folder = data_dir or Path(os.environ.get("YARDMASTER_DATA_DIR", "var"))
        if not (folder / READY).exists():
            return None
        return (folder / KEY_FILE).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None


def find_url(url: str | None, data_dir: Path | None) -> str:
    """Address of the box: as given, else from the ready file of its data directory, else the usual one."""
    given = url or (None if data_dir else os.environ.get("YARDMASTER_URL"))
    if given:
        return given.rstrip("/")
    named = data_dir or os.environ.get("YARDMASTER_DATA_DIR")
    if named is not None:
        return read_ready_file(Path(named) / READY)
    here = Path("var") / READY
    return read_ready_file(here) if here.exists() else DEFAULT_URL


def read_ready_file(path: Path) -> str:
    """HTTP address that a running `yardmaster serve` wrote down; raises `Refused`."""
    try:
        ready = json.loads(path.read_text(encoding="utf-8"))
        return str(ready["http"]).rstrip("/")
    except FileNotFoundError as error:
        raise Refused(NOT_REACHABLE, "box.not_running", f"no box runs on {path.parent} (no {path.name})") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Refused(NOT_REACHABLE, "box.not_running", f"{path} is not readable: {error}") from error


def find_trust(url: str | None, data_dir: Path | None) -> ssl.SSLContext | bool:
    """By what the box is known: on this machine by the very certificate that it says it serves, else by an authority.

    The authority is the one that the environment names, else those that the system trusts. Raises `Refused`.
    """
    if not url and (data_dir is not None or not os.environ.get("YARDMASTER_URL")):
        folder = data_dir or Path(os.environ.get("YARDMASTER_DATA_DIR", "var"))
        try:
            found = json.loads((folder / READY).read_text(encoding="utf-8")).get("certificate")
            if isinstance(found, str):
                return only(found)
        except (OSError, ValueError, AttributeError):
            pass  # there is none, which whoever asks for its address says in words
    return trusted(os.environ.get(CA_VARIABLE))


def trusted(ca_file: str | None) -> ssl.SSLContext | bool:
    """By whom a box may be vouched for: this authority, or (None) those that the system trusts; raises `Refused`."""
    if ca_file is None:
        return True
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise usage(f"{ca_file} cannot be used as the authority of the box: {error}") from error


def _refusal(response: httpx.Response) -> Refused:
    status = response.status_code
    exit_code = NOT_FOUND if status == httpx.codes.NOT_FOUND else NOT_REACHABLE if status in UNREACHABLE else REFUSED
    try:
        body = response.json()
        return Refused(exit_code, str(body["code"]), str(body["message"]), list(body.get("details") or []))
    except (ValueError, KeyError, TypeError):
        return Refused(exit_code, f"http.{status}", response.text[:500] or response.reason_phrase)


class Client:
    """One box over HTTP; every method raises `Refused`."""

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        timeout_s: float = TIMEOUT_S,
        trusts: ssl.SSLContext | bool = True,
    ) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.url = url
        # A proxy of the company network does not know the box.
        self._http = httpx.Client(
            base_url=f"{url}/api/v1", headers=headers, timeout=timeout_s, trust_env=False, verify=trusts
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._http.close()

    def get(self, path: str, **query: Any) -> Any:
        """Read; absent and None parameters are left out, lists are repeated."""
        return self._ask("GET", path, params={key: value for key, value in query.items() if value not in (None, [])})

    def post(self, path: str, body: Any = None, *, key: str | None = None) -> Any:
        """Create or command, under one key however often it has to be sent."""
        return self._ask("POST", path, json={} if body is None else body, headers={"Idempotency-Key": key or uuid7()})

    def put(self, path: str, body: Any) -> Any:
        """Save a definition."""
        return self._ask("PUT", path, json=body)

    def patch(self, path: str, body: Any) -> Any:
        """Change part of a record."""
        return self._ask("PATCH", path, json=body)

    def delete(self, path: str, **query: Any) -> Any:
        """Remove a definition, or end something; what was answered."""
        return self._ask("DELETE", path, params={key: value for key, value in query.items() if value is not None})

    def every(self, path: str, *, limit: int | None = None, **query: Any) -> Iterator[dict[str, Any]]:
        """Items of a list, page by page, at most `limit` of them."""
        after, left = None, limit
        while left is None or left > 0:
            page = self.get(path, after=after, limit=min(left or 200, 200), **query)
            yield from page["items"]
            after, left = page["next"], None if left is None else left - len(page["items"])
            if after is None:
                return

    def download(self, path: str, **query: Any) -> Iterator[bytes]:
        """A file, part by part; a refusal comes before the first part."""
        try:
            with self._http.stream("GET", path, params=query) as response:
                if not response.is_success:
                    response.read()
                    raise _refusal(response)
                yield from response.iter_bytes()
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error

    def _ask(self, method: str, path: str, **parts: Any) -> Any:
        # All of it may be sent again: reads, whole definitions, and commands under one key.
        for pause in ASK_AGAIN_S:
            try:
                response = self._http.request(method, path, **parts)
            except (httpx.RemoteProtocolError, httpx.ReadError, httpx.ReadTimeout):
                time.sleep(pause)
                continue
            except httpx.HTTPError as error:
                raise self._unreachable(error) from error
            if response.status_code != UNKNOWN_OUTCOME:
                return self._answer(response)
            time.sleep(pause)
        return self._last(method, path, **parts)

    def _last(self, method: str, path: str, **parts: Any) -> Any:
        try:
            return self._answer(self._http.request(method, path, **parts))
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error

    def _answer(self, response: httpx.Response) -> Any:
        if not response.is_success:
            raise _refusal(response)
        try:
            return response.json() if response.content else None
        except ValueError as error:
            raise Refused(REFUSED, "http.answer", f"{self.url} does not answer like a box") from error

    def _unreachable(self, error: httpx.HTTPError) -> Refused:
        return Refused(
            NOT_REACHABLE, "box.not_reachable", f"{self.url} is not reachable: {error or type(error).__name__}"
        )
