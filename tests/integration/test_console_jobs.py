"""The list of jobs: every filter, filters that make no sense, its pages, rows read anew, and several jobs at once."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.fakes.box import Box
from tests.fakes.yard import running

OURS = {"HX-Request": "true"}
NOW = datetime(2026, 9, 21, 16, 0, tzinfo=UTC)
"""The page's present; the yard's clock stands at 14:30 of that day and moves with it."""


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Box]:
    monkeypatch.setattr("web.console.look.FRESH_S", 0.0)
    monkeypatch.setattr("web.console.jobs.now_us", lambda: int(NOW.timestamp()) * 1_000_000)
    made = Box(tmp_path)
    made.yard.flow()
    made.must("PUT", "/queues/main", {}, 201)
    yield made
    made.close()


def deployment(box: Box, slug: str, name: str, queue: str = "main") -> None:
    box.must("PUT", f"/deployments/{slug}", {"name": name, "flow": "hello", "target": {"queue": queue}}, 201)


def run(box: Box, slug: str, **more: Any) -> str:
    return str(box.must("POST", f"/deployments/{slug}/run", more, 201)["items"][0]["id"])


def read(response: TestResponse) -> str:
    text = response.text.partition("<main")[2] or response.text
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", text)).split())


def open_list(box: Box, query: str = "", lang: str = "en") -> str:
    response = box.http.get(f"/jobs{query}", headers={"Accept-Language": lang})
    assert response.status_code == 200, response.text
    return str(response.text)


def shown(box: Box, query: str = "") -> list[str]:
    """Ids of the rows, from top to bottom."""
    return re.findall(r'<tbody[^>]* data-id="([^"]+)"', open_list(box, query))


def link(html: str, rel: str) -> str | None:
    found = re.search(rf'rel="{rel}" href="/jobs([^"]*)"', html)
    return None if found is None else unescape(found[1])


def post(box: Box, path: str, form: dict[str, Any], **headers: str) -> TestResponse:
    return box.http.post(path, data=form, headers=headers or OURS)


# ---------------------------------------------------------------- filters
def test_filters_are_the_address(box: Box) -> None:
    box.must("PUT", "/queues/side", {}, 201)
    deployment(box, "in", "Goods in to storage")
    deployment(box, "out", "Finished goods to dock", "side")
    robot, first = running(box.yard)
    robot.say(robot.about("succeeded"))
    inbound, outbound = run(box, "in"), run(box, "out")
    box.must("POST", f"/jobs/{outbound}/cancel", {})
    by_hand = box.submit(target={"queue": "side"}, source={"type": "manual"})
    robot.accept()
    everything = [by_hand, outbound, inbound, first]
    assert shown(box) == everything
    assert shown(box, "?order=oldest") == everything[::-1]
    assert shown(box, "?state=queued") == [by_hand]
    assert shown(box, "?state=on_robot") == [inbound]
    assert shown(box, "?state=running&state=cancelled") == [outbound, inbound]
    assert shown(box, "?state=succeeded") == [first]
    assert shown(box, "?q=GOODS") == [outbound, inbound]
    assert shown(box, "?deployment=in") == [inbound]
    assert shown(box, "?queue=side") == [by_hand, outbound]
    assert shown(box, "?robot=r1") == [inbound, first]
    assert shown(box, "?source=manual") == [by_hand]
    assert shown(box, "?q=goods&state=cancelled&queue=side") == [outbound]
    assert shown(box, f"?q={first}") == [first]
    html = open_list(box, "?q=goods&state=running&source=api")
    assert re.findall(r'class="tool" href="([^"]*)" aria-label="Remove the filter ([^"]*)"', html) == [
        ("/jobs?q=goods&amp;source=api", "state"),
        ("/jobs?state=running&amp;source=api", "deployment contains"),
        ("/jobs?state=running&amp;q=goods", "source"),
    ]


def test_time_filters_count_what_was_created_started_or_ended(box: Box) -> None:
    old = box.submit()
    box.yard.now += 3600
    robot = box.yard.robot("r1")
    robot.accept()
    robot.say(robot.about("succeeded"))
    new = box.submit()
    assert box.yard.instant().utc_us < NOW.timestamp() * 1e6
    assert shown(box, "?since=45m") == [new]
    assert shown(box, "?since=24h") == [new, old]
    assert shown(box, "?since=45m&by=started") == [old]
    assert shown(box, "?since=45m&by=ended") == [old]
    local = (NOW - timedelta(minutes=45)).astimezone()
    assert shown(box, f"?from={local:%Y-%m-%d %H:%M}") == [new]
    assert shown(box, f"?from={local:%Y-%m-%dT%H:%M}") == [new]
    assert shown(box, f"?to={local:%Y-%m-%d %H:%M}") == [old]
    assert shown(box, f"?to={local:%Y-%m-%d}") == [new, old]
    assert shown(box, "?order=ended_newest") == [old]
    assert "created within the last 45 min" in read_list(box, "?since=45m")


def read_list(box: Box, query: str = "", lang: str = "en") -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", open_list(box, query, lang).partition("<main")[2])).split())


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("?state=flying", "state flying There is no such state. This filter is left out; the list shows the rest."),
        ("?state=all&state=queued", "These do not go together."),
        ("?from=2031-01-01", "from 2031-01-01 That time has not come yet."),
        ("?from=2026-09-02&to=2026-09-01", "The period ends before it begins."),
        ("?from=0001-01-01&to=yesterday", "to yesterday Not a time like 2026-01-31 08:00."),
        ("?since=5+days", "Not a span like 30m, 24h or 7d."),
        ("?since=99999d&to=9999-12-31", ""),
        ("?since=24h&from=2026-09-01", "It begins twice: give either a span or a beginning."),
        ("?by=moon", "Only these are possible: created, started, ended."),
        ("?order=random", "Only these are possible: newest, oldest"),
        ("?limit=1000000", "Only these are possible: 50, 100, 200."),
        ("?source=stars", "Jobs come from nowhere of that name."),
        ("?colour=red", "colour red There is no such filter."),
        ("?robot=" + "x" * 300, "This is too long for a filter."),
        ("?at=999999999999999&since=1h", ""),
    ],
)
def test_a_filter_that_makes_no_sense_is_named_and_left_out(box: Box, query: str, message: str) -> None:
    job = box.submit()
    html = open_list(box, query)
    assert message in read_list(box, query)
    assert "Something went wrong" not in html
    assert "%(" not in read_list(box, query, "zh")
    assert shown(box, query) == ([] if "since=1h" in query else [job])


def test_a_name_that_nothing_has_is_said_with_the_nearest(box: Box) -> None:
    deployment(box, "scrap", "Scrap bin to yard")
    box.yard.robot("AGV-03")
    run(box, "scrap")
    text = read_list(box, "?q=scrap bin 3")
    assert "No job matches" in text
    assert "There is one job, but it does not fit these filters:" in text
    assert "The nearest name is Scrap bin to yard" in text
    assert 'href="/jobs?q=Scrap+bin+to+yard"' in open_list(box, "?q=scrap bin 3")
    assert "There is no robot of that name now." in read_list(box, "?robot=AGV-3")
    assert "The nearest name is AGV-03" in read_list(box, "?robot=AGV-3")
    assert "There is no queue of that name now." in read_list(box, "?queue=mian")
    assert "There is no deployment of that name now." in read_list(box, "?deployment=gone")
    assert "nearest" not in read_list(box, "?q=qqqqqqq")


def test_an_empty_box_says_how_to_begin(box: Box) -> None:
    assert "yardmaster job submit --flow shuttle --queue agv" in read_list(box)
    deployment(box, "in", "Goods in")
    text = read_list(box)
    assert "yardmaster deployment run in" in text
    assert "curl -X POST http://localhost/api/v1/deployments/in/run" in text
    assert "还没有任务" in read_list(box, lang="zh")
    run(box, "in")
    assert "No job needs a person" in read_list(box, "?state=person")


def test_what_needs_a_person_has_a_tab(box: Box) -> None:
    robot, paused = running(box.yard)
    box.must("POST", f"/jobs/{paused}/pause", {}, 202)
    robot.say(robot.about("paused", command=robot.last("control")["command"]))
    parked = box.submit()
    box.submit()
    assert box.yard.connection.execute("update jobs set parked = 1 where uid = ?", (parked,)).rowcount == 1
    assert sorted(shown(box, "?state=person")) == sorted([paused, parked])
    assert "Need a person 2" in read_list(box)
    assert shown(box, "?state=person&robot=r1") == [paused]
    assert "Need a person 1" in read_list(box, "?robot=r1")


# ---------------------------------------------------------------- pages
def test_pages_follow_each_other_both_ways(box: Box) -> None:
    made = [str(one["id"]) for one in bulk(box, 120)][::-1]
    first = open_list(box, "?since=24h")
    assert shown(box, "?since=24h") == made[:50]
    assert "120 in all" in read_list(box, "?since=24h")
    assert link(first, "prev") is None
    second = link(first, "next")
    assert second is not None
    assert shown(box, second) == made[50:100]
    third = link(open_list(box, second), "next")
    assert third is not None
    assert shown(box, third) == made[100:]
    assert link(open_list(box, third), "next") is None
    back = link(open_list(box, third), "prev")
    assert back is not None
    assert shown(box, back) == made[50:100]
    top = link(open_list(box, back), "prev")
    assert top is not None
    assert shown(box, top) == made[:50]
    assert shown(box, "?limit=200") == made


def bulk(box: Box, n: int) -> list[dict[str, Any]]:
    jobs = [{"flow": "hello", "target": {"queue": "main"}}] * n
    return [one["jobs"][0] for one in box.must("POST", "/jobs/bulk", {"jobs": jobs})["items"]]


def test_a_place_that_is_gone_is_said(box: Box) -> None:
    bulk(box, 60)
    after = link(open_list(box), "next")
    assert after is not None
    for query in (f"{after}&state=queued", "?after=nonsense", "?before=%F0", f"{after[:-6]}"):
        assert "This place in the list is gone" in read_list(box, query)
    last = open_list(box, after)
    assert len(shown(box, after)) == 10
    assert link(last, "next") is None
    box.yard.connection.execute("delete from events")
    box.yard.connection.execute("delete from jobs where id in (select id from jobs order by id limit 10)")
    assert "The list ends here" in read_list(box, after)


# ---------------------------------------------------------------- rows
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


def rows(box: Box, query: str) -> dict[str, str]:
    response = box.http.get(f"/jobs/rows?{query}")
    assert response.status_code == 200
    found: dict[str, str] = response.json  # type: ignore[assignment]
    return found


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


# ---------------------------------------------------------------- several at once
def batch(box: Box, action: str, *jobs: str, lang: str = "en", **more: str) -> str:
    response = post(box, f"/jobs/batch/{action}", {"id": list(jobs)} | more, **OURS, Accept_Language=lang)
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
    text = " ".join(unescape(re.sub(r"<[^>]+>", " ", batch(box, "cancel", run_now, *queued, ended))).split())
    assert "Cancel 3 of the 4 selected jobs?" in text
    assert "2 end at once No robot holds them." in text
    assert "1 robot stops, then the job ends What a robot carries stays on it." in text
    assert "1 do not change They have ended already." in text
    assert "Cancel 3 jobs" in text
    assert "None of the selected jobs can be cancelled" in batch(box, "cancel", ended)
    assert "取消所选 4 个任务中的 3 个？" in batch_zh(box, run_now, *queued, ended)
    assert robot.all("cancel") == []


def batch_zh(box: Box, *jobs: str) -> str:
    headers = OURS | {"Accept-Language": "zh"}
    return str(box.http.post("/jobs/batch/cancel", data={"id": list(jobs)}, headers=headers).text)


def test_a_batch_is_carried_out_once_job_by_job(box: Box) -> None:
    robot, run_now = running(box.yard)
    queued = [box.submit() for _ in range(3)]
    filled = form(batch(box, "cancel", run_now, *queued), reason="line 3 stands")
    box.must("POST", f"/jobs/{queued[0]}/cancel", {})
    for _ in range(2):
        html = post(box, "/jobs/batch/cancel/apply", filled).text
        text = " ".join(re.sub(r"<[^>]+>", " ", html).split())
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
    text = " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())
    assert "2000 → 4500 goes sooner" in text
    assert "They have this priority already." in text
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


def test_the_list_is_read_while_the_controller_is_down(box: Box) -> None:
    job = box.submit()
    box.controller.go_down()
    assert shown(box) == [job]
    assert 'data-state="disconnected"' in open_list(box)
