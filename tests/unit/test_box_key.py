"""The key of a box when it starts: made, refused, or missed."""

from pathlib import Path

import pytest

from cli.box_key import check_key
from cli.serve import run
from config.settings import ServeSettings
from tests.fakes.box import Box


def test_a_box_whose_key_cannot_be_used_does_not_start(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "key").write_text("damaged")
    (tmp_path / "key").chmod(0o600)
    assert run(ServeSettings(data_dir=tmp_path, http="127.0.0.1:0", mqtt="127.0.0.1:0")) == 1
    assert "key" in capsys.readouterr().err
    assert not (tmp_path / "ready.json").exists()


def test_secrets_of_another_key_are_missed_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    box = Box(tmp_path)
    box.must("PUT", "/assets/a", {"secret": "long enough"}, 201)
    box.must("PUT", "/assets/b", {"value": 1}, 201)
    check_key(tmp_path, tmp_path / "yardmaster.db")
    assert caplog.text == ""
    (tmp_path / "key").rename(tmp_path / "kept")
    check_key(tmp_path, tmp_path / "yardmaster.db")
    assert "1 stored secrets were sealed with another key" in caplog.text
    caplog.clear()
    (tmp_path / "kept").replace(tmp_path / "key")
    check_key(tmp_path, tmp_path / "yardmaster.db")
    assert caplog.text == ""
    box.close()
