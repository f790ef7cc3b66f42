"""The broker as a part of the box: what is written for it before each start, and what is done when that fails."""

import hashlib
import json
import re
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cli import broker_part
from cli.broker_part import (
    as_host,
    check_doors,
    controller_environment,
    http_files,
    make_certificates,
    own_clients,
    prepare,
    show_certificate,
)
from cli.supervisor import NotStarted
from config import certificates
from config.certificates import Authority
from config.settings import PART_VARIABLE, ServeSettings
from controller.broker import CONFIG, PASSWORDS, RULES
from controller.direct import DATABASE, has_people
from controller.doors import LOCKED, OWN_VARIABLE, broker_plan
from controller.store import credentials
from controller.store.connection import Store

END = "-----END CERTIFICATE-----"


def settings(folder: Path, **more: Any) -> ServeSettings:
    """Of a box with a mosquitto of its own, whose database is there."""
    has_people(folder)
    return ServeSettings(data_dir=folder, broker="mosquitto", **more)


def test_the_boxs_own_clients_get_other_passwords_at_each_start(tmp_path: Path) -> None:
    given = settings(tmp_path)
    first, second = own_clients(given), own_clients(given)
    assert set(first.passwords) == {"yardmaster", "station"} == set(first.hashes)
    assert not set(first.passwords.values()) & set(second.passwords.values())
    assert set(own_clients(settings(tmp_path, station=False)).passwords) == {"yardmaster"}
    assert own_clients(given.model_copy(update={"broker": "amqtt"})).passwords == {}
    told = controller_environment(given, first)
    assert json.loads(told[PART_VARIABLE])["broker_password"] == first.passwords["yardmaster"]
    assert json.loads(told[OWN_VARIABLE]) == first.hashes
    assert not any(password in told[OWN_VARIABLE] for password in first.passwords.values())


def test_open_or_locked_is_what_the_settings_and_the_database_say(tmp_path: Path) -> None:
    for more, locked in (({}, False), ({"mqtt_passwords": "on"}, True), ({"mqtts": "127.0.0.1:8883"}, True)):
        given = settings(tmp_path, **more)
        plan = broker_plan(given, own_clients(given).hashes)
        prepare(given, plan)
        text = (plan.folder / CONFIG).read_text()
        assert ("allow_anonymous false" in text) is locked
        assert ("listener 8883 127.0.0.1" in text) is ("mqtts" in more)
    assert [line.partition(":")[0] for line in (plan.folder / PASSWORDS).read_text().splitlines()] == [
        "station",
        "yardmaster",
    ]


def test_a_database_that_cannot_be_read_lets_nobody_in(tmp_path: Path) -> None:
    given = settings(tmp_path)
    (tmp_path / "yardmaster.db").write_bytes(b"no database" * 1000)
    plan = broker_plan(given, own_clients(given).hashes)
    prepare(given, plan)
    assert "allow_anonymous false" in (plan.folder / CONFIG).read_text()
    assert "pattern" not in (plan.folder / RULES).read_text()


def test_on_a_full_disk_the_broker_starts_with_what_it_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = settings(tmp_path)
    plan = broker_plan(given, own_clients(given).hashes)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(broker_part, "write_config", full)
        with pytest.raises(OSError, match="No space"):
            prepare(given, plan)
    prepare(given, plan)
    before = (plan.folder / CONFIG).read_text()
    monkeypatch.setattr(broker_part, "write_config", full)
    prepare(given, plan)
    assert (plan.folder / CONFIG).read_text() == before


def test_a_door_that_was_locked_needs_a_broker_that_asks(tmp_path: Path) -> None:
    given = settings(tmp_path)
    demonstrations = given.model_copy(update={"broker": "amqtt"})
    check_doors(demonstrations)
    (tmp_path / LOCKED).touch()
    with pytest.raises(NotStarted, match="Install mosquitto"):
        check_doors(demonstrations)
    check_doors(given)
    (tmp_path / LOCKED).unlink()
    store = Store.open(tmp_path / DATABASE)
    with store.transaction():
        credentials.put(store.db, "r1", "x", None, None, "ann", 1)
    store.close()
    with pytest.raises(NotStarted):
        check_doors(demonstrations)
    prepare(given, broker_plan(given, {}))
    assert (tmp_path / LOCKED).exists(), "what a box from before the mark has in its database is remembered"


def test_a_broken_authority_does_not_keep_old_passwords(tmp_path: Path) -> None:
    given = settings(tmp_path, mqtts_certificates="127.0.0.1:8884")
    plan = broker_plan(given, {"yardmaster": "first"})
    prepare(given, plan)
    assert (plan.folder / "revoked-at-start").exists()
    (tmp_path / "tls" / "ca.key").write_text("damaged")
    plan = broker_plan(given, {"yardmaster": "second"})
    prepare(given, plan)
    assert (plan.folder / PASSWORDS).read_text() == "yardmaster:second\n"


def test_certificates_are_made_where_they_are_wanted(tmp_path: Path) -> None:
    plain = settings(tmp_path)
    make_certificates(plain)
    assert http_files(plain) == (None, None)
    assert not (tmp_path / "tls").exists()
    locked = settings(tmp_path, https=True)
    make_certificates(locked)
    assert (
        {Path(file or "").name for file in http_files(locked)}
        == {"box.pem", "box.key"}
        <= {file.name for file in (tmp_path / "tls").iterdir()}
    )
    own = settings(tmp_path, https=True, tls_certificate=tmp_path / "c", tls_key=tmp_path / "k")
    assert http_files(own) == (str(tmp_path / "c"), str(tmp_path / "k"))
    (tmp_path / "tls" / "ca.key").write_text("damaged")
    with pytest.raises(NotStarted, match="certificate"):
        make_certificates(locked)


def test_an_authority_from_a_clock_that_was_ahead_is_made_anew_unless_robots_depend_on_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    given = settings(tmp_path, https=True)
    now = datetime.now(UTC)
    with monkeypatch.context() as patched:
        patched.setattr(certificates, "_SKEW", timedelta(days=-300))
        make_certificates(given)
        early = Authority.load(tmp_path / "tls")
        assert early.certificate.not_valid_before_utc > now
    make_certificates(given)
    good = Authority.load(tmp_path / "tls")
    assert good.certificate.not_valid_before_utc <= now
    with monkeypatch.context() as patched:
        patched.setattr(certificates, "_SKEW", timedelta(days=-300))
        early = good.anew()
    early.for_robot("r1")
    make_certificates(given)
    assert Authority.load(tmp_path / "tls").certificate == early.certificate
    assert "NO ROBOT" in caplog.text


def test_hosts_are_written_as_browsers_write_them() -> None:
    assert [as_host(name) for name in ("box.example", "10.0.0.1", "::1")] == ["box.example", "10.0.0.1", "[::1]"]


def test_the_fingerprints_that_are_printed_are_those_of_the_certificates(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Worked out anew from the bytes that a browser or a robot is shown."""
    show_certificate(settings(tmp_path, http="0.0.0.0:8443"))
    said = re.findall(r"SHA-256 of the (authority|box): +([0-9A-F:]+)", capsys.readouterr().err)
    made = {name: (tmp_path / "tls" / file).read_text() for name, file in (("authority", "ca.pem"), ("box", "box.pem"))}
    first = {name: text[: text.index(END) + len(END)] for name, text in made.items()}
    marks = {name: hashlib.sha256(ssl.PEM_cert_to_DER_cert(text)).hexdigest() for name, text in first.items()}
    assert {name: mark.replace(":", "").lower() for name, mark in said} == marks
    assert marks["box"] != marks["authority"]


def test_a_box_that_speaks_no_tls_prints_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    show_certificate(settings(tmp_path))
    assert capsys.readouterr().err == ""
