"""The keeper of the doors: the broker reads what the database says, whatever goes wrong on the way there."""

import signal
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509

from config import issued
from config.certificates import Authority, Signed
from config.credentials import broker_hash
from config.settings import Address
from controller import doors
from controller.broker import PASSWORDS, RULES, BrokerPlan, Tls, tell_mosquitto, write_config
from controller.desk import Door
from controller.doors import AGAIN_S, LOCKED, RESTART_EVERY_S, RETRY_S, DoorKeeper, let_in, note_start, write_revoked
from schemas.topics import Topics
from tests.fakes.yard import Yard

HASH = broker_hash("one")


@dataclass
class Connection:
    """As much of a link as matters here."""

    connection: int = 1


class Scene:
    """A keeper whose clock and broker belong to the test."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, *, locked: bool = False) -> None:
        self.now, self.told, self.link = 100.0, list[signal.Signals](), Connection()
        monkeypatch.setattr(doors, "steady", lambda: self.now)
        monkeypatch.setattr(doors, "tell_mosquitto", lambda _folder, number: self.told.append(number))
        self.yard = Yard()
        self.yard.must("robot.put", robot="r1")
        self.plan = BrokerPlan(folder, Address("127.0.0.1", 1), Topics(), {"yardmaster": "own"})
        self.keeper = DoorKeeper(self.plan, self.yard.core.desk, self.link, locked=locked)

    def after(self, seconds: float) -> list[signal.Signals]:
        """What the broker is told then."""
        self.now += seconds
        self.keeper.keep()
        told, self.told[:] = list(self.told), []
        return told

    def text(self, name: str) -> str:
        return (self.plan.folder / name).read_text()


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """Nobody is enrolled, and the broker runs with what was written at the start."""
    made = Scene(tmp_path / "broker", monkeypatch)
    write_config(made.plan)
    assert made.after(0) == []
    return made


def test_the_first_credential_locks_the_door(scene: Scene) -> None:
    assert "pattern" in scene.text(RULES)
    scene.yard.must("robot.enrol", robot="r1", hash=HASH)
    assert scene.after(0) == [signal.SIGHUP]
    assert "pattern" not in scene.text(RULES)
    assert scene.text(PASSWORDS) == f"r1:{HASH}\nyardmaster:own\n"
    scene.yard.must("robot.revoke", robot="r1")
    assert scene.after(0) == [signal.SIGHUP]
    assert scene.text(PASSWORDS) == "yardmaster:own\n"
    assert "r1" not in scene.text(RULES)


def test_the_broker_is_told_once_more_for_it_may_have_been_busy(scene: Scene) -> None:
    scene.yard.must("robot.enrol", robot="r1", hash=HASH)
    assert scene.after(0) == [signal.SIGHUP]
    assert scene.after(AGAIN_S / 2) == []
    assert scene.after(AGAIN_S) == [signal.SIGHUP]
    assert scene.after(60) == []


def test_what_cannot_be_written_is_tried_again(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    scene.yard.must("robot.enrol", robot="r1", hash=HASH)
    with monkeypatch.context() as patched:
        patched.setattr(doors, "write_config", full)
        assert scene.after(0) == []
    assert scene.after(RETRY_S / 2) == []
    assert scene.after(RETRY_S) == [signal.SIGHUP]
    assert HASH in scene.text(PASSWORDS)


def test_a_broker_that_was_started_with_what_was_true_before_is_told(scene: Scene) -> None:
    scene.yard.must("robot.enrol", robot="r1", hash=HASH)
    scene.after(0)
    scene.after(60)
    (scene.plan.folder / PASSWORDS).write_text("r1:old\n")
    assert scene.after(0) == []
    scene.link.connection += 1
    assert scene.after(0) == [signal.SIGHUP]
    assert HASH in scene.text(PASSWORDS)


def test_a_revoked_certificate_starts_the_broker_again(scene: Scene) -> None:
    scene.yard.must("robot.enrol", robot="r1", serial="aa", expires_at=1)
    assert scene.after(0) == [signal.SIGHUP]
    scene.after(60)
    scene.yard.must("robot.revoke", robot="r1")
    assert scene.after(0) == [signal.SIGHUP, signal.SIGTERM]
    assert scene.yard.core.desk.doors == set()


def test_many_revoked_certificates_start_the_broker_seldom_and_are_refused_at_once(scene: Scene) -> None:
    for number in range(4):
        scene.yard.must("robot.enrol", robot="r1", serial=f"a{number}", expires_at=1)
    assert scene.after(60) == [signal.SIGHUP, signal.SIGTERM]
    scene.yard.must("robot.revoke", robot="r1")
    assert scene.after(1) == [signal.SIGHUP], "new connections are refused from now on"
    assert signal.SIGTERM not in scene.after(RESTART_EVERY_S - 2)
    assert scene.after(2) == [signal.SIGTERM]
    assert scene.after(60) == []


def listed(plan: BrokerPlan) -> set[str]:
    """Numbers of the certificates that the broker is told to refuse."""
    assert plan.tls is not None
    return {f"{one.serial_number:x}" for one in x509.load_pem_x509_crl(plan.tls.crl.read_bytes())}


def tls_plan(folder: Path) -> BrokerPlan:
    """Of a broker with a listener for certificates."""
    place = folder / "tls"
    files = (place / "box.pem", place / "box.key", place / "ca.pem", place / "revoked.pem")
    tls = Tls(*files, None, Address("127.0.0.1", 2))
    return BrokerPlan(folder / "broker", Address("127.0.0.1", 1), Topics(), {"yardmaster": "own"}, tls)


def test_a_certificate_from_after_the_backup_opens_nothing_after_the_restore(tmp_path: Path) -> None:
    plan, authority, before, after = tls_plan(tmp_path), Authority.load(tmp_path / "tls"), Yard(), Yard()
    first, second = authority.for_robot("r1"), authority.for_robot("r1")
    for yard, certificates in ((before, (first,)), (after, (first, second))):
        yard.must("robot.put", robot="r1")
        for one in certificates:
            yard.must("robot.enrol", robot="r1", serial=one.serial, expires_at=one.ends_us)
    write_revoked(plan, after.core.desk.db)
    assert listed(plan) == {first.serial}
    write_revoked(plan, before.core.desk.db)  # the backup, in the place of what came after
    assert listed(plan) == {second.serial}, "the database has never heard of it"
    before.must("robot.revoke", robot="r1")
    write_revoked(plan, before.core.desk.db)
    assert listed(plan) == {first.serial, second.serial}


def test_a_box_from_before_the_record_begins_it_from_its_database(tmp_path: Path) -> None:
    plan, yard = tls_plan(tmp_path), Yard()
    Authority.load(tmp_path / "tls")
    yard.must("robot.put", robot="r1")
    for serial in ("aa", "bb"):
        yard.must("robot.enrol", robot="r1", serial=serial, expires_at=1)
    write_revoked(plan, yard.core.desk.db)
    assert listed(plan) == {"aa"}
    assert issued.serials(tmp_path / "tls") == {"aa", "bb"}
    write_revoked(plan, Yard().core.desk.db)
    assert listed(plan) == {"aa", "bb"}


class Certificates(Scene):
    """A scene whose broker listens for certificates."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(folder / "broker", monkeypatch)
        self.plan, self.authority = tls_plan(folder), Authority.load(folder / "tls")
        self.next_controller()

    def next_controller(self) -> None:
        """The process begins anew; what it had in mind is gone."""
        self.yard.core.desk.doors.clear()
        self.keeper = DoorKeeper(self.plan, self.yard.core.desk, self.link, locked=False)

    def broker_starts(self) -> None:
        """As the supervisor starts it."""
        db = self.yard.core.desk.db
        write_config(self.plan, let_in(self.plan, db, locked=False))
        note_start(self.plan, write_revoked(self.plan, db))

    def certify(self) -> Signed:
        made = self.authority.for_robot("r1")
        self.yard.must("robot.enrol", robot="r1", serial=made.serial, expires_at=made.ends_us)
        return made


def test_an_authority_that_cannot_sign_does_not_keep_a_password_alive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Certificates(tmp_path, monkeypatch)
    scene.yard.must("robot.enrol", robot="r1", hash=HASH)
    scene.broker_starts()
    scene.next_controller()
    assert scene.after(0) == []
    assert list(scene.keeper.conditions()) == []
    key = scene.authority.folder / "ca.key"
    good = key.read_text()
    key.write_text("damaged")
    scene.yard.must("robot.revoke", robot="r1")
    assert scene.after(0) == [signal.SIGHUP]
    assert HASH not in scene.text(PASSWORDS)
    assert [one.code for one in scene.keeper.conditions()] == ["doors.stale"]
    assert scene.keeper.state()["stale"]
    assert scene.after(60) == [signal.SIGHUP], "once more, and not again with every try"
    assert scene.after(60) == []
    key.write_text(good)
    scene.after(60)
    assert list(scene.keeper.conditions()) == []
    assert scene.keeper.state() == {"broker": "locked", "stale": None, "ends_later": False}


def test_a_restart_that_a_controller_owed_is_done_by_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Certificates(tmp_path, monkeypatch)
    scene.certify()
    scene.broker_starts()
    scene.next_controller()
    assert scene.after(0) == []
    scene.certify()  # the one before is refused, and its connection lives on
    scene.next_controller()
    assert scene.after(0) == [signal.SIGHUP, signal.SIGTERM]
    scene.broker_starts()
    scene.next_controller()
    assert scene.after(60) == [], "the broker that runs has never let it in"


def test_a_restart_that_waits_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Certificates(tmp_path, monkeypatch)
    for _ in range(2):
        scene.certify()
        scene.after(0)
    assert not scene.keeper.state()["ends_later"]
    scene.certify()
    assert scene.after(1) == [signal.SIGHUP]
    assert scene.keeper.state()["ends_later"]


def test_a_door_that_was_locked_is_not_opened_by_an_older_database(scene: Scene) -> None:
    assert scene.keeper.state()["broker"] == "open"
    scene.yard.must("robot.enrol", robot="r1", hash=HASH)
    scene.after(0)
    assert scene.keeper.state()["broker"] == "locked"
    older = Yard().core.desk
    assert let_in(scene.plan, older.db, locked=False) == []
    scene.plan.folder.with_name(LOCKED).unlink()
    assert let_in(scene.plan, older.db, locked=False) is None


def test_asked_to_lock_it_lets_nobody_in_without_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(tmp_path / "broker", monkeypatch, locked=True)
    assert scene.after(0) == [signal.SIGHUP]
    assert scene.text(PASSWORDS) == "yardmaster:own\n"


def test_a_box_without_a_mosquitto_of_its_own_keeps_no_door(tmp_path: Path) -> None:
    yard, link = Yard(), Connection()
    keeper = DoorKeeper(None, yard.core.desk, link, locked=False)
    yard.core.desk.doors.add(Door.RELOAD)
    keeper.keep()
    assert list(tmp_path.iterdir()) == []
    assert keeper.state()["broker"] == "foreign"


def test_only_our_own_broker_is_signalled(tmp_path: Path) -> None:
    assert not tell_mosquitto(tmp_path, signal.SIGTERM), "there is none"
    for number in ("1", "", "x", "4000000"):
        (tmp_path / "pid").write_text(number)
        assert not tell_mosquitto(tmp_path, signal.SIGTERM), "the number is another's by now"
