"""Several jobs at once: what would become of them, what became of each, and what is left alone."""

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.box import Box
from tests.fakes.yard import running
from tests.integration.jobs_list import OURS, box_at_four, post, words


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Box]:
    with box_at_four(tmp_path, monkeypatch) as made:
        yield made


def batch(box: Box, action: str, *jobs: str, lang: str = "en", **more: str) -> str:
    headers = OURS | {"Accept-Language": lang}
    response = post(box, f"/jobs/batch/{action}", {"id": list(jobs)} | more, **headers)
    assert response.status_code == 200, response.text
    return str(response.text)


def form(html: str, **more: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', html):
        found.setdefault(name, []).append(unescape(value))
    return found | more


def test_a_batch_is_previewed_by_outcome(box: Box) -> None:
    robot, run_now = running(box.yard)
    queued = [box.submit() for _ in range(2)]
    ended = box.submit()
    box.must("POST", f"/jobs/{ended}/cancel", {})
    text = words(batch(box, "cancel", run_now, *queued, ended))
    assert "Cancel 3 of the 4 selected jobs?" in text
    assert "2 ended at once Held by no robot." in text
    assert "1 robot stops, then the job ends What a robot carries stays on it." in text
    assert "1 unchanged Ended already." in text
    assert "Cancel 3 jobs" in text
    assert "None of the selected jobs can be cancelled" in batch(box, "cancel", ended)
    assert "取消所选 4 个任务中的 3 个？" in batch(box, "cancel", run_now, *queued, ended, lang="zh")
    assert robot.all("cancel") == []


def test_a_batch_is_carried_out_once_job_by_job(box: Box) -> None:
    robot, run_now = running(box.yard)
    queued = [box.submit() for _ in range(3)]
    filled = form(batch(box, "cancel", run_now, *queued), reason="line 3 stands")
    box.must("POST", f"/jobs/{queued[0]}/cancel", {})
    for _ in range(2):
        html = post(box, "/jobs/batch/cancel/apply", filled).text
        text = words(html)
        assert "3 done, 1 refused" in text
        assert "refused It has been cancelled already." in text
        assert "r1 is told to stop." in text
        assert text.index("refused It") < text.index("r1 is told")
        assert queued[0] not in re.findall(r'data-done="([^"]*)"', html)[0]
    assert [box.yard.state(job) for job in (run_now, *queued)] == ["cancelling", "cancelled", "cancelled", "cancelled"]
    assert len({message["command"] for message in robot.all("cancel")}) == 1
    assert box.must("GET", f"/jobs/{queued[1]}/events")["items"][0]["why"] == "line 3 stands"


def test_a_batch_leaves_alone_what_a_robot_took_meanwhile(box: Box) -> None:
    job, other = box.submit(), box.submit()
    filled = form(batch(box, "cancel", job, other))
    robot = box.yard.robot("r1")
    robot.accept()
    html = post(box, "/jobs/batch/cancel/apply", filled).text
    assert "It has changed since it was shown, so it was left alone." in html
    assert [box.yard.state(one) for one in (job, other)] == ["running", "cancelled"]


def test_priorities_are_shown_old_and_new(box: Box) -> None:
    _, run_now = running(box.yard)
    first, second = box.submit(), box.submit(priority=4500)
    html = batch(box, "priority", run_now, first, second)
    assert re.search(r"<button[^>]*data-do disabled", html)
    assert "A whole number from 0 to 5000." in batch(box, "priority", first, priority="5001")
    html = batch(box, "priority", run_now, first, second, priority="4500")
    text = words(html)
    assert "2000 → 4500 goes sooner" in text
    assert "This is the priority already." in text
    assert "r1 carries it out." in text
    assert "Change 1 job" in text
    html = post(box, "/jobs/batch/priority/apply", form(html, priority="4500")).text
    assert "2000 → 4500" in html
    assert [box.yard.job(one)["priority"] for one in (run_now, first, second)] == [2000, 4500, 4500]


def test_a_batch_is_bounded_and_ours(box: Box) -> None:
    job = box.submit()
    assert post(box, "/jobs/batch/cancel", {}).status_code == 422
    assert post(box, "/jobs/batch/cancel", {"id": [str(n) for n in range(201)]}).status_code == 422
    filled = form(batch(box, "cancel", job))
    assert post(box, "/jobs/batch/cancel/apply", filled, Accept="text/html").status_code == 403
    assert post(box, "/jobs/batch/cancel/apply", {"job": ["x:y:z", "::", job]}).status_code == 422
    assert box.yard.state(job) == "queued"


def test_a_batch_stops_asking_when_the_controller_is_gone(box: Box) -> None:
    jobs = [box.submit() for _ in range(3)]
    filled = form(batch(box, "cancel", *jobs))
    box.controller.go_down()
    html = post(box, "/jobs/batch/cancel/apply", filled).text
    assert "All 3 jobs were refused" in html
    assert html.count("Not asked for: the controller did not answer before.") == 2
