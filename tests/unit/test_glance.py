"""What the console asks at a glance: matters for people, work by the hour, the line, timelines, finding."""

import json
import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from controller.store import queries
from controller.store.queries import JobFilter, Reader, finding, line, matters, overview
from controller.store.queries.values import rfc3339
from schemas.ids import uuid7
from tests.fakes.box import DiskYard
from tests.fakes.yard import Yard, running
from tests.rows import SECOND, START, Rows, block, definition

HOUR = 3600 * SECOND
FIRST = START // HOUR


@pytest.fixture
def rows(tmp_path: Path) -> Iterator[Rows]:
    """An empty database to fill."""
    made = Rows(tmp_path)
    yield made
    made.store.close()


@pytest.fixture
def db(rows: Rows) -> Iterator[sqlite3.Connection]:
    """The read side of it."""
    made = Reader(rows.path).connect()
    yield made
    made.close()


@pytest.fixture
def yard(tmp_path: Path) -> Iterator[DiskYard]:
    """A controller that moves jobs itself, and a robot."""
    made = DiskYard(tmp_path)
    yield made
    made.store.close()


def now_us(yard: Yard) -> int:
    return yard.instant().utc_us


# ---------------------------------------------------------------- by the hour
def test_jobs_that_ended_by_hour_and_outcome_of_all_deployments(rows: Rows, db: sqlite3.Connection) -> None:
    for hour, outcome, deployment in (
        (0, "succeeded", "d1"), (0, "succeeded", "d2"), (0, "failed", None), (2, "cancelled", "d1"),
        (5, "failed", "d1"),
    ):  # fmt: skip
        rows.job(outcome, ended_at=(FIRST + hour) * HOUR + 7, deployment=deployment)
    rows.job("running")
    found = [(one.hour - FIRST, one.outcome, one.n) for one in queries.jobs_per_hour(db, FIRST, FIRST + 4)]
    assert found == [(0, "failed", 1), (0, "succeeded", 2), (2, "cancelled", 1)]
    assert queries.jobs_per_hour(db, FIRST + 6, FIRST + 9) == []
    assert queries.outcomes_since(db, FIRST) == {"succeeded": 2, "failed": 2, "cancelled": 1}
    assert queries.outcomes_since(db, FIRST + 2) == {"failed": 1, "cancelled": 1}
    assert queries.outcomes_since(db, FIRST + 6) == {}


def test_no_more_than_two_months_are_counted_at_once(rows: Rows, db: sqlite3.Connection) -> None:
    assert queries.outcomes_since(db, 0) == {}
    rows.job("failed", ended_at=START)
    span = overview.MAX_HOURS
    assert len(queries.jobs_per_hour(db, FIRST - span + 1, FIRST)) == 1
    assert queries.outcomes_since(db, FIRST - span + 1) == {"failed": 1}
    with pytest.raises(ValueError, match="hours at once"):
        queries.jobs_per_hour(db, FIRST - span, FIRST)
    with pytest.raises(ValueError, match="hours at once"):
        queries.outcomes_since(db, FIRST - span)


# ---------------------------------------------------------------- matters for people
def test_a_paused_job_is_a_matter_since_it_was_paused_last(yard: DiskYard) -> None:
    robot, uid = running(yard)
    assert queries.open_matters(yard.connection, now_us(yard)).items == []
    robot.say(robot.about("paused"))
    robot.say(robot.about("resumed"))
    yard.tick(3, beating=True)
    robot.say(robot.about("paused"))
    paused = now_us(yard)
    found = queries.open_matters(yard.connection, paused + HOUR)
    (one,) = found.items
    assert (one.kind, one.job.id, one.robot, one.since) == ("paused", uid, "r1", rfc3339(paused))
    assert found.counts == {"uncertain": 0, "parked": 0, "paused": 1, "cancelling": 0}
    assert (found.total.value, found.total.exact) == (1, True)


def test_a_silent_job_is_a_matter_and_no_more_once_it_is_heard(yard: DiskYard) -> None:
    robot, uid = running(yard)
    yard.tick(26)
    (one,) = queries.open_matters(yard.connection, now_us(yard)).items
    assert (one.kind, one.job.id, one.job.state) == ("uncertain", uid, "uncertain")
    robot.beat(robot.hold())
    assert queries.open_matters(yard.connection, now_us(yard)).items == []


def test_a_cancel_is_a_matter_after_half_a_minute_without_an_answer(yard: DiskYard) -> None:
    robot, uid = running(yard)
    yard.must("job.cancel", job=uid)
    asked = now_us(yard)
    for wait, kinds in ((0, []), (29 * SECOND, []), (30 * SECOND, ["cancelling"])):
        found = queries.open_matters(yard.connection, asked + wait)
        assert [one.kind for one in found.items] == kinds
        assert found.counts["cancelling"] == found.total.value == len(kinds)
    assert len(queries.open_matters(yard.connection, asked + 5 * SECOND, cancelling_s=4).items) == 1
    yard.must("job.cancel", job=uid, reason="again")  # asking anew does not begin the half minute anew
    assert len(queries.open_matters(yard.connection, asked + 30 * SECOND).items) == 1
    robot.say(robot.about("cancelled"))
    assert queries.open_matters(yard.connection, asked + HOUR).items == []


def test_after_a_restore_the_waiting_jobs_are_matters_until_they_are_released(yard: DiskYard) -> None:
    robot, uid = running(yard)
    waiting = yard.submit()
    yard.store.raise_incarnation()
    yard.store.restored = True
    yard.core = yard.core_type(yard.store, yard.settings)
    with yard.store.transaction():
        yard.core.start(yard.instant())
        yard.core.broker(True, yard.instant())
    yard.pump()
    robot.beat(robot.hold())
    (one,) = queries.open_matters(yard.connection, now_us(yard)).items
    assert (one.kind, one.job.id, one.job.parked) == ("parked", waiting, True)
    assert one.since is not None
    yard.must("job.release", job=waiting, reason="checked on site")
    assert queries.open_matters(yard.connection, now_us(yard)).items == []
    (settled,) = queries.settled_by_people(yard.connection, 0)
    assert (settled.event, settled.job, settled.why) == ("released", waiting, "checked on site")
    assert yard.job(uid)["parked"] == 1, "the robot holds it, so it is nobody's matter"


def matter(rows: Rows, state: str, at: int | None, **more: Any) -> int:
    job = rows.job(state, **more)
    if at is not None:
        rows.db.execute(
            "insert into events (at, topic, event, job, robot, who, new)"
            " values (?, 'job', ?, ?, 'r7', 'controller', ?)",
            (START + at * SECOND, "parked" if state == "queued" else "moved", job, state),
        )
    return job


def test_the_longest_wait_comes_first_and_counts_go_on_where_the_list_ends(
    rows: Rows, db: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    third = matter(rows, "paused", 300)
    first = matter(rows, "uncertain", 100, created_at=START)
    fourth = matter(rows, "uncertain", 400)
    unknown = matter(rows, "paused", None, created_at=START + 350 * SECOND)
    second = matter(rows, "queued", 200, parked=1)
    matter(rows, "queued", None)
    matter(rows, "succeeded", 50, parked=1, ended_at=START)
    wanted = [rows.uid(job) for job in (first, second, third, unknown, fourth)]
    found = queries.open_matters(db, START + HOUR)
    assert [one.job.id for one in found.items] == wanted
    assert [one.since is None for one in found.items] == [False, False, False, True, False]
    assert found.items[1].robot == "r7", "who held it then"
    found = queries.open_matters(db, START + HOUR, limit=2)
    assert [one.job.id for one in found.items] == wanted[:2]
    assert found.counts == {"uncertain": 2, "parked": 1, "paused": 2, "cancelling": 0}
    monkeypatch.setattr(matters, "MAX_MATTERS", 1)
    found = queries.open_matters(db, START + HOUR)
    assert (found.total.value, found.total.exact) == (3, False)


def test_a_matter_says_at_which_block_it_is(rows: Rows, db: sqlite3.Connection) -> None:
    rows.flow("pick", definition(block(1, "loop", "RepeatNumBp", {"default": [block(2, "drive", "PrintBp")]})))
    job = matter(rows, "paused", 1)
    rows.attempt(job, 11)

    def at() -> tuple[str | None, str] | None:
        (one,) = queries.open_matters(db, START).items
        return None if one.block is None else (one.block.block_name, one.block.path)

    rows.run(11, 0, "-1", "running")
    assert at() is None, "the root is no place"
    rows.run(11, 1, "-1/1", "running")
    assert at() == ("loop", "-1/1")
    rows.run(11, 2, "-1/1#0/2", "running")
    assert at() == ("drive", "-1/1#0/2")
    rows.db.execute("update block_runs set state = 'succeeded' where n = 2")
    assert at() == ("drive", "-1/1#0/2"), "between blocks: the last one that began, not the loop around it"
    rows.run(11, 3, "-1/1#1/2", "running")
    rows.run(11, 4, "-1/1#2/2")
    assert at() == ("drive", "-1/1#1/2"), "of several the one that still runs"


# ---------------------------------------------------------------- what people settled
def test_what_people_settled_newest_first_and_nothing_else(yard: DiskYard, monkeypatch: pytest.MonkeyPatch) -> None:
    _, uid = running(yard)
    yard.tick(26)
    yard.must("job.force", job=uid, outcome="failed", reason="seen standing")
    yard.must("robot.release", robot="r1", reason="all is well")
    later = now_us(yard) + SECOND
    yard.tick(2)
    queued = yard.submit()
    yard.must("job.priority", job=queued, priority=9)
    yard.must("job.cancel", job=queued, reason="not needed")
    yard.must("robot.disable", robot="r1", reason="wheels")
    db = yard.connection
    found = [(one.event, one.job, one.robot, one.why) for one in queries.settled_by_people(db, 0)]
    assert found == [
        ("cancel", queued, None, "not needed"),
        ("hold ended", None, "r1", "all is well"),
        ("force", uid, "r1", "seen standing"),
    ]
    assert [one.event for one in queries.settled_by_people(db, later)] == ["cancel"]
    assert [one.event for one in queries.settled_by_people(db, 0, limit=1)] == ["cancel"]
    monkeypatch.setattr(matters, "MAX_EVENTS", 3)
    assert [one.event for one in queries.settled_by_people(db, 0)] == ["cancel"]


def test_what_the_controller_settles_itself_is_left_out(yard: DiskYard) -> None:
    robot, _ = running(yard, on_lost="requeue", safe_to_repeat=True)
    yard.tick(26)
    robot.beat(highest=robot.highest)
    assert {row["event"] for row in yard.rows("events")} >= {"hold", "hold ended"}
    assert queries.settled_by_people(yard.connection, 0) == []


# ---------------------------------------------------------------- what a waiting job may expect
def test_who_is_ahead_is_who_the_dispatcher_takes_first(rows: Rows, db: sqlite3.Connection) -> None:
    chance = random.Random(3)
    waiting: list[tuple[int, int]] = []
    for _ in range(60):
        priority, target = chance.choice([1, 5, 9]), chance.choice(["q:a", "q:a", "q:b"])
        state = chance.choice(["queued", "queued", "queued", "running", "failed"])
        marks = {"parked": int(chance.random() < 0.1), "need": chance.choice([1, 2, 3])}
        job = rows.job(state, priority=priority, target=target, **marks)
        backs_off = chance.random() < 0.1
        rows.db.execute("update jobs set ready = ? where id = ?", (int(not backs_off), job))
        if state == "queued" and target == "q:a" and not marks["parked"] and not backs_off:
            waiting.append((-priority, job))
    line_up = [job for _, job in sorted(waiting)]
    for place, job in enumerate(line_up):
        found = queries.waits_ahead(db, job, limit=4)
        assert [one.id for one in found.items] == [rows.uid(one) for one in line_up[:place][:4]]
        assert (found.total.value, found.total.exact) == (place, True)


def test_who_is_ahead_agrees_with_the_place_in_line(yard: DiskYard) -> None:
    running(yard)
    jobs = [yard.submit(priority=priority) for priority in (5, 9, 5, 7)]
    for uid in jobs:
        number = yard.job(uid)["id"]
        assert (
            queries.waits_ahead(yard.connection, number).total.value + 1
            == yard.must("job.waiting", job=uid)["position"]
        )


def test_nobody_is_ahead_of_a_job_that_does_not_wait(
    rows: Rows, db: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [rows.job() for _ in range(5)]
    over = rows.job("running", priority=1)
    for job in (over, 99):
        found = queries.waits_ahead(db, job)
        assert (found.items, found.total.value) == ([], 0)
    monkeypatch.setattr(line, "SCAN_ROWS", 3)
    found = queries.waits_ahead(db, jobs[-1], limit=1)
    assert (len(found.items), found.total.value, found.total.exact) == (1, 3, False)


def ran(rows: Rows, seconds: float, state: str = "succeeded", **more: Any) -> int:
    begun = START + rows.count * 2000 * SECOND  # one after another
    return rows.job(state, started_at=begun, ended_at=begun + round(seconds * SECOND), **more)


def test_the_usual_duration_is_the_median_of_the_last_ones_that_succeeded(rows: Rows, db: sqlite3.Connection) -> None:
    ran(rows, 10, deployment="d1")
    ran(rows, 1000, "failed", deployment="d1")
    ran(rows, 500, deployment="d2")
    ran(rows, 30, deployment="d1")
    assert queries.usual_duration_ms(db, "d1", "pick") is None
    ran(rows, 20.5, deployment="d1")
    assert queries.usual_duration_ms(db, "d1", "pick") == 20_500
    assert queries.usual_duration_ms(db, "d2", "pick") is None
    assert queries.usual_duration_ms(db, None, "pick") == 25_250, "of the flow: 10, 20.5, 30, 500"
    assert queries.usual_duration_ms(db, None, "move") is None
    for seconds in (40, 7):
        for _ in range(line.USUAL_OF):
            ran(rows, seconds, deployment="d1")
    assert queries.usual_duration_ms(db, "d1", "pick") == 7000, "older ones no longer count"
    for _ in range(line.USUAL_SCAN):
        rows.job(deployment="d1")
    assert queries.usual_duration_ms(db, "d1", "pick") == 7000, "also when the newest ones all wait"


# ---------------------------------------------------------------- timelines
def test_the_timeline_of_all_attempts_newest_last(rows: Rows, db: sqlite3.Connection) -> None:
    rows.flow("pick", definition(block(1, "drive", "PrintBp")))
    job, other = rows.job(), rows.job()
    rows.attempt(other, 1, is_open=False)
    for number in (2, 3, 4):
        rows.attempt(job, number, is_open=number == 4)
        for n, path in enumerate(("-1", "-1/1")):
            rows.run(number, n, path)
    found = queries.attempt_runs(db, job)
    assert [one.attempt.number for one in found] == [2, 3, 4]
    assert [[run.id for run in one.runs] for one in found] == [["2.0", "2.1"], ["3.0", "3.1"], ["4.0", "4.1"]]
    assert found[0].runs[1].block_name == "drive"
    assert not any(one.truncated for one in found)
    assert [one.attempt.number for one in queries.attempt_runs(db, job, limit_attempts=2)] == [3, 4]
    short = queries.attempt_runs(db, job, limit_runs=3)
    assert [([run.id for run in one.runs], one.truncated) for one in short] == [
        ([], True), (["3.1"], True), (["4.0", "4.1"], False),
    ]  # fmt: skip
    assert not any(one.truncated for one in queries.attempt_runs(db, job, limit_runs=6)), "there is just room"
    assert queries.attempt_runs(db, rows.job()) == []
    assert json.loads(found[0].model_dump_json(by_alias=True))["runs"][1]["try"] == 0


# ---------------------------------------------------------------- finding
def test_finding_jobs_by_either_end_of_their_ids(
    rows: Rows, db: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows.deployment("d1", "夜班")
    old = uuid7(1_700_000_000_000)[:-8] + "0badcafe"
    new = uuid7(1_800_000_000_000)[:-8] + "0badcafe"
    rows.job(uid=old, deployment="d1")
    rows.job("failed", uid=new)
    found = queries.find(db, "0BADCAFE")
    assert [(one.kind, one.id, one.name, one.state) for one in found] == [
        ("job", new, "pick", "failed"), ("job", old, "夜班", "queued"),
    ]  # fmt: skip
    assert [one.id for one in queries.find(db, f" {old.upper()} ")] == [old]
    assert [one.id for one in queries.find(db, old[:9])] == [old]
    assert [one.id for one in queries.find(db, "badcafe")] == [new, old]
    assert queries.find(db, "cafe") == [], "too short for an end"
    assert [one.id for one in queries.find(db, old[:-3])] == [old]
    both_ends = "abcdef" + old[6:-6] + "abcdef"
    rows.job(uid=both_ends)
    assert [one.id for one in queries.find(db, "abcdef")] == [both_ends]
    rows.db.execute("delete from jobs where uid = ?", (both_ends,))
    monkeypatch.setattr(finding, "MAX_TAILS", 1)
    assert [one.id for one in queries.find(db, "badcafe")] == [new], "only among the newest"
    assert [one.id for one in queries.find(db, old[:9])] == [old]


def test_finding_robots_and_deployments_by_a_part_of_a_name(rows: Rows, db: sqlite3.Connection) -> None:
    for name in ("agv-1", "agv-10", "old-agv", "rpa-1"):
        rows.robot(name, "a")
    rows.db.execute("update robots set name = '搬运车一号 Élan' where id = 'rpa-1'")
    rows.db.execute("update robots set enabled = 0 where id = 'agv-10'")
    rows.db.execute("update robots set removed = 1 where id = 'old-agv'")
    rows.db.execute("insert into holds (robot, reason, since) values ('agv-1', 'silent', 0)")
    rows.deployment("night", "夜班搬运")
    rows.deployment("agv-test", "Test")

    def found(text: str, limit: int = 8) -> list[tuple[str, str, str | None]]:
        return [(one.kind, one.id, one.state) for one in queries.find(db, text, limit)]

    assert found("AGV-1") == [("robot", "agv-1", "on_hold"), ("robot", "agv-10", "disabled")]
    assert found("搬运") == [("robot", "rpa-1", None), ("deployment", "night", "enabled")]
    assert found("éLAN") == [("robot", "rpa-1", None)]
    assert found("agv") == [
        ("robot", "agv-1", "on_hold"), ("deployment", "agv-test", "enabled"), ("robot", "agv-10", "disabled"),
    ]  # fmt: skip
    assert found("agv", 2) == [("robot", "agv-1", "on_hold"), ("deployment", "agv-test", "enabled")]
    assert found("test") == [("deployment", "agv-test", "enabled")]
    assert found("GV-10") == [("robot", "agv-10", "disabled")]
    assert found("") == found("  ") == found("%") == found("_") == []
    job = rows.job()
    rows.attempt(job, 1, "agv-10")
    assert found("agv-10") == [("robot", "agv-10", "draining")], "not before what it has is finished"


def test_what_begins_with_the_text_comes_before_what_holds_it(rows: Rows, db: sqlite3.Connection) -> None:
    for name in ("a-lift", "lift-2", "b-lift", "lift"):
        rows.robot(name, "a")
    assert [one.id for one in queries.find(db, "lift")] == ["lift", "lift-2", "a-lift", "b-lift"]


# ---------------------------------------------------------------- rows of jobs
def test_rows_by_their_ids_in_the_order_asked(rows: Rows, db: sqlite3.Connection) -> None:
    uids = [rows.uid(rows.job()) for _ in range(4)]
    asked = [uids[2], "unknown", uids[0]]
    assert [one.id for one in queries.rows_by_uid(db, asked)] == [uids[2], uids[0]]
    page = queries.page_of_jobs(db, JobFilter(ids=(uids[0], uids[2], "unknown")))
    assert [one.id for one in page.items] == [uids[2], uids[0]]
    assert queries.page_of_jobs(db, JobFilter(ids=("unknown",))).items == []
    assert queries.count_jobs(db, JobFilter(ids=(uids[0],))).total.value == 1


def test_how_many_newer_ones_fit(rows: Rows, db: sqlite3.Connection) -> None:
    rows.deployment("d1", "Night")
    seen = rows.uid(rows.job("failed"))
    for state, deployment in (("failed", None), ("queued", "d1"), ("failed", "d1")):
        rows.job(state, deployment=deployment)
    assert queries.newer_than(db, JobFilter(), seen) == 3
    assert queries.newer_than(db, JobFilter(states=("failed",)), seen) == 2
    assert queries.newer_than(db, JobFilter(states=("failed",), q="night"), seen) == 1
    assert queries.newer_than(db, JobFilter(q="day"), seen) == 0
    assert queries.newer_than(db, JobFilter(), seen, cap=2) == 2
    assert queries.newer_than(db, JobFilter(), "unknown") == 0


def test_a_search_that_many_deployments_fit_leaves_none_of_them_out(rows: Rows, db: sqlite3.Connection) -> None:
    made = []
    for n in range(60):
        rows.deployment(f"d{n}", f"Night {n}")
        made.append(rows.uid(rows.job(deployment=f"d{n}")))
        rows.job()
    found: list[str] = []
    after = None
    while True:
        page = queries.page_of_jobs(db, JobFilter(q="night"), limit=25, after=after)
        found += [one.id for one in page.items]
        after = page.next
        if after is None:
            break
    assert found == made[::-1]
    assert queries.count_jobs(db, JobFilter(q="night")).total.value == 60
