"""Restoring: nothing that is not whole, never under a running box, nothing thrown away, numbers above all before."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from cli.serve import check_restored
from cli.supervisor import NotStarted
from config import disk
from config.certificates import Authority
from controller import backup_files, backups, restoring
from controller.lock import DataLock
from controller.restoring import CannotRestore
from controller.store import credentials
from controller.store.connection import Store
from schemas.artifact import place_of
from tests.fakes.box import DiskYard
from tests.unit.test_backups import artifact


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory with a backup of its first job and a second job after it."""
    yard = DiskYard(tmp_path)
    yard.must("queue.put", queue="main")
    yard.flow()
    yard.submit()
    artifact(yard, b"a picture")
    backups.make(tmp_path)
    yard.submit()
    yard.store.close()
    return tmp_path


def the_backup(data: Path) -> Path:
    """Its folder."""
    (folder,) = backups.found(data / "backups")
    return folder


def put_back(data: Path) -> restoring.Done:
    """Check and restore it."""
    with restoring.locked(data):
        return restoring.restore(restoring.check(the_backup(data)), data)


def jobs(data: Path) -> int:
    """How many jobs a box finds there at its start."""
    store = Store.open(data / "yardmaster.db")
    n = store.db.execute("select count(*) from jobs").fetchone()[0]
    store.close()
    return int(n)


def test_what_was_there_is_put_aside_and_the_next_start_knows(data: Path) -> None:
    before = Store.open(data / "yardmaster.db")
    incarnation, number = before.incarnation, before.newest_number
    before.close()
    done = put_back(data)
    assert done.aside is not None
    assert {"yardmaster.db", "artifacts"} <= {path.name for path in done.aside.iterdir()}
    assert not (data / "mark").exists()
    store = Store.open(data / "yardmaster.db")
    assert store.restored
    assert store.why == "a backup was restored"
    assert store.incarnation > incarnation
    assert store.newest_number > number
    assert store.db.execute("select count(*) from jobs").fetchone()[0] == 1
    uid = store.db.execute("select uid from artifacts").fetchone()["uid"]
    assert (data / "artifacts" / place_of(uid)).read_bytes() == b"a picture"
    store.close()
    assert (the_backup(data) / "yardmaster.db").exists(), "it can be restored once more"


def test_a_second_restore_raises_the_numbers_again(data: Path) -> None:
    put_back(data)
    first = Store.open(data / "yardmaster.db")
    first.parked()
    first.close()
    put_back(data)
    second = Store.open(data / "yardmaster.db")
    assert second.restored
    assert second.incarnation > first.incarnation
    second.close()


def test_into_an_empty_folder(data: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    new = tmp_path_factory.mktemp("new") / "data"
    with restoring.locked(new):
        assert restoring.restore(restoring.check(the_backup(data)), new).aside is None
    store = Store.open(new / "yardmaster.db")
    assert store.restored
    store.close()


def test_a_box_that_runs_is_left_alone(data: Path) -> None:
    lock = DataLock.take(data)
    with pytest.raises(CannotRestore, match="in use"):
        put_back(data)
    lock.release()
    assert jobs(data) == 2


@pytest.mark.parametrize("what", ["database", "gone", "manifest", "no manifest", "newer", "later form"])
def test_what_is_not_whole_is_refused_and_nothing_changes(data: Path, what: str) -> None:
    folder = the_backup(data)
    database, manifest = folder / "yardmaster.db", folder / "manifest.json"
    said = json.loads(manifest.read_text())
    match what:
        case "database":
            flipped = bytearray(database.read_bytes())
            flipped[len(flipped) // 2] ^= 1
            database.write_bytes(flipped)
        case "gone":
            database.unlink()
        case "manifest":
            manifest.write_text("{}")
        case "no manifest":
            manifest.unlink()
        case "newer":
            copied = Store.open(database)
            later = "insert into _sqlite_migrations (migration_set, name) values ('yardmaster', 'm9999_later')"
            copied.db.execute(later)
            copied.db.execute("pragma journal_mode = delete")
            copied.close()
            said["files"]["yardmaster.db"] = {
                "bytes": database.stat().st_size, "sha256": backup_files.sha256(database),
            }  # fmt: skip
            manifest.write_text(json.dumps(said))
        case _:
            manifest.write_text(json.dumps(said | {"form": 2}))
    with pytest.raises(CannotRestore), restoring.locked(data):
        restoring.check(folder)
    assert jobs(data) == 2


@pytest.mark.parametrize("how", ["another byte", "gone", "unreadable"])
def test_a_damaged_picture_is_left_out_and_named_and_the_box_comes_back(data: Path, how: str) -> None:
    """A bad sector is in every backup at once, since they share the one file."""
    (picture,) = (path for path in (the_backup(data) / "artifacts").rglob("*") if path.is_file())
    if how == "another byte":
        picture.write_bytes(b"b picture")
    else:
        picture.unlink()
    if how == "unreadable":
        picture.mkdir()
    assert restoring.check(the_backup(data)).left_out == [picture.name]
    arguments = ["restore", str(the_backup(data)), "--data-dir", str(data), "--yes"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert f"1 of its artifacts are damaged or missing and will not be there: {picture.name}" in done.output
    assert jobs(data) == 1
    assert not (data / "artifacts" / place_of(picture.name)).exists()


LAST_STEP = 26
"""The empty folder `restoring` is removed: the new box is whole."""


@pytest.mark.parametrize("step", range(1, LAST_STEP + 2))
def test_one_that_is_cut_off_is_begun_anew(data: Path, step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every change of the disk may be the last one: then no box starts, and the next restore ends well."""
    left = [step]

    class Cut(BaseException):
        pass

    def counting(real: object) -> object:
        def wrapped(*args: object, **more: object) -> object:
            left[0] -= 1
            if left[0] == 0:
                raise Cut
            return real(*args, **more)  # type: ignore[operator]

        return wrapped

    with monkeypatch.context() as patch:
        for name in ("rename", "rmdir", "replace", "mkdir", "unlink", "open"):
            patch.setattr(Path, name, counting(getattr(Path, name)))
        patch.setattr(restoring, "link_or_copy", counting(backup_files.link_or_copy))
        patch.setattr(restoring, "write_new", counting(disk.write_new))
        try:
            put_back(data)
        except Cut:
            whole = jobs_if_whole(data)
            assert whole in (None, 2) or step == LAST_STEP, "either no box starts, or the old one does"
        else:
            assert step > LAST_STEP, "nothing was cut off"
    put_back(data)
    assert not restoring.interrupted(data)
    store = Store.open(data / "yardmaster.db")
    assert store.restored
    assert store.db.execute("select count(*) from jobs").fetchone()[0] == 1
    store.close()


def fails_at(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """As on a full disk, or when somebody presses Ctrl-C, while the artifacts are laid out."""

    def cut(*_: object) -> None:
        raise error

    monkeypatch.setattr(restoring, "link_or_copy", cut)


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_one_that_fails_before_it_changed_anything_leaves_the_box_as_it_was(
    data: Path, error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path.name for path in data.iterdir()}
    fails_at(monkeypatch, error)
    with pytest.raises(type(error)):
        put_back(data)
    check_restored(data)
    assert {path.name for path in data.iterdir()} - {"broker", "lock", "aside"} == before
    assert list((data / "aside").glob("*")) == []
    store = Store.open(data / "yardmaster.db")
    assert not store.restored
    store.close()
    assert jobs(data) == 2


def test_one_that_was_cut_off_and_fails_at_the_next_try_still_keeps_the_box_from_starting(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut_off(*_: object) -> None:
        (data / "yardmaster.db").unlink()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(restoring, "_put_aside", cut_off)
        with pytest.raises(KeyboardInterrupt):
            put_back(data)
    with monkeypatch.context() as patch:
        fails_at(patch, OSError(28, "No space left on device"))
        with pytest.raises(OSError, match="No space"):
            put_back(data)
    with pytest.raises(NotStarted, match="cut off"):
        check_restored(data)
    put_back(data)
    check_restored(data)
    assert jobs(data) == 1


def test_what_a_killed_one_has_laid_out_keeps_nobody_from_starting_and_goes(data: Path) -> None:
    (data / "restoring").mkdir()
    (data / "restoring" / "yardmaster.db").write_bytes(b"half of it")
    check_restored(data)
    assert not (data / "restoring").exists()
    assert jobs(data) == 2


def test_without_room_it_is_not_begun(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(data)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=1_000_000))
    with pytest.raises(CannotRestore, match=r"1 MB free .* make room"):
        put_back(data)
    check_restored(data)
    assert jobs(data) == 2


def jobs_if_whole(data: Path) -> int | None:
    """What a start would find; None when it would refuse."""
    return None if restoring.interrupted(data) else jobs(data)


def test_the_command_says_what_it_will_do_and_asks(data: Path) -> None:
    arguments = ["restore", str(the_backup(data)), "--data-dir", str(data)]
    refused = CliRunner().invoke(app, arguments, input="n\n")
    assert refused.exit_code == 1
    assert "1 jobs (1 open), 1 artifacts. It is whole." in refused.output
    assert "is put aside" in refused.output
    assert jobs(data) == 2
    done = CliRunner().invoke(app, [*arguments, "--yes"])
    assert done.exit_code == 0, done.output
    assert "parked for a person" in done.output
    assert "Whoever was enrolled, revoked" in done.output
    assert jobs(data) == 1


def test_secrets_that_the_key_cannot_open_are_named(data: Path) -> None:
    store = Store.open(data / "yardmaster.db")
    store.db.execute("insert into assets values ('wifi', '', null, ?, null, 1, 1, 'me')", (b"\x01abcdsealed",))
    store.db.execute("insert into job_secrets values ('deployment:night', 'pin', ?)", (b"\x01abcdsealed",))
    store.close()
    folder = backups.make(data).folder
    found = restoring.closed_secrets(restoring.check(folder), data)
    assert found == ["asset wifi", "deployment night"]
    shown = CliRunner().invoke(app, ["restore", str(folder), "--data-dir", str(data)], input="n\n")
    assert "cannot open the secrets of: asset wifi, deployment night" in shown.output


def test_robots_whose_certificates_nobody_there_has_signed_are_named(
    data: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    authority = Authority.load(data / "tls")
    store = Store.open(data / "yardmaster.db")
    with store.transaction():
        credentials.put(store.db, "agv-1", None, "aa", 1, "ann", authority.made_us + 1)
        credentials.put(store.db, "agv-2", "hash", None, None, "ann", authority.made_us + 1)
    store.close()
    folder = backups.make(data).folder
    backup = restoring.check(folder)
    assert restoring.strangers(backup, data) == []
    elsewhere = tmp_path_factory.mktemp("new machine")
    assert restoring.strangers(backup, elsewhere) == ["agv-1"]
    shown = CliRunner().invoke(app, ["restore", str(folder), "--data-dir", str(elsewhere)], input="n\n")
    assert "certificates of: agv-1." in shown.output
    assert "tls/ca.key" in shown.output
    shutil.copytree(data / "tls", elsewhere / "tls")
    assert restoring.strangers(backup, elsewhere) == []
    (elsewhere / "tls" / "ca.key").unlink()
    assert restoring.strangers(backup, elsewhere) == ["agv-1"]
    shutil.rmtree(elsewhere / "tls")
    store = Store.open(data / "yardmaster.db")
    with store.transaction():
        store.db.execute("update credentials set made_at = ?", (authority.made_us - 60_000_000,))
    store.close()
    newer = restoring.check(backups.make(data).folder)
    assert restoring.strangers(newer, data) == ["agv-1"], "the authority is newer than they are"
