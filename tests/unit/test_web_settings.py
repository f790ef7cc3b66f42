"""What the web server's worker is told, and what it loads."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest
from flask import Flask

from cli.web_process import ServerSettings
from web.settings import VARIABLE, WebSettings


def test_settings_travel_through_the_environment() -> None:
    given = WebSettings(Path("/data"), ("box.example", "127.0.0.1"), 100)
    assert WebSettings.from_environment({VARIABLE: given.to_json()}) == given
    assert WebSettings.from_environment({VARIABLE: '{"data_dir": "/data"}'}) == WebSettings(Path("/data"))
    assert given.database == Path("/data/yardmaster.db")
    assert (given.max_streams, WebSettings(Path("/data")).max_streams) == (36, 256)


def test_what_the_server_is_told_travels_too() -> None:
    given = ServerSettings("::1", 8080, 100, "debug", "json")
    assert ServerSettings.from_environment(given.environment()) == given


def test_the_process_that_only_watches_the_worker_loads_next_to_nothing() -> None:
    code = "import sys, cli.web_process; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"pydantic", "pydantic_settings", "flask", "sqlite3", "web", "controller"} & set(loaded)
    assert "cli" in loaded


@pytest.mark.parametrize("text", ["", "{", "[]", '{"threads": 1}', '{"data_dir": "/d", "colour": "red"}'])
def test_settings_that_make_no_sense(text: str) -> None:
    with pytest.raises((ValueError, KeyError, TypeError, AttributeError)):
        WebSettings.from_environment({VARIABLE: text})


def test_the_worker_loads_the_application(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(VARIABLE, WebSettings(tmp_path).to_json())
    app = importlib.reload(importlib.import_module("web.serve")).app
    assert isinstance(app, Flask)
    answer = app.test_client().get("/api/v1/health")  # nothing runs there: the real client says so
    assert answer.status_code == 503
