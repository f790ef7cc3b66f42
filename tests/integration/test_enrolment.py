"""Enrolling over the API: the secret is in one answer and nowhere else, and the answer has all that an agent needs."""

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from flask.testing import FlaskClient

import cli.serve
import web.enrolment
from cli.robot_credential import show_credential, write_credential
from config.agent import load_agent
from config.certificates import Authority
from config.credentials import broker_hash
from config.settings import ServeSettings
from controller.store import credentials
from tests.fakes.box import Box
from tests.fakes.yard import FakeRobot
from web import revoking
from web.app import create_app
from web.settings import WebSettings

WHERE = "/robots/r1/credential"


def told(box: Box, **settings: Any) -> FlaskClient:
    """An administrator at the same box with other settings."""
    client = create_app(WebSettings(box.yard.folder, **settings), box.controller).test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {box.token()}"
    return client


def stored(box: Box) -> list[credentials.Credential]:
    """What the database has."""
    return credentials.good(box.yard.store.db)


def test_a_password_is_shown_once_and_kept_as_a_hash(box: Box, robot: FakeRobot) -> None:
    box.yard.robot("r2")
    made = box.must("POST", WHERE, {}, 201)
    assert (made["kind"], made["robot"], made["tls"], made["mqtt"]) == ("password", "r1", False, "127.0.0.1:1883")
    assert (made["certificate"], made["key"], made["authority"], made["without"]) == (None, None, None, ["r2"])
    (kept,) = stored(box)
    assert kept.hash is not None
    salt = kept.hash.split("$")[3]
    import base64

    assert broker_hash(made["password"], base64.b64decode(salt)) == kept.hash
    dump = "\n".join(box.yard.store.db.iterdump())
    assert made["password"] not in dump
    audit = [row for row in box.must("GET", "/audit")["items"] if row["action"] == "robot.enrol"]
    assert [(row["subject"], row["after"]["hash"]) for row in audit] == [("robot:r1", "•••")]
    again = box.must("POST", WHERE, {"kind": "password"}, 201)
    assert again["password"] != made["password"]
    assert [event["event"] for event in box.must("GET", "/robots/r1/events")["items"][:2]] == ["enrolled", "enrolled"]


def test_a_robot_elsewhere_is_told_where_and_by_what_it_knows_the_box(box: Box, robot: FakeRobot) -> None:
    authority = Authority.load(box.yard.folder / "tls")
    client = told(box, mqtts="0.0.0.0:8883", own_authority=True, allowed_hosts=("box.example",))
    made: Any = client.post(f"/api/v1{WHERE}", base_url="http://box.example:8080").json
    assert (made["mqtt"], made["tls"], made["authority"]) == ("box.example:8883", True, authority.pem)


@pytest.mark.parametrize("asked", ["localhost", "127.0.0.1", "[::1]"])
@pytest.mark.parametrize(
    ("names", "held", "machine", "told_of"),
    [
        (("box.plant.example",), ["box.plant.example", "192.168.1.10"], ["192.168.1.10"], "box.plant.example"),
        ((), ["box", "localhost", "127.0.0.1", "192.168.1.10"], ["127.0.0.1", "192.168.1.10"], "192.168.1.10"),
        ((), ["box", "127.0.0.1", "192.168.1.9"], ["127.0.0.1", "192.168.1.10"], "box"),
        ((), ["*.plant.example", "localhost", "box.plant.example"], ["192.168.1.10"], "box.plant.example"),
    ],
)
def test_who_enrols_on_the_box_itself_is_told_what_others_call_it(
    box: Box,
    robot: FakeRobot,
    monkeypatch: pytest.MonkeyPatch,
    asked: str,
    names: tuple[str, ...],
    held: list[str],
    machine: list[str],
    told_of: str,
) -> None:
    certificate, _ = Authority.load(box.yard.folder / "tls").for_box(held)
    monkeypatch.setattr(web.enrolment, "machine_names", lambda: machine)
    client = told(box, mqtts="0.0.0.0:8883", own_authority=True, names=names, certificate=str(certificate))
    made: Any = client.post(f"/api/v1{WHERE}", base_url=f"http://{asked}:8080").json
    assert made["mqtt"] == f"{told_of}:8883"
    near = told(box, mqtts="127.0.0.1:8883", own_authority=True, names=names, certificate=str(certificate))
    assert near.post(f"/api/v1{WHERE}", base_url=f"http://{asked}:8080").json["mqtt"] == "127.0.0.1:8883"  # type: ignore[index]


def test_the_web_is_told_names_and_certificate(tmp_path: Path) -> None:
    told_of = {"http": "0.0.0.0:8080", "mqtts": "0.0.0.0:8883", "names": ("box.plant.example",)}
    part = cli.serve._web(ServeSettings(data_dir=tmp_path, broker="mosquitto", **told_of))  # type: ignore[arg-type]
    found = WebSettings.from_environment(part.environment)
    assert (found.names, found.certificate) == (("box.plant.example",), str(tmp_path / "tls" / "box.pem"))


def test_a_certificate_is_signed_by_the_box(box: Box, robot: FakeRobot) -> None:
    client = told(box, mqtts_certificates="10.0.0.1:8884", own_authority=True)
    made: Any = client.post(f"/api/v1{WHERE}", json={"kind": "certificate"}).json
    found = x509.load_pem_x509_certificate(made["certificate"].encode())
    found.verify_directly_issued_by(Authority.load(box.yard.folder / "tls").certificate)
    assert (found.subject.rfc4514_string(), made["mqtt"], made["password"]) == ("CN=r1", "10.0.0.1:8884", None)
    row = credentials.one(box.yard.store.db, "r1")
    assert row is not None
    assert int(row["serial"], 16) == found.serial_number
    assert made["key"] not in "\n".join(box.yard.store.db.iterdump())


def test_where_nobody_would_ask_for_it_none_is_made(box: Box, robot: FakeRobot) -> None:
    box.refused("POST", WHERE, {"kind": "certificate"}, status=409, code="robot.broker")
    foreign: Any = told(box, asks_robots=False).post(f"/api/v1{WHERE}")
    assert (foreign.status_code, foreign.json["code"]) == (409, "robot.broker")
    box.refused("POST", "/robots/r9/credential", {}, status=404, code="robot.not_found")
    box.refused("POST", WHERE, {"kind": "retina"}, status=422, code="request.invalid")
    assert stored(box) == []


def test_revoked_it_is_disabled_and_its_token_opens_nothing(box: Box, robot: FakeRobot) -> None:
    box.must("POST", WHERE, {}, 201)
    token = {"X-Auth-Token": box.token("of r1", "robot", "r1")}
    assert box.nobody().get("/api/v1/me", headers=token).status_code == 403, "known, but this is not for robots"
    assert box.must("DELETE", f"{WHERE}?reason=stolen") == {
        "robot": "r1", "credential": "password", "tokens": 1, "shut": True, "notes": [],
    }  # fmt: skip
    refused: Any = box.nobody().get("/api/v1/me", headers=token)
    assert (refused.status_code, refused.json["code"]) == (401, "auth.expired")
    shown = box.must("GET", "/robots/r1")
    assert (shown["enabled"], shown["note"]) == (False, "its credential was revoked: stolen")
    assert stored(box) == []
    box.refused("DELETE", "/robots/r9/credential", status=404, code="robot.not_found")


@pytest.mark.parametrize(
    ("doors", "sentence"),
    [
        ({"broker": "foreign"}, revoking.FOREIGN),
        ({"broker": "open"}, revoking.OPEN),
        ({"stale": "No space left on device"}, revoking.STALE.format(why="No space left on device")),
    ],
)
def test_a_revoke_says_what_it_could_not_end(box: Box, robot: FakeRobot, doors: dict[str, Any], sentence: str) -> None:
    box.controller.says["doors.state"] |= doors
    done = box.must("DELETE", f"{WHERE}?reason=stolen")
    assert done == {
        "robot": "r1",
        "credential": None,
        "tokens": 0,
        "shut": False,
        "notes": [revoking.NOTHING, sentence],
    }
    shown = box.must("GET", "/robots/r1")
    assert (shown["enabled"], shown["note"]) == (False, "stolen"), "nothing is said to be revoked that never was"
    assert [e["event"] for e in box.must("GET", "/robots/r1/events")["items"] if e["event"] == "revoked"] == []


def test_a_connection_by_certificate_that_ends_later_is_told(box: Box, robot: FakeRobot) -> None:
    box.yard.must("robot.enrol", robot="r1", serial="aa", expires_at=1)
    box.controller.says["doors.state"] |= {"ends_later": True}
    done = box.must("DELETE", WHERE)
    assert (done["credential"], done["shut"], done["notes"]) == ("certificate", True, [revoking.LATER])
    assert revoking.revoked({"robot": "r1", "credential": "password", "tokens": 0}, None).notes == [revoking.UNKNOWN]


# ---------------------------------------------------------------- the files for its agent
FOUND: dict[str, Any] = {
    "robot": "r1", "kind": "password", "password": "a-b-c", "certificate": None, "key": None,
    "mqtt": "box.example:8883", "tls": True, "authority": "-----BEGIN CERTIFICATE-----\n", "without": [],
}  # fmt: skip


@pytest.mark.parametrize("kind", ["password", "certificate"])
def test_what_is_written_is_what_the_agent_reads(tmp_path: Path, kind: str) -> None:
    found = FOUND if kind == "password" else FOUND | {"password": None, "certificate": "C", "key": "K"}
    write_credential(found, tmp_path / "r1 on the box")
    (tmp_path / "r1 on the box").rename(tmp_path / "r1 at home")  # to another machine, in another folder
    settings = load_agent(tmp_path / "r1 at home" / "agent.toml")
    assert str(tmp_path) not in (tmp_path / "r1 at home" / "agent.toml").read_text()
    assert (settings.name, settings.mqtt, settings.speaks_tls) == ("r1", "box.example:8883", True)
    files = [
        settings.ca_file,
        *((settings.password_file,) if kind == "password" else (settings.certificate, settings.key)),
    ]
    texts = [file.read_text().strip() for file in files if file is not None]
    assert texts == ["-----BEGIN CERTIFICATE-----", *(["a-b-c"] if kind == "password" else ["C", "K"])]
    assert {file.stat().st_mode & 0o777 for file in (tmp_path / "r1 at home").iterdir()} == {0o600}


def test_on_the_terminal_secret_and_settings_stand_together(capsys: pytest.CaptureFixture[str]) -> None:
    show_credential(FOUND)
    shown = capsys.readouterr().out
    assert "\na-b-c\n" in shown
    assert "not shown again" in shown
    assert f"password_file = {json.dumps('password')}\n" in shown
