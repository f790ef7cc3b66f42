"""What the web reads: filters, pages, counts, the nested results; and that no list reads a whole table."""

import itertools
import json
import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from controller.store import batches as stored_batches
from controller.store import queries
from controller.store.queries import BadCursor, JobFilter, Reader, batches, exports, job_lists, walk
from schemas.views import BlockNode, FlatResults, ResultTree
from tests.rows import SECOND, START, Rows, block, definition


@pytest.fixture
def rows(tmp_path: Path) -> Iterator[Rows]:
    """An empty database to fill."""
    made = Rows(tmp_path)
    yield made
    made.store.close()


@pytest.fixture
def reader(rows: Rows) -> Iterator[Reader]:
    """The read side of it."""
    made = Reader(rows.path)
    yield made
    made.close()


def every_page(db: sqlite3.Connection, f: JobFilter, order: queries.Order, limit: int = 3) -> list[str]:
    found: list[str] = []
    after = None
    while True:
        page = queries.page_of_jobs(db, f, order, limit, after)
        assert len(page.items) <= limit
        found += [item.id for item in page.items]
        after = page.next
        if after is None:
            return found


# ---------------------------------------------------------------- lists of jobs
def many(rows: Rows, count: int) -> list[dict[str, Any]]:
    """Jobs of all sorts; their filters' values in plain rows, to compare with."""
    chance = random.Random(7)
    rows.deployment("d1", "Pick and Place")
    rows.deployment("d2", "Charge")
    rows.deployment("d3", "二号厂房拣货 étage")
    made = []
    for i in range(count):
        ended = chance.random() < 0.5
        values: dict[str, Any] = {
            "state": chance.choice(["succeeded", "failed"]) if ended else chance.choice(["queued", "running"]),
            "deployment": chance.choice(["d1", "d2", "d3", None]),
            "target": chance.choice(["q:a", "q:b", "r:r1"]),
            "robot": chance.choice(["r1", "r2", None]),
            "flow": chance.choice(["pick", "move"]),
            "source_type": chance.choice(["api", "schedule"]),
            "parked": chance.choice([0, 0, 1]),
            # The wall clock jumps now and then, so order of making and of time differ.
            "created_at": START + i * SECOND + chance.choice([0, 0, 0, -5 * SECOND]),
            "started_at": START + chance.randrange(count) * SECOND if chance.random() < 0.8 else None,
            "ended_at": START + chance.randrange(count) * SECOND if ended else None,
        }
        number = rows.job(**values)
        made.append(values | {"id": number, "uid": rows.uid(number)})
    return made


FILTERS: list[tuple[JobFilter, Any]] = [
    (JobFilter(), lambda j: True),
    (JobFilter(states=("queued",)), lambda j: j["state"] == "queued"),
    (JobFilter(states=("failed", "running")), lambda j: j["state"] in ("failed", "running")),
    (JobFilter(deployment="d1"), lambda j: j["deployment"] == "d1"),
    (JobFilter(q="pick"), lambda j: j["deployment"] == "d1"),
    (JobFilter(q="c"), lambda j: j["deployment"] in ("d1", "d2")),
    (JobFilter(q="no such"), lambda j: False),
    (JobFilter(robot="r2", flow="pick"), lambda j: j["robot"] == "r2" and j["flow"] == "pick"),
    (JobFilter(queue="b", source="schedule"), lambda j: j["target"] == "q:b" and j["source_type"] == "schedule"),
    (JobFilter(source="api"), lambda j: j["source_type"] == "api"),
    (JobFilter(source="api", flow="pick"), lambda j: j["source_type"] == "api" and j["flow"] == "pick"),
    (JobFilter(parked=True), lambda j: j["parked"] == 1),
    (JobFilter(parked=True, robot="r1"), lambda j: j["parked"] == 1 and j["robot"] == "r1"),
    (JobFilter(parked=False, states=("failed",)), lambda j: j["parked"] == 0 and j["state"] == "failed"),
    (JobFilter(states=("queued",), queue="a"), lambda j: j["state"] == "queued" and j["target"] == "q:a"),
    (
        JobFilter(states=("queued", "failed"), queue="a"),
        lambda j: j["state"] in ("queued", "failed") and j["target"] == "q:a",
    ),
    (
        JobFilter(started_from=START + 10 * SECOND, started_to=START + 40 * SECOND),
        lambda j: j["started_at"] is not None and START + 10 * SECOND <= j["started_at"] < START + 40 * SECOND,
    ),
    (
        JobFilter(started_from=START + 30 * SECOND, states=("failed",), robot="r1"),
        lambda j: (j["started_at"] or 0) >= START + 30 * SECOND and (j["state"], j["robot"]) == ("failed", "r1"),
    ),
    (JobFilter(q="拣货"), lambda j: j["deployment"] == "d3"),
    (JobFilter(q="二号广房拣货"), lambda j: j["deployment"] == "d3"),
    (JobFilter(q="pikc and", states=("failed",)), lambda j: (j["deployment"], j["state"]) == ("d1", "failed")),
    (JobFilter(q="ÉTAGE"), lambda j: j["deployment"] == "d3"),
    (
        JobFilter(created_from=START + 10 * SECOND, created_to=START + 40 * SECOND),
        lambda j: START + 10 * SECOND <= j["created_at"] < START + 40 * SECOND,
    ),
    (
        JobFilter(ended_from=START + 20 * SECOND, states=("failed",)),
        lambda j: j["state"] == "failed" and j["ended_at"] >= START + 20 * SECOND,
    ),
]


@pytest.mark.parametrize("scan", [10_000, 7], ids=["short", "bounded"])
@pytest.mark.parametrize("order", ["newest", "oldest", "ended_newest", "ended_oldest"])
def test_every_filter_in_every_order(
    rows: Rows, reader: Reader, monkeypatch: pytest.MonkeyPatch, scan: int, order: queries.Order
) -> None:
    made = many(rows, 80)
    monkeypatch.setattr(walk, "SCAN_ROWS", scan)
    monkeypatch.setattr(job_lists, "SCAN_ROWS", scan)
    for f, fits in FILTERS:
        wanted = [j for j in made if fits(j) and (not order.startswith("ended") or j["ended_at"] is not None)]
        with reader.reading() as db:
            found = every_page(db, f, order)
        assert sorted(found) == sorted(j["uid"] for j in wanted), f
        if order == "newest" and f.created_from is None and (scan > 7 or f.started_from is None):
            assert found == [j["uid"] for j in sorted(wanted, key=lambda j: -j["id"])], f
        if order == "ended_oldest":
            assert found == [j["uid"] for j in sorted(wanted, key=lambda j: (j["ended_at"], j["id"]))], f


def test_a_page_looks_at_a_bounded_number_of_rows(rows: Rows, reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk, "SCAN_ROWS", 10)
    monkeypatch.setattr(job_lists, "SCAN_ROWS", 10)
    rows.job()
    for _ in range(40):
        rows.job(parked=1)
    with reader.reading() as db:
        first = queries.page_of_jobs(db, JobFilter(parked=False))
        assert first.items == []
        assert first.next is not None
        assert len(every_page(db, JobFilter(parked=False), "newest")) == 1


def test_by_id_and_by_root(rows: Rows, reader: Reader) -> None:
    root = rows.job()
    child = rows.job(parent=root, root=root)
    rows.job(parent=child, root=root)
    rows.job()
    with reader.reading() as db:
        assert [j.id for j in queries.page_of_jobs(db, JobFilter(q=rows.uid(child))).items] == [rows.uid(child)]
        tree = queries.page_of_jobs(db, JobFilter(root=rows.uid(root))).items
        assert len(tree) == 3
        assert [j.root for j in tree] == [rows.uid(root), rows.uid(root), None]
        assert queries.page_of_jobs(db, JobFilter(root="unknown")).items == []


def test_a_cursor_belongs_to_its_filters(rows: Rows, reader: Reader) -> None:
    for _ in range(5):
        rows.job()
    with reader.reading() as db:
        page = queries.page_of_jobs(db, JobFilter(), limit=2)
        assert page.next is not None
        for wrong in ("", "x", "%%%", "é", page.next[:-3], page.next + "A", "W10", "bnVsbA"):
            if wrong:
                with pytest.raises(BadCursor):
                    queries.page_of_jobs(db, JobFilter(), limit=2, after=wrong)
        with pytest.raises(BadCursor):
            queries.page_of_jobs(db, JobFilter(robot="r1"), limit=2, after=page.next)
        with pytest.raises(BadCursor):
            queries.page_of_jobs(db, JobFilter(), "oldest", limit=2, after=page.next)


def test_counts(rows: Rows, reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    made = many(rows, 60)
    with reader.reading() as db:
        for f, fits in FILTERS:
            counts = queries.count_jobs(db, f)
            assert counts.total.exact, f
            assert counts.total.value == sum(1 for j in made if fits(j)), f
    monkeypatch.setattr(job_lists, "SCAN_ROWS", 5)
    with reader.reading() as db:
        everything = queries.count_jobs(db, JobFilter())
        assert (everything.total.value, everything.total.exact) == (60, True)
        some = queries.count_jobs(db, JobFilter(flow="pick"))
        assert (some.total.value, some.total.exact) == (5, False)


@pytest.mark.parametrize("scan", [10_000, 7], ids=["short", "bounded"])
@pytest.mark.parametrize("order", ["newest", "oldest", "ended_newest", "ended_oldest"])
def test_the_place_of_a_job_is_where_a_page_that_shows_it_goes_on(
    rows: Rows, reader: Reader, monkeypatch: pytest.MonkeyPatch, scan: int, order: queries.Order
) -> None:
    many(rows, 40)
    monkeypatch.setattr(walk, "SCAN_ROWS", scan)
    monkeypatch.setattr(job_lists, "SCAN_ROWS", scan)
    with reader.reading() as db:
        for f in (JobFilter(), JobFilter(states=("failed",)), JobFilter(robot="r1", flow="pick")):
            listed = every_page(db, f, order)
            for place, uid in enumerate(listed):
                after = queries.cursor_at(db, f, order, uid)
                assert after is not None
                behind = queries.page_of_jobs(db, f, order, 100, after)
                assert [one.id for one in behind.items] == listed[place + 1 :][: len(behind.items)]
                assert bool(behind.items) == (place + 1 < len(listed)) or behind.next
        other = queries.cursor_at(db, JobFilter(), "newest", listed[0])
        with pytest.raises(BadCursor):
            queries.page_of_jobs(db, JobFilter(robot="r1"), "newest", after=other)


def test_a_job_without_a_place_has_no_cursor(rows: Rows, reader: Reader) -> None:
    waiting = rows.uid(rows.job())
    with reader.reading() as db:
        assert queries.cursor_at(db, JobFilter(), "newest", "unknown") is None
        assert queries.cursor_at(db, JobFilter(), "ended_newest", waiting) is None, "it has not ended"
        assert queries.cursor_at(db, JobFilter(), "newest", waiting) is not None


def test_since_when_anything_waits(rows: Rows, reader: Reader) -> None:
    rows.job("running", created_at=START)
    with reader.reading() as db:
        assert queries.waiting_since(db) is None
    rows.job(created_at=START + SECOND, target="q:b")
    rows.job(created_at=START + 2 * SECOND, target="q:a", parked=1)
    with reader.reading() as db:
        assert queries.waiting_since(db) == "2025-06-15T15:06:41.000000Z"
    rows.db.execute("update jobs set state = 'failed' where target = 'q:b'")
    with reader.reading() as db:
        assert queries.waiting_since(db) == "2025-06-15T15:06:42.000000Z", "whatever it waits for"


# ---------------------------------------------------------------- no list reads a whole table
BIG = ("jobs", "block_runs", "logs", "events", "attempts", "reports", "batch_rows", "r")


def test_every_list_follows_an_index(rows: Rows, reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    many(rows, 30)
    rows.robot("r1", "a")
    job = rows.job(robot="r1")
    rows.attempt(job, 11)
    batch = stored_batches.insert(rows.db, "b1", "cancel", {"priority": None, "filter": None, "jobs": 1}, "w", 0, 1)
    stored_batches.add_rows(rows.db, batch, [(1, job, rows.uid(job), 1, "queued", 2000, 1, "at_once")])
    statements: list[str] = []
    db = reader.connect()
    db.set_trace_callback(statements.append)
    for scan in (10_000, 3):
        monkeypatch.setattr(walk, "SCAN_ROWS", scan)
        monkeypatch.setattr(job_lists, "SCAN_ROWS", scan)
        ask_everything(db, job)
    db.set_trace_callback(None)
    plans = {one: [row["detail"] for row in db.execute(f"explain query plan {one}")] for one in set(statements)}
    assert len(plans) > 40
    scans = [(detail, one) for one, plan in plans.items() for detail in plan if reads_all(detail)]
    assert scans == []
    db.close()


@pytest.mark.parametrize("scan", [10_000, 5], ids=["short", "bounded"])
def test_a_deployment_is_counted_from_its_index_alone(
    rows: Rows, reader: Reader, monkeypatch: pytest.MonkeyPatch, scan: int
) -> None:
    made = many(rows, 60)
    monkeypatch.setattr(job_lists, "SCAN_ROWS", scan)
    statements: list[str] = []
    db = reader.connect()
    db.set_trace_callback(statements.append)
    counts = queries.count_jobs(db, JobFilter(deployment="d1"))
    db.set_trace_callback(None)
    assert counts.total.value == min(scan, sum(1 for one in made if one["deployment"] == "d1"))
    plans = [row["detail"] for one in statements for row in db.execute(f"explain query plan {one}")]
    touched = [detail for detail in plans if " jobs " in detail]
    assert touched
    assert all("COVERING INDEX jobs_deployment" in detail for detail in touched), touched
    db.close()


def reads_all(detail: str) -> bool:
    """A SCAN of a big table; along a partial index is no reading of the whole table."""
    words = detail.split()
    partial = "attempts_robot" in detail or "jobs_parked" in detail
    return words[0] == "SCAN" and words[1] in (*BIG, "j", "e", "a") and not partial


def ask_everything(db: sqlite3.Connection, job: int) -> None:
    orders: tuple[queries.Order, ...] = ("newest", "oldest", "ended_newest", "ended_oldest")
    for (f, _), order in itertools.product(FILTERS, orders):
        page = queries.page_of_jobs(db, f, order, 2)
        if page.next:
            queries.page_of_jobs(db, f, order, 2, page.next)
        queries.count_jobs(db, f)
    queries.page_of_jobs(db, JobFilter(root="some"))
    for f, _ in FILTERS:
        exports.part_of_jobs(db, f)
        batches.matching(db, f, 5)
    (uid,) = next(iter(db.execute("select uid from batches")))
    assert batches.batch(db, uid) is not None
    for result in ("done", "refused", "changed", "unchanged", None):
        assert batches.page_of_batch_rows(db, uid, will=True, code="at_once", result=result) is not None
    for newest in (True, False):
        queries.page_of_attempts(db, job, newest=newest)
        queries.page_of_runs(db, 11, None, block="3", q="x", newest=newest)
        queries.page_of_logs(db, job, newest=newest, level=2, q="x", block="3")
        queries.page_of_logs(db, job, attempt=11, newest=newest)
        queries.page_of_job_events(db, job, newest=newest)
        queries.page_of_robot_events(db, "r1", newest=newest)
    queries.results(db, job, every_pass=True)
    queries.jobs_by_uid(db, ["a", "b"])
    queries.stored_robots(db)
    queries.queues(db, START)
    queries.events_after(db, 5, 10)
    queries.last_event(db)
    queries.new_logs(db, job, 0)
    ask_at_a_glance(db, job)


def ask_at_a_glance(db: sqlite3.Connection, job: int) -> None:
    queries.jobs_per_hour(db, 1, 24)
    queries.waiting_since(db)
    queries.cursor_at(db, JobFilter(), "newest", "a")
    queries.outcomes_since(db, START // 3_600_000_000)
    queries.open_matters(db, START)
    for deployment in (None, "d1"):
        queries.usual_duration_ms(db, deployment, "pick")
    (waiting,) = db.execute("select id from jobs where state = 'queued' and parked = 0 limit 1").fetchone()
    queries.waits_ahead(db, waiting)
    queries.settled_by_people(db, 0)
    queries.attempt_runs(db, job)
    for text in ("r1", "d1", "decade"):
        queries.find(db, text)
    queries.rows_by_uid(db, ["a", "b"])
    for f, _ in FILTERS:
        queries.newer_than(db, f, "a")


# ---------------------------------------------------------------- one job
def test_a_job_with_what_its_flow_said(rows: Rows, reader: Reader) -> None:
    rows.flow(
        "pick",
        definition(
            block(1, "b1", "SetTaskVariableBp", varName="site", varValue="A"),
            block(2, "b2", "TaskStateBp", stateMsg="fetching"),
        ),
    )
    job = rows.job(
        "running", robot="r1", source=json.dumps({"type": "handheld", "user": "Ann"}), source_type="handheld"
    )
    rows.attempt(job, 10_000_000_001)
    rows.run(10_000_000_001, 0, "-1", "running")
    rows.run(10_000_000_001, 1, "-1/1", inputs={"varName": "site", "varValue": "A"})
    rows.run(10_000_000_001, 2, "-1/2", inputs={"stateMsg": "fetching"})
    with reader.reading() as db:
        (found,) = queries.jobs_by_uid(db, [rows.uid(job), "unknown"])
    assert found.variables == {"site": "A"}
    assert found.state_message == "fetching"
    assert found.source.user == "Ann"
    assert found.target.queue == "a"
    assert found.created_at == "2025-06-15T15:06:41.000000Z"


def test_attempts_and_which_is_shown(rows: Rows, reader: Reader) -> None:
    job = rows.job()
    rows.attempt(job, 1, is_open=False)
    rows.attempt(job, 2, is_open=False)
    rows.attempt(job, 3, started=False)
    with reader.reading() as db:
        assert queries.shown_attempt(db, job) == 2
        page = queries.page_of_attempts(db, job, limit=2)
        assert [a.number for a in page.items] == [3, 2]
        assert [a.number for a in queries.page_of_attempts(db, job, limit=2, after=page.next).items] == [1]
        assert [a.number for a in queries.page_of_attempts(db, job, newest=False).items] == [1, 2, 3]


# ---------------------------------------------------------------- results
LOOPS = definition(
    block(
        1,
        "outer",
        "RepeatNumBp",
        {
            "default": [
                block(2, "inner", "IterateListBp", {"default": [block(3, "leaf", "PrintBp")]}),
                block(
                    4, "choice", "IfElseBp", {"if": [block(5, "yes", "PrintBp")], "else": [block(6, "no", "PrintBp")]}
                ),
            ]
        },
    ),
    block(7, "sub", "SubTaskBp", flow="SubTask::other"),
)
OTHER = definition(block(3, "inside", "PrintBp"))


def by_path(node: BlockNode) -> dict[str, BlockNode]:
    found = {node.path: node}
    for child in node.children:
        found |= by_path(child)
    return found


def looped(rows: Rows) -> int:
    rows.flow("pick", LOOPS, {"other": OTHER})
    job = rows.job("running")
    rows.attempt(job, 5)
    paths = ["-1", "-1/1"]
    for k in range(2):
        paths += [f"-1/1#{k}/2", *(f"-1/1#{k}/2#{m}/3" for m in range(3)), f"-1/1#{k}/4", f"-1/1#{k}/4/{5 + k}"]
    paths += ["-1/7", "-1/7/-1/3"]
    for n, path in enumerate(paths):
        rows.run(5, n, path, "running" if n == 0 else "succeeded")
        rows.log(job, 5, f"ran {path}", path)
    return job


def test_results_show_the_last_pass_and_what_never_ran(rows: Rows, reader: Reader) -> None:
    job = looped(rows)
    with reader.reading() as db:
        tree = queries.results(db, job)
    assert isinstance(tree, ResultTree)
    found = by_path(tree)
    assert list(found) == [
        "-1", "-1/1", "-1/1#1/2", "-1/1#1/2#2/3", "-1/1#1/4", "-1/1#1/4/5", "-1/1#1/4/6", "-1/7", "-1/7/-1",
        "-1/7/-1/3",
    ]  # fmt: skip
    leaf = found["-1/1#1/2#2/3"]
    assert (leaf.runs, leaf.logs, leaf.iterations, leaf.label) == (6, 6, None, "Print")
    assert found["-1/1#1/4/5"].run is None
    assert [(c.block_name, c.branch) for c in found["-1/1#1/4"].children] == [("yes", "if"), ("no", "else")]
    inside = found["-1/7/-1/3"].run
    assert inside is not None
    assert (inside.block_name, inside.kind, inside.id) == ("inside", "PrintBp", "5.15")
    assert found["-1"].run is not None


def test_results_with_every_pass(rows: Rows, reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    job = looped(rows)
    with reader.reading() as db:
        tree = queries.results(db, job, every_pass=True)
        assert isinstance(tree, ResultTree)
        outer = tree.children[0]
        assert outer.iterations is not None
        assert [i.index for i in outer.iterations] == [0, 1]
        inner = outer.iterations[0].children[0]
        assert inner.iterations is not None
        assert [i.children[0].path for i in inner.iterations] == [f"-1/1#0/2#{m}/3" for m in range(3)]
        assert not tree.truncated
        monkeypatch.setattr("controller.store.queries.tree.MAX_NODES", 5)
        short = queries.results(db, job, every_pass=True)
        assert isinstance(short, ResultTree)
        assert short.truncated


def test_results_without_attempt_or_definition(rows: Rows, reader: Reader) -> None:
    rows.flow("pick", LOOPS, {"other": OTHER})
    waiting = rows.job()
    orphan = rows.job("running", flow="gone", flow_version=99)
    rows.attempt(orphan, 9)
    rows.run(9, 0, "-1")
    rows.run(9, 1, "-1/1")
    with reader.reading() as db:
        tree = queries.results(db, waiting)
        assert isinstance(tree, ResultTree)
        assert all(node.run is None for node in by_path(tree).values())
        flat = queries.results(db, orphan)
        assert isinstance(flat, FlatResults)
        assert [run.path for run in flat.items] == ["-1", "-1/1"]
        assert queries.results(db, waiting, 9) is None


def test_block_runs_and_logs_in_pages(rows: Rows, reader: Reader) -> None:
    job = looped(rows)
    rows.log(job, 5, "Trouble", "-1/7", level=3)
    with reader.reading() as db:
        index = queries.index_of_job(db, job)
        leaves = queries.page_of_runs(db, 5, index, block="3", newest=False, limit=200).items
        assert [run.path for run in leaves][:2] == ["-1/1#0/2#0/3", "-1/1#0/2#1/3"]
        assert len(leaves) == 7
        first = queries.page_of_runs(db, 5, index, limit=4)
        assert first.next is not None
        second = queries.page_of_runs(db, 5, index, limit=4, after=first.next)
        assert [run.id for run in (*first.items, *second.items)] == [f"5.{n}" for n in range(15, 7, -1)]
        assert [row.text for row in queries.page_of_logs(db, job, level=2).items] == ["Trouble"]
        assert [row.text for row in queries.page_of_logs(db, job, q="TROUBLE").items] == ["Trouble"]
        assert len(queries.page_of_logs(db, job, attempt=5, block="7").items) == 2
        assert queries.page_of_logs(db, job, attempt=6).items == []


# ---------------------------------------------------------------- robots, queues, definitions
def test_robots_with_holds_and_attempts(rows: Rows, reader: Reader) -> None:
    rows.robot("r1", "a", tags=("blue",))
    rows.robot("r2", "a", "b")
    rows.robot("gone")
    rows.db.execute("update robots set removed = 1 where id = 'gone'")
    rows.db.execute("insert into holds (robot, reason, attempt, since) values ('r2', 'silent', 4, ?)", (START,))
    job = rows.job("running", robot="r1")
    rows.attempt(job, 8)
    with reader.reading() as db:
        first, second = queries.stored_robots(db)
        assert [h.attempt for h in first.held] == [8]
        assert first.held[0].job == rows.uid(job)
        assert [(h.reason, h.attempt) for h in second.holds] == [("silent", 4)]
        assert [r.id for r in queries.stored_robots(db, "r2")] == ["r2"]
        assert queries.stored_robots(db, "gone") == []


def test_queues_say_who_waits_longest(rows: Rows, reader: Reader) -> None:
    rows.robot("r1", "a", "b")
    rows.job("succeeded", target="q:b")
    for _ in range(5):
        rows.job(target="q:a")
    rows.job(target="q:b", created_at=START + 90 * SECOND)
    with reader.reading() as db:
        a, b = queries.queues(db, START + 100 * SECOND)
        assert (a.waiting, b.waiting, a.robots) == (5, 1, ["r1"])
        assert (a.oldest_wait_s, b.oldest_wait_s) == (98.0, 10.0)


def test_flows_and_deployments(rows: Rows, reader: Reader) -> None:
    for version in (1, 2):
        rows.flow("pick", definition(block(version, "b", "PrintBp")), version=version)
    rows.flow("move", definition())
    rows.deployment("d1", "Night Shift")
    with reader.reading() as db:
        assert [(f.id, f.version) for f in queries.page_of_flows(db).items] == [("move", 1), ("pick", 2)]
        page = queries.page_of_flows(db, limit=1)
        assert [f.id for f in queries.page_of_flows(db, limit=1, after=page.next).items] == ["pick"]
        with pytest.raises(BadCursor):
            queries.page_of_flows(db, "x", after=page.next)
        old = queries.flow(db, "pick", 1)
        assert old is not None
        assert (old.version, old.latest) == (1, 2)
        assert queries.flow(db, "pick", 3) is None
        assert queries.page_of_deployments(db, "SHIFT").items[0].target is not None
        assert queries.deployment(db, "d9") is None


def test_events_after_a_number(rows: Rows, reader: Reader) -> None:
    job = rows.job()
    for n in range(5):
        rows.event(job=job, new=str(n))
    rows.event("robot", robot="r1")
    with reader.reading() as db:
        assert [e.new for e in queries.events_after(db, 2, 2)] == ["2", "3"]
        assert queries.last_event(db) == 6
        assert [e.topic for e in queries.page_of_robot_events(db, "r1").items] == ["robot"]
        assert len(queries.page_of_job_events(db, job, limit=2).items) == 2


def test_a_reader_cannot_write_and_a_missing_database_is_said(reader: Reader, tmp_path: Path) -> None:
    with pytest.raises(queries.Unreadable), reader.reading() as db:
        db.execute("delete from jobs")
    with pytest.raises(queries.Unreadable), Reader(tmp_path / "none.db").reading():
        pass
