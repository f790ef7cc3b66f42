"""How the controller ends: damage that SQLite meets has an exit code of its own, whatever closing says."""

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.settings import ServeSettings, load
from controller import app, backups, degraded
from controller.loop import Loop
from tests.unit.test_loop import Yard, trouble

CORRUPT = sqlite3.SQLITE_CORRUPT


@pytest.fixture
def settings(tmp_path: Path) -> ServeSettings:
    """Of a box without a reserve."""
    return load(data_dir=tmp_path, ballast_mb=0)


@pytest.fixture
def watched() -> Iterator[int]:
    """The supervisor has gone: a controller that is well ends after a turn."""
    reading, writing = os.pipe()
    os.close(writing)
    yield reading
    os.close(reading)


@pytest.mark.parametrize(("error", "code"), [(trouble(CORRUPT), 3), (KeyError("x"), 1), (None, 0)])
def test_damage_that_is_met_while_it_runs_has_its_exit_code(
    error: Exception | None, code: int, settings: ServeSettings, watched: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    turn = Loop.run_once

    def run_once(loop: Loop, selector: object) -> None:
        if error is not None:
            raise error
        turn(loop, selector)  # type: ignore[arg-type]

    monkeypatch.setattr(Loop, "run_once", run_once)
    assert app.run(settings, watched) == code


def test_closing_does_not_hide_it(settings: ServeSettings, watched: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def damaged(*_: object) -> None:
        raise trouble(CORRUPT)

    close = app.Controller.close

    def closing(controller: app.Controller) -> None:
        close(controller)
        raise KeyError("this as well")

    monkeypatch.setattr(Loop, "run_once", damaged)
    monkeypatch.setattr(app.Controller, "close", closing)
    assert app.run(settings, watched) == 3


def test_damage_that_is_met_by_a_start_has_it_too(
    settings: ServeSettings, watched: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(*_: object) -> None:
        raise trouble(CORRUPT)

    monkeypatch.setattr("controller.core.Core.start", damaged)
    assert app.run(settings, watched) == 3


def test_damage_that_a_question_meets_is_told_and_work_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    yard = Yard()
    for code, told in ((sqlite3.SQLITE_BUSY, None), (CORRUPT, "database or disk is full")):

        def asked(*_: object, code: int = code) -> None:
            raise trouble(code)

        monkeypatch.setattr(yard, "command", asked)
        assert "answer 1 internal" in yard.turn("job.waiting")
        assert yard.loop.damage == told


def test_it_is_one_of_the_things_that_are_not_as_they_should_be(settings: ServeSettings) -> None:
    controller = app.Controller(settings)
    try:
        controller.loop.damage = "database disk image is malformed"
        reasons = controller.loop.reports["system.health"]()["reasons"]
    finally:
        controller.close()
    (said,) = [one for one in reasons if one["code"] == "store.damaged"]
    assert "malformed" in said["message"]


def test_the_log_says_once_why_a_backup_failed_whoever_made_it(
    settings: ServeSettings, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(degraded, "FRESH_S", 0.0)
    controller = app.Controller(settings)
    try:
        (settings.data_dir / "in the way").write_text("")
        with pytest.raises(backups.BackupFailed):
            backups.make(settings.data_dir, settings.data_dir / "in the way")
        for _ in range(2):
            reasons = controller.loop.reports["system.health"]()["reasons"]
    finally:
        controller.close()
    assert "backup.failed" in [one["code"] for one in reasons]
    told = [one.getMessage() for one in caplog.records if "last backup failed" in one.getMessage()]
    assert len(told) == 1
    assert "in the way cannot be written" in told[0]
