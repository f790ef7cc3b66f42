"""The certificate of a box that runs for years: made anew in time, a replaced one noticed, and shown by all parts."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cli import renewal as module
from cli.broker_part import make_certificates
from cli.parts import Part
from cli.renewal import LOOK_EVERY_S, renewal
from config import certificates
from config.certificates import Authority
from config.settings import ServeSettings
from controller.doors import AGAIN_S


class Scene:
    """A box whose clock and broker belong to the test; `web` is a process that only waits."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, **more: Any) -> None:
        self.now, self.told = 100.0, list[signal.Signals]()
        monkeypatch.setattr(module, "steady", lambda: self.now)
        monkeypatch.setattr(module, "tell_mosquitto", self.tell)
        self.settings = ServeSettings(data_dir=folder, broker="mosquitto", https=True, mqtts="127.0.0.1:8883", **more)
        make_certificates(self.settings)
        self.web = Part("web", [sys.executable, "-c", "input()"])
        self.web.start()
        (self.watch,) = renewal(self.settings, [Part("broker", []), self.web])

    def tell(self, _folder: Path, number: signal.Signals) -> bool:
        self.told.append(number)
        return True

    def after(self, seconds: float) -> tuple[list[signal.Signals], bool]:
        """What the broker is told then, and whether the web still runs as before."""
        self.now += seconds
        self.watch.look()
        told, self.told[:] = list(self.told), []
        return told, self.web.process is not None


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of the box's data."""
    return tmp_path / "data"


def test_it_is_made_anew_in_time_and_shown_by_all(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(folder, monkeypatch)
    box = folder / "tls" / "box.pem"
    before = box.read_bytes()
    assert scene.watch.due_in() == LOOK_EVERY_S
    assert scene.after(LOOK_EVERY_S) == ([], True)
    assert box.read_bytes() == before, "nothing is due"
    monkeypatch.setattr(certificates, "RENEW_DAYS", certificates.BOX_DAYS + 1)
    assert scene.after(LOOK_EVERY_S / 2) == ([], True), "not before the next look"
    assert scene.after(LOOK_EVERY_S / 2) == ([signal.SIGHUP], False)
    assert box.read_bytes() != before
    monkeypatch.setattr(certificates, "RENEW_DAYS", 1)
    assert scene.watch.due_in() == AGAIN_S
    assert scene.after(AGAIN_S)[0] == [signal.SIGHUP], "it forgets a signal that comes while it reads"
    assert scene.web.start_at <= scene.now, "it is started again at once"
    assert scene.after(LOOK_EVERY_S)[0] == []


def test_a_certificate_of_ones_own_that_was_replaced_is_shown_when_its_key_is_there(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    company = Authority.load(tmp_path / "company")
    certificate, key = company.for_box(["box.plant.example"])
    scene = Scene(folder, monkeypatch, tls_certificate=certificate, tls_key=key)
    assert scene.after(LOOK_EVERY_S) == ([], True)
    old = key.read_text()
    company.for_box(["other.plant.example"])
    new = key.read_text()
    key.write_text(old)
    assert scene.after(LOOK_EVERY_S) == ([], True), "half of it is there"
    assert "tried again" in caplog.text
    key.write_text(new)
    assert scene.after(LOOK_EVERY_S) == ([signal.SIGHUP], False)


def test_a_box_without_tls_has_nothing_to_renew(folder: Path) -> None:
    assert renewal(ServeSettings(data_dir=folder), []) == []


@pytest.fixture(autouse=True)
def _no_web_stays(monkeypatch: pytest.MonkeyPatch) -> Any:
    started: list[subprocess.Popen[bytes]] = []
    start = Part.start

    def remember(part: Part) -> None:
        start(part)
        assert part.process is not None
        started.append(part.process)

    monkeypatch.setattr(Part, "start", remember)
    yield
    for process in started:
        process.kill()
        process.wait()
