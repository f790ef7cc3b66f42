"""A certificate that ends within 30 days, or has ended, is told: which, when, and what to do."""

import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from config import certificates
from config.certificates import Authority, end_of
from config.credentials import broker_hash
from config.settings import ServeSettings
from controller.ending import Endings, shown_by
from controller.store import credentials
from controller.store.credentials import Ending
from tests.fakes.yard import Yard

DAY_US = 86_400_000_000


def settings(folder: Path, **more: object) -> ServeSettings:
    """A box that others reach by TLS, unless told otherwise."""
    return ServeSettings.model_validate({"data_dir": folder, "http": "0.0.0.0:8443"} | more)


def made(folder: Path, monkeypatch: pytest.MonkeyPatch, days: int) -> Path:
    """The box's own certificate, which ends in so many days."""
    monkeypatch.setattr(certificates, "BOX_DAYS", days)
    return Authority.load(folder / "tls").for_box(["box.example"])[0]


def told(where: ServeSettings, *robots: Ending) -> list[str]:
    """What a box says that was started just now."""
    found = list(Endings(shown_by(where), lambda _: robots).conditions())
    assert {(one.part, one.code) for one in found} <= {("box", "certificate.ending")}
    return [one.message for one in found]


def day(us: int) -> str:
    """The day of a moment."""
    return datetime.fromtimestamp(us / 1e6, UTC).date().isoformat()


@pytest.mark.parametrize(("days", "word"), [(31, None), (29, "ends"), (-1, "ended")])
def test_the_certificate_of_the_box_is_named_with_its_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: int, word: str | None
) -> None:
    ends = end_of(made(tmp_path, monkeypatch, days))
    said = f"The certificate of the box {word} on {day(ends)}: it is renewed by itself; the log says why if not."
    assert told(settings(tmp_path)) == ([] if word is None else [said])


def test_a_certificate_that_was_given_is_to_be_replaced_where_it_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = made(tmp_path, monkeypatch, 5)
    where = settings(tmp_path / "data", tls_certificate=given, tls_key=given.with_name("box.key"))
    (said,) = told(where)
    assert said == f"The certificate {given} ends on {day(end_of(given))}: put a newer one there."


def test_a_newer_file_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(tmp_path, monkeypatch, 5)
    running = Endings(shown_by(settings(tmp_path)), lambda _: ())
    assert list(running.conditions())
    made(tmp_path, monkeypatch, 800)
    assert list(running.conditions()) == []


def test_the_authority_ends_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificates, "CA_DAYS", 10)
    ends = end_of(made(tmp_path, monkeypatch, 800).with_name("ca.pem"))
    (said,) = told(settings(tmp_path))
    assert said.startswith(f"The authority of the box ends on {day(ends)}: ")


def test_a_box_without_tls_has_nothing_to_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(tmp_path, monkeypatch, 5)
    assert shown_by(settings(tmp_path, http="127.0.0.1:8080")) == ()
    assert told(settings(tmp_path, http="127.0.0.1:8080")) == []


@pytest.mark.parametrize("text", [None, "damaged"])
def test_one_that_cannot_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None) -> None:
    file = made(tmp_path, monkeypatch, 800)
    if text is None:
        file.unlink()
    else:
        file.write_text(text)
    (said,) = told(settings(tmp_path))
    assert "The certificate of the box cannot be read" in said


def test_robots_are_named_the_first_to_end_first() -> None:
    yard, now = Yard(), time.time_ns() // 1000
    left = {"r1": 400, "r2": 20, "r3": 10, "r4": -2, "r5": 25, "r6": 1}
    ends = {robot: now + days * DAY_US for robot, days in left.items()}
    for n, (robot, us) in enumerate(ends.items(), 1):
        yard.robot(robot)
        yard.must("robot.enrol", robot=robot, serial=f"{n:x}", expires_at=us)
    yard.robot("r7")
    yard.must("robot.enrol", robot="r7", hash=broker_hash("a password"))
    yard.must("robot.revoke", robot="r6", reason="stolen")
    found = Endings((), lambda before: credentials.ending(yard.connection, before))
    (one,) = found.conditions()
    assert one.message == (
        f"Certificates of robots: r4 ended on {day(ends['r4'])}, r3 ends on {day(ends['r3'])},"
        f" r2 ends on {day(ends['r2'])}, and 1 more: enrol these robots again."
    )
    for n, robot in enumerate(("r2", "r3", "r4", "r5"), 17):
        yard.must("robot.enrol", robot=robot, serial=f"{n:x}", expires_at=now + 1825 * DAY_US)
    assert list(found.conditions()) == []
