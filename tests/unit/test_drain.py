"""The box drained: what runs goes on, nothing starts, over restarts, until it is taken back; and damage accepted."""

from pathlib import Path

import pytest

from controller.store import findings
from schemas.commands import Frame
from tests.fakes.box import Box
from tests.fakes.yard import Yard, running


def test_what_runs_ends_and_nothing_starts_until_it_is_taken_back() -> None:
    yard = Yard()
    robot, uid = running(yard)
    waiting = yard.submit()
    yard.must("box.drain", reason="an update")
    robot.say(robot.about("succeeded"))
    yard.tick(3, beating=True)
    assert (yard.state(uid), yard.state(waiting)) == ("succeeded", "queued")
    assert [r["code"] for r in yard.must("job.waiting", job=waiting)["reasons"]] == ["drained"]
    yard.boot()
    robot.beat()
    yard.tick(3, beating=True)
    assert yard.state(waiting) == "queued", "a restart changes nothing about it"
    yard.must("box.undrain")
    yard.tick(1, beating=True)
    assert yard.state(waiting) == "assigned"


def test_asking_twice_is_one_drain() -> None:
    yard = Yard()
    for _ in range(2):
        yard.must("box.drain")
    for _ in range(2):
        yard.must("box.undrain")
    assert [e["event"] for e in yard.rows("events") if e["topic"] == "system"] == ["drained", "undrained"]


def test_a_lost_turn_is_no_drain() -> None:
    yard = Yard()
    yard.flow()
    robot = yard.robot("r1")

    def lost() -> None:
        with yard.store.transaction():
            yard.core.command(yard.instant(), Frame(id=1, command="box.drain"))
            raise KeyError

    with pytest.raises(KeyError):
        lost()
    yard.core.undo()
    uid = yard.submit()
    robot.beat()
    assert yard.state(uid) == "assigned"


def test_the_api_says_who_and_what_still_runs(tmp_path: Path) -> None:
    box = Box(tmp_path)
    running(box.yard)
    said = box.must("POST", "/drain", {"reason": "an update"})
    assert (said["drained"], said["by"], said["working"]) == (True, "token:local", 1)
    assert box.must("GET", "/drain") == said
    after = box.must("POST", "/undrain")
    assert (after["drained"], after["since"], after["by"]) == (False, None, None)
    viewer = {"Authorization": f"Bearer {box.token('v', 'viewer')}"}
    assert box.ask("GET", "/drain", **viewer).status_code == 200
    operator = {"Authorization": f"Bearer {box.token('o', 'operator')}"}
    assert box.ask("POST", "/drain", **operator).status_code == 403
    box.close()


def test_who_accepts_damage_is_an_administrator_and_on_record(tmp_path: Path) -> None:
    box = Box(tmp_path)
    findings.add(box.yard.connection, findings.BAD_PAGE, "Page 7 is bad.", 1)
    operator = {"Authorization": f"Bearer {box.token('o', 'operator')}"}
    assert box.ask("POST", "/accept-damage", {}, **operator).status_code == 403
    assert findings.findings(box.yard.connection)
    for _ in range(2):
        assert box.ask("POST", "/accept-damage", {"reason": "no backup from before"}).status_code == 204
    assert not findings.findings(box.yard.connection)
    told = [(e["event"], e["who"], e["why"]) for e in box.yard.rows("events") if e["topic"] == "system"]
    assert told == [("damage_accepted", "token:local", "no backup from before; accepted: Page 7 is bad.")]
    box.close()
