"""Starting on a full disk: the reserve is given up for it, and what keeps a box down is said in a sentence."""

import errno
import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from cli import serve
from cli.supervisor import Supervisor
from config.clock import instant
from config.settings import ServeSettings, load
from controller import app
from controller.ballast import Ballast, is_for_want_of_room
from controller.store.connection import Store, StoreTooNew
from controller.store.queries import Unreadable
from tests.unit.test_loop import Yard as LoopYard
from tests.unit.test_loop import trouble

MB = 2**20
FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture
def settings(tmp_path: Path) -> ServeSettings:
    """Of a box that has run: it has a reserve."""
    (tmp_path / "ballast").write_bytes(bytes(4096))
    return load(data_dir=tmp_path, http="127.0.0.1:0", mqtt="127.0.0.1:0", ballast_mb=0)


def nothing_free(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """As if somebody had filled the disk."""
    usage = shutil.disk_usage(folder)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=0))


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Who came as far as the supervisor, which does nothing here."""
    seen: list[str] = []
    monkeypatch.setattr(Supervisor, "run", lambda _self: seen.append("ran"))
    return seen


@pytest.mark.parametrize("error", [trouble(), FULL])
def test_a_start_that_finds_no_room_gives_up_the_reserve_and_goes_on(
    error: Exception, settings: ServeSettings, ran: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ballast, let_in = settings.data_dir / "ballast", serve._let_people_in

    def full(given: ServeSettings) -> None:
        if ballast.exists():
            raise error
        let_in(given)

    monkeypatch.setattr(serve, "_let_people_in", full)
    assert serve.run(settings) == 0
    assert ran == ["ran"]
    assert not ballast.exists()


def test_without_a_reserve_the_full_disk_is_said(
    settings: ServeSettings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(_settings: ServeSettings) -> None:
        raise trouble()

    monkeypatch.setattr(serve, "_let_people_in", full)
    (settings.data_dir / "ballast").unlink()
    assert serve.run(settings) == 1
    assert f"no room left on the disk of {settings.data_dir}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (StoreTooNew("written by a newer version (has m9)"), "was written by a newer version (has m9)"),
        (trouble(sqlite3.SQLITE_IOERR), "cannot be worked with"),
        (Unreadable("the database cannot be read"), "the database cannot be read"),
    ],
)
def test_what_keeps_it_down_is_a_sentence_and_the_reserve_stays(
    error: Exception,
    said: str,
    settings: ServeSettings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fails(_settings: ServeSettings) -> None:
        raise error

    monkeypatch.setattr(serve, "_let_people_in", fails)
    assert serve.run(settings) == 1
    assert said in capsys.readouterr().err
    assert (settings.data_dir / "ballast").exists()


def test_the_first_password_is_shown_though_the_start_fails_after_it(
    settings: ServeSettings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(_data_dir: Path) -> None:
        raise FULL

    monkeypatch.setattr(serve, "own_token", full)
    assert serve.run(settings) == 1
    assert "This box is new" in capsys.readouterr().err


def test_a_defect_is_not_made_a_sentence(settings: ServeSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(_settings: ServeSettings) -> None:
        raise KeyError("x")

    monkeypatch.setattr(serve, "_let_people_in", wrong)
    with pytest.raises(KeyError):
        serve.run(settings)


def test_a_controller_that_is_started_again_on_a_full_disk_gives_it_up_too(
    settings: ServeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    ballast, begin = settings.data_dir / "ballast", Store.transaction

    def full(store: Store) -> object:
        if ballast.exists():
            raise trouble()
        return begin(store)

    monkeypatch.setattr(Store, "transaction", full)
    watched, ours = os.pipe()
    os.close(ours)  # the supervisor has gone: it ends after its first turn
    assert app.run(settings, watched) == 0
    assert not ballast.exists()
    os.close(watched)


def test_a_failure_that_does_not_say_why_is_a_full_disk_where_nothing_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = trouble(sqlite3.SQLITE_IOERR_SHMSIZE)
    assert not is_for_want_of_room(error, tmp_path)
    assert not is_for_want_of_room(KeyError(), tmp_path)
    nothing_free(monkeypatch, tmp_path)
    assert is_for_want_of_room(error, tmp_path)
    assert not is_for_want_of_room(trouble(sqlite3.SQLITE_BUSY), tmp_path)
    wrapped = RuntimeError("cannot be made")
    wrapped.__cause__ = FULL
    assert is_for_want_of_room(wrapped, tmp_path)


def test_the_loop_takes_it_for_full_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    yard = LoopYard()
    yard.loop.ballast = Ballast(tmp_path / "ballast", MB)
    yard.loop.ballast.make()
    yard.commit_error = trouble(sqlite3.SQLITE_IOERR_FSYNC)
    yard.turn("job.cancel")
    assert not yard.loop.ballast.given_up, "there is room: something else ails it"
    nothing_free(monkeypatch, tmp_path)
    yard.loop.turn(instant(), [])
    assert yard.loop.ballast.given_up


def test_one_that_was_given_up_does_not_fill_the_disk_again_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ballast.new").write_bytes(b"cut off while it was made")
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=6 * MB))
    made = Ballast(tmp_path / "ballast", 4 * MB)
    made.make()
    assert made.given_up
    assert list(tmp_path.iterdir()) == []
