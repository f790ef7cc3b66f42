"""The reserve: really taken, given up when the disk is full, back when there is room; meanwhile nothing new begins."""

import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from config.clock import steady
from controller import ballast
from controller.ballast import GROWING, Ballast
from schemas.commands import COMMANDS
from tests.fakes.yard import Yard, running
from tests.unit.test_loop import Yard as LoopYard
from tests.unit.test_loop import trouble

MB = 2**20


def test_it_takes_real_room_and_gives_it_back(tmp_path: Path) -> None:
    path = tmp_path / "ballast"
    made = Ballast(path, 4 * MB)
    made.make()
    assert path.stat().st_blocks * 512 >= 4 * MB
    assert not made.given_up
    assert made.give_up()
    assert made.given_up
    assert not path.exists()
    assert not made.give_up(), "there is nothing more to give"


def test_it_comes_back_when_there_is_room_for_it_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, free = Ballast(tmp_path / "ballast", 4 * MB), [4 * MB]
    made.make()
    made.give_up()
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=free[0]))
    monkeypatch.setattr(ballast, "AGAIN_S", 0.0)
    moment = [steady()]
    monkeypatch.setattr(ballast, "steady", lambda: moment[0])
    moment[0] += 2
    made.look()
    assert made.given_up, "room for it once only: it would come and go"
    free[0] = 8 * MB
    moment[0] += 2
    made.look()
    assert not made.given_up
    assert (tmp_path / "ballast").exists()


def test_no_room_at_the_start_is_no_reserve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    made = Ballast(tmp_path / "ballast", 4 * MB)
    made.make()
    assert made.given_up
    assert list(tmp_path.iterdir()) == []


def test_none_is_wanted(tmp_path: Path) -> None:
    (tmp_path / "ballast").write_bytes(b"of another setting")
    made = Ballast(tmp_path / "ballast", 0)
    made.make()
    assert not made.given_up
    assert not (tmp_path / "ballast").exists()


def test_the_loop_records_what_has_arrived_and_refuses_what_is_new(tmp_path: Path) -> None:
    yard = LoopYard()
    yard.loop.ballast = Ballast(tmp_path / "ballast", MB)
    yard.loop.ballast.make()
    yard.arrives(7, "a")
    yard.commit_error = trouble()
    assert yard.turn("job.cancel")[-1] == "answer 1 store.full"
    assert yard.loop.ballast.given_up
    yard.commit_error = None
    said = yard.turn("job.submit", "job.cancel")
    assert "answer 1 store.full" in said
    assert {"receive r1 log a", "command job.cancel", "ack 7", "answer 2 ok"} <= set(said), (
        "at once, not a second later"
    )
    assert "command job.submit" not in said
    yard.loop.ballast.given_up = False
    assert "answer 1 ok" in yard.turn("job.submit")


def test_other_trouble_leaves_the_reserve_alone(tmp_path: Path) -> None:
    yard = LoopYard()
    yard.loop.ballast = Ballast(tmp_path / "ballast", MB)
    yard.loop.ballast.make()
    yard.commit_error = trouble(sqlite3.SQLITE_BUSY)
    yard.turn("job.cancel")
    assert not yard.loop.ballast.given_up


def test_while_it_is_given_up_what_runs_ends_and_nothing_starts() -> None:
    yard = Yard()
    robot, uid = running(yard)
    waiting = yard.submit()
    yard.core.tight = True
    robot.say(robot.about("succeeded"))
    robot.beat()
    yard.tick(2, beating=True)
    assert (yard.state(uid), yard.state(waiting)) == ("succeeded", "queued")
    assert [r["code"] for r in yard.must("job.waiting", job=waiting)["reasons"]] == ["full"]
    yard.core.tight = False
    yard.tick(1, beating=True)
    assert yard.state(waiting) == "assigned"


def test_every_command_that_brings_something_new_is_known() -> None:
    assert set(COMMANDS) >= GROWING
    assert not GROWING & {"job.cancel", "job.force", "job.release", "robot.release", "session.open", "box.undrain"}
