"""What tests of several rooms share: the order of the suite, and one real broker."""

import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from cli.probes import find_mosquitto, free_port
from tests.remembering import remember_compiled
from tests.waiting import wait_for

CONFIG = """listener {port} 127.0.0.1
allow_anonymous true
persistence false
set_tcp_nodelay true
max_inflight_messages 1000
max_queued_messages 1000000
max_packet_size 1100000
"""


class Broker(NamedTuple):
    """Where the broker of the tests listens."""

    host: str
    port: int

    @property
    def address(self) -> str:
        """HOST:PORT"""
        return f"{self.host}:{self.port}"


LINES = {
    "tests/acceptance/": "boxes",
    "tests/browser/": "browser",
    "tests/faults/doors/": "browser",
    "tests/faults/test_quick.py": "browser",
    "tests/faults/storage/test_storage.py::test_no_promise_is_broken": "browser",
}
"""Tests that start whole boxes, and the line in which they stand, one after another; both take about as long."""


def pytest_configure() -> None:
    """Before anything is made."""
    remember_compiled()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole boxes first: they wait much, and what is small fills the time that they leave."""
    items.sort(key=lambda item: line_of(item.nodeid) is None)


class Lines(LoadScopeScheduling):
    """A line of whole boxes stays with one worker: more at once would only wait for each other's processor time."""

    def _split_scope(self, nodeid: str) -> str:
        return line_of(nodeid) or nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Lines:
    """How tests are handed out to several workers, whatever `--dist` says."""
    return Lines(config, log)


def line_of(nodeid: str) -> str | None:
    """Where a test must wait its turn, if it must."""
    return next((line for place, line in LINES.items() if nodeid.startswith(place)), None)


@pytest.fixture(scope="session")
def mosquitto() -> str:
    """Path of a real broker; tests that need one are skipped by name where there is none."""
    found = find_mosquitto()
    if found is None:
        pytest.skip("mosquitto is not installed (scripts/test installs it)")
    return found


@pytest.fixture(scope="session")
def broker(mosquitto: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A mosquitto on a free loopback port, shared by the tests of a worker; choose a topic prefix of your own."""
    folder = tmp_path_factory.mktemp("broker")
    where = Broker("127.0.0.1", free_port())
    process = _start(mosquitto, where, folder)
    try:
        wait_for(lambda: _listens(where), 10, f"mosquitto on {where.address}")
        yield where
    finally:
        process.terminate()
        process.wait(10)


def _start(program: str, where: Broker, folder: Path) -> subprocess.Popen[bytes]:
    config = folder / "mosquitto.conf"
    # Started as root, mosquitto becomes another user, who could not read a folder that is root's alone.
    config.write_text(CONFIG.format(port=where.port) + "user root\n")
    with (folder / "log").open("wb") as log:
        return subprocess.Popen([program, "-c", str(config)], stdout=log, stderr=log)


def _listens(where: Broker) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((where.host, where.port)) == 0
