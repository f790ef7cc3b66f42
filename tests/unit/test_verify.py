"""`verify`: nothing is said about a box that is well, and what is changed behind its back is named."""

import hashlib
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from controller.store.connection import Store
from controller.store.mark import Mark
from controller.store.queries.verify import Check, verify
from schemas.artifact import FOLDER, place_of
from tests.fakes.box import DiskYard
from tests.fakes.yard import running


@pytest.fixture
def yard(tmp_path: Path) -> DiskYard:
    """A box with a job that has succeeded, one that runs and one that waits."""
    yard = DiskYard(tmp_path)
    robot, _ = running(yard)
    robot.say(robot.about("succeeded"))
    running(yard)
    yard.submit()
    return yard


def checks(folder: Path, **more: bool) -> dict[str, Check]:
    return {check.name: check for check in verify(folder / "yardmaster.db", **more)}


def test_a_box_that_is_well_is_well_in_use_and_stopped(yard: DiskYard, tmp_path: Path) -> None:
    in_use = checks(tmp_path, artifacts=True)
    assert [check for check in in_use.values() if not check.ok] == []
    assert in_use["states"].number == 3
    yard.store.close()
    assert [(check.name, check.number) for check in checks(tmp_path).values()] == [
        (check.name, check.number) for name, check in in_use.items() if name != "artifacts"
    ]


@pytest.mark.parametrize(
    ("change", "name", "word"),
    [
        ("update jobs set state = 'failed' where id = 1", "states", "its last move made it succeeded"),
        ("delete from events where job = 2", "moves", "it is not what was written"),
        ("update events set why = 'x' where id = 2", "moves", "row 2"),
        ("update job_counts set n = n + 1 where state = 'running'", "counters", "running jobs of q:main"),
        ("delete from job_counts where state = 'running'", "counters", "0 counted, there are 1"),
        ("update artifact_space set bytes = 7", "counters", "7 bytes counted, there are 0"),
        ("update meta set value = 0 where key = 'count'", "counters", "was not given yet"),
        ("delete from attempts where job = 1", "references", "of block_runs name attempts"),
        ("delete from robots", "references", "which is not there"),
        ("update events set why = cast('x' as blob) where id = 2", "moves", "row 2"),
        ("update audit set who = cast(who as blob) where id = 1", "audit", "row 1"),
        ("update chain_days set first = 'x' where book = 'events'", "moves", "not of its kind"),
        ("insert into audit values (99, 1, 'li', 'admin', null, null, 'a', '', null, null, null, 'x')", "audit", "99"),
    ],
)
def test_what_is_changed_behind_its_back_is_named(
    yard: DiskYard, tmp_path: Path, change: str, name: str, word: str
) -> None:
    yard.connection.execute(change)
    check = checks(tmp_path)[name]
    assert any(word in sentence for sentence in check.wrong), check


def test_lost_turns_are_named(yard: DiskYard, tmp_path: Path) -> None:
    from controller.store.mark import Mark

    mark = Mark(tmp_path / "mark")
    mark.write(yard.store.turns + 3)
    mark.close()
    assert checks(tmp_path)["turns"].wrong == [f"the last 3 of {yard.store.turns + 3} turns are missing"]


def test_a_file_that_is_no_database_is_bad_in_every_check(tmp_path: Path) -> None:
    (tmp_path / "yardmaster.db").write_bytes(b"\x01" * 8192)
    assert [check.name for check in checks(tmp_path).values() if check.ok] == ["pages"], "nobody has sworn to any"


def test_a_page_that_was_changed_is_named(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "yardmaster.db")
    store.close()
    assert checks(tmp_path)["pages"].ok
    with (tmp_path / "yardmaster.db").open("r+b") as file:
        file.seek(9 * 4096 + 5)
        file.write(b"x")
    assert checks(tmp_path)["pages"].wrong == ["page 10 is not what was written"]


def test_artifacts_are_read_when_asked(yard: DiskYard, tmp_path: Path) -> None:
    place = tmp_path / FOLDER / place_of("u-77")
    place.parent.mkdir(parents=True)
    place.write_bytes(b"a picture")
    digest = hashlib.sha256(b"a picture").hexdigest()
    attempt = yard.rows("attempts")[0]["number"]
    yard.connection.execute(
        "insert into artifacts (uid, attempt, job, robot, kind, name, size, sha256, state, created_at)"
        f" values ('u-77', {attempt}, 1, 'r1', 'screenshot', 'p', 9, '{digest}', 'complete', 1)"
    )
    assert checks(tmp_path, artifacts=True)["artifacts"] == ("artifacts", 1, "files", [])
    place.write_bytes(b"a picturf")
    assert checks(tmp_path, artifacts=True)["artifacts"].wrong == ["artifact u-77: its file is not what was uploaded"]
    place.unlink()
    assert "cannot be read" in checks(tmp_path, artifacts=True)["artifacts"].wrong[0]
    assert "artifacts" not in checks(tmp_path)


def test_the_command_prints_a_line_a_check_and_ends_with_one_if_bad(yard: DiskYard, tmp_path: Path) -> None:
    run = CliRunner().invoke
    well = run(app, ["verify", "--data-dir", str(tmp_path)])
    assert well.exit_code == 0, well.output
    assert "ok    states: 3 jobs" in well.output
    yard.connection.execute("update jobs set state = 'failed' where id = 1")
    bad = run(app, ["verify", "--data-dir", str(tmp_path)])
    assert bad.exit_code == 1
    assert "BAD   states: 3 jobs\n      job " in bad.output
    items = json.loads(run(app, ["verify", "--data-dir", str(tmp_path), "--json"]).output)["items"]
    assert [item["name"] for item in items if not item["ok"]] == ["states"]
    assert run(app, ["verify", "--data-dir", str(tmp_path / "nothing")]).exit_code == 2


def test_a_box_whose_database_is_gone_is_bad_and_no_slip_of_the_pen(tmp_path: Path) -> None:
    mark = Mark(tmp_path / "mark")
    mark.write(5)
    mark.close()
    run = CliRunner().invoke(app, ["verify", "--data-dir", str(tmp_path)])
    assert run.exit_code == 1
    assert "is gone" in run.output
    assert "yardmaster restore" in run.output
