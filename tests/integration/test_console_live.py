"""The stream of open pages: parts once for each change and to whoever comes late, moves, bounds, dead lines."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.box import Box
from tests.waiting import wait_for
from web import live as live_module
from web.console import board as board_module
from web.console import look as look_module
from web.console.frame import BOARD
from web.console.stream import STILL
from web.news import Stream


class Listener:
    """An open page, as the box sees it."""

    def __init__(self, box: Box, query: str) -> None:
        self.response = box.http.get(f"/live?{query}", buffered=False)
        assert (self.response.status_code, self.response.mimetype) == (200, "text/event-stream")
        pieces: Iterator[bytes] = iter(self.response.response)  # type: ignore[arg-type]
        assert next(pieces) == b"retry: 2000\n\n"
        self.events: Iterator[str] = (text for piece in pieces for text in piece.decode().split("\n\n") if text)

    def next(self) -> dict[str, str]:
        """The next event, also those that only say that the line lives."""
        return dict(line.split(": ", 1) for line in next(self.events).splitlines())

    def until(self, name: str) -> Any:
        """The data of the next event of a name."""
        while True:
            event = self.next()
            if event["event"] == name:
                return json.loads(event["data"])

    def part(self, key: str) -> str:
        """The next state of a part."""
        while True:
            found = self.until("part")
            if found["part"] == key:
                return str(found["html"])

    def close(self) -> None:
        self.response.close()


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Box]:
    monkeypatch.setattr(live_module, "LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(board_module, "EVERY_S", 0.01)
    monkeypatch.setattr(look_module, "FRESH_S", 0.0)
    made = Box(tmp_path)
    made.yard.must("queue.put", queue="main")
    made.yard.flow()
    made.yard.robot("r1")
    yield made
    board = made.app.extensions[BOARD]
    wait_for(lambda: board._thread is None, what="the board ends when nobody watches")
    made.close()


def test_a_part_comes_at_once_and_again_when_it_has_changed(box: Box) -> None:
    one = Listener(box, "parts=robots.en")
    assert "robot-r1" in one.part("robots.en")
    box.yard.must("robot.disable", robot="r1", reason="new tyres")
    assert "new tyres" in one.part("robots.en")
    one.close()


def test_nothing_is_sent_while_nothing_changes(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("web.console.stream.STILL_EVERY_S", 0.3)
    one = Listener(box, "parts=robots.en")
    one.part("robots.en")
    assert one.next() == {"event": "still", "data": "{}"}
    assert STILL.startswith(b"event: still")
    one.close()


def test_who_comes_later_gets_what_is_shown_and_costs_no_one_else_anything(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.console.stream.STILL_EVERY_S", 0.3)
    first = Listener(box, "parts=robots.en")
    first.part("robots.en")
    later = Listener(box, "parts=robots.en")
    assert "robot-r1" in later.part("robots.en")
    assert first.next()["event"] == "still"
    first.close()
    later.close()


def test_each_language_and_each_filter_is_a_part_of_its_own(box: Box) -> None:
    box.yard.robot("r2", "other")
    one = Listener(box, "parts=robots.zh robots.en?queue=other")
    found: dict[str, str] = {}
    while len(found) < 2:
        news = one.until("part")
        found[news["part"]] = news["html"]
    assert "空闲" in found["robots.zh"]
    assert "robot-r2" in found["robots.en?queue=other"]
    assert "robot-r1" not in found["robots.en?queue=other"]
    one.close()


def test_wishes_that_make_no_sense_are_left_out(box: Box) -> None:
    one = Listener(box, "parts=nothing.en robots.fr robots.en.. ../x robots.en&topics=weather jobs&x=1")
    assert "robot-r1" in one.part("robots.en")
    assert box.app.extensions["yardmaster"].live.watched_parts() == {"robots.en"}
    job = box.submit()
    assert one.until("job")["job"] == job
    one.close()


def test_a_part_that_cannot_be_written_ends_no_other(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    one = Listener(box, "parts=robots.en")
    one.part("robots.en")
    calls = iter([True])
    real = box.app.extensions[BOARD].look

    def look() -> Any:
        if next(calls, False):
            raise RuntimeError("a fault in one look")
        return real()

    monkeypatch.setattr(box.app.extensions[BOARD], "look", look)
    wait_for(lambda: next(calls, None) is None, what="the look that fails was taken")
    box.yard.must("robot.disable", robot="r1", reason="after the fault")
    assert "after the fault" in one.part("robots.en")
    one.close()


def test_the_page_hears_that_the_controller_is_gone(box: Box) -> None:
    one = Listener(box, "parts=frame.en")
    assert 'data-up="true"' in one.part("frame.en")
    box.controller.go_down()
    gone = one.part("frame.en")
    assert 'data-up="false"' in gone
    assert "data-heard" in gone
    box.controller.fails = None
    assert 'data-up="true"' in one.part("frame.en")
    one.close()


def holds(stream: Stream, text: str) -> bool:
    """Whether the robots that wait for a stream say this."""
    return "robots.en" in stream.parts and text in stream.parts["robots.en"].data


def test_a_slow_reader_gets_the_newest_state_only(box: Box) -> None:
    one = Listener(box, "parts=robots.en")
    one.part("robots.en")
    live = box.app.extensions["yardmaster"].live
    (stream,) = live._streams
    for n in range(5):
        box.yard.must("robot.disable", robot="r1", reason=f"note {n}")
        wait_for(
            partial(holds, stream, f"note {n}"),
            what="the state is handed over",
        )
    assert stream.waiting == 1
    assert "note 4" in one.part("robots.en")
    one.close()


def test_over_the_limit_a_page_is_told_to_come_again(tmp_path: Path, box: Box) -> None:
    live = box.app.extensions["yardmaster"].live
    live.most = 2
    pages = [Listener(box, "topics=system") for _ in range(2)]
    for method in ("GET", "HEAD"):
        refused = box.http.open("/live?topics=system", method=method)
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
    assert box.http.get("/live?topics=system").json["code"] == "stream.full"  # type: ignore[index]
    pages[0].close()
    assert box.http.head("/live").status_code == 200
    pages.append(Listener(box, "topics=system"))
    for page in pages:
        page.close()
    assert tmp_path.exists()


def test_a_stream_goes_on_where_it_ended_or_says_that_it_cannot(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    newest = int(box.yard.connection.execute("select max(id) from events").fetchone()[0])
    jobs = [box.submit() for _ in range(2)]
    again = Listener(box, f"topics=jobs&after={newest}")
    moves = [again.until("job")["job"] for _ in range(3)]  # the first is queued and taken at once
    assert list(dict.fromkeys(moves)) == jobs
    again.close()
    monkeypatch.setattr(live_module, "MAX_BEHIND", 1)
    for number in ("1", "999999999"):
        old = Listener(box, f"topics=jobs&after={number}")
        assert old.next()["event"] == "resync"
        old.close()
