"""The supervisor where things do not go well: a part that cannot be started, a ready file that cannot be written."""

import os
import socket
import sys
from pathlib import Path

import pytest

from cli import hearing, serve
from cli.hearing import SILENCES, Hearing
from cli.parts import Part
from cli.supervisor import NotStarted, Supervisor
from config.settings import load
from controller.frames import socket_path
from controller.store.pages import Damaged
from tests.waiting import wait_for


def supervisor(tmp_path: Path, *parts: Part) -> Supervisor:
    """One over these parts."""
    return Supervisor(list(parts), load(data_dir=tmp_path), [tmp_path / "ready.json"])


def test_a_part_that_cannot_be_started_is_tried_again_and_brings_nobody_down(tmp_path: Path) -> None:
    def full() -> None:
        raise OSError(28, "No space left on device")

    part = Part("broker", [sys.executable, "-c", ""], prepare=full)
    watching = supervisor(tmp_path, part)
    watching._restart_what_ended()
    assert part.process is None
    first = part.start_at
    part.start_at = 0.0
    watching._restart_what_ended()
    assert part.start_at > first
    assert len(watching._restarts["broker"]) == 2


def test_a_ready_file_that_cannot_be_written_brings_nobody_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    watching = supervisor(tmp_path)
    watching._write_ready_files()
    before = (tmp_path / "ready.json").read_text()
    monkeypatch.setattr(Path, "write_text", full)
    watching._write_ready_files()
    assert (tmp_path / "ready.json").read_text() == before


def test_only_the_newest_restarts_are_told(tmp_path: Path) -> None:
    part = Part("web", [sys.executable, "-c", ""])
    watching = supervisor(tmp_path, part)
    for _ in range(30):
        watching._start_again(part)
        part.stop()
    assert len(watching._restarts["web"]) == 10


# ---------------------------------------------------------------- damage
def ended(name: str, code: int) -> Part:
    """A part whose process has just ended so."""
    part = Part(name, [sys.executable, "-c", f"raise SystemExit({code})"])
    part.start()
    wait_for(lambda: part.has_ended() is not None, 30, "its end")
    return part


def test_a_controller_that_says_the_database_is_damaged_ends_the_box(tmp_path: Path) -> None:
    with pytest.raises(Damaged, match="restore"):
        supervisor(tmp_path, ended("controller", 3))._restart_what_ended()


@pytest.mark.parametrize(("name", "code"), [("controller", 1), ("web", 3)])
def test_whatever_else_ends_is_started_again(name: str, code: int, tmp_path: Path) -> None:
    part = ended(name, code)
    supervisor(tmp_path, part)._restart_what_ended()
    assert part.process is None


def bring_up(tmp_path: Path, part: Part) -> None:
    """As at the start of a box."""
    reading, writing = os.pipe2(os.O_NONBLOCK)
    try:
        supervisor(tmp_path, part)._bring_up(part, reading)
    finally:
        part.stop()
        os.close(reading)
        os.close(writing)


def test_at_the_start_damage_is_told_from_other_ends(tmp_path: Path) -> None:
    for code, error in ((3, Damaged), (1, NotStarted)):
        part = Part("controller", [sys.executable, "-c", f"raise SystemExit({code})"], is_up=lambda: False)
        with pytest.raises(error):
            bring_up(tmp_path, part)


# ---------------------------------------------------------------- parts that hang
@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The steady clock of what is asked and started."""
    now = [1000.0]
    monkeypatch.setattr(hearing, "steady", lambda: now[0])
    return now


def test_one_that_answers_no_more_is_ended_and_counted_and_nobody_who_leans_on_it(
    tmp_path: Path, clock: list[float]
) -> None:
    well, asked = [True], []

    def web() -> bool:
        asked.append("web")
        return well[0]

    sleeps = [sys.executable, "-c", "import time; time.sleep(600)"]
    parts = [
        Part("controller", sleeps, hearing=Hearing(lambda: well[0])),
        Part("web", sleeps, hearing=Hearing(web)),
    ]
    watching = supervisor(tmp_path, *parts)
    try:
        for part in parts:
            part.start()
        clock[0] += 20
        watching._end_what_hangs()
        assert asked == ["web"]
        well[0] = False
        for n in range(SILENCES):
            assert watching._ask_in() > 0, "the supervisor would not rest"
            clock[0] += 20
            assert parts[0].has_ended() is None, n
            watching._end_what_hangs()
        assert parts[0].has_ended() == -9
        assert parts[1].has_ended() is None
        assert asked == ["web"]
        watching._restart_what_ended()
        parts[0].start_at = 0.0
        watching._restart_what_ended()
        assert parts[0].process is not None
        assert len(watching._restarts["controller"]) == 1
    finally:
        for part in parts:
            part.stop()


def test_one_that_was_silent_for_a_while_or_has_not_answered_yet_is_left_alone(clock: list[float]) -> None:
    answers = [False]
    one = Hearing(lambda: answers[0])
    one.begin()

    def ask(n: int) -> None:
        for _ in range(n):
            clock[0] += 15
            one.ask()

    ask(100)
    assert not one.hangs, "it starts, however long that takes"
    answers[0] = True
    ask(1)
    for _ in range(3):
        answers[0] = False
        ask(SILENCES - 1)
        assert not one.hangs
        answers[0] = True
        ask(1)
    clock[0] += 86_400
    answers[0] = False
    one.ask()
    assert not one.hangs, "a box that was paused for a day has asked once"


# ---------------------------------------------------------------- long starts
def test_one_that_is_still_starting_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]

    def later() -> float:
        now[0] += 10.0
        return now[0]

    monkeypatch.setattr("cli.supervisor.steady", later)
    sleeps = [sys.executable, "-c", "import time; time.sleep(600)"]
    bring_up(tmp_path, Part("controller", sleeps, is_up=lambda: now[0] > 900, is_starting=lambda: True))
    now[0] = 0.0
    with pytest.raises(NotStarted, match="not up"):
        bring_up(tmp_path, Part("web", sleeps, is_up=lambda: now[0] > 900))
    now[0] = 0.0
    with pytest.raises(NotStarted, match="not up"):
        bring_up(tmp_path, Part("controller", sleeps, is_up=lambda: False, is_starting=lambda: True))


def test_a_controller_that_has_not_opened_its_door_is_starting(tmp_path: Path) -> None:
    parts = {part.name: part for part in serve.parts(load(data_dir=tmp_path, broker="external", station=False))}
    assert parts["controller"].is_starting()
    assert not parts["web"].is_starting()
    assert parts["controller"].hearing is not None
    assert parts["web"].hearing is not None
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(socket_path(tmp_path)))
        door.listen()
        assert not parts["controller"].is_starting(), "its door is open: from here on it has to answer"
