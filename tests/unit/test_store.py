"""The store: migrations that may be cut off, one counter, the claim's index, what the indexes refuse."""

import sqlite3
from pathlib import Path

import pytest
from sqlite_utils import Database

from controller.store import jobs, schema
from controller.store.connection import Store, StoreTooNew, connect, migrate
from schemas.status import JobState
from tests.fakes.yard import Yard, running


def _tables(connection: sqlite3.Connection) -> set[str]:
    return {row["name"] for row in connection.execute("select name from sqlite_master where type = 'table'")}


@pytest.mark.parametrize("cut", range(0, len(schema.FOUNDATION), 4))
def test_a_migration_that_is_cut_off_leaves_nothing_and_runs_whole_the_next_time(
    cut: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = schema.FOUNDATION
    broken = (*whole[:cut], "select the power is gone", *whole[cut:])
    monkeypatch.setattr(schema, "FOUNDATION", broken)
    connection = connect(tmp_path / "a.db")
    with pytest.raises(sqlite3.Error):
        migrate(connection)
    assert _tables(connection) <= {"_sqlite_migrations"}
    assert list(schema.migrations.applied(Database(connection))) == []
    monkeypatch.setattr(schema, "FOUNDATION", whole)
    migrate(connection)
    assert "jobs" in _tables(connection)
    assert [m.name for m in schema.migrations.applied(Database(connection))] == ["m0001_foundation"]


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
