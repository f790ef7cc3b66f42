"""The page of a job: what it says in each state, in both languages, and that nothing on it can be broken by words."""

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest

from controller.domain.lifecycle import Event
from schemas.status import HoldReason
from tests.fakes.box import Box
from tests.fakes.yard import running
from tests.rows import block, definition
from web.console import job_moves, job_waiting
from web.console.words import HOLDS

ROOT = Path(__file__).parent.parent.parent
NASTY = '<img src=x onerror="alert(1)">'


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Box]:
    monkeypatch.setattr("web.console.look.FRESH_S", 0.0)
    made = Box(tmp_path)
    made.yard.flow()
    made.must("PUT", "/queues/main", {}, 201)
    yield made
    made.close()


def html(box: Box, path: str, lang: str = "en", status: int = 200) -> str:
    response = box.http.get(path, headers={"Accept-Language": lang})
    assert response.status_code == status, response.text
    return str(response.text)


def words(text: str) -> str:
    """Markup as it is read."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", text)).split())


def region(box: Box, job: str, name: str, lang: str = "en", more: str = "") -> str:
    return words(html(box, f"/jobs/{job}/part?only={name}{more}", lang))


def title(box: Box, job: str, lang: str = "en") -> str:
    found = re.search(r'id="job-title">([^<]*)<', html(box, f"/jobs/{job}/part?only=head", lang))
    assert found
    return unescape(found[1])


def actions(box: Box, job: str) -> list[str]:
    return re.findall(r'id="do-(\w+)"', html(box, f"/jobs/{job}/part?only=head"))


# ------------------------------------------------------------ the states
def test_a_queued_job_says_for_which_attempt_and_why_robot_by_robot(box: Box) -> None:
    robot, first = running(box.yard)
    waiting = box.submit(priority=1000)
    assert title(box, waiting) == "Queued for attempt 1 of 4."
    side = region(box, waiting, "side")
    assert "r1 Working Busy with hello ." in side
    assert f'href="/jobs/{first}"' in html(box, f"/jobs/{waiting}/part?only=side")
    assert "this job" in side
    assert actions(box, waiting) == ["priority", "set_error", "cancel"]
    robot.say(robot.about("succeeded"))
    assert title(box, first) == "Succeeded on r1 in attempt 1 of 4."
    assert actions(box, first) == ["rerun"]


def test_who_is_ahead_in_line_is_named_first(box: Box) -> None:
    box.must("PUT", "/robots/r2", {"kind": "agv", "queues": ["main"]}, 201)
    box.must("PUT", "/flows/rush", {"name": "Rush order", "definition": definition(block(1, "b", "PrintBp"))}, 201)
    box.submit(flow="rush", priority=4000)
    mine = box.submit()
    head, side = region(box, mine, "head"), region(box, mine, "side")
    assert "1 job is before it in line." in head
    assert "4000 rush" in side
    assert "It has not been heard yet." in side
    assert "前面有 1 个任务。" in region(box, mine, "head", "zh")


def test_a_robot_on_hold_offers_its_release_and_others_are_counted(box: Box) -> None:
    box.yard.robot("r1")
    box.yard.robot("r9", "elsewhere")
    job = box.submit()
    box.yard.tick(11.0, beating=True)
    side = html(box, f"/jobs/{job}/part?only=side")
    assert 'hx-get="/robots/r1/release"' in side
    assert "It did not answer an assignment." in words(side)
    assert "1 other robot is not in this queue" in words(side)


def test_a_job_that_no_robot_can_do_waits_in_vain_however_free_they_are(box: Box) -> None:
    box.yard.robot("r1")
    box.yard.robot("r2")
    office = {"name": "Office work", "definition": definition(block(1, "b", "RpaRunBp", command="book"))}
    box.must("PUT", "/flows/office", office, 201)
    job = box.submit(flow="office")
    head = region(box, job, "head")
    assert "No robot of the queue “main” can do what its flow needs, so it waits in vain." in head
    assert "in line" not in head
    assert "is free" not in head
    assert region(box, job, "side").count("It cannot do what this flow needs: Run a program.") == 2
    assert "执行RPA程序块" in region(box, job, "side", "zh")
    named = box.submit(flow="office", target={"robots": ["r2"]})
    assert "r2 cannot do what its flow needs, so it waits in vain." in region(box, named, "head")
    assert "Office work" in words(html(box, f"/jobs/{job}/cancel"))


def test_robots_that_cannot_do_it_are_not_counted_among_those_that_are_busy(box: Box) -> None:
    _robot, _job = running(box.yard)
    box.yard.robot("r2", kinds=["RootBp", "DelayBp"])
    job = box.submit()
    assert "r1, the only robot of the queue “main” that can do it, has no room for it now." in region(box, job, "head")
    side = region(box, job, "side")
    assert side.index("r1") < side.index("r2")
    assert "r2 Free It cannot do what this flow needs: Print." in side


def test_a_running_job_says_where_and_whom_it_has(box: Box) -> None:
    robot, job = running(box.yard)
    block = {"n": 1, "path": "-1/1", "try": 0, "status": "start.begin"}
    robot.say({"kind": "block", "job": job, "attempt": robot.last("assign")["attempt"], **block})
    robot.beat(robot.hold(path="-1/1"), battery=41.0)
    assert title(box, job) == "Running on r1, attempt 1 of 4."
    assert "It is at “b1”." in region(box, job, "head")
    side = region(box, job, "side")
    assert "r1 now" in side
    assert "41 %" in side
    assert "works b1" in side
    assert title(box, job, "zh") == "正在 r1 上运行，第 1 次执行（共 4 次）。"
    assert actions(box, job) == ["pause", "set_error", "cancel"]


def test_a_paused_a_cancelling_and_a_cancelled_job(box: Box) -> None:
    robot, job = running(box.yard)
    box.must("POST", f"/jobs/{job}/pause", {}, 202)
    robot.say(robot.about("paused"))
    assert title(box, job) == "Paused on r1, attempt 1 of 4."
    assert "local asked for it at" in region(box, job, "head")
    assert actions(box, job) == ["resume", "set_error", "cancel"]
    box.must("POST", f"/jobs/{job}/cancel", {"reason": NASTY}, 202)
    assert title(box, job) == "Being cancelled on r1."
    assert "cancel" not in actions(box, job)
    robot.say(robot.about("cancelled", command=robot.last("cancel")["command"]))
    assert title(box, job) == "Cancelled by token:local while it was paused."
    whole = html(box, f"/jobs/{job}")
    assert NASTY not in whole
    assert NASTY in unescape(whole)


def test_a_silent_robot_makes_the_job_uncertain_and_the_page_says_since_when(box: Box) -> None:
    _robot, job = running(box.yard)
    box.yard.tick(26.0)
    assert title(box, job) == "Nobody knows what r1 does with this job."
    head = region(box, job, "head")
    assert re.search(
        r"r1 was (last heard|found silent) at \d\d-\d\d \d\d:\d\d:\d\d|r1 was (last heard|found silent) at \d\d:", head
    )
    assert "decide" in actions(box, job)
    assert 'fill="url(#hatchu)"' in html(box, f"/jobs/{job}/part?only=tree")


def test_a_failed_job_names_the_block_and_each_attempt_has_its_band(box: Box) -> None:
    robot = box.yard.robot("r1")
    job = box.submit(max_retries=1)
    for k in (1, 2):
        robot.accept()
        number = robot.last("assign")["attempt"]
        run = {"kind": "block", "job": job, "attempt": number, "n": 1, "path": "-1/1", "try": 0}
        robot.say(run | {"status": "start.begin"})
        robot.say(run | {"status": "monitor.failed", "reason": f"blocked {k}"})
        robot.say(robot.about("failed", reason=f"blocked {k}"))
        if k == 1:
            assert title(box, job) == "Queued for attempt 2 of 2."
            assert "the last one ended with: blocked 1" in region(box, job, "head")
        box.yard.tick(8.0, beating=True)
    assert title(box, job) == "Failed on r1 in attempt 2 of 2."
    assert "At “b1”: blocked 2" in region(box, job, "head")
    tree = html(box, f"/jobs/{job}/part?only=tree")
    assert len(re.findall(r'class="head"', tree)) == 2
    assert tree.count('class="b-bad"') == 2
    assert "blocked 2" in words(tree)
    assert "blocked 1" in region(box, job, "tree", more="&attempt=1")
    assert "Failed on r1: blocked 1" in region(box, job, "record")


def test_a_job_that_no_robot_took_in_time(box: Box) -> None:
    job = box.submit(queue_timeout_s=30)
    box.yard.tick(31.0)
    assert title(box, job) == "Failed before any robot began it."
    assert "No robot took it within the 30 s that it may wait." in region(box, job, "head")
    assert "hidden" in re.findall(r'<section class="panel side"[^>]*>', html(box, f"/jobs/{job}"))[0]


def test_while_the_controller_is_down_the_page_shows_what_is_recorded(box: Box) -> None:
    job = box.submit()
    box.controller.go_down()
    assert "nobody knows now why it waits" in region(box, job, "head")
    assert "Only it knows why the job waits" in region(box, job, "side")
    assert "主控无应答" in region(box, job, "side", "zh")


# ------------------------------------------------------------ words of every code
def _codes(*files: str) -> set[str]:
    source = "".join((ROOT / file).read_text(encoding="utf-8") for file in files)
    found = re.findall(r'(?:Why\(|append\(\(|_reason\((?:None|robot\.id), )"([a-z_]+)"', source)
    return set(found)


def test_every_reason_of_the_dispatcher_has_a_sentence() -> None:
    codes = _codes("controller/domain/matching.py", "controller/service/jobs.py")
    assert {"busy", "offline", "next", "parked", "no_robots"} <= codes  # the search itself finds them
    assert codes - set(job_waiting.ROBOT) - set(job_waiting.JOB) == set()
    assert {reason.value for reason in HoldReason} == set(HOLDS)


def test_every_move_of_the_lifecycle_has_a_sentence() -> None:
    asked = {"pause", "resume", "reRun", "rollback", "set error", "noted", "refused cancel", "not held", "retry"}
    assert {event.value for event in Event} - asked - {"release"} - set(job_moves.SENTENCES) == set()
    assert {"submitted", "assigned", "released", "parked", "pause asked", "resume asked"} <= set(job_moves.SENTENCES)


def test_a_block_kind_that_is_missing_is_named_in_the_readers_language(box: Box) -> None:
    box.yard.robot("r1", kinds=["RootBp"])
    job = box.submit()
    assert "It cannot do what this flow needs: Print." in region(box, job, "side")
    assert "打印块" in region(box, job, "side", "zh")


def test_a_refusal_and_a_note_are_said_in_words(box: Box) -> None:
    robot = box.yard.robot("r1")
    job = box.submit()
    robot.say(robot.about("rejected", reason="draining"))
    assert "It did not take this job (it was being drained); it is asked again soon." in region(box, job, "side")
    assert "r1 did not take it (it was being drained)." in region(box, job, "record")
    assert "正在收尾" in region(box, job, "record", "zh")
    box.must("POST", "/robots/r1/disable", {"reason": "new tyres"})
    assert "until somebody enables it: new tyres" in region(box, job, "side")


# ------------------------------------------------------------ addresses, text, bounds
@pytest.mark.parametrize(
    "query", ["attempt=x", "attempt=0", "attempt=7", "level=4", "level=-1", f"q={'x' * 201}", "upto=x"]
)
def test_an_address_that_makes_no_sense_is_a_page_that_says_so(box: Box, query: str) -> None:
    path = "part?" if query.startswith("upto") else "?"
    job = box.submit()
    where = f"/jobs/{job}/{path}{query}" if path == "part?" else f"/jobs/{job}?{query}"
    assert "This cannot be understood" in html(box, where, status=422)


def test_unknown_jobs_regions_and_places(box: Box) -> None:
    job = box.submit()
    for path in ("/jobs/none", "/jobs/none/part", "/jobs/none/lines", f"/jobs/{'x' * 300}"):
        assert "There is no such job" in html(box, path, status=404)
    html(box, f"/jobs/{job}/part?only=all", status=422)
    assert "This place in the list is gone" in html(box, f"/jobs/{job}/lines?after=abc", status=422)
    many = " ".join(f"-1/{i}" for i in range(60))
    html(box, f"/jobs/{job}?open={many}", status=422)


def test_what_people_typed_is_text_everywhere(box: Box) -> None:
    flow = (
        {"inputParams": [{"name": "note"}]} | definition(block(1, "x", "PrintBp")) | {"inputParams": [{"name": "note"}]}
    )
    flow["rootBlock"]["children"]["default"][0]["name"] = NASTY
    box.must("PUT", "/flows/nasty", {"name": NASTY, "definition": flow}, 201)
    robot = box.yard.robot("r1")
    source = {"type": "api", "system": NASTY, "remarks": NASTY}
    job = box.submit(flow="nasty", parameters={"note": NASTY + "\n" + "y" * 400}, source=source)
    robot.accept()
    number = robot.last("assign")["attempt"]
    robot.say(
        {"kind": "log", "job": job, "attempt": number, "level": 3, "type": "print", "text": NASTY, "path": "-1/1"}
    )
    page = html(box, f"/jobs/{job}?q=img&open={NASTY.replace(' ', '')}")
    assert "<img" not in page
    assert unescape(page).count(NASTY) >= 5


def test_logs_by_level_text_attempt_and_page(box: Box) -> None:
    robot, job = running(box.yard)
    number = robot.last("assign")["attempt"]
    for i in range(120):
        robot.say(
            {"kind": "log", "job": job, "attempt": number, "level": i % 4, "type": "driver", "text": f"line {i:03}"},
            topic="log",
        )
    first = html(box, f"/jobs/{job}/part?only=logs&level=0")
    assert re.findall(r"line \d+", first)[0] == "line 119"
    assert len(re.findall(r"<li ", first)) == 50
    assert re.findall(r"<em>([^<]*)</em>", first) == ["120", "90", "60", "30"]
    older = unescape(re.findall(r'href="(/jobs/[^"]*/lines[^"]*)"', first)[0])
    second = html(box, older)
    assert re.findall(r"line \d+", second)[0] == "line 069"
    last = html(box, unescape(re.findall(r'href="(/jobs/[^"]*/lines[^"]*)"', second)[0]))
    assert (re.findall(r"line \d+", last)[-1], "data-older" in last) == ("line 000", False)
    errors = html(box, f"/jobs/{job}/part?only=logs&level=3&q=LINE+11")
    assert re.findall(r"line \d+", errors) == ["line 119", "line 115", "line 111"]
    assert "No line fits." in region(box, job, "logs", more="&q=nothing+like+it")
    kept = re.findall(r'id="l-(\d+)"', first)[-1]
    robot.say({"kind": "log", "job": job, "attempt": number, "level": 1, "type": "driver", "text": "new"}, topic="log")
    more = html(box, f"/jobs/{job}/part?only=logs&level=0&upto={kept}")
    assert len(re.findall(r"<li ", more)) == 51
    assert "data-older" not in more


def test_sentences_of_flows_are_in_the_readers_language(box: Box) -> None:
    robot, job = running(box.yard)
    number = robot.last("assign")["attempt"]
    row = {"kind": "log", "job": job, "attempt": number, "level": 1, "type": "block", "path": "-1"}
    robot.say(row | {"message": "branch_done", "args": {"branch": "default"}}, topic="log")
    assert "all child blocks of branch default are done" in region(box, job, "logs")
    assert "分支 default 的所有子块执行完成" in region(box, job, "logs", "zh")


def test_values_are_readable_short_ones_in_the_line_long_ones_folded(box: Box) -> None:
    flow = definition(block(1, "x", "PrintBp")) | {
        "inputParams": [{"name": "short"}, {"name": "list", "type": "JSONArray"}, {"name": "long"}]
    }
    box.must("PUT", "/flows/valued", {"name": "V", "definition": flow}, 201)
    given = {"short": "托盘 7731", "list": [{"sku": f"A-{i}", "n": i} for i in range(40)], "long": "z" * 300}
    job = box.submit(flow="valued", parameters=given)
    page = html(box, f"/jobs/{job}/part?only=record")
    assert "托盘 7731" in page
    assert "list of 40 values" in page
    assert page.count("<details") == 2


def test_a_definition_that_cannot_be_read_is_listed_as_it_ran(box: Box) -> None:
    robot, job = running(box.yard)
    number = robot.last("assign")["attempt"]
    run = {"kind": "block", "job": job, "attempt": number, "n": 1, "path": "-1/1", "try": 0, "status": "start.begin"}
    robot.say(run)
    box.yard.connection.execute("update flow_versions set bundle = '{'")
    box.yard.connection.commit()
    tree = region(box, job, "tree")
    assert "cannot be read" in tree
    assert "-1/1" in tree


def test_thousands_of_runs_neither_hang_the_page_nor_grow_it(box: Box) -> None:
    loop = definition(block(1, "loop", "RepeatNumBp", {"default": [block(2, "say", "PrintBp", message="x")]}, num=1000))
    box.must("PUT", "/flows/loop", {"name": "Loop", "definition": loop}, 201)
    robot = box.yard.robot("r1", kinds=["RootBp", "PrintBp", "RepeatNumBp"])
    job = box.submit(flow="loop")
    robot.accept()
    number = robot.last("assign")["attempt"]
    db = box.yard.connection
    rows = [(number, 1, "-1/1")] + [(number, k + 2, f"-1/1#{k}/2") for k in range(6000)]
    db.executemany(
        "insert into block_runs (attempt, n, path, try, status, state, started_at, ended_at)"
        " values (?, ?, ?, 0, 'monitor.success', 'succeeded', 1, 2)",
        rows,
    )
    db.commit()
    page = html(box, f"/jobs/{job}?open=-1/1")
    assert len(page) < 200_000
    assert "pass 6000" in page
    assert "the first and the newest are here" in page
    assert "earlier passes are not shown" in page
