"""Files that a power cut leaves whole: the order of what is written, synced and renamed, and nothing left behind."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from config.disk import sync, write_new, write_private


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was asked of the system, in order: `sync NAME` and `replace`."""
    asked: list[str] = []

    def noted(real: Callable[..., Any], text: Callable[..., str]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            asked.append(text(*args))
            return real(*args)

        return call

    opened: dict[int, str] = {}
    real = os.open

    def open_(path: Path, *args: Any, **more: Any) -> int:
        descriptor = real(path, *args, **more)
        opened[descriptor] = Path(path).name.partition(".")[0]
        return descriptor

    monkeypatch.setattr(os, "open", open_)
    monkeypatch.setattr(os, "fsync", noted(os.fsync, lambda descriptor: f"sync {opened[descriptor]}"))
    monkeypatch.setattr(Path, "replace", noted(Path.replace, lambda *_: "replace"))
    return asked


def test_a_file_is_on_the_disk_before_it_has_its_name_and_the_name_before_the_call_returns(
    tmp_path: Path, calls: list[str]
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    write_private(folder / "file", "new\n")
    assert calls == ["sync file", "replace", "sync folder"]
    assert [path.read_text() for path in folder.iterdir()] == ["new\n"]


def test_it_is_for_this_user_only_also_in_the_place_of_one_that_was_not(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old\n")
    path.chmod(0o644)
    write_private(path, "schlüssel\n")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text(encoding="utf-8") == "schlüssel\n"


def test_a_full_disk_leaves_the_old_one_and_no_draft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "no space left")

    path = tmp_path / "file"
    write_private(path, "old\n")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        write_private(path, "new\n")
    assert [one.read_text() for one in tmp_path.iterdir()] == ["old\n"]


def test_what_is_there_is_not_written_over_as_new(tmp_path: Path) -> None:
    write_new(tmp_path / "file", "first\n")
    with pytest.raises(FileExistsError):
        write_new(tmp_path / "file", "second\n")
    assert (tmp_path / "file").read_text() == "first\n"


def test_what_is_not_there_cannot_be_synced(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        sync(tmp_path / "nothing")
