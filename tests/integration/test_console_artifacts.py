"""The log of a job's page: what was recorded in its place, types, and switching to the same job on other robots."""

import hashlib
from typing import Any

import pytest

from schemas.ids import uuid7
from tests.fakes.box import Box
from tests.fakes.yard import FakeRobot
from tests.integration.test_api_artifacts import WEBM, png


class Page:
    """A job with an attempt whose robot logs and uploads."""

    def __init__(self, box: Box, robot: FakeRobot, **more: Any) -> None:
        self.box, self.robot = box, robot
        self.job = box.submit(**more)
        robot.accept()
        self.attempt = robot.last("assign")["attempt"]
        self.headers = {"Authorization": f"Bearer {box.token(robot.name, 'robot', robot.name)}"}

    def line(self, type_: str, text: str, **more: Any) -> None:
        row: dict[str, Any] = {"kind": "log", "level": 1, "type": type_, "path": "-1/1", "text": text} | more
        self.robot.say(self.robot.about(**row), topic="log")

    def announce(self, data: bytes, kind: str = "screenshot", name: str = "a.png") -> str:
        uid = uuid7()
        body = {"id": uid, "kind": kind, "name": name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        self.box.must("POST", f"/attempts/{self.attempt}/artifacts", body, 201, **self.headers)
        self.line("artifact", f"screenshot {name}", artifact=uid)
        return uid

    def send(self, uid: str, data: bytes) -> int:
        headers = self.headers | {"Upload-Offset": "0"}
        return self.box.http.patch(f"/api/v1/artifacts/{uid}", data=data, headers=headers).status_code

    def shown(self, query: str = "", lang: str = "en") -> str:
        answer = self.box.http.get(f"/jobs/{self.job}{query}", headers={"Accept-Language": lang})
        assert answer.status_code == 200, answer.text
        return answer.text


@pytest.fixture
def page(box: Box, robot: FakeRobot) -> Page:
    return Page(box, robot)


def test_a_screenshot_is_shown_in_its_line_and_large_on_request(page: Page) -> None:
    uid = page.announce(png())
    assert "It is on its way from the robot." in page.shown()
    assert page.send(uid, png()) == 200
    html = page.shown()
    assert f'<img src="/api/v1/artifacts/{uid}" alt="a.png" loading="lazy">' in html
    assert f'hx-get="/jobs/{page.job}/artifacts/{uid}"' in html
    assert "It is on its way" not in html
    large = page.box.http.get(f"/jobs/{page.job}/artifacts/{uid}").text
    assert "<dialog" in large
    assert f'<img src="/api/v1/artifacts/{uid}" alt="a.png">' in large


def test_a_video_plays_in_its_line(page: Page) -> None:
    uid = page.announce(WEBM, "video", "screen.webm")
    page.send(uid, WEBM)
    assert f'src="/api/v1/artifacts/{uid}" controls preload="metadata"' in page.shown()
    policy = page.box.http.get(f"/jobs/{page.job}").headers["Content-Security-Policy"]
    assert "media-src 'self';" in policy


def test_what_cannot_be_shown_can_be_saved(page: Page) -> None:
    data = b"<script>alert(1)</script>"
    uid = page.announce(data, "file", "x.html")
    page.send(uid, data)
    html = page.shown()
    assert f'<a class="btn" href="/api/v1/artifacts/{uid}" download>' in html
    assert "<img src" not in html


def test_what_was_refused_is_said(page: Page) -> None:
    uid = page.announce(png())
    assert page.send(uid, b"\0" * len(png())) == 422
    assert "It did not arrive whole, and was not taken." in page.shown()


def test_names_of_recordings_are_texts(page: Page) -> None:
    name = '"><script>alert(1)</script>'
    page.send(page.announce(png(), name=name), png())
    html = page.shown()
    assert "<script>alert" not in html
    assert "&#34;&gt;&lt;script&gt;" in html


def test_a_picture_of_another_job_is_not_found_here(box: Box, page: Page) -> None:
    uid = page.announce(png())
    page.send(uid, png())
    other = box.submit()
    assert box.http.get(f"/jobs/{other}/artifacts/{uid}").status_code == 404
    assert box.http.get(f"/jobs/{page.job}/artifacts/none").status_code == 404
    assert box.nobody().get(f"/jobs/{page.job}/artifacts/{uid}", headers={"HX-Request": "true"}).status_code == 401


def test_lines_of_one_type(page: Page) -> None:
    """Log types: system, block, print, driver, artifact (ours; the document names none)."""
    for kind in ("system", "block", "print", "driver", "artifact"):
        page.line(kind, f"a line of {kind}s")
    for kind in ("system", "block", "print", "driver", "artifact"):
        html = page.shown(f"?type={kind}")
        assert [one for one in ("system", "block", "print", "driver", "artifact") if f"a line of {one}s" in html] == [
            kind
        ]
        assert f'<span class="ty">{kind}</span>' in html
        listed = page.box.must("GET", f"/jobs/{page.job}/logs?type={kind}")["items"]
        assert [row["text"] for row in listed] == [f"a line of {kind}s"]
    assert page.box.http.get(f"/jobs/{page.job}?type=noise").status_code == 422
    page.box.refused("GET", f"/jobs/{page.job}/logs?type=noise", status=422, code="request.invalid")


def test_a_line_carries_what_was_put_out(page: Page) -> None:
    page.line("block", "done", output={"executed": True, "说": "好"})
    html = page.shown()
    assert "&#34;executed&#34;: true" in html
    assert "好" in html


def test_the_same_job_on_other_robots_is_a_switch_away(box: Box, robot: FakeRobot) -> None:
    """One submission for N robots is N jobs of one run; the log switcher offers the others."""
    box.yard.robot("r2")
    body = {"flow": "hello", "target": {"robots": ["r1", "r2"]}}
    first, second = (one["id"] for one in box.must("POST", "/jobs", body, 201)["items"])
    alone = box.submit()
    html = box.http.get(f"/jobs/{first}").text
    assert 'label="The same on other robots"' in html
    assert f'<option value="/jobs/{second}' in html
    assert f'<option value="/jobs/{first}' not in html
    assert "The same on other robots" not in box.http.get(f"/jobs/{alone}").text


def test_all_of_it_in_chinese(page: Page) -> None:
    page.send(page.announce(png()), png())
    html = page.shown("?lang=zh")
    for word in ("日志切换", "日志类型", "全部类型", "放大显示 a.png"):
        assert word in html


def test_a_stream_tells_when_something_has_come(page: Page) -> None:
    from controller.store.queries.watch import JobWatch

    uid = page.announce(png())
    db = page.box.yard.connection
    watch = JobWatch.begin(db, page.job)
    assert watch is not None
    assert watch.artifacts(db) == []
    page.send(uid, png())
    assert [one.id for one in watch.artifacts(db)] == [uid]
    assert watch.artifacts(db) == []
    later = JobWatch.begin(db, page.job)
    assert later is not None
    assert later.artifacts(db) == []
