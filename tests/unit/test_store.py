"""The store: migrations that may be cut off, one counter, the claim's index, what the indexes refuse."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Database

from controller.store import jobs, schema
from controller.store.connection import Store, StoreTooNew, connect, migrate
from schemas.status import JobState
from tests.fakes.yard import Yard, running


def _indexes(connection: sqlite3.Connection) -> set[str]:
    return {row["name"] for row in connection.execute("select name from sqlite_master where type = 'index'")}


def _tables(connection: sqlite3.Connection) -> set[str]:
    return {row["name"] for row in connection.execute("select name from sqlite_master where type = 'table'")}


ORDER = (
    "FOUNDATION", "OVERVIEW", "DEPLOYMENTS", "PEOPLE", "SCHEDULES", "BATCHES", "ARTIFACTS", "ASSETS", "DEBUG",
    "INTEGRITY", "DOORS", "RETENTION",
)  # fmt: skip
NAMES = [f"m{n:04}_{part.lower()}" for n, part in enumerate(ORDER, 1)]
PARTS = {part: NAMES[:n] for n, part in enumerate(ORDER)}
"""Every migration's statements, and the migrations that are through before them."""
CUTS = [(part, cut) for part in PARTS for cut in range(0, len(getattr(schema, part)) + 1, 3)]


@pytest.mark.parametrize(("part", "cut"), CUTS)
def test_a_migration_that_is_cut_off_leaves_nothing_and_runs_whole_the_next_time(
    part: str, cut: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = getattr(schema, part)
    monkeypatch.setattr(schema, part, (*whole[:cut], "select the power is gone", *whole[cut:]))
    connection = connect(tmp_path / "a.db")
    with pytest.raises(sqlite3.Error):
        migrate(connection)
    assert ("jobs" in _tables(connection)) == (part != "FOUNDATION")
    assert ("floor_plan" in _tables(connection)) == (ORDER.index(part) > 1)
    assert ("jobs_source" in _indexes(connection)) == (ORDER.index(part) > 1)
    assert ("schedules" in _tables(connection)) == (ORDER.index(part) > 4)
    assert ("jobs_deployment" in _indexes(connection)) == (part != "FOUNDATION")
    assert [m.name for m in schema.migrations.applied(Database(connection))] == PARTS[part]
    monkeypatch.setattr(schema, part, whole)
    migrate(connection)
    assert {"jobs", "floor_plan"} <= _tables(connection)
    assert [m.name for m in schema.migrations.applied(Database(connection))] == NAMES


def _first_version(path: Path) -> sqlite3.Connection:
    """A database as version m0001 left it."""
    connection = connect(path)
    for statement in schema.FOUNDATION:
        connection.execute(statement)
    schema.migrations.ensure_migrations_table(Database(connection))
    connection.execute(
        "insert into _sqlite_migrations (migration_set, name, applied_at) values ('yardmaster', 'm0001_foundation', '')"
    )
    return connection


def _insert_as_then(db: sqlite3.Connection, values: dict[str, Any]) -> None:
    """A job with the columns that there were."""
    known = {row["name"] for row in db.execute("select name from pragma_table_info('jobs')")}
    row = {name: value for name, value in values.items() if name in known}
    db.execute(f"insert into jobs ({', '.join(row)}) values ({', '.join('?' * len(row))})", tuple(row.values()))


def test_a_database_of_the_first_version_is_brought_up_to_date_with_its_rows(tmp_path: Path) -> None:
    old = _first_version(tmp_path / "a.db")
    row = dict.fromkeys(jobs._JOB_COLUMNS, 0) | {"flow": "pick", "parameters": "{}", "source": "{}", "run": "r"}
    for uid, target in (("u1", "q:a"), ("u2", "q:a"), ("u3", "q:b")):
        _insert_as_then(old, row | {"uid": uid, "target": target, "source_type": "api", "state": "queued"})
    for uid, state in (("u4", "failed"), ("u5", "uncertain")):
        _insert_as_then(old, row | {"uid": uid, "target": "q:b", "source_type": "api", "state": state, "parked": 1})
    before = [tuple(one) for one in old.execute("select * from jobs order by id")]
    old.execute("update jobs set state = 'running' where uid = 'u1'")
    old.close()
    store = Store.open(tmp_path / "a.db")
    after = [tuple(one)[: len(before[0])] for one in store.db.execute("select * from jobs order by id")]
    assert [one for one in after if one[1] not in ("u1", "u4")] == [one for one in before if one[1] not in ("u1", "u4")]
    assert [one["uid"] for one in store.db.execute("select uid from jobs where parked = 1")] == ["u5"]
    waiting = store.db.execute(
        "select uid from jobs indexed by jobs_waiting where state = 'queued' order by target, id"
    ).fetchall()
    assert [one["uid"] for one in waiting] == ["u2", "u3"]
    assert len(store.db.execute("select 1 from jobs indexed by jobs_source where source_type = 'api'").fetchall()) == 5
    assert store.db.execute("pragma integrity_check").fetchone()[0] == "ok"


def test_a_database_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    Store.open(tmp_path / "a.db").close()
    with sqlite3.connect(tmp_path / "a.db") as db:
        db.execute(
            "insert into _sqlite_migrations (migration_set, name, applied_at) values ('yardmaster', 'm9999', '')"
        )
    with pytest.raises(StoreTooNew, match="m9999"):
        Store.open(tmp_path / "a.db")


def test_every_commit_is_on_the_disk_before_it_counts(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "a.db")
    assert store.db.execute("pragma journal_mode").fetchone()[0] == "wal"
    assert store.db.execute("pragma synchronous").fetchone()[0] == 2


def test_numbers_are_never_given_twice_over_restarts_and_lost_turns(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "a.db")
    with store.transaction():
        first = store.number()

    def lost() -> None:
        with store.transaction():
            store.number()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lost()
    store.close()
    again = Store.open(tmp_path / "a.db")
    with again.transaction():
        assert again.number() > first


def test_an_older_copy_of_the_database_counts_as_restored(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "a.db")
    with store.transaction():
        before = store.number()
    store.close()
    (tmp_path / "incarnation").write_text("4\n")
    restored = Store.open(tmp_path / "a.db")
    assert restored.restored
    with restored.transaction():
        assert restored.number() > max(before, 4 * 10**10)
    assert (tmp_path / "incarnation").read_text() == "5\n"


def test_claim_next_reads_one_covering_index() -> None:
    yard = Yard()
    plan = yard.connection.execute(
        "explain query plan select id, priority from jobs where state = 'queued' and ready = 1 and parked = 0"
        " and target = 'q:main' and need = 1 order by priority desc, id limit 1"
    ).fetchall()
    assert ["COVERING INDEX jobs_claim" in row["detail"] for row in plan] == [True]


def test_the_place_in_line_is_counted_along_the_claims_index() -> None:
    yard = Yard()
    statements: list[str] = []
    row = dict.fromkeys(jobs._JOB_COLUMNS, 0) | {"flow": "pick", "parameters": "{}", "source": "{}", "run": "r"}
    row |= {"source_type": "api", "state": "queued"}
    places: list[tuple[int, int, int]] = []
    for n in range(60):
        need, priority = n % 3 + 1, 1 + n * 7 % 4
        values = {"uid": f"u{n}", "target": "q:b" if n % 5 == 0 else "q:a", "need": need, "priority": priority}
        job = jobs.insert(yard.connection, row | values | {"parked": int(n % 11 == 0)})
        if n % 5 and n % 11:
            places.append((-priority, job, priority))
    yard.connection.set_trace_callback(statements.append)
    for place, (_, job, priority) in enumerate(sorted(places)):
        assert jobs.ahead_of(yard.connection, "q:a", priority, job) == place
        assert jobs.ahead_of(yard.connection, "q:a", priority, job, limit=7) == min(place, 7)
    assert jobs.ahead_of(yard.connection, "q:none", 1, 1) == 0
    yard.connection.set_trace_callback(None)
    plans = [row["detail"] for one in set(statements) for row in yard.connection.execute(f"explain query plan {one}")]
    searches = [detail for detail in plans if "jobs" in detail]
    assert searches
    assert all("SEARCH jobs USING COVERING INDEX jobs_claim (target=?" in detail for detail in searches)


def test_a_job_that_ends_is_parked_no_more() -> None:
    yard = Yard()
    robot, uid = running(yard)
    yard.connection.execute("update jobs set parked = 1")
    robot.say(robot.about("succeeded"))
    assert (yard.state(uid), yard.job(uid)["parked"]) == ("succeeded", 0)


def test_a_job_moves_only_from_the_state_and_attempt_it_is_in() -> None:
    yard = Yard()
    _, uid = running(yard)
    job = yard.job(uid)
    for old, attempt in ((JobState.ASSIGNED, job["attempt"]), (JobState.RUNNING, 1), (JobState.SUCCEEDED, None)):
        with pytest.raises(jobs.StaleMove):
            jobs.move(yard.connection, job["id"], old, JobState.FAILED, attempt)
    assert yard.state(uid) == "running"


def test_the_indexes_refuse_what_the_code_must_never_do() -> None:
    yard = Yard()
    robot, uid = running(yard)
    job = yard.job(uid)
    for sql in (
        f"insert into attempts (number, job, robot, state, created_at) values (1, {job['id']}, 'r9', 'created', 0)",
        f"update jobs set priority = 5001 where id = {job['id']}",
        f"update jobs set max_retries = 11 where id = {job['id']}",
    ):
        with pytest.raises(sqlite3.IntegrityError):
            yard.connection.execute(sql)
    robot.say(robot.about("succeeded"))
    assert yard.state(uid) == "succeeded"
