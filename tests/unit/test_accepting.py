"""Pages that another program has folded are accepted by a person, with all else sound, and nothing else ever is."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from controller.lock import DataLock
from controller.store import findings
from controller.store.connection import Store
from controller.store.pages import Damaged, bad_pages
from tests.fakes.summed import flip, turn

DATABASE = "yardmaster.db"


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """The data directory of a box that was killed: work waits in its log."""
    (tmp_path / "live").mkdir()
    store = Store.open(tmp_path / "live" / DATABASE)
    turn(store)
    store.fold()
    turn(store)
    turn(store)
    (tmp_path / "box").mkdir()
    for file in (tmp_path / "live").iterdir():
        shutil.copy(file, tmp_path / "box" / file.name)
    store.close()
    return tmp_path / "box"


def read_by_sqlite3(data: Path) -> None:
    """As `sqlite3 yardmaster.db 'select …'` does, which may write."""
    with closing(sqlite3.connect(data / DATABASE)) as db:
        assert db.execute("select count(*) from events").fetchone()[0] == 60
    assert not (data / f"{DATABASE}-wal").exists()


def run(data: Path, *more: str, says: str | None = None) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["verify", "--data-dir", str(data), "--accept-pages", *more], input=says)
    return done.exit_code, " ".join(done.output.split())


def contents(data: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in data.iterdir() if path.name.startswith(DATABASE)}


def opened(data: Path) -> int:
    """How many rows a start finds; raises `Damaged`."""
    store = Store.open(data / DATABASE, 60.0)
    assert not store.restored
    rows = store.db.execute("select count(*) from events where event = 'noted'").fetchone()[0]
    store.close()
    return int(rows)


def test_a_log_that_another_program_has_folded_is_named_and_can_be_accepted(killed: Path) -> None:
    read_by_sqlite3(killed)
    with pytest.raises(Damaged, match=r"sqlite3 without -readonly.*yardmaster verify --accept-pages"):
        opened(killed)
    before = contents(killed)
    code, said = run(killed, says="n\n")
    assert (code, "all else is sound" in said) == (1, True)
    assert contents(killed)[DATABASE] == before[DATABASE]
    with pytest.raises(Damaged):
        opened(killed)
    code, said = run(killed, "--yes")
    assert (code, "it stands in the audit" in said) == (0, True), said
    assert opened(killed) == 60
    assert list(bad_pages(killed / DATABASE)) == []
    with closing(sqlite3.connect(f"file:{killed / DATABASE}?mode=ro", uri=True)) as db:
        who, after = db.execute("select who, after from audit where action = 'store.accept_pages'").fetchone()
    assert who.startswith("box:")
    assert '"count"' in after
    assert CliRunner().invoke(app, ["verify", "--data-dir", str(killed)]).exit_code == 0


def test_reading_as_the_manual_says_changes_nothing(killed: Path) -> None:
    with closing(sqlite3.connect(f"file:{killed / DATABASE}?mode=ro", uri=True)) as db:
        assert db.execute("select count(*) from events").fetchone()[0] == 60
    assert opened(killed) == 60


def test_where_work_waits_in_the_log_it_is_something_else(killed: Path) -> None:
    flip(killed / DATABASE, 4096 * 3 + 2000)
    code, said = run(killed, "--yes")
    assert (code, "work waits in" in said) == (1, True), said


def test_what_is_well_is_not_touched(killed: Path) -> None:
    opened(killed)
    before = contents(killed)
    code, said = run(killed, "--yes")
    assert (code, "nothing to accept" in said) == (1, True), said
    assert contents(killed)[f"{DATABASE}-sums"] == before[f"{DATABASE}-sums"]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ("update events set why = 'x' where id = 7", "moves"),
        ("insert into job_counts values ('q:main', 'queued', 3)", "counters"),
        ("update meta set value = value - 1 where key = 'turns'", "turns"),
        (f"insert into findings values ('{findings.BAD_PAGE}', 'Page 3', 1)", "damage was found"),
    ],
)
def test_anything_else_that_is_wrong_keeps_it_refused(killed: Path, change: str, word: str) -> None:
    opened(killed)
    with closing(sqlite3.connect(killed / DATABASE, isolation_level=None)) as db:
        db.execute(change)
    code, said = run(killed, "--yes")
    assert (code, word in said) == (1, True), said
    with pytest.raises(Damaged):
        opened(killed)


def test_beside_a_running_box_it_is_refused(killed: Path) -> None:
    read_by_sqlite3(killed)
    lock = DataLock.take(killed)
    code, said = run(killed, "--yes")
    lock.release()
    assert (code, "in use" in said) == (1, True), said
