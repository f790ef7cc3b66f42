"""What simulated robots record: a picture of the floor after each operation, if the job wants one."""

import struct
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from config.fleet import parse_fleet
from edge_agent.operations import OperationEvent
from edge_agent.simulator.fleet import Bodies
from edge_agent.simulator.picture import HEIGHT, WIDTH, picture
from schemas.artifact import sniff
from tests.fakes.simulation import FLOOR, ManualTimers, drive


def pixels(png: bytes) -> list[bytes]:
    """Rows of a picture."""
    assert sniff(png) == "image/png"
    at, data = 8, b""
    while at < len(png):
        size, kind = struct.unpack(">I4s", png[at : at + 8])
        body = png[at + 8 : at + 8 + size]
        assert struct.unpack(">I", png[at + 8 + size : at + 12 + size])[0] == zlib.crc32(kind + body)
        data += body if kind == b"IDAT" else b""
        at += 12 + size
    raw = zlib.decompress(data)
    return [raw[row * (WIDTH + 1) + 1 : (row + 1) * (WIDTH + 1)] for row in range(HEIGHT)]


def middle(rows: list[bytes], colour: int) -> tuple[float, float]:
    found = [(x, y) for y, row in enumerate(rows) for x, value in enumerate(row) if value == colour]
    return sum(x for x, _ in found) / len(found), sum(y for _, y in found) / len(found)


def test_the_robot_is_where_it_stands() -> None:
    floor = [(0.0, 0.0), (10.0, 0.0), (0.0, 6.0), (10.0, 6.0)]
    left, low = middle(pixels(picture(floor, (0.0, 0.0))), 2)
    right, high = middle(pixels(picture(floor, (10.0, 6.0))), 2)
    assert left < right
    assert low > high, "north is up"


@pytest.mark.parametrize(
    ("nodes", "robot"), [([], None), ([], (1.0, 1.0)), ([(5.0, 5.0)], None), ([(1.0, 2.0)] * 3, (1.0, 9.0))]
)
def test_any_floor_makes_a_picture(nodes: Any, robot: Any) -> None:
    assert len(pixels(picture(nodes, robot))) == HEIGHT


class Stage:
    """One simulated robot that may record."""

    def __init__(self, folder: Path, *, record: bool) -> None:
        self.folder, self.timers = folder, ManualTimers()
        self.events: list[OperationEvent] = []
        fault = '\n[[fault]]\nat = "b"\nwhat = "fail"\nevery = 1\n'
        self.driver = Bodies(parse_fleet(FLOOR + fault), folder, self.timers, record=record).driver("agv")
        self.driver.emit = self.events.append

    def drive(self, site: str, wanted: Any) -> list[str]:
        self.driver.start(replace(drive(site), wanted=wanted))
        self.timers.pass_(1000)
        return [event.what for event in self.events]


@pytest.mark.parametrize(("site", "end"), [("a", "succeeded"), ("b", "failed")])
@pytest.mark.parametrize("wanted", ["always", "on_failure"])
def test_a_picture_comes_before_the_end_of_an_operation(tmp_path: Path, site: str, end: str, wanted: str) -> None:
    stage = Stage(tmp_path, record=True)
    assert stage.drive(site, wanted) == ["taken", "carried", "recorded", end]
    made = stage.events[2].recording
    assert made is not None
    assert (made.kind, made.name) == ("screenshot", "b1.png")
    pixels((tmp_path / "recordings" / made.id).read_bytes())


def test_no_picture_where_none_is_wanted_or_nobody_uploads(tmp_path: Path) -> None:
    assert Stage(tmp_path / "1", record=True).drive("a", "never") == ["taken", "carried", "succeeded"]
    assert Stage(tmp_path / "2", record=False).drive("a", "always") == ["taken", "carried", "succeeded"]
