"""Options come from file, environment and flags, and a wrong one is refused by name."""

import json
import logging
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from config.logs import Json, Plain
from config.settings import PART_VARIABLE, Address, BadSettings, ServeSettings, address, from_supervisor, load, table
from controller.app import core_settings, link_settings
from controller.core_settings import CoreSettings
from schemas.topics import Topics

DOCS = Path(__file__).parents[2] / "docs" / "settings.md"


def refusal(**flags: Any) -> str:
    """What is said about wrong settings."""
    with pytest.raises(BadSettings) as caught:
        load(**flags)
    return str(caught.value)


def test_later_sources_win(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "box.toml"
    file.write_text('http = "127.0.0.1:1"\nmqtt = "127.0.0.1:1"\nlog_level = "debug"\n')
    monkeypatch.setenv("YARDMASTER_HTTP", "127.0.0.1:2")
    monkeypatch.setenv("YARDMASTER_MQTT", "127.0.0.1:2")
    settings = load(file, http="127.0.0.1:3", broker=None)
    assert (settings.http, settings.mqtt, settings.log_level) == ("127.0.0.1:3", "127.0.0.1:2", "debug")
    assert settings.broker == "auto"


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"http": "nowhere"}, ("http", "HOST:PORT", "--http", "YARDMASTER_HTTP")),
        ({"mqtt": "127.0.0.1:70000"}, ("mqtt", "0 to 65535")),
        ({"http": "127.0.0.1:²"}, ("http", "HOST:PORT")),
        ({"http": "0.0.0.0:8080", "https": False}, ("https", "passwords", "loopback")),
        ({"mqtt": "192.168.0.1:1883"}, ("mqtt", "loopback", "mqtts", "external")),
        ({"broker": "amqtt", "mqtts": "0.0.0.0:8883"}, ("amqtt", "mqtts", "mosquitto")),
        ({"broker": "external", "mqtt_passwords": "on"}, ("external", "mqtt_passwords")),
        ({"tls_key": "/box.key"}, ("tls_certificate", "tls_key")),
        ({"demo": True, "behind_proxy": True}, ("demo", "proxy")),
        ({"names": "a b"}, ("names",)),
        ({"broker": "external", "mqtt": "broker.example:0"}, ("mqtt", "port")),
        ({"broker": "hivemq"}, ("broker", "mosquitto", "amqtt")),
        ({"web_threads": 5}, ("web_threads", "72")),
        ({"topic_prefix": "a/#"}, ("topic_prefix", "letters")),
        ({"silent_s": 16}, ("silent_s", "lease_s")),
        ({"retry_first_s": 50, "retry_max_s": 10}, ("retry_first_s", "retry_max_s")),
        ({"heard_s": "nan"}, ("heard_s",)),
        ({"htp": "127.0.0.1:1"}, ("htp", "did you mean http")),
        ({"broker_password": 5}, ("broker_password",)),
    ],
)
def test_wrong_options_are_refused_by_name(flags: dict[str, Any], words: tuple[str, ...]) -> None:
    said = refusal(**flags)
    assert [word for word in words if word not in said] == []


def test_every_wrong_option_is_named_at_once() -> None:
    assert len(refusal(http="x", mqtt="y", log_level="loud").splitlines()) == 3


def test_a_password_is_never_shown() -> None:
    settings = load(broker="external", mqtt="broker.example:1883", broker_password="hidden")
    assert "hidden" not in repr(settings)
    assert "hidden" not in refusal(broker_password=["hidden"])


@pytest.mark.parametrize("text", ["no = [", "\udcff"])
def test_an_unreadable_file_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "box.toml"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(BadSettings, match=re.escape(str(file))):
        load(file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match=r"gone\.toml"):
        load(tmp_path / "gone.toml")


def test_robots_are_taken_by_themselves_on_loopback_only() -> None:
    assert load().accepts_unknown
    assert not load(broker="external", mqtt="broker.example:1883").accepts_unknown
    assert load(broker="external", mqtt="broker.example:1883", auto_accept=True).accepts_unknown
    assert not load(auto_accept=False).accepts_unknown


@pytest.mark.parametrize(
    ("text", "loopback"),
    [("127.0.0.1:1", True), ("[::1]:1", True), ("localhost:1", True), ("0.0.0.0:1", False), ("example.org:1", False)],
)
def test_loopback_addresses_are_known(text: str, loopback: bool) -> None:
    assert address(text).is_loopback is loopback
    assert str(address(text)) == text


def test_address_parts() -> None:
    assert address("[::1]:8080") == Address("::1", 8080)


def test_settings_survive_the_way_to_a_part(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(broker="external", mqtt="broker.example:1883", broker_password="hidden", web_threads=99)
    monkeypatch.setenv(PART_VARIABLE, settings.model_dump_json())
    monkeypatch.setenv("YARDMASTER_WEB_THREADS", "100")
    assert from_supervisor() == settings


def test_the_core_gets_every_duration() -> None:
    given = core_settings(load(silent_s=99, failures_to_hold=7))
    assert (given.silent_s, given.failures_to_hold, given.auto_accept) == (99, 7, True)
    assert core_settings(load()) == CoreSettings(), "the defaults of both are the same"


def test_the_name_at_an_external_broker_is_a_setting_at_our_own_it_is_fixed() -> None:
    remote: dict[str, Any] = {
        "broker": "external",
        "mqtt": "broker.example:1883",
        "broker_user": "box",
        "broker_password": "hidden",
    }
    there, here = (
        link_settings(load(**flags), Topics())
        for flags in (remote, remote | {"broker": "mosquitto", "mqtt": "127.0.0.1:1"})
    )
    assert (there.user, there.password) == ("box", "hidden")
    assert (here.user, here.password) == ("yardmaster", "hidden")


@pytest.mark.parametrize(
    ("flags", "tls", "url"),
    [
        ({}, False, "http://127.0.0.1:8080"),
        ({"https": True}, True, "https://127.0.0.1:8080"),
        ({"http": "0.0.0.0:8443"}, True, "https://127.0.0.1:8443"),
        ({"http": "[::]:8443"}, True, "https://[::1]:8443"),
        ({"http": "0.0.0.0:80", "behind_proxy": True}, False, "http://127.0.0.1:80"),
        ({"http": "0.0.0.0:80", "behind_proxy": True, "https": False}, False, "http://127.0.0.1:80"),
        ({"http": "box.example:443", "https": True, "behind_proxy": True}, True, "https://box.example:443"),
    ],
)
def test_http_that_others_can_reach_is_encrypted(flags: dict[str, Any], tls: bool, url: str) -> None:
    settings = load(**flags)
    assert (settings.serves_tls, settings.url) == (tls, url)


def test_robots_elsewhere_need_credentials_and_are_not_taken_by_themselves() -> None:
    assert (load().locks_mqtt, load().accepts_unknown) == (False, True)
    for flags in ({"mqtts": "0.0.0.0:8883"}, {"mqtts_certificates": "0.0.0.0:8884"}):
        assert (load(**flags).locks_mqtt, load(**flags).accepts_unknown) == (True, False)  # type: ignore[arg-type]
    assert load(mqtt_passwords="on").locks_mqtt


def test_names_are_words_with_commas_between_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YARDMASTER_NAMES", "box.example, 192.168.1.5")
    assert load().names == ("box.example", "192.168.1.5")


def test_the_documentation_is_made_from_the_model() -> None:
    assert DOCS.read_text().endswith(table())
    assert table().count("\n") == len(ServeSettings.model_fields) + 2


def record(message: str, **extra: object) -> logging.LogRecord:
    """A log record with extras."""
    made = logging.LogRecord("controller.loop", logging.WARNING, __file__, 1, message, (), None)
    made.__dict__.update(extra)
    return made


def test_json_lines_carry_extras_and_tracebacks() -> None:
    made = record("häppened\ntwice", robot="r1")
    try:
        raise ValueError("why")
    except ValueError:
        made.exc_info = sys.exc_info()
    line = Json("controller").format(made)
    entry = json.loads(line)
    assert "\n" not in line
    assert (entry["part"], entry["level"], entry["robot"]) == ("controller", "warning", "r1")
    assert entry["message"] == "häppened\ntwice"
    assert "ValueError: why" in entry["error"]


def test_a_plain_message_is_one_line() -> None:
    assert Plain("web").format(record("one\ntwo")).splitlines()[0].endswith("warning web: one\\ntwo")
