"""What is old is cleared away, a little at a time; what anybody still needs stays, and the database tells the truth."""

import contextlib
import errno
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from controller import retention
from controller.artifact_files import YOUNG_S, Orphans
from controller.core_settings import CoreSettings
from controller.store.retention import used_bytes
from schemas.artifact import place_of
from schemas.commands import Frame
from schemas.ids import uuid7
from tests.fakes.yard import FakeRobot
from tests.fakes.years import Years


@pytest.fixture
def yard(tmp_path: Path) -> Years:
    return Years(tmp_path)


def artifact(yard: Years, uid: str) -> str:
    """A whole artifact of a job's attempt."""
    name, job = uuid7(), yard.job(uid)
    yard.connection.execute(
        "insert into artifacts (uid, attempt, job, robot, kind, name, size, sha256, state, created_at)"
        " values (?, ?, ?, 'r1', 'file', 'x', 5, 'h', 'complete', ?)",
        (name, job["attempt"], job["id"], yard.instant().utc_us),
    )
    return name


def test_an_old_job_goes_with_all_that_is_its_own(yard: Years) -> None:
    old = yard.done()
    artifact(yard, old)
    yard.connection.execute("insert into job_secrets values (?, 'pin', x'00')", (yard.job(old)["run"],))
    yard.pass_days(9)
    young = yard.done()
    yard.pass_days(2)
    yard.sweep()
    assert [row["uid"] for row in yard.rows("jobs")] == [young]
    job = yard.job(young)
    assert {row["job"] for row in yard.rows("attempts")} == {job["id"]}
    assert {row["attempt"] for row in yard.rows("block_runs")} == {job["attempt"]}
    assert {row["job"] for row in yard.rows("logs")} == {job["id"]}
    assert yard.count("artifacts") == yard.count("job_secrets") == 0
    yard.is_true()


def test_a_move_says_what_went(yard: Years) -> None:
    for _ in range(3):
        yard.done()
    yard.pass_days(11)
    yard.sweep()
    (said,) = [row for row in yard.rows("events") if row["event"] == "cleared"]
    assert "3 jobs" in said["why"]
    yard.sweep()
    assert len([row for row in yard.rows("events") if row["event"] == "cleared"]) == 1, "nothing went, nothing is said"


def test_what_anybody_needs_stays(yard: Years) -> None:
    held = yard.done()
    yard.connection.execute(
        "insert into holds (robot, reason, attempt, since) values ('r9', 'forced', ?, 1)", (yard.job(held)["attempt"],)
    )
    posted = yard.done()
    yard.connection.execute(
        "insert into outbox (key, robot, topic, attempt, payload, created_at) values ('k', 'r1', 'control', ?, x'', 1)",
        (yard.job(posted)["attempt"],),
    )
    parent, child = yard.done(), yard.done()
    yard.connection.execute("update jobs set parent = ? where uid = ?", (yard.job(parent)["id"], child))
    parked, queued = yard.submit(target={"queue": "main"}), yard.submit()
    yard.connection.execute("update jobs set parked = 1 where uid = ?", (parked,))
    yard.pass_days(400)
    yard.core.retention._next_at = yard.now
    yard.connection.execute("delete from holds where 0")
    yard.sweep()
    left = {row["uid"] for row in yard.rows("jobs")}
    assert {held, posted, parked, queued} <= left
    assert parent not in left or child not in left
    yard.sweep()
    assert {row["uid"] for row in yard.rows("jobs")} == {held, posted, parked, queued}


def test_a_key_is_answered_with_its_job_for_the_time_that_was_promised(tmp_path: Path) -> None:
    yard = Years(tmp_path, CoreSettings(retain_jobs_days=1, idempotency_days=30))
    args = {"flow": "hello", "target": {"queue": "main"}}
    first = yard.ask("job.submit", key="k", **args).ok
    assert first is not None
    yard.r1.accept()
    yard.r1.say(yard.r1.about("succeeded"))
    yard.pass_days(29)
    yard.sweep()
    again = yard.ask("job.submit", key="k", **args)
    assert again.replayed
    assert again.ok == first
    assert yard.count("jobs") == 1
    yard.pass_days(2)
    yard.sweep()
    assert yard.count("jobs") == 0


def test_log_rows_go_sooner_but_not_those_of_an_open_job(yard: Years) -> None:
    done = yard.done()
    yard.submit()
    yard.tick(1, beating=True)
    yard.r1.accept()
    yard.r1.say(yard.r1.about("log", level=2, type="print", text="still at it"), topic="log")
    yard.pass_days(6)
    yard.sweep()
    assert [row["text"] for row in yard.rows("logs")] == ["still at it"]
    assert yard.state(done) == "succeeded"
    assert yard.count("reports") == 0
    yard.r1.say(yard.r1.about("succeeded"))
    yard.is_true()


def test_reports_that_come_again_after_theirs_have_gone_change_nothing(yard: Years) -> None:
    yard.done()
    rows = [{"seq": n, "time": "2026-01-01T00:00:00.000000Z"} | yard.r1.about("succeeded") for n in range(1, 4)]
    yard.pass_days(6)
    yard.sweep()
    before = yard.rows("jobs")
    yard.r1.send(rows)
    assert (yard.rows("jobs"), yard.count("reports")) == (before, 0)


def test_artifacts_go_sooner_and_their_files_after_the_commit(yard: Years) -> None:
    gone = artifact(yard, yard.done())
    yard.pass_days(4)
    kept = artifact(yard, yard.done())
    yard.sweep()
    assert [row["uid"] for row in yard.rows("artifacts")] == [kept]
    assert yard.core.take_gone() == [gone]
    assert yard.core.take_gone() == []
    yard.is_true()


def test_files_stay_when_the_turn_is_lost(yard: Years) -> None:
    artifact(yard, yard.done())
    yard.pass_days(4)
    yard.core.retention._next_at = yard.now
    with pytest.raises(KeyError):
        _lost(yard)
    yard.core.undo()
    assert yard.core.take_gone() == []
    assert yard.count("artifacts") == 1
    yard.sweep()
    assert len(yard.core.take_gone()) == 1


def _lost(yard: Years) -> None:
    with yard.store.transaction():
        for _ in range(100):
            yard.now += 0.06
            yard.core.tick(yard.instant())
            if yard.core.retention.gone:
                raise KeyError


def test_books_go_by_whole_days_and_their_chains_hold(yard: Years) -> None:
    for _ in range(30):
        yard.done()
        yard.pass_days(1)
    days = {row["at"] // 86_400_000_000 for row in yard.rows("events")}
    yard.sweep()
    now = yard.instant().utc_us // 86_400_000_000
    left = {row["at"] // 86_400_000_000 for row in yard.rows("events")}
    assert left - {now} == {day for day in days if day >= now - 10} - {now}
    assert {row["at"] // 86_400_000_000 for row in yard.rows("audit")} >= {day for day in days if day >= now - 20}
    assert min(row["at"] // 86_400_000_000 for row in yard.rows("audit")) >= now - 20
    assert yard.count("chain_days") > len(left), "the last hash of each day is kept"
    yard.is_true()
    yard.done()
    yard.is_true()


def test_moves_of_a_job_that_has_not_ended_stay(yard: Years) -> None:
    uid = yard.submit(target={"queue": "main"})
    yard.must("box.drain")
    yard.pass_days(40)
    yard.sweep()
    job = yard.job(uid)["id"]
    assert [row["event"] for row in yard.rows("events") if row["job"] == job]


def test_a_database_that_is_too_large_loses_what_ended_first(tmp_path: Path) -> None:
    yard = Years(tmp_path, CoreSettings(idempotency_days=1, retain_jobs_days=3650, retain_logs_days=3650))
    yard.text = "x" * 3000
    made = []
    for _ in range(40):
        made.append(yard.done())
        yard.pass_days(1)
    used = used_bytes(yard.connection)
    yard.core.desk.settings = replace(yard.settings, data_gb=used * 0.8 / 1e9)
    yard.sweep()
    left = {row["uid"] for row in yard.rows("jobs")}
    assert 0 < len(left) < 40
    assert left == set(made[-len(left) :]), "the oldest went first"
    yard.is_true()


def test_too_large_with_nothing_that_may_go_is_said(tmp_path: Path) -> None:
    yard = Years(tmp_path, CoreSettings(data_gb=0.00001))
    yard.done()
    yard.sweep()
    assert yard.core.retention.over_budget
    assert yard.count("jobs") == 1


def test_a_slice_is_small_and_waits_for_those_who_ask(yard: Years, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ROWS", "JOBS", "FILES"):
        monkeypatch.setattr(retention, name, 2)
    for _ in range(9):
        yard.done()
    yard.pass_days(11)
    yard.core.retention._next_at = yard.now
    while yard.count("jobs"):
        before = (yard.count("jobs"), yard.count("logs"))
        with yard.store.transaction():
            yard.core.command(yard.instant(), Frame(id=1, command="queue.put", args={"queue": "main"}))
            yard.core.tick(yard.instant())
        assert (yard.count("jobs"), yard.count("logs")) == before, "somebody waited for an answer"
        yard.tick(0.06, 0.06)
        assert before[0] - yard.count("jobs") <= 2
        assert before[1] - yard.count("logs") <= 2 * 2
    yard.sweep()
    yard.is_true()


def test_firings_go_with_their_jobs(yard: Years) -> None:
    yard.must("deployment.put", deployment="d", name="D", flow="hello", target={"queue": "main"})
    us = yard.instant().utc_us
    yard.connection.execute(
        "insert into firings (uid, schedule, due_at, fired_at, zone) values ('f1', 's', 1, ?, 'UTC')", (us,)
    )
    uid = yard.done()
    yard.connection.execute("update jobs set firing = 'f1' where uid = ?", (uid,))
    yard.connection.execute("insert into firing_rows (firing, n, job) values (1, 1, ?)", (yard.job(uid)["id"],))
    yard.pass_days(9)
    yard.sweep()
    assert yard.count("firings") == 1
    yard.pass_days(2)
    yard.sweep()
    assert yard.count("firings") == yard.count("firing_rows") == 0


def test_a_restart_in_the_middle_goes_on(yard: Years) -> None:
    for _ in range(5):
        yard.done()
    yard.pass_days(11)
    yard.core.retention._next_at = yard.now
    yard.tick(0.06, 0.06)
    yard.boot()
    FakeRobot.beat(yard.r1)
    yard.sweep()
    assert yard.count("jobs") == 0
    yard.is_true()


def test_files_that_no_row_names_are_swept_up(yard: Years, tmp_path: Path) -> None:
    folder, kept = tmp_path / "artifacts", artifact(yard, yard.done())
    lost, young = uuid7(), uuid7()
    for uid in (kept, lost, young):
        (folder / place_of(uid)).parent.mkdir(parents=True, exist_ok=True)
        (folder / place_of(uid)).write_bytes(b"x")
        if uid != young:
            os.utime(folder / place_of(uid), (time.time() - 2 * YOUNG_S,) * 2)
    orphans = Orphans(tmp_path)
    assert sum(orphans.sweep(yard.connection) for _ in range(256)) == 1
    assert {path.name for path in folder.rglob("*-*")} == {kept, young}


def test_what_is_no_file_or_cannot_be_looked_at_is_left(
    yard: Years, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder among the files ended the controller, again and again."""
    folder = tmp_path / "artifacts" / "00"
    (folder / "somebody's").mkdir(parents=True)
    bad, old = folder / f"{uuid7()[:-2]}00", folder / f"{uuid7()[:-2]}00"
    for path in (bad, old):
        path.write_bytes(b"x")
    for path in (bad, old, folder / "somebody's"):
        os.utime(path, (time.time() - 2 * YOUNG_S,) * 2)
    real = Path.unlink

    def failing(path: Path, missing_ok: bool = False) -> None:
        if path == bad:
            raise OSError(errno.EIO, "Input/output error")
        real(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", failing)
    assert Orphans(tmp_path).sweep(yard.connection) == 1
    assert {path.name for path in folder.iterdir()} == {bad.name, "somebody's"}
    monkeypatch.setattr(Path, "iterdir", lambda _path: failing(bad))
    assert Orphans(tmp_path).sweep(yard.connection) == 0


def full_with_old_files(yard: Years) -> tuple[set[str], str]:
    """A full disk, old jobs and artifacts on it: ids of the old artifacts, and one that is young."""
    old = yard.done()
    files = {artifact(yard, old) for _ in range(retention.FEW_FILES * 2 + 1)}
    yard.core.tight = True
    yard.tick()
    yard.pass_days(11)
    return files, artifact(yard, old)


def while_full(yard: Years) -> None:
    """Some turns, in each of which only a few files go."""
    for _ in range(20):
        before = yard.count("artifacts")
        yard.tick()
        assert before - yard.count("artifacts") <= retention.FEW_FILES
        yard.now += 0.06


def test_while_the_disk_is_full_old_files_go_and_nothing_else(yard: Years) -> None:
    """What is old is room; clearing it away must not wait until there is some."""
    files, young = full_with_old_files(yard)
    logs = yard.count("logs")
    while_full(yard)
    assert set(yard.core.take_gone()) == files
    assert [row["uid"] for row in yard.rows("artifacts")] == [young]
    assert (yard.count("jobs"), yard.count("logs")) == (1, logs)
    assert yard.core.retention.wake_at > yard.now + 60
    yard.core.tight = False
    yard.sweep()
    assert yard.count("jobs") == 0
    yard.is_true()


def turn_without_room(yard: Years) -> None:
    """Its commit fails, with what was cleared away in it."""
    with yard.store.transaction():
        yard.core.tick(yard.instant())
        assert yard.core.retention.gone
        raise KeyError


def test_when_there_is_no_room_even_for_that_others_go_first(yard: Years) -> None:
    files, _ = full_with_old_files(yard)
    gone, before = yard.core.take_gone(), yard.count("artifacts")
    yard.now += 0.06
    with pytest.raises(KeyError):
        turn_without_room(yard)
    yard.core.undo()
    while_full(yard)
    assert yard.count("artifacts") == before > 1
    assert yard.core.wake_at > yard.now
    yard.now += retention.AGAIN_S
    while_full(yard)
    assert {*gone, *yard.core.take_gone()} == files


def test_a_clock_that_jumps_a_year_clears_nothing_away(yard: Years) -> None:
    key = yard.ask("job.submit", key="k", flow="hello", target={"queue": "main"})
    yard.r1.accept()
    yard.r1.say(yard.r1.about("succeeded"))
    artifact(yard, yard.done())
    yard.sweep()
    before = {table: yard.count(table) for table in ("jobs", "logs", "events", "audit", "artifacts", "reports")}
    yard.wrong = 365
    for _ in range(3):
        yard.pass_days(1 / 24)
        yard.sweep()
    assert {table: yard.count(table) for table in before} == before
    again = yard.ask("job.submit", key="k", flow="hello", target={"queue": "main"})
    assert (again.replayed, again.ok) == (True, key.ok)
    yard.wrong = 0
    yard.pass_days(11)
    yard.sweep()
    assert yard.count("jobs") == 0, "it goes on as if nothing had been"


def everything(yard: Years) -> dict[str, int]:
    return {table: yard.count(table) for table in ("jobs", "logs", "events", "audit", "artifacts", "reports")}


@pytest.mark.parametrize("is_swept", [False, True])
@pytest.mark.parametrize("days", [-400, -12])
def test_what_was_written_while_the_clock_was_behind_stays_its_time(yard: Years, days: int, is_swept: bool) -> None:
    """Its dates say that it is old; nobody may believe them, also not after a restart."""
    yard.pass_days(1)
    yard.wrong = days
    key = yard.ask("job.submit", key="k", flow="hello", target={"queue": "main"})
    yard.r1.accept()
    yard.r1.say(yard.r1.about("succeeded"))
    artifact(yard, yard.done())
    if is_swept:
        yard.sweep()
    yard.wrong = 0
    before = everything(yard)
    yard.sweep()
    yard.boot()
    yard.r1.beat()
    yard.pass_days(1.5)
    yard.sweep()
    assert everything(yard) == before
    again = yard.ask("job.submit", key="k", flow="hello", target={"queue": "main"})
    assert (again.replayed, again.ok) == (True, key.ok)
    yard.pass_days(10)
    yard.sweep()
    assert yard.count("jobs") == 0, "now it is old"
    yard.is_true()


def test_a_clock_that_was_behind_for_some_days_stops_nothing_for_longer(yard: Years) -> None:
    yard.pass_days(1)
    yard.done()
    yard.wrong = -400
    for _ in range(6):
        yard.pass_days(0.5)
        yard.sweep()
    yard.wrong = 0
    yard.pass_days(11)
    yard.sweep()
    assert yard.count("jobs") == 0


def test_what_is_over_for_good_stops_nothing_when_the_clock_is_behind_again(yard: Years) -> None:
    """The dates of the first time would keep everything once more."""
    yard.pass_days(1)
    yard.wrong = -400
    yard.pass_days(0.1)
    yard.wrong = 0
    yard.pass_days(25)  # longer than anything is kept
    yard.sweep()
    yard.done()
    yard.pass_days(11)
    yard.wrong = -1
    yard.tick(1)
    yard.wrong = 0
    yard.sweep()
    assert yard.count("jobs") == 0


def test_after_a_month_a_clock_that_is_behind_is_believed(yard: Years) -> None:
    """The first one was a year ahead: else nothing would be cleared away for a year."""
    yard.wrong = -365
    yard.done()
    for _ in range(31):
        yard.pass_days(1)
        yard.sweep()
    assert yard.count("jobs") == 1
    for _ in range(12):
        yard.pass_days(1)
        yard.sweep()
    assert yard.count("jobs") == 0


def test_what_a_lost_turn_remembered_of_a_wrong_clock_is_remembered_again(yard: Years) -> None:
    yard.pass_days(1)
    yard.wrong = -400
    with contextlib.suppress(Lost), yard.store.transaction():
        yard.core.tick(yard.instant())
        raise Lost
    yard.core.undo()
    yard.done()
    yard.wrong = 0
    yard.boot()
    yard.r1.beat()
    yard.sweep()
    assert yard.count("jobs") == 1


class Lost(Exception):
    """A turn that is rolled back."""


def test_what_a_box_that_was_off_for_long_has_to_clear_is_caught_up_with(yard: Years) -> None:
    yard.done()
    yard.sweep()
    yard.wrong = 30  # the clock went on while the machine was off, the steady one did not
    yard.boot()
    yard.r1.beat()
    yard.sweep()
    assert yard.count("jobs") == 1
    yard.pass_days(4)
    yard.sweep()
    assert yard.count("jobs") == 0


def test_a_full_disk_is_not_asked_again_and_again(yard: Years) -> None:
    yard.done()
    uids = [yard.submit() for _ in range(300)]
    yard.must("batch.preview", action="cancel", ids=uids)
    yard.core.retention._next_at = yard.now
    yard.core.tight = True
    yard.tick()
    assert yard.core.wake_at > yard.now
