"""Spoofing and take-over with a robot's own credential against the real broker: all denied, no row changed."""

import socket
import ssl
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import MQTTProtocolVersion

from config import certificates
from config.certificates import Authority
from config.credentials import broker_hash, new_password
from controller.broker import CONFIG, RULES
from tests.faults.doors.attacks import ATTACKS, Scene, at_the_door
from tests.faults.doors.house import HOST, PRESENCE, House, Mutant, Visitor, house, trusting, write_pair
from tests.waiting import wait_for


def _no_rules(name: str, text: str) -> str:
    """ACL off: whoever is in may say and hear everything."""
    users = [line for line in text.splitlines() if line.startswith("user ")]
    return "\n".join(f"{user}\ntopic readwrite #" for user in users) + "\n" if name == RULES else text


def _free_ids(name: str, text: str) -> str:
    """The client id is whatever a client says."""
    return text.replace("use_username_as_clientid true\n", "") if name == CONFIG else text


MUTANTS: dict[str, Mutant] = {"no rules": _no_rules, "client id not bound": _free_ids}
CAUGHT_BY = {
    "no rules": {"speak for others", "leave something behind", "listen to others"},
    "client id not bound": {"take their place"},
}


def test_with_its_own_credential_a_robot_gets_nowhere(mosquitto: str, tmp_path: Path) -> None:
    with house(tmp_path) as where:
        here, before = at_the_door(where), None
        for name, attack in ATTACKS.items():
            before = where.rows()
            outcome = attack(here)
            assert (outcome.through, outcome.tries > 0) == ([], True), name
            assert where.rows() == before, f"{name}: rows have changed"


def test_a_denied_message_is_acknowledged_all_the_same(at_home: House) -> None:
    """So nobody may take the broker's word for it: what counts is the controller's own, after its commit."""
    robot = Visitor(at_home, "r1", at_home.enrol("r1"))
    heard = at_home.counted("yardmaster_messages_total")
    said = robot.client.publish("fleet/v1/r2/block-status", b"{}", 1)
    said.wait_for_publish(10)
    assert said.is_published()
    assert at_home.counted("yardmaster_messages_total") == heard


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_broker_with_a_door_left_open_is_noticed(mosquitto: str, tmp_path: Path, mutant: str) -> None:
    with house(tmp_path) as where:
        secrets = {name: where.enrol(name) for name in ("r1", "r2")}
        assert where.broker is not None
        where.broker.terminate()
        where.broker.wait(20)
        where.mutant = MUTANTS[mutant]
        where.start_broker()
        wait_for(where.is_well, 30, "the controller, back on the broker")
        for attack in sorted(CAUGHT_BY[mutant]):
            for visitor in where.visitors:
                visitor.close()
            both = (Visitor(where, name, secrets[name], name) for name in ("r1", "r2"))
            assert ATTACKS[attack](Scene(where, secrets, *both)).through, f"{attack} did not notice"


# ---------------------------------------------------------------- at the door itself
@pytest.fixture(scope="module")
def at_home(mosquitto: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A house with r1 (a password) and c1 (a certificate)."""
    with house(tmp_path_factory.mktemp("house")) as where:
        where.certify("c1", where.folder / "c1")
        yield where


def comes_in(house: House, name: str, password: str) -> bool:
    """Whether a robot is let in just now."""
    return Visitor(house, name, password).leaves()


def denied(visitor: Visitor) -> bool:
    """Never in."""
    return visitor.let_in == 0 and visitor.problem != ""


@pytest.mark.parametrize("protocol", [paho.MQTTv31, paho.MQTTv311])
def test_who_shows_nothing_or_something_wrong_is_not_let_in(at_home: House, protocol: MQTTProtocolVersion) -> None:
    password = at_home.enrol("r1")
    assert Visitor(at_home, "r1", password, protocol=protocol).is_in
    before = at_home.rows()
    tries = [
        (None, None), ("r1", None), ("r1", ""), ("r1", "wrong"), ("r2", password), ("yardmaster", None),
        ("yardmaster", password), ("R1", password), ("", ""), ("#", "#"), ("r1\n", password), ("r1:x", password),
        ("c1", None), ("c1", ""), ("c1", "$7$"), ("r1", at_home.own.hashes["yardmaster"]),
    ]  # fmt: skip
    for user, given in tries:
        assert denied(Visitor(at_home, user, given, "r1", protocol=protocol)), (user, given)
    assert at_home.rows() == before


def test_a_password_opens_by_tls_and_not_without(at_home: House) -> None:
    password, tls = at_home.enrol("r1"), trusting(at_home.folder)
    assert Visitor(at_home, "r1", password, which="mqtts", tls=tls).is_in
    assert denied(Visitor(at_home, "r1", "wrong", which="mqtts", tls=tls))
    assert denied(Visitor(at_home, "r1", password, which="mqtts")), "plain words at the TLS port"
    assert denied(Visitor(at_home, "r1", password, which="mqtts_certificates", tls=tls)), "no certificate"
    assert denied(Visitor(at_home, "r1", password, which="mqtts", tls=ssl.create_default_context())), (
        "unknown authority"
    )


@pytest.mark.filterwarnings("ignore:.*TLSv1_1")
def test_old_tls_is_not_spoken(at_home: House) -> None:
    for which in ("mqtts", "mqtts_certificates"):
        old = trusting(at_home.folder, at_home.folder / "c1")
        old.set_ciphers("DEFAULT@SECLEVEL=0")
        old.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        old.maximum_version = ssl.TLSVersion.TLSv1_1
        with socket.create_connection((HOST, at_home.port(which))) as raw, pytest.raises(OSError, match=r"(?i)ssl|tls"):
            old.wrap_socket(raw, server_hostname=HOST)


def test_a_certificate_says_who_its_owner_is(at_home: House) -> None:
    tls = trusting(at_home.folder, at_home.folder / "c1")
    robot = Visitor(at_home, "yardmaster", "x", "yardmaster", which="mqtts_certificates", tls=tls)
    assert robot.is_in
    before = at_home.counted('yardmaster_messages_total{kind="presence"}')
    for name in ("yardmaster", "r1", "c1"):
        robot.publish(f"fleet/v1/{name}/presence", PRESENCE)
    wait_for(lambda: at_home.counted('yardmaster_messages_total{kind="presence"}') > before, 15, "its presence")
    assert at_home.counted('yardmaster_messages_total{kind="presence"}') == before + 1
    assert at_home.is_well(), "whatever user name it gives, it is not the controller"


@pytest.mark.parametrize("what", ["foreign", "expired", "unknown", "the box's own"])
def test_a_certificate_that_is_not_of_this_box_is_not_let_in(
    at_home: House, tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = Authority.load(at_home.folder / "tls")
    if what == "foreign":
        write_pair(Authority.load(tmp_path / "other").for_robot("c1"), tmp_path)
    elif what == "expired":
        monkeypatch.setattr(certificates, "ROBOT_DAYS", 0)
        write_pair(ours.for_robot("c1"), tmp_path)
    elif what == "unknown":  # signed by the box, and never enrolled: it may connect, and has no rules at all
        write_pair(ours.for_robot("c9"), tmp_path)
    else:
        (tmp_path / "certificate.pem").write_text((at_home.folder / "tls" / "box.pem").read_text())
        (tmp_path / "key.pem").write_text((at_home.folder / "tls" / "box.key").read_text())
    before, heard = at_home.rows(), at_home.counted("yardmaster_messages_total")
    visitor = Visitor(at_home, which="mqtts_certificates", tls=trusting(at_home.folder, tmp_path))
    if what == "unknown":
        for name in ("c9", "c1", "yardmaster"):
            visitor.publish(f"fleet/v1/{name}/heartbeat", b"{}")
        assert at_home.counted("yardmaster_messages_total") == heard
    else:
        assert denied(visitor)
    assert at_home.rows() == before


# ---------------------------------------------------------------- revoked
def test_revoking_ends_what_is_connected(at_home: House) -> None:
    passwords = {name: at_home.enrol(name) for name in ("v1", "v2")}
    robots = {name: Visitor(at_home, name, passwords[name]) for name in passwords}
    at_home.must("robot.revoke", robot="v1", reason="stolen")
    wait_for(lambda: robots["v1"].thrown_out, 15, "the end of its connection")
    assert denied(Visitor(at_home, "v1", passwords["v1"]))
    assert robots["v2"].is_in, "nobody else is thrown off"
    again = at_home.enrol("v1")
    assert Visitor(at_home, "v1", again).is_in
    assert denied(Visitor(at_home, "v1", passwords["v1"]))


def test_two_that_are_enrolled_in_the_same_moment_are_both_let_in(at_home: House) -> None:
    made = {}
    for name in ("w1", "w2", "w3"):
        made[name] = new_password()
        at_home.must("robot.put", robot=name)
        at_home.must("robot.enrol", robot=name, hash=broker_hash(made[name]))
    for name, password in made.items():
        wait_for(partial(comes_in, at_home, name, password), 15, f"the broker to know {name}")


def test_a_new_password_throws_off_who_has_the_old_one(at_home: House) -> None:
    old = Visitor(at_home, "v3", at_home.enrol("v3"))
    assert old.is_in
    at_home.enrol("v3")
    wait_for(lambda: old.thrown_out, 15, "the end of its connection")


def test_a_certificate_that_was_revoked_opens_nothing_after_the_broker_was_started_again(
    at_home: House, tmp_path: Path
) -> None:
    at_home.certify("c2", tmp_path)
    tls = trusting(at_home.folder, tmp_path)
    robot = Visitor(at_home, which="mqtts_certificates", tls=tls)
    assert robot.is_in
    at_home.must("robot.revoke", robot="c2")
    assert at_home.broker is not None
    assert at_home.broker.wait(15) == 0, "the controller ends the broker; the supervisor starts another"
    wait_for(lambda: robot.thrown_out, 15, "the end of its connection")
    at_home.start_broker()
    wait_for(at_home.is_well, 30, "the controller, back on its broker")
    assert denied(Visitor(at_home, which="mqtts_certificates", tls=tls))
    c1 = trusting(at_home.folder, at_home.folder / "c1")
    assert Visitor(at_home, which="mqtts_certificates", tls=c1).is_in, "the others are let in"
