"""Live news: new moves as they are committed, resumption, bounds."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from controller.store import queries
from tests.fakes.box import Box
from tests.fakes.yard import FakeRobot
from tests.waiting import wait_for
from web import live as live_module
from web import news
from web.live import Wanted


class Listener:
    """One open stream, read event by event."""

    def __init__(self, box: Box, query: str = "", **headers: str) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.response = box.http.get(f"/api/v1/stream{query}", headers=named, buffered=False)
        assert self.response.status_code == 200
        assert self.response.mimetype == "text/event-stream"
        self.pieces: Iterator[bytes] = iter(self.response.response)  # type: ignore[arg-type]
        assert next(self.pieces) == b"retry: 2000\n\n"
        self.events: Iterator[str] = (text for piece in self.pieces for text in piece.decode().split("\n\n") if text)

    def next(self) -> dict[str, str]:
        """The next event; comments are passed over."""
        text = next(text for text in self.events if not text.startswith(":"))
        return dict(line.split(": ", 1) for line in text.splitlines())

    def until(self, name: str) -> dict[str, Any]:
        """The data of the next event of a name."""
        while True:
            event = self.next()
            if event["event"] == name:
                data: dict[str, Any] = json.loads(event["data"])
                return data

    def close(self) -> None:
        """Hang up."""
        self.response.close()


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_module, "LOOK_EVERY_S", 0.01)


def newest(box: Box) -> int:
    return int(box.yard.connection.execute("select max(id) from events").fetchone()[0])


def test_moves_arrive_as_they_are_committed(box: Box) -> None:
    one, two = Listener(box), Listener(box, "?topics=robots,queues")
    job = box.submit()
    event = one.next()
    assert event["event"] == "job"
    data = json.loads(event["data"])
    assert (data["job"], data["new"], data["id"]) == (job, "queued", int(event["id"]))
    box.must("PUT", "/robots/r9", {}, 201)
    assert json.loads(two.next()["data"])["robot"] == "r9"
    box.must("PUT", "/queues/q9", {}, 201)
    assert two.next()["event"] == "queues"
    one.close()
    two.close()


def test_a_stream_goes_on_where_it_ended(box: Box) -> None:
    first = newest(box)
    jobs = [box.submit() for _ in range(3)]
    again = Listener(box, "?topics=jobs", Last_Event_ID=str(first))
    assert [json.loads(again.next()["data"])["job"] for _ in jobs] == jobs
    later = box.submit()
    assert json.loads(again.next()["data"])["job"] == later
    again.close()


@pytest.mark.parametrize("number", ["0", "999999"])
def test_one_that_missed_too_much_is_told_to_load_anew(box: Box, monkeypatch: pytest.MonkeyPatch, number: str) -> None:
    monkeypatch.setattr(live_module, "MAX_BEHIND", 2)
    for _ in range(5):
        box.submit()
    stream = Listener(box, Last_Event_ID=number)
    event = stream.next()
    assert (event["event"], int(event["id"])) == ("resync", newest(box))
    job = box.submit()
    assert stream.until("job")["job"] == job
    stream.close()


def test_one_job_with_its_blocks_and_logs(box: Box, robot: FakeRobot) -> None:
    job = box.submit()
    stream = Listener(box, f"?job={job}")
    watched = box.app.extensions["yardmaster"].live
    wait_for(lambda: job in watched._watched, what="the job is watched")
    box.submit()
    robot.accept()
    robot.say(robot.about("block", path="-1/1", n=1, status="start.begin"))
    robot.say(robot.about("log", path="-1/1", level=1, type="print", text="hello"), topic="log")
    robot.say(robot.about("block", path="-1/1", n=1, status="monitor.success"), robot.about("succeeded"))
    seen: list[tuple[str, Any]] = []
    while ("job", "succeeded") not in seen or ("block", "monitor.success") not in seen or ("log", "hello") not in seen:
        event = stream.next()
        data = json.loads(event["data"])
        key = {"job": "new", "block": "phase", "log": "text"}[event["event"]]
        seen.append((event["event"], data[key]))
        assert data.get("job", job) == job
    stream.close()


def test_the_place_of_a_closed_stream_is_free_again(tmp_path: Path) -> None:
    box = Box(tmp_path, threads=66)
    streams = [Listener(box), Listener(box)]
    refused = box.ask("GET", "/stream")
    assert refused.json is not None
    assert (refused.status_code, refused.json["code"], refused.headers["Retry-After"]) == (503, "stream.full", "5")
    assert box.ask("HEAD", "/stream").status_code == 200
    streams[0].close()
    streams.append(Listener(box))
    for stream in streams:
        stream.close()
    live = box.app.extensions["yardmaster"].live
    assert live.count == 0
    wait_for(lambda: live._thread is None, what="the reader ends when nobody listens")
    Listener(box).close()
    box.close()


def test_one_that_does_not_keep_up_is_told_so(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    live = box.app.extensions["yardmaster"].live
    stream = Listener(box)
    (open_one,) = live._streams
    monkeypatch.setattr(news, "QUEUE_LENGTH", 3)
    for _ in range(5):
        box.submit()
    wait_for(lambda: live._last == newest(box), what="all is handed out")
    assert open_one.waiting <= 3
    assert stream.next()["event"] == "resync"
    stream.close()


def test_what_waits_is_sent_together_up_to_a_size(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    first = newest(box)
    streams = [Listener(box), Listener(box)]
    live = box.app.extensions["yardmaster"].live
    for _ in range(5):
        box.submit()
    wait_for(lambda: live._last == newest(box) and all(one.waiting for one in live._streams), what="all is handed out")
    numbers = list(range(first + 1, newest(box) + 1))
    piece = next(streams[0].pieces)
    assert [int(line[4:]) for line in piece.decode().splitlines() if line.startswith("id: ")] == numbers
    monkeypatch.setattr(news, "CHUNK_BYTES", 1)
    assert next(streams[1].pieces).startswith(f"id: {first + 1}\n".encode())
    again = Listener(box, Last_Event_ID=str(first))
    pieces = [next(again.pieces).decode() for _ in numbers]
    assert [piece.count("event: ") for piece in pieces] == [1] * len(numbers), "also what was missed"
    for stream in (*streams, again):
        stream.close()


def test_streams_that_want_different_things_get_no_more_than_that(box: Box) -> None:
    wishes = ("?topics=robots", "?topics=queues", "?topics=robots,queues", "?topics=robots")
    streams = [Listener(box, query) for query in wishes]
    box.must("PUT", "/robots/r9", {}, 201)
    box.must("PUT", "/queues/q9", {}, 201)
    box.must("PUT", "/robots/r10", {}, 201)
    box.must("PUT", "/queues/q10", {}, 201)
    robots, queues_ = ["robot", "robot"], ["queues", "queues"]
    for stream, wanted in zip(streams, (robots, queues_, ["robot", "queues"] * 2, robots), strict=True):
        assert [stream.next()["event"] for _ in wanted] == wanted
        stream.close()


def test_at_the_limit_every_stream_sends_something_so_that_dead_ones_are_noticed(tmp_path: Path) -> None:
    box = Box(tmp_path, threads=66)
    streams = [Listener(box), Listener(box)]
    live = box.app.extensions["yardmaster"].live
    box.refused("GET", "/stream", status=503, code="stream.full")
    assert [next(stream.pieces) for stream in streams] == [live_module.COMMENT] * 2
    live._nudged += 3600
    box.refused("GET", "/stream", status=503, code="stream.full")
    for queue in ("q8", "q9"):  # between the two the reader has been once around
        box.must("PUT", f"/queues/{queue}", {}, 201)
        assert {stream.next()["event"] for stream in streams} == {"queues"}
    assert live._crowded, "not at every request"
    live._nudged -= 7200
    assert [next(stream.pieces) for stream in streams] == [live_module.COMMENT] * 2, "later it is made up for"
    for stream in streams:
        stream.close()
    assert live.has_room()
    box.close()


def test_silence_is_broken_by_comments(box: Box) -> None:
    live = box.app.extensions["yardmaster"].live
    stream = live.join(Wanted(frozenset({"jobs"})), None)
    messages = live.messages(stream, every_s=0.01)
    assert next(messages).startswith(b"retry")
    assert next(messages) == b": still here\n\n"
    live.leave(stream)


def test_a_stream_that_has_sent_everything_sleeps() -> None:
    stream = news.Stream(Wanted(), 0, 0)
    stream.wake()
    assert not stream._woken.is_set(), "nothing waits"
    for text in (b"one", b"two"):
        stream.offer([news.Bundle(text)], 1)
    stream.wake()
    assert stream.take(60) == b"onetwo"
    assert not stream._woken.is_set()
    assert (stream.take(0), stream.waiting) == (b"", 0)


def test_what_streams_refuse(box: Box) -> None:
    box.refused("GET", "/stream?job=none", status=404, code="job.not_found")
    for query in ("topics=jobs,weather", "topics=", "topics=jobs;robots", "job=", "since=1"):
        box.refused("GET", f"/stream?{query}", status=422, code="request.invalid")
    for number in ("x", "-1", "1.5", "9" * 30):
        box.refused("GET", "/stream", status=422, code="request.invalid", Last_Event_ID=number)
    assert box.app.extensions["yardmaster"].live.count == 0


def test_the_reader_survives_an_unreadable_moment(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Listener(box)
    fails = iter([True, True])
    real = queries.events_after

    def events_after(*args: Any) -> Any:
        if next(fails, False):
            raise queries.Unreadable("for a moment")
        return real(*args)

    monkeypatch.setattr(live_module, "events_after", events_after)
    job = box.submit()
    assert stream.until("job")["job"] == job
    stream.close()
