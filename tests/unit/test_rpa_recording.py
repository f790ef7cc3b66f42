"""What an RPA machine records around a run: screen, picture after a failure, what the program leaves behind."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_agent.drivers.rpa import RpaDriver
from edge_agent.drivers.rpa_commands import RpaSettings
from edge_agent.drivers.rpa_recording import MOST_FILES
from edge_agent.operations import ENDED, Operation, OperationEvent
from tests.waiting import wait_for

PNG = b"\x89PNG\r\n\x1a\n" + b"x" * 100
LEAVE = "import os, pathlib; folder = pathlib.Path(os.environ['YARDMASTER_ARTIFACTS']); "
RECORDER = """
import pathlib, sys
out = pathlib.Path(sys.argv[1])
out.write_bytes(b'begun')
sys.stdin.readline()
out.write_bytes(b'finished')
"""
STUBBORN = """
import pathlib, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
pathlib.Path(sys.argv[1]).write_bytes(b'begun')
time.sleep(3600)
"""
CAMERA = f"import pathlib, sys; pathlib.Path(sys.argv[1]).write_bytes({PNG!r})"


class Machine:
    """A robot with a recorder and a camera of Python."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.events: list[OperationEvent] = []
        self.driver: RpaDriver | None = None

    def run(self, code: str, wanted: Any = "always", *, boot: bool = True, **settings: Any) -> OperationEvent:
        """Run a Python text to its end."""
        if boot:
            self.boot(code, **settings)
        assert self.driver is not None
        self.driver.start(Operation(1, 1, "-1/1", 0, "RpaRunBp", "b1", {"command": "it"}, wanted=wanted))
        return self.end()

    def boot(self, code: str = "", **settings: Any) -> None:
        python = [sys.executable, "-c"]
        given: dict[str, Any] = {
            "data_dir": self.folder, "commands": {"it": {"argv": [*python, code]}}, "record": True,
            "recorder": (*python, RECORDER, "{output}"), "screenshot": (*python, CAMERA, "{output}"),
        }  # fmt: skip
        self.driver = RpaDriver("rpa", RpaSettings.model_validate(given | settings))
        self.driver.emit = self.events.append

    def end(self) -> OperationEvent:
        wait_for(lambda: [event for event in self.events if event.what in ENDED], 60, "the end")
        assert self.driver is not None
        wait_for(self.driver.idle, 10, "nothing moves")
        assert self.events[-1].what in ENDED, "the end comes last"
        return self.events[-1]

    def recorded(self) -> list[tuple[str, str, bytes]]:
        """Kind, name and bytes of what was handed over, in order."""
        found = [event.recording for event in self.events if event.recording is not None]
        return [(one.kind, one.name, (self.folder / "recordings" / one.id).read_bytes()) for one in found]

    def said(self) -> list[tuple[str | None, Any]]:
        return [(event.message, event.args) for event in self.events if event.what == "log" and event.message]


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path)
    yield made
    if made.driver is not None:
        made.driver.close()


def test_the_screen_is_recorded_around_a_run_and_finished_politely(machine: Machine) -> None:
    code = "import os, pathlib, time\nwhile not pathlib.Path('../screen.webm').exists(): time.sleep(0.01)"
    assert machine.run(code).what == "succeeded"
    assert machine.recorded() == [("video", "screen.webm", b"finished")]


def test_a_failure_is_photographed(machine: Machine) -> None:
    assert machine.run("raise SystemExit(1)", recorder=()).what == "failed"
    assert machine.recorded() == [("screenshot", "failure.png", PNG)]
    assert machine.said() == []


def test_a_success_is_not(machine: Machine) -> None:
    assert machine.run("pass", recorder=()).what == "succeeded"
    assert machine.recorded() == []


def test_what_the_program_leaves_in_its_folder_is_taken(machine: Machine) -> None:
    code = LEAVE + (
        "(folder / '2.PNG').write_bytes(b'2'); (folder / '1.jpg').write_bytes(b'1');"
        "(folder / '3.webm').write_bytes(b'3');"
        "(folder / 'notes.txt').write_text('no'); (folder / 'sub.png').mkdir(); (folder / 'empty.png').touch();"
        "(folder / 'link.png').symlink_to('/etc/passwd')"
    )
    assert machine.run(code, recorder=()).what == "succeeded"
    assert machine.recorded() == [
        ("screenshot", "1.jpg", b"1"), ("screenshot", "2.PNG", b"2"), ("video", "3.webm", b"3")
    ]  # fmt: skip
    assert machine.said() == [("recorder_failed", {"reason": "empty.png: empty.png is empty"})]


def test_a_program_that_leaves_too_much_is_told_so(machine: Machine) -> None:
    machine.run(LEAVE + f"[(folder / f'{{n:03}}.png').write_bytes(b'x') for n in range({MOST_FILES + 5})]", recorder=())
    assert len(machine.recorded()) == MOST_FILES + 2
    assert machine.said() == [("artifacts_left_out", {"count": 3, "most": MOST_FILES})]


def test_never_is_never(machine: Machine) -> None:
    machine.run(LEAVE + "(folder / '1.png').write_bytes(b'1'); raise SystemExit(1)", "never")
    assert machine.recorded() == []
    assert not (machine.folder / "rpa" / "1-1" / "screen.webm").exists()


def test_an_agent_without_a_box_records_nothing(machine: Machine) -> None:
    machine.run(LEAVE + "(folder / '1.png').write_bytes(b'1'); raise SystemExit(1)", record=False)
    assert machine.recorded() == []
    assert not (machine.folder / "recordings").exists()


def test_a_recorder_that_is_not_there_keeps_nobody_from_working(machine: Machine) -> None:
    missing = ("no-such-recorder", "{output}")
    assert machine.run("pass", recorder=missing, screenshot=missing).what == "succeeded"
    assert [message for message, _ in machine.said()] == ["recorder_failed"]


def test_a_camera_that_fails_changes_no_outcome(machine: Machine) -> None:
    end = machine.run(
        "raise SystemExit(3)", recorder=(), screenshot=(sys.executable, "-c", "raise SystemExit(1)", "{output}")
    )
    assert (end.what, end.reason) == ("failed", "exit code 3")
    assert machine.said()[0][0] == "recorder_failed"


def test_a_recorder_that_will_not_end_is_ended(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_agent.drivers.rpa_recording.FINISH_S", 1.0)
    code = "import pathlib, time\nwhile not pathlib.Path('../screen.webm').exists(): time.sleep(0.01)"
    assert machine.run(code, recorder=(sys.executable, "-c", STUBBORN, "{output}")).what == "succeeded"
    assert machine.recorded() == [("video", "screen.webm", b"begun")]


def test_a_stopped_run_hands_over_what_there_is(machine: Machine) -> None:
    machine.boot(LEAVE + "(folder / '1.png').write_bytes(b'1'); import time; time.sleep(3600)", recorder=())
    assert machine.driver is not None
    machine.driver.start(Operation(1, 1, "-1/1", 0, "RpaRunBp", "b1", {"command": "it"}, wanted="always"))
    left = machine.folder / "rpa" / "1-1" / "artifacts" / "1.png"
    wait_for(lambda: left.exists() and left.stat().st_size, 30, "the program has left a picture")
    machine.driver.stop((1, 1))
    assert machine.end().what == "stopped"
    assert machine.recorded() == [("screenshot", "1.png", b"1")]


def test_after_a_restart_the_end_that_was_seen_brings_what_was_left(machine: Machine) -> None:
    machine.run(LEAVE + "(folder / '1.png').write_bytes(b'1')", "never", recorder=())
    machine.events.clear()
    machine.boot(recorder=())
    assert machine.driver is not None
    machine.driver.resume(Operation(1, 1, "-1/1", 0, "RpaRunBp", "b1", {"command": "it"}, wanted="always"))
    assert machine.end().what == "succeeded"
    assert machine.recorded() == [("screenshot", "1.png", b"1")]
