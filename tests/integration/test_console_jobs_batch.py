"""Several jobs at once: what would become of them, what became of each, and what is left alone."""

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.box import Box
from tests.fakes.yard import running
from tests.integration.jobs_list import OURS, box_at_four, bulk, deployment, open_list, post, read_list, run, words


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


def many(box: Box, n: int) -> list[str]:
    """So many jobs at once, first to last."""
    return [job["id"] for job in bulk(box, n)]


def apply(box: Box, html: str, **more: str) -> str:
    """Send the form of a preview; the result."""
    (path,) = re.findall(r'hx-post="(/jobs/batch/[^"]+/apply)"', html)
    response = post(box, path, form(html, **more))
    assert response.status_code == 200, response.text
    return str(response.text)


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
    html = batch(box, "cancel", run_now, *queued)
    box.must("POST", f"/jobs/{queued[0]}/cancel", {})
    for _ in range(2):
        text = apply(box, html, reason="line 3 stands")
        said = words(text)
        assert "3 done, 1 not" in said
        assert "left alone It has changed since it was shown, so it was left alone." in said
        assert "r1 is told to stop." in said
        assert said.index("left alone It") < said.index("r1 is told")
        (done,) = re.findall(r'data-done="([^"]*)"', text)
        assert set(done.split()) == {run_now, *queued[1:]}
    assert [box.yard.state(job) for job in (run_now, *queued)] == ["cancelling", "cancelled", "cancelled", "cancelled"]
    assert len({message["command"] for message in robot.all("cancel")}) == 1
    assert box.must("GET", f"/jobs/{queued[1]}/events")["items"][0]["why"] == "line 3 stands"


def test_a_batch_leaves_alone_what_a_robot_took_meanwhile(box: Box) -> None:
    job, other = box.submit(), box.submit()
    html = batch(box, "cancel", job, other)
    robot = box.yard.robot("r1")
    robot.accept()
    assert "It has changed since it was shown, so it was left alone." in apply(box, html)
    assert [box.yard.state(one) for one in (job, other)] == ["running", "cancelled"]


def test_priorities_are_shown_old_and_new(box: Box) -> None:
    _, run_now = running(box.yard)
    first, second = box.submit(), box.submit(priority=4500)
    html = batch(box, "priority", run_now, first, second)
    assert re.search(r"<button[^>]*data-do disabled", html)
    assert "3 jobs are selected." in words(html)
    assert "A whole number from 0 to 5000." in batch(box, "priority", first, priority="5001")
    html = batch(box, "priority", run_now, first, second, priority="4500")
    text = words(html)
    assert "2000 → 4500 goes sooner" in text
    assert "This is the priority already." in text
    assert "Held by a robot already." in text
    assert "Change 1 job" in text
    assert "2000 → 4500" in words(apply(box, html))
    assert [box.yard.job(one)["priority"] for one in (run_now, first, second)] == [2000, 4500, 4500]


def test_ended_ones_are_executed_again_after_a_tick(box: Box) -> None:
    ended, waits = box.submit(), box.submit()
    box.must("POST", f"/jobs/{ended}/cancel", {})
    html = batch(box, "execute", ended, waits)
    text = words(html)
    assert "Execute 1 of the 2 selected jobs again?" in text
    assert "1 unchanged Not ended yet." in text
    (path,) = re.findall(r'hx-post="(/jobs/batch/[^"]+/apply)"', html)
    assert post(box, path, form(html)).status_code == 422
    result = apply(box, html, seen="yes")
    (made,) = set(re.findall(r'href="/jobs/([0-9a-f-]{36})"', result)) - {ended, waits}
    assert "A new job was made." in words(result)
    assert box.must("GET", f"/jobs/{made}")["rerun_of"] == ended
    assert "再次执行所选的 1 个任务？" in batch(box, "execute", ended, lang="zh")


def test_all_that_fit_the_filters_are_meant_not_only_those_on_the_page(box: Box) -> None:
    deployment(box, "press", "2 号压机换模")
    others = many(box, 3)
    jobs = [run(box, "press") for _ in range(5)]
    html = batch(box, "cancel", every="yes", search="q=%E5%8E%8B%E6%9C%BA&limit=2&state=queued")
    assert "Cancel all 5 selected jobs?" in words(html)
    assert 'data-done="*"' in apply(box, html)
    assert {box.yard.state(job) for job in jobs} == {"cancelled"}
    assert {box.yard.state(job) for job in others} == {"queued"}
    assert "No job fits these filters any more." in batch(box, "cancel", every="yes", search="state=person")
    html = batch(box, "priority", every="yes", search="state=queued")
    assert "3 jobs fit the filters." in words(html)
    assert form(html)["every"] == ["yes"]


def test_too_many_at_once_are_refused_in_words(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    bulk(box, 5)
    monkeypatch.setattr("web.api.batches.MAX_JOBS", 4)
    text = words(batch(box, "cancel", every="yes", search=""))
    assert "These are too many at once" in text
    assert "More than 10 000 jobs fit the filters." in text


def test_a_long_batch_shows_how_far_it_has_come(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("web.console.batch.SOON_S", 0.0)
    html = batch(box, "cancel", *many(box, 60))
    text = apply(box, html)
    assert re.search(r"\b[2-5][05] of 60 jobs so far", words(text))
    (again,) = re.findall(r'hx-get="([^"]+)" hx-trigger="load delay:500ms"', text)
    box.yard.tick(5)
    done = box.http.get(again, headers=OURS).text
    assert "All 60 jobs are done" in words(done)
    assert "hx-trigger" not in done


def test_a_long_result_goes_on_row_by_row(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("web.console.batch.SHOWN", 3)
    jobs = many(box, 5)
    text = apply(box, batch(box, "cancel", *jobs))
    (more,) = re.findall(r'hx-get="([^"]+/done\?after=[^"]+)"', text)
    rest = box.http.get(unescape(more), headers=OURS).text
    seen = re.findall(r'href="/jobs/([^"]+)"', text) + re.findall(r'href="/jobs/([^"]+)"', rest)
    assert seen == jobs


def test_a_batch_is_bounded_and_ours(box: Box) -> None:
    job = box.submit()
    assert post(box, "/jobs/batch/cancel", {}).status_code == 422
    assert post(box, "/jobs/batch/cancel", {"id": [str(n) for n in range(201)]}).status_code == 422
    assert post(box, "/jobs/batch/cancel", {"id": job}, Accept="text/html").status_code == 403
    html = batch(box, "cancel", job)
    (path,) = re.findall(r'hx-post="(/jobs/batch/[^"]+/apply)"', html)
    assert post(box, path, form(html), Accept="text/html").status_code == 403
    assert post(box, path, form(html) | {"hash": "0" * 64}).status_code == 409
    assert post(box, "/jobs/batch/none/apply", form(html)).status_code == 404
    assert box.yard.state(job) == "queued"


def test_the_controller_that_is_gone_is_said(box: Box) -> None:
    jobs = [box.submit() for _ in range(3)]
    html = batch(box, "cancel", *jobs)
    box.controller.go_down()
    (path,) = re.findall(r'hx-post="(/jobs/batch/[^"]+/apply)"', html)
    response = post(box, path, form(html))
    assert response.status_code == 503
    assert "The controller does not run" in response.text


def test_the_page_has_the_words_of_the_documents(box: Box) -> None:
    box.submit()
    text = read_list(box, lang="zh")
    for word in (
        "任务来源", "创建时间", "开始时间", "结束时间", "状态", "任务优先级", "执行机器人", "批量操作",
        "批量调整优先级", "批量执行", "批量取消执行", "导出 CSV",
    ):  # fmt: skip
        assert word in text, word
    html = open_list(box)
    heads = [words(one) for one in re.findall(r'<th role="columnheader"[^>]*>(.*?)</th>', html)]
    assert heads[1:7] == ["State", "Job", "Source", "Priority", "Robot", "Attempt"]
    assert "流程部署名称包含" in open_list(box, lang="zh")


def test_the_list_says_which_names_were_found(box: Box) -> None:
    deployment(box, "press", "2 号压机换模")
    job = run(box, "press")
    text = read_list(box, "?q=压鸡换模")
    assert "No deployment is called so. These are the jobs of those that are called nearly so: 2 号压机换模" in text
    assert "Found in one deployment: 2 号压机换模" in read_list(box, "?q=压机")
    assert "没有叫这个名称的流程部署" in read_list(box, "?q=压鸡换模", "zh")
    assert job in open_list(box, "?q=压鸡换模")


def test_the_list_leads_to_its_file(box: Box) -> None:
    deployment(box, "press", "2 号压机换模")
    job, _other = run(box, "press"), box.submit()
    (path,) = re.findall(r'download href="([^"]+)"', open_list(box, "?q=压机&since=24h"))
    lines = box.http.get(unescape(path)).get_data().decode().splitlines()
    assert [line.partition(",")[0] for line in lines] == ["\ufeffid", job]
    assert len(box.http.get("/jobs/export.csv?state=person").get_data().decode().splitlines()) == 1
