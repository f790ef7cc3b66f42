"""What the box does by the clock: when it is due, once, made up for after the box was down, whatever the clock does."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli import chores
from cli.chores import AGAIN_S, CATCH_UP_S, Chore
from config.settings import load
from schemas.due import Timing
from tests.waiting import wait_for

HOUR = 3_600_000_000
DAY = 24 * HOUR
MIDNIGHT = 20_000 * DAY


class Clocks:
    """Both clocks, moved by the test."""

    def __init__(self) -> None:
        self.wall, self.mono = MIDNIGHT, 500.0

    def run(self, us: int) -> None:
        """Time passes."""
        self.wall += us
        self.mono += us / 1e6


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    """In place of the machine's."""
    made = Clocks()
    monkeypatch.setattr(chores, "now_us", lambda: made.wall)
    monkeypatch.setattr(chores, "steady", lambda: made.mono)
    return made


class Runs:
    """A chore that counts how often it was started."""

    def __init__(self, folder: Path, done_at: int | None) -> None:
        self.file = folder / "runs"
        code = f"open({str(self.file)!r}, 'a').write('x')"
        self.chore = Chore("test", [sys.executable, "-c", code], Timing(cron="0 3 * * *"), lambda: done_at)

    def count(self) -> int:
        """How often it has run, when what was started has ended."""
        process = self.chore.process
        if process is not None:
            process.wait(20)
        return len(self.file.read_text()) if self.file.exists() else 0

    def look(self) -> int:
        """One look of the supervisor, and how often it has run then."""
        self.chore.look()
        return self.count()


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Runs]:
    """Done yesterday at three."""
    made = Runs(tmp_path, MIDNIGHT - 21 * HOUR)
    yield made
    made.chore.stop()


def test_it_is_done_when_it_is_due_and_once(clocks: Clocks, runs: Runs) -> None:
    assert runs.look() == 0
    assert runs.chore.due_in() == pytest.approx(3 * 3600)
    clocks.run(2 * HOUR)
    assert runs.look() == 0
    clocks.run(HOUR)
    assert [runs.look() for _ in range(3)] == [1, 1, 1]
    clocks.run(DAY)
    assert runs.look() == 2


def test_what_was_missed_is_made_up_for_a_moment_after_the_start(clocks: Clocks, tmp_path: Path) -> None:
    runs = Runs(tmp_path, MIDNIGHT - 3 * DAY)
    assert runs.look() == 0
    assert runs.chore.due_in() == CATCH_UP_S
    clocks.run(int(CATCH_UP_S * 1e6))
    assert [runs.look() for _ in range(3)] == [1, 1, 1]


def test_a_clock_that_jumps_makes_it_neither_twice_nor_never(clocks: Clocks, runs: Runs) -> None:
    runs.look()
    clocks.wall += 365 * DAY
    assert [runs.look() for _ in range(3)] == [1, 1, 1]
    clocks.wall -= 365 * DAY
    assert runs.look() == 1
    clocks.run(3 * HOUR)
    assert [runs.look() for _ in range(2)] == [2, 2]


def test_one_that_cannot_be_started_is_tried_again_and_the_box_goes_on(clocks: Clocks, runs: Runs) -> None:
    runs.look()
    clocks.run(3 * HOUR)
    command, runs.chore.command = runs.chore.command, ["/no such program"]
    assert runs.look() == 0
    assert runs.chore.due_in() == AGAIN_S
    runs.chore.command = command
    assert runs.look() == 0
    clocks.run(int(AGAIN_S * 1e6))
    assert [runs.look() for _ in range(2)] == [1, 1]
    assert runs.chore.due_in() > HOUR / 1e6


def test_it_never_runs_twice_at_once_and_ends_with_the_box(clocks: Clocks, tmp_path: Path) -> None:
    code = f"import time; open({str(tmp_path / 'runs')!r}, 'a').write('x'); time.sleep(600)"
    chore = Chore("test", [sys.executable, "-c", code], Timing(cron="0 3 * * *"), lambda: None)
    chore.look()
    for _ in range(3):
        clocks.run(DAY)
        chore.look()
    process = chore.process
    assert process is not None
    wait_for(lambda: (tmp_path / "runs").exists(), 20, "its start")
    chore.stop()
    assert process.returncode is not None
    assert (tmp_path / "runs").read_text() == "x"


def test_a_box_backs_up_as_it_is_told(tmp_path: Path) -> None:
    settings = load(data_dir=tmp_path, backup_cron="30 2 * * 0", backup_keep=3, backup_dir=tmp_path / "else", time_zone="Asia/Tokyo")  # fmt: skip  # noqa: E501
    (made,) = chores.chores(settings)
    assert made.timing == Timing(cron="30 2 * * 0", zone="Asia/Tokyo")
    assert made.command[-4:] == ["--keep", "3", "--to", str(tmp_path / "else")]
    assert made.done_at() is None
    (tmp_path / "key").write_text("")
    assert made.done_at() is not None, "a box that has none counts from when it was new"
    assert chores.chores(load(data_dir=tmp_path, backup_cron="")) == []


def test_a_backup_of_a_time_that_is_to_come_is_made_again(clocks: Clocks, tmp_path: Path) -> None:
    (tmp_path / "backup.json").write_text(json.dumps({"good_at": MIDNIGHT + 365 * DAY}))
    (made,) = chores.chores(load(data_dir=tmp_path, backup_cron="0 3 * * *"))
    made.command = [sys.executable, "-c", ""]
    made.look()
    assert made.due_in() == CATCH_UP_S
    (tmp_path / "backup.json").write_text(json.dumps({"good_at": MIDNIGHT}))
    assert made.done_at() == MIDNIGHT == clocks.wall
