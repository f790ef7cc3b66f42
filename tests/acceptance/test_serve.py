"""The whole box as a person starts it: up, watched over, and gone without a trace, however it ends."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.waiting import wait_for

ROOT = Path(__file__).parents[2]
PARTS = {"broker", "controller", "web", "station"}
UP_S, DOWN_S = 60, 30


class Box:
    """`yardmaster serve` on a data directory."""

    def __init__(self, data_dir: Path, *flags: str, **environment: str) -> None:
        self.data_dir = data_dir
        ports = () if "--http" in flags else ("--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0")
        self.log = data_dir.with_name(f"{data_dir.name}-{len(list(data_dir.parent.iterdir()))}.log")
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "cli.main", "serve", "--data-dir", str(data_dir), *ports, *flags],
                cwd=ROOT,
                env=os.environ | environment,
                stdout=subprocess.PIPE,
                stderr=log,
            )

    def up(self) -> dict[str, Any]:
        """Wait until it is ready; what the ready file says."""
        wait_for(lambda: (self.data_dir / "ready.json").exists() or self.process.poll() is not None, UP_S, "the box")
        assert self.process.poll() is None, self.log.read_text()
        return self.ready()

    def ready(self) -> dict[str, Any]:
        """What the ready file says now."""
        return wait_for(self._read_ready, UP_S, "the ready file") or {}

    def _read_ready(self) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = json.loads((self.data_dir / "ready.json").read_text())
        except FileNotFoundError:  # not written yet, or just removed by the next supervisor
            return None
        return found

    def headers(self) -> dict[str, str]:
        """The token of the command line on this machine."""
        return {"X-Auth-Token": (self.data_dir / "cli.token").read_text().strip()}

    def health(self) -> str:
        """The state of the box, as it says itself."""
        try:
            return str(httpx.get(f"{self.ready()['http']}/api/v1/health", timeout=5).json()["state"])
        except (httpx.HTTPError, OSError, ValueError):
            return "gone"

    def family(self) -> list[psutil.Process]:
        """The supervisor and everything below it."""
        me = psutil.Process(self.process.pid)
        return [me, *me.children(recursive=True)]

    def ends(self, how: int) -> int:
        """Send a signal; the exit code."""
        self.process.send_signal(how)
        return self.process.wait(DOWN_S)


@pytest.fixture
def start(tmp_path: Path, mosquitto: str) -> Iterator[Callable[..., Box]]:
    """Starts boxes; whatever a test leaves behind is ended by its number."""
    boxes: list[Box] = []
    seen: set[psutil.Process] = set()

    def make(*flags: str, name: str = "data", **environment: str) -> Box:
        boxes.append(Box(tmp_path / name, *flags, YARDMASTER_MOSQUITTO=mosquitto, **environment))
        return boxes[-1]

    yield make
    for box in boxes:
        if box.process.poll() is None:
            seen.update(box.family())
    for process in seen:
        if process.is_running():
            process.kill()
    for box in boxes:
        box.process.wait(DOWN_S)


def gone(family: list[psutil.Process]) -> bool:
    """Whether none of these processes runs any more (one that nobody has waited for counts as ended)."""
    return not [p for p in family if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


def test_a_box_comes_up_and_goes(start: Callable[..., Box], tmp_path: Path) -> None:
    box = start("--ready-file", str(tmp_path / "told"))
    ready = box.up()
    assert json.loads((tmp_path / "told").read_text()) == ready
    assert set(ready["parts"]) == PARTS
    assert ready["pid"] == box.process.pid
    assert Path(ready["socket"]).is_socket()
    assert box.health() == "ok"
    robots = httpx.get(f"{ready['http']}/api/v1/robots", headers=box.headers()).json()["items"]
    assert [(robot["id"], robot["queues"]) for robot in robots] == [("station", ["station"])]
    family = box.family()
    assert {p.pid for p in family} > set(ready["parts"].values())
    assert box.ends(signal.SIGTERM) == 0
    assert gone(family)
    assert not (box.data_dir / "ready.json").exists()
    assert not (tmp_path / "told").exists()
    assert box.process.stdout is not None
    assert box.process.stdout.read().decode().startswith(f"Yardmaster is ready: {ready['http']}")
    assert (box.data_dir.stat().st_mode & 0o777) == 0o700
    assert "Traceback" not in box.log.read_text()


def test_open_streams_do_not_hold_up_the_end(start: Callable[..., Box]) -> None:
    box = start()
    ready = box.up()
    family = box.family()
    url = f"{ready['http']}/api/v1/stream?topics=jobs"
    with httpx.stream("GET", url, headers=box.headers(), timeout=10) as stream:
        assert stream.status_code == 200
        assert box.ends(signal.SIGINT) == 0
    assert gone(family)


def test_a_killed_supervisor_leaves_nothing_running(start: Callable[..., Box]) -> None:
    box = start()
    box.up()
    family = box.family()
    box.ends(signal.SIGKILL)
    wait_for(lambda: gone(family), DOWN_S, "the end of all parts")
    again = start()
    wait_for(lambda: again.up()["pid"] == again.process.pid, UP_S, "the ready file of the living")
    wait_for(lambda: again.health() == "ok", DOWN_S, "the box")


@pytest.mark.parametrize("part", sorted(PARTS))
def test_a_part_that_dies_is_started_again(start: Callable[..., Box], part: str) -> None:
    box = start()
    before = box.up()["parts"]
    below = psutil.Process(before[part]).children(recursive=True)
    os.kill(before[part], signal.SIGKILL)
    wait_for(lambda: box.ready()["parts"].get(part) not in (None, before[part]), UP_S, f"another {part}")
    wait_for(lambda: box.health() == "ok", UP_S, "the box")
    assert gone(below)
    after = box.ready()["parts"]
    assert {name: pid for name, pid in after.items() if name != part} == {
        name: pid for name, pid in before.items() if name != part
    }, "the others go on"
    family = box.family()
    assert box.ends(signal.SIGTERM) == 0
    assert gone(family)


def test_two_boxes_do_not_share_a_directory(start: Callable[..., Box]) -> None:
    first = start()
    first.up()
    second = start()
    assert second.process.wait(DOWN_S) == 1
    assert "in use by another yardmaster serve" in second.log.read_text()
    assert "Traceback" not in second.log.read_text()
    assert first.health() == "ok"
    assert (first.data_dir / "ready.json").exists()


@pytest.mark.parametrize("option", ["http", "mqtt"])
def test_a_taken_port_is_said(start: Callable[..., Box], option: str) -> None:
    with socket.create_server(("127.0.0.1", 0), reuse_port=True) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        ports = {"http": "127.0.0.1:0", "mqtt": "127.0.0.1:0"} | {option: where}
        box = start("--http", ports["http"], "--mqtt", ports["mqtt"])
        assert box.process.wait(DOWN_S) == 1
    said = box.log.read_text()
    assert where in said
    assert f"--{option}" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("flags", "word"),
    [
        (("--http", "127.0.0.1:0", "--mqtt", "0.0.0.0:1883"), "loopback"),
        (("--http", "127.0.0.1:0", "--broker", "pigeon"), "mosquitto"),
        (("--http", "127.0.0.1:0", "--config", "/nowhere/box.toml"), "/nowhere/box.toml"),
    ],
)
def test_wrong_settings_are_refused(start: Callable[..., Box], flags: tuple[str, ...], word: str) -> None:
    box = start(*flags)
    assert box.process.wait(DOWN_S) == 2
    assert word in box.log.read_text()
    assert "Traceback" not in box.log.read_text()
    assert not box.data_dir.exists()


def test_an_external_broker_may_come_later(start: Callable[..., Box], tmp_path: Path, unused: int) -> None:
    where = f"127.0.0.1:{unused}"
    flags = ("--broker", "external", "--http", "127.0.0.1:0", "--mqtt", where)
    box = start(*flags, YARDMASTER_AUTO_ACCEPT="false")
    ready = box.up()
    assert set(ready["parts"]) == PARTS - {"broker"}
    assert box.health() == "degraded"
    robots = httpx.get(f"{ready['http']}/api/v1/robots", headers=box.headers()).json()["items"]
    assert [robot["id"] for robot in robots] == ["station"], "the box's own station needs nobody's leave"
    family = box.family()
    assert box.ends(signal.SIGTERM) == 0
    assert gone(family)


@pytest.fixture
def unused() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_the_broker_of_demos_says_what_it_is(start: Callable[..., Box]) -> None:
    box = start("--broker", "amqtt", "--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0")
    box.up()
    assert box.health() == "degraded", "it is nothing for real work"
    assert "up to 20 robots" in box.log.read_text()
    assert box.ends(signal.SIGTERM) == 0
