"""Rows of the list of jobs: read anew, opened to their attempts; what people typed is text."""

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest

from tests.fakes.box import Box
from tests.fakes.yard import running
from tests.integration.jobs_list import box_at_four, deployment, open_list, post, rows, run


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Box]:
    with box_at_four(tmp_path, monkeypatch) as made:
        yield made


def test_rows_are_read_anew_with_what_stands_around_them(box: Box) -> None:
    job, other = box.submit(), box.submit()
    answer = rows(box, f"state=queued&id={job}&id={other}&newest={other}")
    assert f'id="r-{job}"' in answer["rows"]
    assert "past" not in answer["rows"]
    assert "data-none" in answer["around"]
    box.must("POST", f"/jobs/{job}/cancel", {})
    newer = box.submit()
    answer = rows(box, f"state=queued&id={job}&id={other}&newest={other}&in=zh")
    assert re.search(rf'id="r-{job}" class="past"', answer["rows"])
    assert "已取消" in answer["rows"]
    assert newer not in answer["rows"]
    assert "1 个新任务，显示" in answer["around"]
    assert "data-none" not in answer["around"]
    assert rows(box, "id=nothing&id=")["rows"].strip() == ""


def test_attempts_are_shown_newest_first_and_refused_offers_are_not_counted(box: Box) -> None:
    robot, job = running(box.yard, max_retries=4)
    for _ in range(4):
        robot.say(robot.about("failed", reason="the place is occupied"))
        for _turn in range(40):
            box.yard.tick(2)
            robot.beat()
            if box.yard.state(job) == "assigned":
                break
        robot.accept()
    robot.say(robot.about("failed", reason="the place is occupied"))
    assert (box.yard.state(job), box.yard.job(job)["attempt_count"]) == ("failed", 5)
    html = box.http.get(f"/jobs/{job}/attempts").text
    assert re.findall(r"Attempt (\d)", html) == ["5", "4", "3"]
    assert "the place is occupied" in html
    more = re.search(r'hx-get="([^"]*)"', html)
    assert more is not None
    assert "Show 2 more attempts" in html
    rest = box.http.get(unescape(more[1])).text
    assert re.findall(r"Attempt (\d)", rest) == ["2", "1"]
    numbers = re.findall(r'data-attempt="(\d+)"', html)
    again = box.http.get(f"/jobs/{job}/attempts?top={numbers[1]}&count=2&in=zh").text
    assert re.findall(r'data-attempt="(\d+)"', again) == numbers[1:]
    assert "1 个更新的执行实例，显示" in again
    assert "5/5" in open_list(box)


def test_an_offer_that_was_refused_is_listed_with_its_reason(box: Box) -> None:
    robot = box.yard.robot("r1")
    job = box.submit()
    robot.say(robot.about("rejected", reason="the door is open"))
    html = box.http.get(f"/jobs/{job}/attempts").text
    assert "Offer, not carried out" in html
    assert "the door is open" in html
    assert not re.findall(r"Attempt \d", html)
    assert "0/4" in open_list(box)
    box.must("PUT", "/queues/side", {}, 201)
    nobody = box.submit(target={"queue": "side"})
    assert "No robot was asked yet." in box.http.get(f"/jobs/{nobody}/attempts").text
    assert box.http.get("/jobs/nothing/attempts").status_code == 404


def test_names_and_reasons_are_shown_as_text(box: Box) -> None:
    nasty = '<img src=x onerror="alert(1)">&{{7*7}}'
    deployment(box, "d", nasty)
    job = run(box, "d")
    box.must("POST", f"/jobs/{job}/cancel", {"reason": nasty})
    for html in (
        open_list(box),
        open_list(box, "?q=%3Cscript%3Ealert(1)%3C/script%3E&from=%22%3E%3Cscript%3E&%3Cb%3E=1"),
        box.http.get("/jobs/filter?q=%22%3E%3Cscript%3E").text,
        rows(box, f"id={job}")["rows"],
        post(box, "/jobs/batch/cancel", {"id": job}).text,
        post(box, "/jobs/batch/priority", {"id": job, "priority": '"><script>'}).text,
    ):
        assert "<img" not in html
        assert "<script>" not in html
    assert nasty in unescape(open_list(box))


def test_the_filter_form_is_filled_in(box: Box) -> None:
    box.yard.robot("AGV-03", "heavy")
    html = box.http.get("/jobs/filter?robot=AGV-03&state=failed&since=24h&by=ended&order=oldest").text
    assert 'name="robot" list="l-robots" maxlength="64" value="AGV-03"' in html
    for value in ("failed", "24h", "ended", "oldest"):
        assert f'<option value="{value}" selected>' in html
    assert '<option value="heavy">' in html
