"""Migrations that are cut off anywhere: the next start ends with the same tables as one that was not."""

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from controller.store import jobs
from controller.store.connection import Store, connect, migrate
from tests.unit.test_store import _first_version, _insert_as_then

ROOT = Path(__file__).parents[2]
CUT = """
import os, sys
from pathlib import Path
from controller.store import connection

left = int(sys.argv[2])
real = connection.connect

def counting(path):
    made = real(path)
    def step(sql):
        global left
        left -= 1
        if left == 0:
            os._exit(9)
    made.set_trace_callback(step)
    return made

connection.connect = counting
connection.Store.open(Path(sys.argv[1])).close()
print(left)
"""


def schema(path: Path) -> list[tuple[str, str]]:
    """Everything that the database is made of."""
    with sqlite3.connect(path) as db:
        rows = db.execute("select name, sql from sqlite_master where name not like 'sqlite_autoindex%' order by 1")
        found = [(row[0], row[1] or "") for row in rows]
        done = [row[0] for row in db.execute("select name from _sqlite_migrations order by name")]
    return [*found, ("migrations", " ".join(done))]


def cut_at(path: Path, step: int) -> bool:
    """Open a new database and stop before its statement of this number; False when there are fewer."""
    db, left = connect(path), [step]

    def trace(sql: str) -> None:
        left[0] -= 1

    db.set_trace_callback(trace)
    db.set_progress_handler(lambda: left[0] <= 0, 1)
    try:
        migrate(db)
    except sqlite3.OperationalError as error:
        if "interrupted" not in str(error):
            raise
        return True
    finally:
        db.set_progress_handler(None, 1)
        db.close()
    return left[0] <= 0


def test_a_start_that_was_interrupted_at_any_statement_is_begun_anew(tmp_path: Path) -> None:
    Store.open(tmp_path / "whole.db").close()
    wanted, step, cuts = schema(tmp_path / "whole.db"), 1, 0
    while True:
        path = tmp_path / f"{step}.db"
        was_cut = cut_at(path, step)
        Store.open(path).close()
        assert schema(path) == wanted, f"cut at statement {step}"
        path.unlink()
        if not was_cut:
            break
        cuts, step = cuts + 1, step + 1
    assert cuts > 100


@pytest.mark.parametrize("step", [2, 5, 9, 20, 55, 90])
def test_a_process_that_is_killed_in_the_middle_leaves_nothing_half(tmp_path: Path, step: int) -> None:
    path = tmp_path / "a.db"
    done = subprocess.run(
        [sys.executable, "-c", CUT, str(path), str(step)], cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 9, done.stderr
    Store.open(path).close()
    Store.open(tmp_path / "whole.db").close()
    assert schema(path) == schema(tmp_path / "whole.db")


def with_rows(path: Path) -> None:
    """A database of the first version, with jobs in several states."""
    old = _first_version(path)
    row = dict.fromkeys(jobs._JOB_COLUMNS, 0) | {"flow": "pick", "parameters": "{}", "source": "{}", "run": "r"}
    states = ("queued", "running", "uncertain", "failed", "succeeded", "cancelled")
    for number, state in enumerate(states * 3):
        parked = int(state in ("failed", "uncertain"))
        more = {
            "uid": f"u{number}",
            "target": f"q:{number % 2}",
            "source_type": "api",
            "state": state,
            "parked": parked,
        }
        _insert_as_then(old, row | more)
    old.close()


def test_an_upgrade_of_a_database_with_rows_may_be_cut_at_any_statement(tmp_path: Path) -> None:
    with_rows(tmp_path / "old.db")
    whole = Path(shutil.copy(tmp_path / "old.db", tmp_path / "whole.db"))
    Store.open(whole).close()
    wanted, tables, step, cuts = rows(whole), schema(whole), 1, 0
    assert any('insert into "jobs"' in line.lower() for line in wanted)
    while True:
        folder = tmp_path / str(step)
        folder.mkdir()
        path = Path(shutil.copy(tmp_path / "old.db", folder / "a.db"))
        was_cut = cut_at(path, step)
        Store.open(path).close()
        assert schema(path) == tables, f"cut at statement {step}"
        assert rows(path) == wanted, f"cut at statement {step}"
        shutil.rmtree(folder)
        if not was_cut:
            break
        cuts, step = cuts + 1, step + 1
    assert cuts > 100


def rows(path: Path) -> list[str]:
    """Everything that the tables hold; when a migration was carried out is nobody's row."""
    with closing(sqlite3.connect(path)) as db:
        return sorted(line for line in db.iterdump() if line.startswith("INSERT") and "_sqlite_migrations" not in line)
