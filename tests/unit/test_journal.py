"""The journal: what is committed stays, what is not never was, and nobody else's rows are touched."""

import contextlib
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from edge_agent.journal import MEMORY, Journal, JournalFile, NotWritten
from edge_agent.journal_tables import NoJournal
from edge_agent.locks import Locked, lock_directory
from edge_agent.operations import BlockReport, PastRun
from edge_agent.records import Ended, Held
from schemas.status import Phase
from tests.fakes.agent_bench import Bench


@pytest.fixture
def file(tmp_path: Path) -> Iterator[JournalFile]:
    made = JournalFile(tmp_path / "journal.db")
    yield made
    made.close()


def write(journal: Journal, file: JournalFile, count: int = 1, kind: str = "block", attempt: int = 1) -> None:
    with file.transaction():
        for i in range(count):
            journal.append(kind, attempt, b'{"i":%d}' % i)


def seqs(journal: Journal, start: int = 1, limit: int = 10_000) -> list[int]:
    return [row.seq for row in journal.rows(start, limit)]


def test_every_commit_is_on_the_disk(file: JournalFile) -> None:
    assert file.read("pragma synchronous") == [(2,)]
    assert file.read("pragma journal_mode") == [("wal",)]


def test_numbers_count_from_one_without_gaps_and_outlive_everything(file: JournalFile, tmp_path: Path) -> None:
    journal = Journal(file, "a")
    assert (journal.head, journal.first, journal.highest) == (0, 1, 0)
    write(journal, file, 3)
    with file.transaction():
        journal.acknowledge(3)
    again = Journal(JournalFile(tmp_path / "journal.db"), "a")
    assert (again.id, again.head, again.first) == (journal.id, 3, 4)


def fail_midway(journal: Journal, file: JournalFile) -> None:
    with file.transaction():
        journal.append("block", 1, b"{}")
        journal.raise_highest(9)
        raise ZeroDivisionError


def test_what_was_not_committed_never_was(file: JournalFile) -> None:
    journal = Journal(file, "a")
    write(journal, file, 2)
    with pytest.raises(ZeroDivisionError):
        fail_midway(journal, file)
    again = Journal(file, "a")
    assert (again.head, again.highest) == (2, 0)
    assert seqs(again) == [1, 2]


def test_robots_share_a_file_and_nothing_else(file: JournalFile) -> None:
    one, two = Journal(file, "one"), Journal(file, "two")
    with file.transaction():
        one.append("accepted", 1, b"{}")
        two.append("accepted", 1, b"{}")
        two.append("block", 1, b"{}")
        one.hold(Held(1, "job", b"{}"))
        one.end(Ended(5, "x", "succeeded"))
        one.raise_highest(5)
    with file.transaction():
        one.acknowledge(1)
    assert one.id != two.id
    assert (seqs(one), seqs(two)) == ([], [1, 2])
    assert (two.held(), two.ended(5), two.highest) == ([], None, 0)
    again = Journal(file, "two")
    assert (again.head, again.first, again.answer(1)) == (2, 1, 1)


def test_only_an_acknowledgement_takes_rows_away(file: JournalFile) -> None:
    journal = Journal(file, "a")
    write(journal, file, 10)
    with file.transaction():
        assert journal.acknowledge(4) == "gone"
        assert journal.acknowledge(4) == "nothing"
        assert journal.acknowledge(2) == "nothing"
    assert journal.first == 5
    assert seqs(journal) == seqs(Journal(file, "a")) == [5, 6, 7, 8, 9, 10]


def test_rows_are_the_same_from_memory_and_from_disk(file: JournalFile) -> None:
    journal = Journal(file, "a")
    for _ in range(20):
        write(journal, file, 100)
    assert seqs(journal) == list(range(1, 2001))
    assert seqs(journal, 1500, 700) == list(range(1500, 2001))
    assert seqs(journal, 1990, 5) == list(range(1990, 1995))
    assert [row.body for row in journal.rows(1, 3000)] == [row.body for row in Journal(file, "a").rows(1, 3000)]


def test_an_old_copy_gets_a_new_id_and_keeps_its_rows(file: JournalFile) -> None:
    journal = Journal(file, "a")
    write(journal, file, 9, kind="accepted", attempt=7)
    with file.transaction():
        journal.acknowledge(4)
    old = journal.id
    bodies = [row.body for row in journal.rows(1, 100)]
    with file.transaction():
        assert journal.acknowledge(50) == "old copy"
    for seen in (journal, Journal(file, "a")):
        assert seen.id != old
        assert (seen.first, seen.head, seen.answer(7)) == (1, 5, 5)
        assert seqs(seen) == [1, 2, 3, 4, 5]
        assert [row.body for row in seen.rows(1, 100)] == bodies
    write(journal, file)
    assert seqs(Journal(file, "a")) == [1, 2, 3, 4, 5, 6]


def mixed(file: JournalFile, **more: int) -> Journal:
    journal = Journal(file, "a", **more)
    with file.transaction():
        for i in range(600):
            journal.append("block" if i % 100 == 0 else "log", 1, b'{"i":%d}' % i)
    return journal


def spans(journal: Journal) -> list[tuple[int, int, str]]:
    return [(row.seq, row.seq + row.span, row.kind) for row in journal.rows(1, 10_000)]


def thin(journal: Journal, file: JournalFile, keep: int = 0) -> None:
    with file.transaction():
        journal.append("log", 1, b"{}")
    with file.transaction():
        journal.thin(keep)


def test_too_many_rows_lose_their_logs_and_nothing_else(file: JournalFile) -> None:
    journal = mixed(file, max_rows=300)
    thin(journal, file)
    assert spans(journal) == spans(Journal(file, "a"))
    kinds = [kind for _, _, kind in spans(journal)]
    assert kinds.count("block") == 6
    assert "dropped" in kinds
    ends = [0] + [end for _, end, _ in spans(journal)]
    assert [start for start, _, _ in spans(journal)] == [end + 1 for end in ends[:-1]]
    assert ends[-1] == journal.head


def test_rows_that_were_sent_keep_their_meaning(file: JournalFile) -> None:
    journal = mixed(file, max_rows=300)
    thin(journal, file, keep=150)
    assert [(start, end) for start, end, _ in spans(journal)][:150] == [(i, i) for i in range(1, 151)]


def test_part_of_a_dropped_row_may_be_acknowledged(file: JournalFile) -> None:
    journal = mixed(file, max_rows=300)
    thin(journal, file)
    start, end, _ = spans(journal)[1]
    assert end > start + 5
    with file.transaction():
        journal.acknowledge(start + 4)
    for seen in (journal, Journal(file, "a")):
        assert seen.first == start + 5
        assert spans(seen)[0] == (start + 5, end, "dropped")


def test_few_rows_are_left_alone(file: JournalFile) -> None:
    journal = mixed(file)
    thin(journal, file)
    assert all(kind != "dropped" for _, _, kind in spans(journal))


def test_attempts_in_hand_as_they_stood(file: JournalFile) -> None:
    journal = Journal(file, "a")
    held = Held(3, "job", b'{"x":1}')
    with file.transaction():
        journal.hold(held)
        held.command, held.started, held.pause, held.paused = 8, True, 8, True
        held.stop, held.stop_command, held.elapsed = "cancel", 9, 12.5
        journal.keep(held)
    assert Journal(file, "a").held() == [held]


def test_block_runs_for_replay(file: JournalFile) -> None:
    journal = Journal(file, "a")
    with file.transaction():
        journal.run(3, BlockReport("-1/1", 1, 0, Phase.START_BEGIN, inputs={"a": [1, "ü"]}))
        journal.run(3, BlockReport("-1/1", 1, 0, Phase.MONITOR_SUCCESS, outputs={"b": 2}))
        journal.run(3, BlockReport("-1/1", 2, 1, Phase.START_BEGIN, inputs={}))
        journal.run(4, BlockReport("-1/1", 1, 0, Phase.START_FAILED, reason="no"))
    past = Journal(file, "a").past(3)
    assert set(past) == {("-1/1", 0), ("-1/1", 1)}
    first = past["-1/1", 0]
    assert (first.n, first.status, first.inputs, first.outputs) == (
        1,
        Phase.MONITOR_SUCCESS,
        {"a": [1, "ü"]},
        {"b": 2},
    )
    assert past["-1/1", 1].inputs == {}


def test_ends_are_remembered_and_places_are_not(file: JournalFile) -> None:
    journal = Journal(file, "a")
    with file.transaction():
        journal.hold(Held(3, "job", b"{}"))
        journal.run(3, BlockReport("-1/1", 1, 0, Phase.START_BEGIN))
        journal.end(Ended(3, "job", "failed", "why", {"x": 1}))
        assert journal.ended(3) == Ended(3, "job", "failed", "why", {"x": 1})
    again = Journal(file, "a")
    assert again.ended(3) == Ended(3, "job", "failed", "why", {"x": 1})
    assert (again.held(), again.past(3)) == ([], {})


def test_the_memory_of_ends_is_bounded(file: JournalFile) -> None:
    journal = Journal(file, "a")
    for attempt in range(1, MEMORY + 200):
        with file.transaction():
            journal.end(Ended(attempt, "job", "succeeded"))
    (count,) = file.read("select count(*) from ended")[0]
    assert MEMORY <= count <= MEMORY + 50
    assert journal.ended(1) is None
    assert journal.ended(MEMORY + 199)


def test_a_refused_transaction_is_kept_and_goes_with_the_next(file: JournalFile, tmp_path: Path) -> None:
    journal = Journal(file, "a")
    write(journal, file)
    other = sqlite3.connect(tmp_path / "journal.db", isolation_level=None)
    other.execute("begin immediate")
    file._db.execute("pragma busy_timeout = 0")
    with pytest.raises(NotWritten):
        write(journal, file, 3)
    assert other.execute("select count(*) from rows").fetchone() == (1,)
    other.execute("rollback")
    write(journal, file)
    assert seqs(Journal(file, "a")) == [1, 2, 3, 4, 5]
    other.close()


def test_no_journal_at_all(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(b"this is a letter to my aunt, and no database" * 100)
    with pytest.raises(NoJournal):
        JournalFile(tmp_path / "x.db")


def test_a_kill_between_commits_loses_nothing_that_was_committed(tmp_path: Path) -> None:
    program = f"""
import os, sys
from edge_agent.journal import Journal, JournalFile
file = JournalFile({str(tmp_path / "k.db")!r})
journal = Journal(file, "a")
while True:
    with file.transaction():
        journal.append("block", 1, b"{{}}")
    print(journal.head, flush=True)
    if journal.head == 20:
        journal.append("block", 1, b"{{}}")
        os._exit(9)
"""
    here = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, cwd=here, check=False)
    assert done.returncode == 9, done.stderr
    assert seqs(Journal(JournalFile(tmp_path / "k.db"), "a")) == list(range(1, 21))


def test_one_agent_a_name(tmp_path: Path) -> None:
    lock = lock_directory(tmp_path, "a")
    with pytest.raises(Locked, match="another agent"):
        lock_directory(tmp_path, "a")
    lock_directory(tmp_path, "b").close()
    lock.close()
    lock_directory(tmp_path, "a").close()


def test_a_file_of_an_older_version_gets_what_it_lacks_and_keeps_what_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    older = sqlite3.connect(path)
    older.executescript("""
        create table robots (robot text primary key, journal text, head integer, highest integer) without rowid;
        create table held (
          robot text not null, attempt integer not null, job text not null, assign blob not null,
          command integer not null, started integer not null, pause integer, paused integer not null, stop text,
          stop_command integer, elapsed real not null, primary key (robot, attempt)) strict, without rowid;
        create table runs (
          robot text not null, attempt integer not null, path text not null, try integer not null, n integer not null,
          status text not null, inputs blob, outputs blob, reason text,
          primary key (robot, attempt, path, try)) strict, without rowid;
        create table ended (
          robot text not null, attempt integer not null, job text not null, kind text not null, reason text,
          outputs blob, primary key (robot, attempt)) strict, without rowid;
        insert into robots values ('a', 'the journal', 9, 7);
        insert into held values ('a', 7, 'job', x'7b7d', 5, 1, 5, 1, null, null, 2.5);
        insert into runs values ('a', 7, '-1/1', 0, 1, 'monitor.failed', null, null, 'jam');
        insert into ended values ('a', 6, 'old', 'failed', 'why', null);
    """)
    older.close()
    for _ in range(2):
        file = JournalFile(path)
        journal = Journal(file, "a")
        (held,) = journal.held()
        assert (held.paused, held.elapsed, held.failed, held.again, held.rolling) == (True, 2.5, None, (), False)
        assert journal.past(7)["-1/1", 0] == PastRun(1, Phase.MONITOR_FAILED, reason="jam")
        assert journal.ended(6) == Ended(6, "old", "failed", "why")
        file.close()


def test_what_follows_an_end_is_kept_beside_it(file: JournalFile) -> None:
    journal = Journal(file, "a")
    with file.transaction():
        journal.hold(Held(1, "job", b"{}"))
        journal.run(1, BlockReport("-1/1", 1, 0, Phase.START_BEGIN, inputs={"x": 1}))
        journal.run(1, BlockReport("-1/1", 1, 0, Phase.MONITOR_FAILED, reason="jam"))
        journal.run(1, BlockReport("-1/1", 1, 0, Phase.DELETE_BEGIN))
    assert Journal(file, "a").past(1)["-1/1", 0].after is Phase.DELETE_BEGIN
    with file.transaction():
        journal.run(1, BlockReport("-1/1", 1, 0, Phase.DELETE_FAILED, reason="the disk"))
    past = Journal(file, "a").past(1)["-1/1", 0]
    assert past == PastRun(1, Phase.MONITOR_FAILED, {"x": 1}, None, "jam", Phase.DELETE_FAILED)


def test_decisions_of_people_are_kept(file: JournalFile) -> None:
    journal, held = Journal(file, "a"), Held(1, "job", b"{}", started=True)
    with file.transaction():
        journal.hold(held)
    held.failed, held.again, held.rolling = "-1/2", (("-1/1", 0), ("-1/1", 1)), True
    with file.transaction():
        journal.keep(held)
    assert Journal(file, "a").held() == [held]


def test_a_disk_that_fails_says_nothing_about_the_file(tmp_path: Path) -> None:
    """A folder in its place cannot be opened, as a file on an ailing disk cannot; only rubbish is no journal."""
    with pytest.raises(NoJournal, match="cannot be opened now"):
        JournalFile(tmp_path)
    rubbish = tmp_path / "rubbish"
    rubbish.write_bytes(b"not a database, and long enough to show it" * 100)
    with pytest.raises(NoJournal, match="is not a journal"):
        JournalFile(rubbish)


def test_a_journal_that_is_not_what_was_written_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    file = JournalFile(tmp_path / "journal.db")
    write(Journal(file, "a"), file, 40)
    old = Journal(file, "a").id
    file.close()
    content = (tmp_path / "journal.db").read_bytes()
    for at in (20, len(content) // 2, content.index(old.encode()) + 3, content.rindex(b"block")):
        broken = content[:at] + bytes([content[at] ^ 2]) + content[at + 1 :]
        (tmp_path / "journal.db").write_bytes(broken)
        with contextlib.suppress(NoJournal):
            JournalFile(tmp_path / "journal.db").close()
            assert seqs(Journal(JournalFile(tmp_path / "journal.db"), "a")) == list(range(1, 41)), "free space"
    (tmp_path / "journal.db").write_bytes(content.replace(old.encode(), b"f" + old.encode()[1:]))
    with pytest.raises(NoJournal, match=r"rows differ.*move all of journal\.db\* to another folder"):
        JournalFile(tmp_path / "journal.db")
    for path in tmp_path.glob("journal.db*"):
        path.unlink()
    assert Journal(JournalFile(tmp_path / "journal.db"), "a").id != old


def test_a_journal_of_a_version_without_sums_gets_one(tmp_path: Path) -> None:
    file = JournalFile(tmp_path / "journal.db")
    write(Journal(file, "a"), file, 3)
    file.close()
    (tmp_path / "journal.db-mark").unlink()
    with closing(sqlite3.connect(tmp_path / "journal.db")) as db:
        db.execute("drop table sound")
        db.execute("alter table held drop column rolling")
    for _ in range(2):
        file = JournalFile(tmp_path / "journal.db")
        assert seqs(Journal(file, "a")) == [1, 2, 3]
        file.close()
    with closing(sqlite3.connect(tmp_path / "journal.db", isolation_level=None)) as db:
        db.execute("delete from rows where seq = 2")
    with pytest.raises(NoJournal, match="rows differ"):
        JournalFile(tmp_path / "journal.db")


def test_the_sum_stays_true_over_every_kind_of_change(tmp_path: Path) -> None:
    file = JournalFile(tmp_path / "journal.db")
    bench = Bench(file=file, max_rows=30)
    for attempt in range(1, 8):
        bench.begin(attempt=attempt, job=f"job-{attempt}")
        bench.cancel(attempt, attempt, f"job-{attempt}")
        bench.wait(3)
    write(bench.journal, file, 60)
    with file.transaction():
        bench.journal.thin(0)
        bench.journal.acknowledge(bench.journal.head + 1)
    file.close()
    JournalFile(tmp_path / "journal.db").close()
