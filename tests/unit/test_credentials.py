"""Credentials of robots: made, replaced and ended in the core; what is stored is what mosquitto would store."""

import shutil
import subprocess
from pathlib import Path

import pytest

from config.credentials import broker_hash
from controller.desk import Door
from controller.store import credentials
from schemas.commands import Answer
from tests.fakes.yard import Yard

HASH, OTHER = broker_hash("one"), broker_hash("two")


@pytest.fixture
def yard() -> Yard:
    """A yard with two robots."""
    made = Yard()
    for name in ("r1", "r2"):
        made.must("robot.put", robot=name)
    return made


def code(answer: Answer) -> str | None:
    """Why it was refused."""
    return None if answer.error is None else answer.error.code


def doors(yard: Yard) -> set[Door]:
    """What the broker must be told, which is then told."""
    found, yard.core.desk.doors = yard.core.desk.doors, set()
    return found


def test_a_hash_is_mosquittos(tmp_path: Path) -> None:
    tool = shutil.which("mosquitto_passwd")
    if tool is None:
        pytest.skip("mosquitto_passwd is not installed")
    file = tmp_path / "passwords"
    subprocess.run([tool, "-b", "-c", str(file), "r1", "so secret"], check=True)
    theirs = file.read_text().strip().removeprefix("r1:")
    import base64

    assert broker_hash("so secret", base64.b64decode(theirs.split("$")[3])) == theirs


def test_a_robot_has_one_credential(yard: Yard) -> None:
    assert not credentials.were_made(yard.store.db)
    answer = yard.must("robot.enrol", robot="r1", hash=HASH)
    assert (answer["without"], doors(yard)) == (["r2"], {Door.RELOAD})
    yard.must("robot.enrol", robot="r1", hash=OTHER)
    assert [tuple(one) for one in credentials.good(yard.store.db)] == [("r1", OTHER)]


def test_a_certificate_that_is_replaced_or_revoked_is_good_no_more(yard: Yard) -> None:
    yard.must("robot.enrol", robot="r1", serial="aa", expires_at=1)
    assert doors(yard) == {Door.RELOAD}
    yard.must("robot.enrol", robot="r1", serial="bb", expires_at=1)
    assert doors(yard) == {Door.RESTART}, "whoever is connected by the old one must go"
    yard.must("robot.revoke", robot="r1")
    assert doors(yard) == {Door.RESTART}
    assert [number for number, _ in credentials.revoked_serials(yard.store.db)] == [0xAA, 0xBB]


@pytest.mark.parametrize("how", ["revoked", "removed"])
def test_what_is_revoked_opens_nothing(yard: Yard, how: str) -> None:
    yard.must("robot.enrol", robot="r1", hash=HASH)
    yard.must("token.create", token="t1", name="of r1", role="robot", robot="r1", hash="ab" * 32)
    yard.must("token.create", token="t2", name="of r2", role="robot", robot="r2", hash="cd" * 32)
    doors(yard)
    for _ in range(2 if how == "revoked" else 1):
        if how == "revoked":
            yard.must("robot.revoke", robot="r1", reason="stolen")
        else:
            yard.must("robot.delete", robot="r1")
    db = yard.store.db
    assert doors(yard) == {Door.RELOAD}
    assert credentials.good(db) == []
    assert credentials.were_made(db), "a box that asked for passwords once never stops asking"
    assert [row["id"] for row in db.execute("select id from tokens where revoked_at is not null")] == ["t1"]
    assert not yard.core.desk.memory.robots["r1"].enabled
    assert len(db.execute("select 1 from events where robot = 'r1' and event = 'revoked'").fetchall()) == 1


def test_a_robot_that_was_revoked_works_again_only_by_a_persons_word(yard: Yard) -> None:
    yard.must("robot.enrol", robot="r1", hash=HASH)
    yard.must("robot.revoke", robot="r1")
    yard.must("robot.enrol", robot="r1", hash=OTHER)
    assert not yard.core.desk.memory.robots["r1"].enabled
    yard.must("robot.enable", robot="r1")
    assert [one.robot for one in credentials.good(yard.store.db)] == ["r1"]


def test_who_gets_none(yard: Yard) -> None:
    yard.must("robot.put", robot="station")
    assert code(yard.ask("robot.enrol", robot="station", hash=HASH)) == "robot.own"
    assert code(yard.ask("robot.enrol", robot="r9", hash=HASH)) == "robot.not_found"
    assert code(yard.ask("robot.revoke", robot="r9")) == "robot.not_found"
    for given in ({}, {"hash": HASH, "serial": "aa"}, {"hash": "in clear"}, {"hash": f"{HASH}\nr2:"}, {"serial": "x"}):
        assert code(yard.ask("robot.enrol", robot="r1", **given)) == "request.invalid", given
    assert credentials.good(yard.store.db) == []
