"""Every way in which a box is not as it should be: the box itself says it in health, metric and banner, and stops."""

import json
import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.probes import free_port
from config import clock
from config.settings import ServeSettings, load
from controller import degraded
from controller.app import Controller
from controller.backups import STATE, State
from controller.doors import OWN_VARIABLE
from controller.loop import Trouble
from controller.store import findings, retention, standing
from tests.fakes.box import Box
from tests.integration.test_app import heartbeat
from web.console import look
from web.console.language import LANGUAGES
from web.console.troubles import TROUBLES

DAY_US = 86_400_000_000
Patch = pytest.MonkeyPatch


class Standing:
    """A controller in this process, with its broker as good as reached."""

    def __init__(self, settings: ServeSettings, patch: Patch) -> None:
        self.settings, self.patch = settings, patch
        self.controller = Controller(settings)
        self.data_dir, self.db = settings.data_dir, self.controller.store.db
        self.core, self.loop = self.controller.core, self.controller.loop
        self.controller.link.connected = True
        self.controller.doors.keep()
        self.now_us = time.time_ns() // 1000

    def codes(self) -> set[str]:
        """What health says."""
        return {reason["code"] for reason in self.loop.reports["system.health"]()["reasons"]}

    def metric(self) -> dict[str, float]:
        """`yardmaster_degraded` by code."""
        text = self.loop.reports["system.metrics"]()["text"]
        return {code: float(n) for code, n in re.findall(r'^yardmaster_degraded\{code="(.*?)"\} (\S+)$', text, re.M)}

    def change(self, sql: str, *values: Any) -> None:
        """Something in the database, committed."""
        with self.controller.store.transaction():
            self.db.execute(sql, values)

    def note(self, code: str, text: str | None) -> None:
        """A finding, or that it is none any more."""
        with self.controller.store.transaction():
            findings.put(self.db, code, text, self.now_us)

    def noted(self, state: State) -> None:
        """What became of the last backup."""
        (self.data_dir / STATE).write_text(json.dumps(state._asdict()))

    def hear(self, robot: str, payload: bytes) -> None:
        """A message of a robot, in a turn of its own."""
        with self.controller.store.transaction():
            self.core.receive(clock.instant(), robot, "heartbeat", payload, retained=False)


Undo = Callable[[], object]


# ---------------------------------------------------------------- how each comes to be, and how it ends
def broker_down(box: Standing) -> Undo:
    box.controller.link.connected = False
    return lambda: setattr(box.controller.link, "connected", True)


def doors_stale(box: Standing) -> Undo:
    """What stands where the broker's files should be is no folder."""
    folder = box.data_dir / "broker"
    shutil.rmtree(folder)
    folder.write_text("x")
    box.patch.setattr("controller.doors.RETRY_S", 0.0)
    box.controller.link.connection += 1
    box.controller.doors.keep()

    def undo() -> None:
        folder.unlink()
        box.controller.doors.keep()

    return undo


def store_full(box: Standing) -> Undo:
    box.loop.trouble = Trouble(0.0, "the disk is full", 0.0)
    return lambda: setattr(box.loop, "trouble", None)


def store_reserve(box: Standing) -> Undo:
    assert box.loop.ballast.give_up()
    box.patch.setattr("controller.ballast.AGAIN_S", 0.0)
    box.loop.ballast._look_at = 0.0
    return box.loop.ballast.look


def disk_low(box: Standing) -> Undo:
    real = shutil.disk_usage
    box.patch.setattr(shutil, "disk_usage", lambda path: real(path)._replace(total=10**12, free=9 * 10**8))
    return lambda: box.patch.setattr(shutil, "disk_usage", lambda path: real(path)._replace(free=2 * 10**9))


def backup_failed(box: Standing) -> Undo:
    box.noted(State(failed_at=box.now_us, why="no room"))
    return lambda: box.noted(State(good_at=box.now_us))


def backup_old(box: Standing) -> Undo:
    box.noted(State(good_at=box.now_us - 5 * DAY_US))
    return lambda: box.noted(State(good_at=box.now_us))


def artifacts_damaged(box: Standing) -> Undo:
    box.noted(State(good_at=box.now_us, artifacts_lost=2))
    return lambda: box.noted(State(good_at=box.now_us))


def found(code: str) -> Callable[[Standing], Undo]:
    def note(box: Standing) -> Undo:
        box.note(code, "something was found")
        return lambda: box.note(code, None)

    return note


def box_restored(box: Standing) -> Undo:
    """A robot that has not been heard since."""
    box.hear("r1", heartbeat(0))
    robot = box.core.desk.memory.robots["r1"]
    with box.controller.store.transaction():
        box.core.desk.hold(robot, "restored", None, "a backup")

    def undo() -> None:
        with box.controller.store.transaction():
            box.core.desk.end_hold(robot, robot.holds[0], "heard")

    return undo


def box_drained(box: Standing) -> Undo:
    with box.controller.store.transaction():
        standing.drain(box.db, box.now_us, "anna")

    def undo() -> None:
        with box.controller.store.transaction():
            standing.undrain(box.db)

    return undo


def clock_jumped(box: Standing) -> Undo:
    now = clock.instant()
    box.loop.clock.see(now)
    box.loop.clock.see(now._replace(utc_us=now.utc_us + 60_000_000))
    return lambda: setattr(box.loop.clock, "_until", 0.0)  # an hour later


def rows_unreadable(box: Standing) -> Undo:
    """A day after the last one it is over."""
    box.hear("r1", heartbeat(0))
    box.hear("r1", b"{")
    assert box.db.execute("select count(*) from quarantine").fetchone()[0] == 1
    return lambda: box.change("update quarantine set at = at - ?", DAY_US + 1)


def parts_restarting(box: Standing) -> Undo:
    """As the supervisor writes it."""
    ready, now = box.data_dir / "ready.json", time.time()

    def write(*moments: float) -> None:
        ready.write_text(json.dumps({"restarts": {"web": moments}}))

    write(now - 30, now - 20, now - 10)
    return lambda: write(now - 3000, now - 20, now - 10)


def artifacts_full(box: Standing) -> Undo:
    """An upload was announced that takes 96 of 100."""
    size = int(box.settings.artifacts_gb * 1e9 * 0.96)
    box.change(
        "insert into artifacts (uid, attempt, job, robot, kind, name, size, sha256, state, created_at)"
        " values ('u', 1, 1, 'r1', 'video', 'v', ?, '', 'open', 1)",
        size,
    )
    return lambda: box.change("delete from artifacts")


def data_full(box: Standing) -> Undo:
    """A sweep that ends and leaves more than there may be."""
    used = retention.used_bytes

    def sweep(bytes_: int) -> None:
        box.patch.setattr(retention, "used_bytes", lambda _db: bytes_)
        with box.controller.store.transaction():
            for _ in box.core.retention._budget():
                pass

    sweep(int(box.settings.data_gb * 2e9))
    return lambda: sweep(used(box.db))


def certificate_ending(box: Standing) -> Undo:
    box.change(
        "insert into credentials values ('r1', 'certificate', null, 'ab', ?, ?, 'anna', null, null)",
        box.now_us + 20 * DAY_US,
        box.now_us,
    )
    return lambda: box.change("update credentials set expires_at = ?", box.now_us + 300 * DAY_US)


CAUSES: dict[str, Callable[[Standing], Undo]] = {
    "broker.down": broker_down, "doors.stale": doors_stale, "store.full": store_full, "store.reserve": store_reserve,
    "disk.low": disk_low, "backup.failed": backup_failed, "backup.old": backup_old, "store.lost": found("store.lost"),
    "store.damaged": found("store.damaged"), "box.restored": box_restored, "box.drained": box_drained,
    "clock.jumped": clock_jumped, "rows.unreadable": rows_unreadable, "parts.restarting": parts_restarting,
    "artifacts.full": artifacts_full, "data.full": data_full, "certificate.ending": certificate_ending,
    "artifacts.damaged": artifacts_damaged, "store.unreadable": found("store.unreadable"),
}  # fmt: skip
OF_THE_START = {"broker.demo": {"broker": "amqtt"}}
"""These are so from the start on, by a setting."""


@pytest.fixture
def start(tmp_path: Path, monkeypatch: Patch) -> Iterator[Callable[..., Standing]]:
    """Boxes with a mosquitto of their own, unless told otherwise; everything is looked at anew each time."""
    monkeypatch.setattr(degraded, "FRESH_S", -1.0)
    monkeypatch.setattr(look, "FRESH_S", -1.0)
    monkeypatch.setenv(OWN_VARIABLE, json.dumps({"yardmaster": "$7$x", "yardmaster-cli": "$7$x"}))
    real = shutil.disk_usage
    monkeypatch.setattr(shutil, "disk_usage", lambda path: real(path)._replace(free=10**12, total=10**13))
    opened: list[Controller] = []

    def begin(**more: Any) -> Standing:
        settings: dict[str, Any] = {"broker": "mosquitto", "ballast_mb": 1, "auto_accept": True}
        settings["mqtt"] = f"127.0.0.1:{free_port()}"
        box = Standing(load(data_dir=tmp_path / "data", **(settings | more)), monkeypatch)
        opened.append(box.controller)
        return box

    yield begin
    for controller in opened:
        controller.close()


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    """A console, which is told what a controller says."""
    made = Box(tmp_path_factory.mktemp("web"))
    yield made
    made.close()


def banner(web: Box, box: Standing, lang: str) -> str:
    """What the console says on its first page when this box's controller answers it."""
    web.controller.says["system.health"] = box.loop.reports["system.health"]()
    page = web.http.get("/", headers={"Accept-Language": lang}).text
    (shown,) = re.findall(r'<aside class="amiss" id="wrong"[^>]*>(.*?)</aside>', page, re.DOTALL)
    return re.sub(r"<[^>]+>", "", str(shown)).strip()


def test_every_code_has_a_way_to_come_about() -> None:
    assert set(CAUSES) | set(OF_THE_START) == set(degraded.CODES)


@pytest.mark.parametrize("code", CAUSES)
def test_a_box_says_what_is_not_as_it_should_be_as_long_as_it_is(
    start: Callable[..., Standing], web: Box, code: str
) -> None:
    box = start()
    none = dict.fromkeys(degraded.CODES, 0.0)
    assert (box.codes(), box.metric()) == (set(), none)
    undo = CAUSES[code](box)
    assert (box.codes(), box.metric()) == ({code}, none | {code: 1.0})
    said = [banner(web, box, lang) for lang in LANGUAGES]
    assert any(TROUBLES[code].head in one and TROUBLES[code].text in one for one in said)
    assert len(set(said)) == len(LANGUAGES), "each in its own words"
    undo()
    assert (box.codes(), box.metric()) == (set(), none)


@pytest.mark.parametrize("code", OF_THE_START)
def test_what_is_so_by_a_setting_is_said_from_the_start(start: Callable[..., Standing], code: str) -> None:
    box = start(**OF_THE_START[code])
    assert box.codes() == {code}
    assert {name for name, n in box.metric().items() if n} == {code}


def test_all_that_stand_at_once_are_in_the_metric(start: Callable[..., Standing]) -> None:
    box = start()
    for code in ("box.drained", "rows.unreadable", "artifacts.full"):
        CAUSES[code](box)
    assert {name for name, n in box.metric().items() if n} == {"box.drained", "rows.unreadable", "artifacts.full"}
