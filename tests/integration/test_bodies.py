"""Bodies that do not come: no thread of the real web server is lost to them, whoever sends them."""

import os
import resource
import select
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from cli.probes import free_port
from cli.web_process import ServerSettings
from tests.fakes.box import Box
from tests.waiting import wait_for
from web.app import create_app
from web.bodies import NOBODYS_BODIES, NOBODYS_BYTES, OF_ONE_ADDRESS, Places, Watch, network_of
from web.errors import ApiError
from web.settings import VARIABLE, WebSettings

THREADS = 8
FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def port(box: Box, tmp_path: Path) -> Iterator[int]:
    """Where the real server listens, with few threads, over the database of `box`."""
    found = free_port()
    web, server = WebSettings(tmp_path), ServerSettings("127.0.0.1", found, THREADS, "warning", "plain")
    environment = os.environ | {VARIABLE: web.to_json()} | server.environment()
    process = subprocess.Popen([sys.executable, "-m", "cli.web_process"], env=environment, stdin=subprocess.PIPE)
    wait_for(lambda: _answers(found), 60, "the web server")
    yield found
    assert process.stdin is not None
    process.stdin.close()
    process.wait(30)


def _answers(port: int) -> bool:
    try:
        return _status(_send(port, f"GET /sign-in HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n"), 5) == 200
    except OSError:
        return False


def _send(port: int, text: str) -> socket.socket:
    made = socket.create_connection(("127.0.0.1", port), timeout=5)
    made.sendall(text.encode())
    return made


def _status(made: socket.socket, timeout: float) -> int | None:
    """Of the answer; 0: the connection was ended without one, None: there is none yet."""
    made.settimeout(timeout)
    try:
        answer = made.recv(65536)
    except (TimeoutError, BlockingIOError):
        return None
    if answer.startswith(b"HTTP/1.1 503") and b"busy" not in answer and b"html" not in answer:
        raise AssertionError(answer.decode())  # no refusal of this kind: what it says is wanted
    return int(answer.split()[1]) if answer else 0


def _answered(some: list[socket.socket], many: int) -> list[socket.socket]:
    """Those that have their answer, once they are so many."""
    found = select.select(some, [], [], 0)[0]
    return found if len(found) >= many else []


def _begun(port: int, path: str, *headers: str) -> socket.socket:
    """A request that says 100 bytes and brings 5."""
    lines = (f"POST {path} HTTP/1.1", f"Host: localhost:{port}", "Content-Length: 100", *headers, "", "user=")
    return _send(port, "\r\n".join(lines))


@pytest.mark.timeout(120)
def test_a_body_that_does_not_come_keeps_no_thread(box: Box, port: int) -> None:
    silent = [_begun(port, "/sign-in", f"Content-Type: {FORM}") for _ in range(2 * THREADS)]
    shown = f"Authorization: Bearer {box.token('mes')}"
    known = [_begun(port, "/api/v1/jobs", "Content-Type: application/json", shown) for _ in range(2)]
    half = _send(port, "GET /sign-in HTTP/1.1\r\nHost:")
    assert _answers(port), "everybody else goes on"
    refused = wait_for(lambda: _answered(silent, 2 * THREADS - OF_ONE_ADDRESS), 10, "all but those of one address")
    assert {_status(one, 0) for one in refused} == {503}
    late = [one for one in silent if one not in refused]
    assert {_status(one, 60) for one in known} == {408}, "nobody waits for ever"
    assert {_status(one, 60) for one in late} <= {408, 503}, "on a slow machine one of them may find no place"
    assert _status(half, 60) in (0, 408), "nor for headers"
    again = [_begun(port, "/api/v1/session", "Content-Type: application/json") for _ in range(OF_ONE_ADDRESS)]
    assert [_status(one, 0.2) for one in again] == [None] * OF_ONE_ADDRESS, "their places are free again"


@pytest.mark.timeout(120)
def test_connections_that_say_nothing_keep_nobody_out(port: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4000), hard))
    try:
        silent = [socket.create_connection(("127.0.0.1", port), timeout=5) for _ in range(1500)]
        assert _answers(port)
        for one in silent:
            one.close()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_the_body_of_somebody_unknown_is_small(box: Box) -> None:
    form = {"user": "ann", "password": "x" * NOBODYS_BYTES}
    assert box.nobody().post("/sign-in", data=form).status_code == 413
    answer = box.nobody().post("/api/v1/session", json=form)
    assert (answer.status_code, answer.json["code"]) == (413, "request.size")  # type: ignore[index]
    terminated = {"wsgi.input_terminated": True}
    chunked = box.nobody().post(
        "/sign-in",
        data=b"user=a",
        content_type=FORM,
        headers={"Transfer-Encoding": "chunked"},
        environ_overrides=terminated,
    )
    assert chunked.status_code == 411
    assert box.nobody().post("/sign-in", data={"user": "ann", "password": "x" * 100}).status_code == 401


def test_one_address_does_not_take_all_places() -> None:
    places = Places(NOBODYS_BODIES, OF_ONE_ADDRESS)
    held = [places.taken("10.0.0.66") for _ in range(OF_ONE_ADDRESS)]
    for one in held:
        one.__enter__()
    with pytest.raises(ApiError) as refused, places.taken("::ffff:10.0.0.66"):
        pass
    assert (refused.value.status, refused.value.headers["Retry-After"]) == (503, "2")
    with places.taken("10.0.0.5"):
        pass
    held[0].__exit__(None, None, None)
    with places.taken("10.0.0.66"):
        pass
    assert network_of("2001:db8::1") == network_of("2001:db8::ffff") != network_of("2001:db8:0:1::1")


def test_behind_a_proxy_each_of_its_clients_has_places_of_its_own(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[str] = []
    ended: list[str] = []

    @contextmanager
    def take(_places: Places, address: str) -> Iterator[None]:
        taken.append(address)
        yield

    monkeypatch.setattr(Places, "taken", take)

    @contextmanager
    def watch(_watch: Watch, address: str, *, whole: bool) -> Iterator[SimpleNamespace]:
        ended.append(address)
        yield SimpleNamespace(is_late=not whole)

    monkeypatch.setattr(Watch, "over", watch)
    app = create_app(WebSettings(box.yard.folder, behind_proxy=True), box.controller)
    for client in ("10.0.0.5", "10.0.0.6"):
        app.test_client().post("/sign-in", data={"user": "ann"}, headers={"X-Forwarded-For": client})
    assert (taken, ended) == (["10.0.0.5", "10.0.0.6"], ["127.0.0.1", "127.0.0.1"])


def test_who_goes_on_sending_is_not_cut_off() -> None:
    """Only what is silent both ways ends; before anybody is known, also what comes drop by drop."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        here, _ = server.accept()
        with client, here:
            watch = Watch(1.0)
            with watch.over("10.0.0.5", whole=True):
                _drip(client, 1.2)
                watch.look()
            assert _drained(here), "another address"
            with watch.over("127.0.0.1", whole=False):
                _drip(client, 1.2)
                watch.look()
            assert _drained(here), "not silent"
            with watch.over("127.0.0.1", whole=True):
                _drip(client, 1.2)
                watch.look()
            assert not _drained(here)


def _drip(client: socket.socket, seconds: float) -> None:
    """A byte now and then for so long, the last one just now."""
    for _ in range(int(seconds / 0.1)):
        select.select([], [], [], 0.1)
        client.sendall(b"x")


def _drained(here: socket.socket) -> bool:
    """Read all that came; whether the connection still is open for reading."""
    here.setblocking(False)
    while True:
        try:
            if not here.recv(4096):
                return False
        except BlockingIOError:
            return True
