"""The list of jobs: every filter, filters that make no sense, names that nothing has, and its pages."""

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.fakes.box import Box
from tests.fakes.yard import running
from tests.integration.jobs_list import NOW, box_at_four, bulk, deployment, link, open_list, read_list, run, shown


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Box]:
    with box_at_four(tmp_path, monkeypatch) as made:
        yield made


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


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("?state=flying", "state flying There is no such state. This filter is left out; the list shows the rest."),
        ("?state=all&state=queued", "These do not go together."),
        ("?from=2031-01-01", "From 2031-01-01 That time has not come yet."),
        ("?from=2026-09-02&to=2026-09-01", "The period ends before it begins."),
        ("?from=0001-01-01&to=yesterday", "To yesterday Not a time like 2026-01-31 08:00."),
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
    text = read_list(box, "?q=scrap heap")
    assert "No job matches" in text
    assert "There is one job, but it does not fit these filters:" in text
    assert "The nearest name is Scrap bin to yard" in text
    assert 'href="/jobs?q=Scrap+bin+to+yard"' in open_list(box, "?q=scrap heap")
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
    assert len(shown(box, "?queue=main")) == 3  # what needs a person does not stand for the other tabs


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


def test_the_list_is_read_while_the_controller_is_down(box: Box) -> None:
    job = box.submit()
    box.controller.go_down()
    assert shown(box) == [job]
    assert 'data-state="disconnected"' in open_list(box)
