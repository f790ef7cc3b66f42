"""To which box the command line shows which token."""

from pathlib import Path

import pytest

from cli.client import KEY_FILE, READY, find_token


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data directory of a box that runs."""
    for name in ("YARDMASTER_URL", "YARDMASTER_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / KEY_FILE).write_text("ymt_own\n")
    (tmp_path / READY).write_text("{}")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_what_is_given_is_shown(folder: Path) -> None:
    assert find_token("ymt_given", "http://elsewhere", folder) == "ymt_given"


def test_a_box_of_this_machine_is_shown_its_own(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_token(None, None, folder) == "ymt_own"
    monkeypatch.setenv("YARDMASTER_DATA_DIR", str(folder))
    assert find_token(None, None, None) == "ymt_own"


def test_an_address_gets_nothing_that_was_not_given(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YARDMASTER_DATA_DIR", str(folder))
    assert find_token(None, "http://127.0.0.1:8080", None) is None
    monkeypatch.setenv("YARDMASTER_URL", "http://127.0.0.1:8080")
    assert find_token(None, None, None) is None


def test_while_no_box_runs_there_nobody_is_shown_its_token(folder: Path) -> None:
    (folder / READY).unlink()
    assert find_token(None, None, folder) is None
