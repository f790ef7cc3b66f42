"""Uploads over the API: whole, in pieces, at wrong places, of wrong robots, too large, and how they are looked at."""

import errno
import hashlib
import os
import struct
import threading
import time
import zlib
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import TestResponse

from controller.artifact_files import remove_files
from controller.core_settings import CoreSettings
from controller.store import artifacts as stored
from schemas.artifact import CHUNK_BYTES, place_of
from schemas.ids import uuid7
from tests.fakes.box import Box

WEBM = b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x84webm" + b"\0" * 64
DAY_S = 86_400.0


def png(side: int = 1) -> bytes:
    """A small grey picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    rows = zlib.compress(b"".join(b"\0" + b"\x80" * side for _ in range(side)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


class Robot:
    """A robot with an attempt, and what it would send over HTTP."""

    def __init__(self, box: Box, name: str = "r1") -> None:
        self.box, self.name = box, name
        self.headers = {"Authorization": f"Bearer {box.token(name, 'robot', name)}"}
        self.fake = box.yard.robot(name)
        self.job = box.submit()
        self.fake.accept()
        self.attempt = self.fake.last("assign")["attempt"]

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> TestResponse:
        return self.box.ask(method, path, body, **(self.headers | headers))

    def open(self, data: bytes, **more: Any) -> TestResponse:
        about = {"kind": "screenshot", "name": "a.png", "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        return self.ask("POST", f"/attempts/{self.attempt}/artifacts", about | more)

    def opened(self, data: bytes, **more: Any) -> str:
        answer = self.open(data, **more)
        assert answer.status_code == 201, answer.text
        return str(answer.json["id"])  # type: ignore[index]

    def patch(self, uid: str, offset: int | str, data: bytes, **headers: str) -> TestResponse:
        shown = self.headers | {"Upload-Offset": str(offset)} | headers
        return self.box.http.patch(f"/api/v1/artifacts/{uid}", data=data, headers=shown)

    def offset(self, uid: str) -> int:
        answer = self.ask("HEAD", f"/artifacts/{uid}")
        assert answer.status_code == 200
        return int(answer.headers["Upload-Offset"])

    def upload(self, data: bytes, **more: Any) -> str:
        uid = self.opened(data, **more)
        answer = self.patch(uid, 0, data)
        assert (answer.status_code, answer.json["state"]) == (200, "complete"), answer.text  # type: ignore[index]
        return uid


@pytest.fixture
def robot(box: Box) -> Robot:
    return Robot(box)


def refused(answer: TestResponse, status: int, code: str) -> None:
    assert answer.json is not None, answer.text
    assert (answer.status_code, answer.json["code"]) == (status, code), answer.text


def files(box: Box) -> list[Path]:
    return [path for path in (box.yard.folder / "artifacts").rglob("*") if path.is_file()]


# ---------------------------------------------------------------- the way it should be
def test_a_screenshot_is_announced_sent_and_shown(box: Box, robot: Robot) -> None:
    data = png(8)
    opened = robot.open(data, path="-1/1")
    assert (opened.status_code, opened.headers["Upload-Offset"]) == (201, "0")
    made: Any = opened.json
    expected = {
        "job": robot.job,
        "attempt": robot.attempt,
        "robot": "r1",
        "path": "-1/1",
        "state": "open",
        "type": None,
    }
    assert {name: made[name] for name in expected} == expected
    sent = robot.patch(made["id"], 0, data)
    assert (sent.status_code, sent.headers["Upload-Offset"]) == (200, str(len(data)))
    assert (sent.json["state"], sent.json["type"]) == ("complete", "image/png")  # type: ignore[index]
    shown = box.ask("GET", f"/artifacts/{made['id']}")
    assert (shown.status_code, shown.data, shown.content_type) == (200, data, "image/png")
    assert shown.headers["Content-Disposition"] == f'inline; filename="screenshot-{made["id"][-12:]}.png"'
    assert shown.headers["X-Content-Type-Options"] == "nosniff"
    assert shown.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    listed = box.must("GET", f"/jobs/{robot.job}/artifacts")
    assert [one["id"] for one in listed["items"]] == [made["id"]]


def test_the_file_lies_by_the_end_of_its_id_and_is_for_the_box_alone(box: Box, robot: Robot) -> None:
    uid = robot.upload(png())
    (file,) = files(box)
    assert file == box.yard.folder / "artifacts" / uid[-2:] / uid
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700


def test_it_may_come_in_pieces(box: Box, robot: Robot) -> None:
    data = os.urandom(100_000)
    uid = robot.opened(data)
    for start in range(0, len(data), 30_000):
        assert robot.offset(uid) == start
        robot.patch(uid, start, data[start : start + 30_000])
    assert box.ask("GET", f"/artifacts/{uid}").data == data


def test_a_largest_chunk_is_taken_and_a_larger_one_is_not(box: Box, robot: Robot) -> None:
    data = b"x" * 10_000_000
    uid = robot.opened(data)
    refused(robot.patch(uid, 0, data), 413, "request.size")
    assert robot.offset(uid) == 0
    assert robot.patch(uid, 0, data[:CHUNK_BYTES]).status_code == 200
    assert robot.patch(uid, CHUNK_BYTES, data[CHUNK_BYTES:]).json["state"] == "complete"  # type: ignore[index]


def test_announcing_again_answers_the_same(box: Box, robot: Robot) -> None:
    data, own = png(), uuid7()
    first = robot.opened(data)
    assert robot.opened(data) == first
    assert robot.opened(data, name="other.png") != first
    assert robot.opened(data, id=own) == own
    robot.patch(own, 0, data[:10])
    again = robot.open(data, id=own)
    assert (again.json["id"], again.headers["Upload-Offset"]) == (own, "10")  # type: ignore[index]
    assert len(box.must("GET", f"/jobs/{robot.job}/artifacts")["items"]) == 3


def test_what_is_whole_stays_whole(box: Box, robot: Robot) -> None:
    data = png()
    uid = robot.upload(data)
    again = robot.patch(uid, 0, b"other")
    assert (again.status_code, again.headers["Upload-Offset"]) == (200, str(len(data)))
    assert robot.open(data).headers["Upload-Offset"] == str(len(data))
    assert box.ask("GET", f"/artifacts/{uid}").data == data


def test_a_web_that_died_before_it_could_say_so_says_it_later(box: Box, robot: Robot) -> None:
    """The file is in its place, the controller has not heard of it: the robot asks, and sends nothing more."""
    data = png()
    uid = robot.opened(data)
    box.controller.fall_silent()
    refused(robot.patch(uid, 0, data), 504, "controller.no_answer")
    box.controller.fails = None
    assert robot.offset(uid) == len(data)
    assert robot.patch(uid, len(data), b"").json["state"] == "complete"  # type: ignore[index]


# ---------------------------------------------------------------- wrong in some way
def test_a_wrong_offset_says_the_right_one_and_takes_nothing(box: Box, robot: Robot) -> None:
    data = os.urandom(1000)
    uid = robot.opened(data)
    robot.patch(uid, 0, data[:400])
    for wrong in (0, 399, 401):
        answer = robot.patch(uid, wrong, data[400:500])
        refused(answer, 409, "artifact.offset")
        assert answer.headers["Upload-Offset"] == "400"
    robot.patch(uid, 400, data[400:])
    assert box.ask("GET", f"/artifacts/{uid}").data == data


@pytest.mark.parametrize("offset", ["", "-1", "x", "1.5", "٣", "1" * 20])
def test_an_offset_that_is_no_number_is_refused(robot: Robot, offset: str) -> None:
    refused(robot.patch(robot.opened(b"1234"), offset.encode().decode("latin-1"), b"1"), 422, "request.invalid")


def test_more_than_was_announced_is_refused(robot: Robot) -> None:
    uid = robot.opened(b"1234")
    refused(robot.patch(uid, 0, b"12345"), 413, "artifact.size")
    assert robot.offset(uid) == 0


def test_a_body_of_unknown_length_is_refused(box: Box, robot: Robot) -> None:
    uid = robot.opened(b"1234")
    headers = robot.headers | {"Upload-Offset": "0", "Transfer-Encoding": "chunked"}
    refused(box.http.patch(f"/api/v1/artifacts/{uid}", headers=headers), 411, "request.length")


def test_other_bytes_than_announced_are_refused_and_removed(box: Box, robot: Robot) -> None:
    uid = robot.opened(png())
    wrong = b"\0" * len(png())
    refused(robot.patch(uid, 0, wrong), 422, "artifact.mismatch")
    assert files(box) == []
    refused(robot.patch(uid, 0, png()), 409, "artifact.state")
    refused(box.ask("GET", f"/artifacts/{uid}"), 404, "artifact.not_found")
    (row,) = box.must("GET", f"/jobs/{robot.job}/artifacts")["items"]
    assert (row["state"], "not those that were announced" in row["reason"]) == ("refused", True)
    assert stored.bytes_kept(box.yard.connection) == 0


def test_an_id_that_belongs_to_something_else_is_refused(robot: Robot) -> None:
    own = robot.opened(png(), id=uuid7())
    refused(robot.open(b"other", id=own), 409, "artifact.exists")


@pytest.mark.parametrize("wrong", [
    {"id": "../../etc/passwd"}, {"id": "1"}, {"id": "01A1FF0C-8B64-73AD-85C0-C17EBE50BDFE"},
    {"kind": "html"}, {"size": 0}, {"size": 2**41},
    {"sha256": "x"}, {"name": ""}, {"name": "x" * 201}, {"path": "x" * 2000}, {"robot": "r2"},
])  # fmt: skip
def test_what_cannot_be_announced(robot: Robot, wrong: dict[str, Any]) -> None:
    refused(robot.open(png(), **wrong), 422, "request.invalid")


@pytest.mark.parametrize(
    "name", ["../../../etc/passwd", "/etc/passwd", "a\0b", 'x"\r\nSet-Cookie: a=b', "C:\\x", "<b>"]
)
def test_a_name_is_only_ever_a_text(box: Box, robot: Robot, name: str) -> None:
    uid = robot.upload(png(), name=name)
    (file,) = files(box)
    assert file.name == uid
    shown = box.ask("GET", f"/artifacts/{uid}")
    assert shown.headers["Content-Disposition"] == f'inline; filename="screenshot-{uid[-12:]}.png"'
    assert "Set-Cookie" not in shown.headers


@pytest.mark.parametrize(
    "uid", ["..", "%2e%2e%2fyardmaster.db", "x" * 36, "01a1ff0c-8b64-73ad-85c0-c17ebe50bdfe", "../" * 12]
)
def test_an_address_names_no_file(box: Box, robot: Robot, uid: str) -> None:
    assert box.ask("GET", f"/artifacts/{uid}").status_code == 404
    assert robot.patch(uid, 0, b"1").status_code in (404, 405)


# ---------------------------------------------------------------- who may
def test_a_robot_reaches_its_own_attempts_only(box: Box, robot: Robot) -> None:
    uid = robot.opened(png())
    other = {"Authorization": f"Bearer {box.token('r2', 'robot', 'r2')}"}
    about = {"kind": "file", "name": "x", "size": 1, "sha256": "0" * 64}
    refused(box.ask("POST", f"/attempts/{robot.attempt}/artifacts", about, **other), 403, "auth.role")
    headers = other | {"Upload-Offset": "0"}
    refused(box.http.patch(f"/api/v1/artifacts/{uid}", data=b"x", headers=headers), 403, "auth.role")
    assert box.ask("HEAD", f"/artifacts/{uid}", **other).status_code == 403


@pytest.mark.parametrize("attempt", ["1", "x", "-1", "9" * 17, "0x1"])
def test_an_attempt_that_never_was(box: Box, robot: Robot, attempt: str) -> None:
    about = {"kind": "file", "name": "x", "size": 1, "sha256": "0" * 64}
    refused(robot.ask("POST", f"/attempts/{attempt}/artifacts", about), 404, "attempt.not_found")


def test_people_do_not_upload_and_robots_do_not_look(box: Box, robot: Robot) -> None:
    uid = robot.upload(png())
    about = {"kind": "file", "name": "x", "size": 1, "sha256": "0" * 64}
    refused(box.ask("POST", f"/attempts/{robot.attempt}/artifacts", about), 403, "auth.role")
    refused(robot.ask("GET", f"/artifacts/{uid}"), 403, "auth.role")
    assert box.nobody().get(f"/api/v1/artifacts/{uid}").status_code == 401
    viewer = {"Authorization": f"Bearer {box.token('v', 'viewer')}"}
    assert box.ask("GET", f"/artifacts/{uid}", **viewer).status_code == 200


# ---------------------------------------------------------------- bounds
def bounded(box: Box, **more: Any) -> None:
    box.yard.core.desk.settings = CoreSettings(**more)


def test_too_large_is_refused_before_a_byte_is_sent(box: Box, robot: Robot) -> None:
    bounded(box, artifact_mb=1)
    refused(robot.open(b"x" * 1_000_001), 413, "artifact.size")


def test_an_attempt_has_so_many_at_most(box: Box, robot: Robot) -> None:
    bounded(box, artifacts_per_attempt=2)
    for name in ("1", "2"):
        robot.opened(png(), name=name)
    refused(robot.open(png(), name="3"), 409, "artifact.count")
    assert robot.open(png(), name="2").status_code == 201


def test_all_together_have_so_much_room(box: Box, robot: Robot) -> None:
    bounded(box, artifacts_gb=1e-6)
    robot.upload(b"x" * 600)
    refused(robot.open(b"y" * 600), 507, "artifact.space")
    assert robot.open(b"y" * 400).status_code == 201


def test_a_full_disk_is_said_and_nothing_is_lost(box: Box, robot: Robot, monkeypatch: pytest.MonkeyPatch) -> None:
    data = os.urandom(1000)
    uid = robot.opened(data)
    robot.patch(uid, 0, data[:300])

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr("web.uploads.os.fdatasync", full)
        refused(robot.patch(uid, 300, data[300:]), 507, "artifact.space")
    assert robot.offset(uid) == 300
    robot.patch(uid, 300, data[300:])
    assert box.ask("GET", f"/artifacts/{uid}").data == data


def test_what_is_not_finished_within_a_day_is_forgotten(box: Box, robot: Robot) -> None:
    data = os.urandom(1000)
    uid = robot.opened(data, id=uuid7())
    robot.patch(uid, 0, data[:300])
    part = box.yard.folder / "artifacts" / "parts" / uid
    box.yard.now += DAY_S + 1
    robot.upload(png(), name="later")
    assert robot.ask("HEAD", f"/artifacts/{uid}").status_code == 404
    assert part.exists(), "a robot that comes back within hours goes on where it was"
    assert (robot.opened(data, id=uid), robot.offset(uid)) == (uid, 300)
    os.utime(part, (time.time() - 2 * DAY_S,) * 2)
    robot.opened(png(), name="much later")
    assert not part.exists()


def test_two_requests_for_one_artifact_do_not_mix(box: Box, robot: Robot) -> None:
    """While one is adding, another is told to come again; afterwards all is whole."""
    data = os.urandom(2_000_000)
    uid = robot.opened(data)
    answers: list[TestResponse] = []

    def send() -> None:
        answers.append(robot.patch(uid, 0, data))

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    allowed = {(200, None), (409, "artifact.busy"), (409, "artifact.offset")}
    assert {(one.status_code, (one.json or {}).get("code")) for one in answers} <= allowed
    assert box.ask("GET", f"/artifacts/{uid}").data == data


def test_two_uploads_at_once_are_two(box: Box, robot: Robot) -> None:
    first, second = os.urandom(1000), os.urandom(1000)
    one, two = robot.opened(first), robot.opened(second)
    for start in range(0, 1000, 250):
        robot.patch(one, start, first[start : start + 250])
        robot.patch(two, start, second[start : start + 250])
    assert (box.ask("GET", f"/artifacts/{one}").data, box.ask("GET", f"/artifacts/{two}").data) == (first, second)


# ---------------------------------------------------------------- how it is looked at
@pytest.mark.parametrize(("data", "type_", "shown"), [
    (png(), "image/png", True), (b"\xff\xd8\xff\xe0" + b"0" * 50, "image/jpeg", True), (WEBM, "video/webm", True),
    (b"GIF89a" + b"0" * 50, "image/gif", False),
    (b"<html><script>alert(1)</script>", "application/octet-stream", False),
    (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "application/octet-stream", False),
    (b"\x1a\x45\xdf\xa3matroska" + b"0" * 50, "application/octet-stream", False),
    (b"%PDF-1.7", "application/octet-stream", False),
])  # fmt: skip
def test_the_type_is_that_of_the_bytes(box: Box, robot: Robot, data: bytes, type_: str, shown: bool) -> None:
    uid = robot.upload(data, name="picture.png")
    assert box.must("GET", f"/jobs/{robot.job}/artifacts")["items"][0]["type"] == type_
    answer = box.ask("GET", f"/artifacts/{uid}")
    assert answer.headers["Content-Disposition"].split(";")[0] == ("inline" if shown else "attachment")
    assert answer.content_type == (type_ if shown else "application/octet-stream")


@pytest.mark.parametrize(("asked", "status", "start", "end"), [
    ("bytes=0-0", 206, 0, 0), ("bytes=10-19", 206, 10, 19), ("bytes=90-", 206, 90, 99), ("bytes=-5", 206, 95, 99),
    ("bytes=0-1000", 206, 0, 99), ("bytes=-1000", 206, 0, 99), ("bytes=0-1,3-4", 200, 0, 99), ("lines=1-2", 200, 0, 99),
    ("bytes=20-10", 200, 0, 99), ("bytes=-", 200, 0, 99), ("bytes=a-b", 200, 0, 99),
])  # fmt: skip
def test_ranges(box: Box, robot: Robot, asked: str, status: int, start: int, end: int) -> None:
    data = bytes(range(100))
    answer = box.ask("GET", f"/artifacts/{robot.upload(data)}", Range=asked)
    assert (answer.status_code, answer.data) == (status, data[start : end + 1])
    assert answer.headers["Content-Length"] == str(end - start + 1)
    assert answer.headers.get("Content-Range") == (f"bytes {start}-{end}/100" if status == 206 else None)


@pytest.mark.parametrize("asked", ["bytes=100-", "bytes=500-600", "bytes=-0"])
def test_a_range_beyond_the_end_is_refused(box: Box, robot: Robot, asked: str) -> None:
    answer = box.ask("GET", f"/artifacts/{robot.upload(bytes(100))}", Range=asked)
    refused(answer, 416, "request.range")
    assert answer.headers["Content-Range"] == "bytes */100"


def test_a_part_of_another_version_is_not_a_part_of_this(box: Box, robot: Robot) -> None:
    data = bytes(100)
    uid = robot.upload(data)
    etag = box.ask("GET", f"/artifacts/{uid}").headers["ETag"]
    assert etag == f'"{hashlib.sha256(data).hexdigest()}"'
    assert box.ask("GET", f"/artifacts/{uid}", Range="bytes=0-1", If_Range=etag).status_code == 206
    assert box.ask("GET", f"/artifacts/{uid}", Range="bytes=0-1", If_Range='"x"').status_code == 200
    assert box.ask("GET", f"/artifacts/{uid}", If_None_Match=etag).status_code == 304


def test_bytes_that_are_gone_are_said_to_be(box: Box, robot: Robot) -> None:
    uid = robot.upload(png())
    (box.yard.folder / "artifacts" / place_of(uid)).unlink()
    refused(box.ask("GET", f"/artifacts/{uid}"), 404, "artifact.not_found")


def test_the_list_of_a_job_goes_on_page_by_page(box: Box, robot: Robot) -> None:
    made = [robot.opened(png(), name=str(n)) for n in range(5)]
    found, after = [], None
    while True:
        query = f"limit=2&order=oldest{f'&after={after}' if after else ''}"
        page = box.must("GET", f"/jobs/{robot.job}/artifacts?{query}")
        found += [one["id"] for one in page["items"]]
        after = page["next"]
        if after is None:
            break
    assert found == made
    assert [one["id"] for one in box.must("GET", f"/jobs/{robot.job}/artifacts")["items"]] == made[::-1]
    box.refused("GET", "/jobs/none/artifacts", status=404, code="job.not_found")


# ---------------------------------------------------------------- retention
def test_artifacts_of_a_job_can_be_forgotten_with_their_files(box: Box, robot: Robot) -> None:
    whole, part = robot.upload(png()), robot.opened(b"12345678")
    robot.patch(part, 0, b"1234")
    other = Robot(box, "r2")
    kept = other.upload(png(2))
    db = box.yard.connection
    number = db.execute("select id from jobs where uid = ?", (robot.job,)).fetchone()["id"]
    with box.yard.store.transaction():
        gone = stored.delete_of_job(db, number)
    assert sorted(gone) == sorted([whole, part])
    remove_files(box.yard.folder, gone)
    remove_files(box.yard.folder, gone)
    assert [file.name for file in files(box)] == [kept]
    assert stored.bytes_kept(db) == len(png(2))
    assert box.ask("GET", f"/artifacts/{whole}").status_code == 404


def test_uploads_are_no_news_for_the_audit(box: Box, robot: Robot) -> None:
    robot.upload(png())
    assert not [row for row in box.must("GET", "/audit?limit=200")["items"] if row["action"].startswith("artifact")]
