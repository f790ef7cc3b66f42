"""The supervisor where things do not go well: a part that cannot be started, a ready file that cannot be written."""

import sys
from pathlib import Path

import pytest

from cli.parts import Part
from cli.supervisor import Supervisor
from config.settings import load


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
