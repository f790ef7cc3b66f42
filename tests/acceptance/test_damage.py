"""A box whose files were damaged or taken away does not start, or says what is missing; never in silence."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from controller.store.connection import Store
from tests.acceptance.test_serve import UP_S, Box, gone, start  # noqa: F401 - the fixture
from tests.waiting import wait_for

ROOT = Path(__file__).parents[2]


def serve(data_dir: Path) -> subprocess.CompletedProcess[str]:
    """A start that is refused."""
    ports = ("--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0")
    command = [sys.executable, "-m", "cli.main", "serve", "--data-dir", str(data_dir), *ports]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("page", [1, 20])
def test_a_damaged_database_keeps_the_box_from_starting_and_is_left_as_it_is(page: int, tmp_path: Path) -> None:
    database = tmp_path / "yardmaster.db"
    Store.open(database).close()
    content = bytearray(database.read_bytes())
    content[(page - 1) * 4096 + 2000] ^= 4
    database.write_bytes(content)
    done = serve(tmp_path)
    assert done.returncode == 3, done.stderr
    assert f"Page {page} of the database is not what was written" in done.stderr
    assert "yardmaster restore" in done.stderr
    assert database.read_bytes() == bytes(content)


def test_a_database_that_is_gone_is_not_made_anew(tmp_path: Path) -> None:
    Store.open(tmp_path / "yardmaster.db").close()
    (tmp_path / "yardmaster.db").unlink()
    done = serve(tmp_path)
    assert done.returncode == 3, done.stderr
    assert "The database is gone" in done.stderr
    assert not (tmp_path / "yardmaster.db").exists()


def test_a_log_that_was_removed_after_a_kill_is_said(start: Callable[..., Box]) -> None:  # noqa: F811
    box = start()
    http = box.up()["http"]
    answer = httpx.put(f"{http}/api/v1/queues/main", json={}, headers=box.headers())
    assert answer.status_code == 201, answer.text
    family = box.family()
    for process in family:
        process.kill()
    box.process.wait()
    wait_for(lambda: gone(family), 10, "the end of every part")
    (box.data_dir / "yardmaster.db-wal").unlink()
    again = start()
    wait_for(lambda: again.up()["pid"] == again.process.pid, UP_S, "the ready file of the living")
    http = again.ready()["http"]
    reasons = httpx.get(f"{http}/api/v1/health", headers=again.headers()).json()["reasons"]
    assert "store.lost" in [reason["code"] for reason in reasons], reasons
