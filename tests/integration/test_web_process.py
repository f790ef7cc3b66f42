"""The web's process: it ends with its worker, so that the supervisor sees that, counts it and starts both again."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from cli.probes import free_port
from cli.web_process import ServerSettings
from tests.fakes.part import part
from tests.waiting import wait_for
from web.settings import VARIABLE, WebSettings

HOST = "127.0.0.1"


@pytest.fixture
def port() -> int:
    """Where the server listens."""
    return free_port()


@pytest.fixture
def process(tmp_path: Path, port: int) -> Iterator[subprocess.Popen[str]]:
    """The web without a controller; its standard input is what a supervisor would hold."""
    told = {VARIABLE: WebSettings(tmp_path, (HOST,)).to_json()}
    with part(ServerSettings(HOST, port, 4, "info", "plain").environment() | told, "-m", "cli.web_process") as running:
        yield running


def is_served(port: int) -> bool:
    """Whether the application answers: without a controller it says that there is none."""
    try:
        return httpx.get(f"http://{HOST}:{port}/api/v1/health").status_code == 503
    except httpx.TransportError:
        return False


def test_it_ends_with_its_worker_and_says_so(process: subprocess.Popen[str], port: int) -> None:
    wait_for(lambda: is_served(port), 30, "the web")
    (worker,) = psutil.Process(process.pid).children()
    worker.kill()
    assert process.wait(30) == 1
    _, said = process.communicate()
    assert "Unexpected exit from worker" in said
    assert not is_served(port)


def test_it_ends_well_when_the_supervisor_is_gone(process: subprocess.Popen[str], port: int) -> None:
    wait_for(lambda: is_served(port), 30, "the web")
    (worker,) = psutil.Process(process.pid).children()
    _, said = process.communicate("", timeout=30)
    assert process.returncode == 0, said
    assert not worker.is_running()
