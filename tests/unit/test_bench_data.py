"""The benchmark's made-up past: as consistent as one that the product has written, and the product goes on with it."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from controller.store import chain
from schemas.status import TERMINAL, JobState
from scripts.benchmark.data import ROBOTS, Shape, make
from scripts.benchmark.data_cache import NoSpace, database
from scripts.benchmark.data_rows import HELD
from scripts.benchmark.history_asks import Facts, lists, records
from scripts.benchmark.history_formats import Beyond, formats, long_job
from scripts.benchmark.history_store import GROUP, GROUPS, claim_us, record_us
from scripts.benchmark.upkeep import sweep
from tests.fakes.box import Box

SHAPE = Shape(jobs=900, queued=60, held=15)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("past") / "past.db"
    make(file, SHAPE)
    return file


@pytest.fixture
def db(made: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(f"file:{made}?mode=ro", uri=True)) as connection:
        yield connection


def rows(db: sqlite3.Connection, sql: str) -> list[tuple[object, ...]]:
    return db.execute(sql).fetchall()


def test_it_has_the_shape_that_was_asked_for(db: sqlite3.Connection) -> None:
    states = dict(db.execute("select state, count(*) from jobs group by state"))
    assert sum(states.values()) == SHAPE.jobs
    assert states["queued"] == SHAPE.queued
    assert sum(states[state] for state in set(HELD)) == SHAPE.held
    assert set(states) == {"queued", *HELD, *(state.value for state in TERMINAL)}
    assert states["succeeded"] > 0.8 * SHAPE.jobs
    runs = db.execute("select count(*) from block_runs").fetchone()[0]
    assert db.execute("select count(*) from firing_rows").fetchone()[0] == SHAPE.jobs // 100 * 100
    assert runs > 4.5 * (SHAPE.jobs - SHAPE.queued), "five block runs an attempt, and about one attempt a job"


def test_the_database_is_whole(db: sqlite3.Connection) -> None:
    assert rows(db, "pragma integrity_check") == [("ok",)]
    db.execute("pragma foreign_keys = on")
    assert rows(db, "pragma foreign_key_check") == []


@pytest.mark.parametrize(
    ("table", "counted"),
    [
        ("select target, state, n from job_counts where n", "select target, state, count(*) from jobs group by 1, 2"),
        (
            "select hour, deployment, outcome, n from job_hours",
            "select ended_at / 3600000000, deployment, state, count(*) from jobs where ended_at > 0 group by 1, 2, 3",
        ),
        ("select id, upto from journals where upto", "select journal, max(seq) from reports group by 1"),
        ("select id, upto from journals where upto", "select journal, count(*) from reports group by 1"),
        ("select id, attempt_count from jobs where attempt_count", "select job, count(*) from attempts group by 1"),
    ],
)
def test_counters_equal_counts(db: sqlite3.Connection, table: str, counted: str) -> None:
    found = sorted(rows(db, table))
    assert found
    assert found == sorted(rows(db, counted))


def test_its_moves_are_chained_as_the_box_would_have(db: sqlite3.Connection) -> None:
    db.row_factory = sqlite3.Row
    found = chain.check(db, "events")
    assert found.wrong == []
    assert found.rows == db.execute("select count(*) from events").fetchone()[0]


@pytest.mark.parametrize(
    "wrong",
    [
        "select number from attempts where job not in (select id from jobs)",
        "select attempt from block_runs where attempt not in (select number from attempts)",
        "select attempt from reports where attempt not in (select number from attempts)",
        "select id from logs where job not in (select id from jobs) or attempt not in (select number from attempts)",
        "select id from events where job not in (select id from jobs)",
        "select id from jobs where attempt is not null and attempt not in (select number from attempts)",
        "select id from jobs where state in ('queued') and (attempt is not null or robot is not null)",
        "select id from jobs where deployment not in (select id from deployments)",
        "select id from jobs where flow_version not in (select id from flow_versions)",
        "select id from jobs where need not in (select id from needs)",
        "select id from jobs where state in ('succeeded', 'failed', 'cancelled') and ended_at is null",
        "select id from jobs where created_at > assigned_at or assigned_at > started_at or started_at > ended_at",
        "select j.id from jobs j join attempts a on a.job = j.id and a.open = 1 where j.attempt <> a.number"
        " or j.state in ('queued', 'succeeded', 'failed', 'cancelled')",
        "select id from jobs where state in ('running', 'paused', 'uncertain')"
        " and attempt not in (select number from attempts where open = 1)",
        "select id from (select id, old, lag(new) over (partition by job order by id) as before from events"
        " where job is not null) where old is not before",
        "select number from attempts where number % 10000000000 > (select value from meta where key = 'count')",
        "select a.number from attempts a join jobs j on j.id = a.job join robots r on r.id = a.robot"
        " where 'q:' || json_extract(r.queues, '$[0]') <> j.target",
    ],
)
def test_nothing_points_nowhere(db: sqlite3.Connection, wrong: str) -> None:
    assert rows(db, wrong) == []


def test_the_last_move_of_a_job_is_its_state(db: sqlite3.Connection) -> None:
    told = dict(db.execute("select job, new from events where id in (select max(id) from events group by job)"))
    states = dict(db.execute("select id, state from jobs where state not in ('paused', 'uncertain')"))
    assert {job: told[job] for job in states} == states


# ------------------------------------------------------------ the product over it
@pytest.fixture
def box(made: Path, tmp_path: Path) -> Iterator[Box]:
    shutil.copyfile(made, tmp_path / "yardmaster.db")
    box = Box(tmp_path)
    yield box
    box.close()


def test_the_api_shows_it(box: Box, db: sqlite3.Connection) -> None:
    assert box.must("GET", "/job-counts")["total"] == {"value": SHAPE.jobs, "exact": True}
    assert len(box.must("GET", "/robots?limit=200")["items"]) == ROBOTS
    uid = db.execute("select uid from jobs where state = 'failed' and attempt_count = 1").fetchone()[0]
    tree = box.must("GET", f"/jobs/{uid}/results")
    assert [block["run"]["state"] for block in tree["children"]] == ["succeeded"] * 3 + ["failed"], tree
    assert box.must("GET", f"/jobs/{uid}/logs")["items"][0]["level"] == 3


def test_everything_that_is_asked_for_is_answered(box: Box, db: sqlite3.Connection) -> None:
    import random

    facts, beyond = Facts.read(db), Beyond.read(db)
    for ask in (*lists(facts), *records(facts), *formats(facts, beyond), *long_job(beyond)):
        path = ask.path(random.Random(1))
        response = box.http.get(path)
        assert response.status_code == 200, (ask.name, path, response.text)


def test_a_waiting_job_is_given_to_a_robot(box: Box, db: sqlite3.Connection) -> None:
    first = db.execute(
        "select uid from jobs where state = 'queued' and target = 'q:north' order by priority desc, id limit 1"
    ).fetchone()[0]
    kinds = ["RootBp", "PrintBp", "SetTaskVariableBp", "TimestampBp", "CreateUuidBp"]
    robot = box.yard.robot("newcomer", "north", kinds=kinds)
    assert robot.last("assign")["job"] == first
    assert box.must("GET", f"/jobs/{first}")["state"] == JobState.ASSIGNED


def test_claims_and_reports_are_measured_over_it(made: Path, tmp_path: Path) -> None:
    file = tmp_path / "yardmaster.db"
    shutil.copyfile(made, file)
    assert len(claim_us(file, runs=2)) == 2
    with closing(sqlite3.connect(file)) as before:
        old = before.execute("select count(*) from reports").fetchone()[0]
    assert set(record_us(file, runs=1)[0]) == {"wall", "cpu"}
    with closing(sqlite3.connect(file)) as after:
        assert after.execute("select count(*) from reports").fetchone()[0] == old + GROUPS * GROUP


# ------------------------------------------------------------ kept for next time
def test_it_is_made_once_and_again_when_the_shape_differs(tmp_path: Path) -> None:
    small = Shape(jobs=60, queued=5, held=3)
    first = database(tmp_path, small)
    stamp = first.stat().st_mtime_ns
    assert database(tmp_path, small) == first
    assert first.stat().st_mtime_ns == stamp
    assert database(tmp_path, Shape(jobs=61, queued=5, held=3)) != first
    assert not list(tmp_path.glob("*.new*"))


def test_a_disk_that_is_too_small_is_said_plainly(tmp_path: Path) -> None:
    with pytest.raises(NoSpace, match=rf"need 11,?\d* ?.*GB on the disk of {tmp_path}.*--data"):
        database(tmp_path, Shape(jobs=1_000_000_000, queued=0, held=0))
    assert not list(tmp_path.iterdir())


def test_more_held_jobs_than_robots_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a robot holds one job"):
        make(tmp_path / "past.db", Shape(jobs=500, queued=0, held=ROBOTS + 1))


def test_old_jobs_are_cleared_away_while_it_is_measured(made: Path, tmp_path: Path) -> None:
    found = sweep(tmp_path, made, 30)
    assert found["rate"] > 0, "some went"
    assert 0 < found["p50"] <= found["p99"] <= found["longest"]
    assert not any(tmp_path.iterdir()), "nothing is left behind"
