"""An agent's options: where they come from, what is refused, and that each says what it does."""

import re
from pathlib import Path
from typing import Any

import pytest

from config.agent import AgentSettings, agent_table, load_agent
from config.settings import BadSettings
from edge_agent.agent import AgentProcess
from edge_agent.app import CannotStart, driver_settings, make_driver, run_agent


def test_later_sources_win(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "agent.toml"
    file.write_text('name = "a"\nkind = "rpa"\nmqtt = "10.0.0.1:1"\n[commands.hello]\nargv = ["echo"]\n')
    monkeypatch.setenv("YARDMASTER_AGENT_MQTT", "10.0.0.2:2")
    monkeypatch.setenv("YARDMASTER_AGENT_QUEUES", "one, two")
    settings = load_agent(file, name="b", kind=None, tags=("x",))
    assert (settings.name, settings.kind, settings.mqtt) == ("b", "rpa", "10.0.0.2:2")
    assert (settings.queues, settings.tags) == (("one", "two"), ("x",))
    assert settings.commands == {"hello": {"argv": ["echo"]}}
    assert settings.folder == Path("var/agents/b")


@pytest.mark.parametrize(
    ("given", "driver"),
    [
        ({}, "none"),
        ({"kind": "rpa"}, "rpa"),
        ({"fleet": Path("f.toml")}, "simulated"),
        ({"kind": "rpa", "driver": "none"}, "none"),
    ],
)
def test_the_driver_that_is_meant(given: dict[str, Any], driver: str) -> None:
    assert load_agent(name="a", **given).driver_name == driver


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({}, "name"),
        ({"name": "a/b"}, "name"),
        ({"name": "a", "mqtt": "nowhere"}, "HOST:PORT"),
        ({"name": "a", "capacity": 3}, "station"),
        ({"name": "a", "resend_first_s": 40.0}, "resend_max_s"),
        ({"name": "a", "colour": "red"}, "no such option"),
        ({"name": "a", "topic_prefix": "a/#"}, "prefix"),
    ],
)
def test_what_is_refused_is_named(given: dict[str, Any], word: str) -> None:
    with pytest.raises(BadSettings, match=re.escape(word)):
        load_agent(**given)


def test_a_password_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load_agent(name="a", password="open sesame")
    assert "sesame" not in repr(settings)
    with pytest.raises(BadSettings) as refused:
        load_agent(name="a", password=["open sesame"])
    assert "sesame" not in str(refused.value)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="settings file"):
        load_agent(tmp_path / "none.toml")


def test_every_option_says_what_it_does() -> None:
    assert all(field.description for field in AgentSettings.model_fields.values())
    assert agent_table().count("\n") == len(AgentSettings.model_fields) + 2


def test_drivers_that_cannot_be_made() -> None:
    with pytest.raises(CannotStart, match="there is no 'fly'"):
        make_driver("fly", "a", {})
    with pytest.raises(CannotStart, match="driver rpa"):
        make_driver("rpa", "a", {"data_dir": Path("x"), "commands": {"hello": {"argv": []}}})
    with pytest.raises(CannotStart, match="fleet"):
        driver_settings(load_agent(name="a", driver="simulated"))


def test_files_beside_the_settings_are_found_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "r1" / "agent.toml"
    file.parent.mkdir()
    file.write_text(
        'name = "a"\npassword_file = "password"\nca_file = "/etc/ca.pem"\ntoken_file = "token"\nhttp = "https://box"\n'
    )
    monkeypatch.chdir(tmp_path)
    settings = load_agent(Path("r1/agent.toml"))
    assert (settings.password_file, settings.ca_file) == (Path("r1/password"), Path("/etc/ca.pem"))
    assert load_agent(file, token_file=Path("here")).token_file == Path("here"), "a flag is of the working folder"
    monkeypatch.setenv("YARDMASTER_AGENT_TOKEN_FILE", "there")
    assert load_agent(file).token_file == Path("there"), "and so is a variable"


@pytest.mark.parametrize(
    ("given", "tls", "in_clear"),
    [
        ({}, False, []),
        ({"password": "p"}, False, []),
        ({"mqtt": "localhost:1883", "password": "p"}, False, []),
        ({"mqtt": "box:1883"}, False, []),
        ({"mqtt": "box:8883", "password": "p"}, True, []),
        ({"mqtt": "10.0.0.1:8883", "password_file": Path("p")}, True, []),
        ({"mqtt": "box:8883", "password": "p", "tls": False}, False, ["password"]),
        ({"mqtt": "127.0.0.1:8883", "ca_file": Path("c")}, True, []),
        ({"http": "http://127.0.0.1:8080", "token_file": Path("t")}, False, []),
        ({"http": "http://[::1]:8080", "token_file": Path("t")}, False, []),
        ({"http": "https://box:8080", "token_file": Path("t")}, False, []),
        ({"http": "http://box:8080", "token_file": Path("t"), "tls": False}, False, ["token"]),
    ],
)
def test_nothing_secret_leaves_the_machine_in_clear_unless_it_is_said(
    *, given: dict[str, Any], tls: bool, in_clear: list[str]
) -> None:
    settings = load_agent(name="a", **given)
    assert (settings.speaks_tls, settings.in_clear) == (tls, in_clear)


@pytest.mark.parametrize("tls", [None, True])
def test_a_token_is_not_sent_in_clear_by_mistake(*, tls: bool | None) -> None:
    with pytest.raises(BadSettings, match=r"http: http://box:8080 is refused.*tls = false"):
        load_agent(name="a", http="http://box:8080", token_file=Path("t"), tls=tls)


def test_the_log_says_what_goes_in_clear(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run(_process: AgentProcess) -> int:
        return 0

    settings = load_agent(name="a", data_dir=tmp_path, mqtt="box:1883", password="p", tls=False)
    monkeypatch.setattr(AgentProcess, "run", run)
    assert run_agent(settings) == 0
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        "tls = false: the robot's password goes to another machine in clear, whoever listens has it"
    ]
