"""Backups: whole and checked or not there at all, of a box that goes on writing, and only so many of them."""

import hashlib
import json
import os
import shutil
import sqlite3
import threading
import time
from contextlib import closing
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any

import pytest

from controller import backup_files, backups, restoring
from controller.lock import DataLock
from controller.store import copying, findings
from controller.store.connection import Store
from controller.system import of_backups
from schemas.artifact import place_of
from schemas.due import Timing
from schemas.ids import uuid7
from tests.fakes.box import DiskYard


@pytest.fixture
def yard(tmp_path: Path) -> DiskYard:
    """A box with a job in it; its folder is the data directory."""
    yard = DiskYard(tmp_path)
    yard.must("queue.put", queue="main")
    yard.flow()
    yard.submit()
    return yard


def artifact(yard: DiskYard, text: bytes) -> str:
    """A whole artifact, as a robot would have uploaded it; its id."""
    uid = uuid7()
    yard.connection.execute(
        "insert into artifacts (uid, attempt, job, robot, kind, name, size, sha256, state, created_at)"
        " values (?, 1, 1, 'r1', 'file', 'x', ?, ?, 'complete', 1)",
        (uid, len(text), hashlib.sha256(text).hexdigest()),
    )
    place = yard.folder / "artifacts" / place_of(uid)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(text)
    return uid


def manifest(folder: Path) -> dict[str, Any]:
    """What a backup says about itself."""
    found: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return found


def test_a_backup_has_what_is_committed_and_says_what_it_has(yard: DiskYard) -> None:
    uid = artifact(yard, b"a picture")
    made = backups.make(yard.folder)
    assert made.folder.parent == yard.folder / "backups"
    said = manifest(made.folder)
    assert said["counts"]["jobs"] == said["counts"]["open_jobs"] == 1
    assert said["schema"][0] == "m0001_foundation"
    assert said["files"]["yardmaster.db"]["sha256"] == backup_files.sha256(made.folder / "yardmaster.db")
    assert said["artifacts"] == {
        "count": 1, "missing": 0, "damaged": [],
        "files": {str(place_of(uid)): {"bytes": 9, "sha256": hashlib.sha256(b"a picture").hexdigest()}},
    }  # fmt: skip
    copied, original = made.folder / "artifacts" / place_of(uid), yard.folder / "artifacts" / place_of(uid)
    assert copied.stat().st_ino == original.stat().st_ino
    original.unlink()
    assert copied.read_bytes() == b"a picture"
    with copying.opened(made.folder / "yardmaster.db") as db:
        assert [row["uid"] for row in db.execute("select uid from jobs")] == [row["uid"] for row in yard.rows("jobs")]
    names = {path.name for path in made.folder.iterdir()}
    assert names == {"yardmaster.db", "manifest.json", "artifacts"}  # no key, no incarnation, no log of the database
    assert (made.folder.stat().st_mode & 0o777) == 0o700


def test_a_backup_is_of_one_moment_while_others_write(yard: DiskYard) -> None:
    with yard.store.transaction():
        yard.connection.execute("create table pairs (a integer, b integer)")
    ended = threading.Event()

    def write() -> None:
        own = sqlite3.connect(yard.folder / "yardmaster.db", isolation_level=None, timeout=10)
        n = 0
        while not ended.is_set():
            n += 1
            own.execute("begin immediate")
            own.execute("insert into pairs values (?, randomblob(2000))", (n,))
            own.execute("insert into pairs values (?, 0)", (n,))
            own.execute("commit")
        own.close()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        made = [backups.make(yard.folder) for _ in range(5)]
    finally:
        ended.set()
        writer.join()
    for one in made:
        with copying.opened(one.folder / "yardmaster.db") as db:
            assert copying.damage(db) is None
            assert not db.execute("select a from pairs group by a having count(*) <> 2").fetchall()


def test_the_newest_are_kept(yard: DiskYard) -> None:
    made = [backups.make(yard.folder, keep=3).folder for _ in range(5)]
    assert backups.found(yard.folder / "backups") == made[2:]


def test_what_is_no_backup_stays_beside_them(yard: DiskYard) -> None:
    """`--to` may be anybody's folder: a browser's extension has a manifest.json, too."""
    place = yard.folder / "backups"
    ours = backups.make(yard.folder).folder
    strangers = {
        "extension": '{"manifest_version": 3}',
        "20250101T000000Z": '{"manifest_version": 3}',
        "20250102T000000Z": (ours / "manifest.json").read_text().replace('"form": 1', '"form": 2'),
        "20250103T000000Z-mine": (ours / "manifest.json").read_text(),
        "film.partial": "{}",
    }
    for name, text in strangers.items():
        (place / name).mkdir()
        (place / name / "manifest.json").write_text(text)
    (place / "download.partial").write_text("half of it")
    for name in (f"{ours.name}-mine", f"{ours.name}-x.partial"):
        (place / name).mkdir()
    there = {path.name for path in place.iterdir()} - {ours.name}
    made = backups.make(yard.folder, keep=1)
    assert backups.found(place) == [made.folder]
    assert {path.name for path in place.iterdir()} - {made.folder.name} == there


class Clock(datetime):
    """In place of the machine's: a fixed moment."""

    moment = datetime(2026, 1, 1, tzinfo=UTC)

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        return cls.moment.astimezone(tz)


@pytest.mark.parametrize("keep", [1, 2])
def test_the_new_one_stays_though_the_clock_makes_it_the_oldest(
    yard: DiskYard, monkeypatch: pytest.MonkeyPatch, keep: int
) -> None:
    monkeypatch.setattr(backups, "datetime", Clock)
    monkeypatch.setattr(Clock, "moment", datetime(2026, 11, 20, 3, tzinfo=UTC))
    old = [backups.make(yard.folder).folder for _ in range(2)]
    monkeypatch.setattr(Clock, "moment", datetime(2020, 1, 1, tzinfo=UTC))
    new = backups.make(yard.folder, keep=keep)
    assert new.folder.name == "20200101T000000Z"
    assert backups.found(yard.folder / "backups") == [new.folder, *old[3 - keep :]]


def test_a_failure_is_noted_though_the_good_one_bears_a_later_moment(
    yard: DiskYard, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as ahead:
        ahead.setattr(time, "time_ns", lambda: 2_000_000_000_000_000_000)  # 2033
        backups.make(yard.folder)
    (yard.folder / "in the way").write_text("")
    with pytest.raises(backups.BackupFailed):
        backups.make(yard.folder, yard.folder / "in the way")
    told = of_backups(backups.state(yard.folder), Timing(cron="0 3 * * *"), 0)
    assert [one.code for one in told] == ["backup.failed", "backup.old"]
    backups.make(yard.folder)
    assert not list(of_backups(backups.state(yard.folder), Timing(cron="0 3 * * *"), 0))


def test_what_a_cut_off_backup_left_is_no_backup_and_goes(yard: DiskYard) -> None:
    left = yard.folder / "backups" / "20250101T000000Z.partial"
    left.mkdir(parents=True)
    (left / "manifest.json").write_text("{}")
    assert backups.found(yard.folder / "backups") == []
    made = backups.make(yard.folder, keep=1)
    assert backups.found(yard.folder / "backups") == [made.folder]
    assert not left.exists()


def test_a_damaged_database_makes_no_backup_and_removes_none(yard: DiskYard) -> None:
    for _ in range(300):
        yard.submit()
    good = backups.make(yard.folder, keep=1)
    yard.store.close()
    damaged = yard.folder / "yardmaster.db"
    data = bytearray(damaged.read_bytes())
    for at in range(len(data) // 2 // 4096 * 4096, len(data), 4096):
        data[at : at + 200] = os.urandom(200)
    damaged.write_bytes(data)
    with pytest.raises(backups.BackupFailed, match=r"damaged|malformed"):
        backups.make(yard.folder, keep=1)
    assert backups.found(yard.folder / "backups") == [good.folder]
    assert [path.name for path in (yard.folder / "backups").iterdir() if path.suffix == ".partial"] == []
    state = backups.state(yard.folder)
    assert state.folder == str(good.folder)
    assert state.failed_at is not None
    assert state.why is not None


def with_sums(yard: DiskYard) -> Path:
    """The database of a box that has ended and left the sums of its pages."""
    yard.store.close()
    Store.open(yard.folder / "yardmaster.db", check_s=60).close()
    return yard.folder / "yardmaster.db"


def test_a_bit_that_flips_in_a_row_makes_no_backup_and_the_good_one_stays(yard: DiskYard) -> None:
    """SQLite sees nothing wrong with it, nor does a chain; in seven nights there would have been no other copy."""
    uid = yard.rows("jobs")[0]["uid"]
    database = with_sums(yard)
    good = backups.make(yard.folder, keep=1)
    good_at = backups.state(yard.folder).good_at
    data = bytearray(database.read_bytes())
    data[data.rindex(b'"blockType"') + 3] ^= 1  # in the flow's own text
    database.write_bytes(data)
    with closing(sqlite3.connect(database)) as db:
        assert db.execute("pragma integrity_check").fetchone() == ("ok",)
        assert db.execute("select uid from jobs").fetchone() == (uid,)
    with pytest.raises(backups.BackupFailed, match=r"Page \d+ of the database is not what was written"):
        backups.make(yard.folder, keep=1)
    assert backups.found(yard.folder / "backups") == [good.folder]
    state = backups.state(yard.folder)
    assert (state.good_at, state.folder) == (good_at, str(good.folder))
    assert state.why is not None


def test_a_database_that_the_box_has_found_damaged_makes_no_backup(yard: DiskYard) -> None:
    good = backups.make(yard.folder, keep=1)
    with yard.store.transaction():
        findings.add(yard.connection, findings.BAD_PAGE, "Page 7 is not what was written.", 1)
    with pytest.raises(backups.BackupFailed, match="found its database damaged: Page 7"):
        backups.make(yard.folder, keep=1)
    assert backups.found(yard.folder / "backups") == [good.folder]


def test_pages_that_cannot_be_compared_are_told_and_keep_the_older_ones(yard: DiskYard) -> None:
    database = with_sums(yard)
    good = backups.make(yard.folder, keep=1)
    database.with_name("yardmaster.db-sums").write_bytes(b"rubbish")
    unknown = backups.make(yard.folder, keep=1)
    assert unknown.wrong == ["pages: the table of page sums is damaged"]
    assert backups.found(yard.folder / "backups") == [good.folder, unknown.folder]


def test_chains_that_do_not_hold_are_told_and_keep_the_older_ones(yard: DiskYard) -> None:
    good = backups.make(yard.folder, keep=1)
    assert good.wrong == []
    yard.connection.execute("update events set who = 'somebody else' where id = 1")
    changed = backups.make(yard.folder, keep=1)
    assert changed.wrong
    assert backups.found(yard.folder / "backups") == [good.folder, changed.folder]
    assert manifest(changed.folder)["wrong"] == changed.wrong


@pytest.mark.parametrize(
    "change",
    [
        "update events set who = cast(who as blob) where id = 1",
        "update chain_days set first = 'x' where book = 'events'",
    ],
)
def test_what_a_flipped_bit_makes_of_a_row_is_told_by_the_backup(yard: DiskYard, change: str) -> None:
    good = backups.make(yard.folder, keep=1)
    yard.connection.execute(change)
    changed = backups.make(yard.folder, keep=1)
    assert changed.wrong
    assert backups.found(yard.folder / "backups") == [good.folder, changed.folder]


def test_a_defect_is_noted_as_a_failure(yard: DiskYard, monkeypatch: pytest.MonkeyPatch) -> None:
    backups.make(yard.folder)
    monkeypatch.setattr(copying, "facts", {}.__getitem__)
    with pytest.raises(backups.BackupFailed, match="KeyError"):
        backups.make(yard.folder)
    assert backups.state(yard.folder).failed_at is not None
    assert len(list((yard.folder / "backups").iterdir())) == 2, "the good one and the lock"


def test_a_failure_is_noted_until_the_next_one_is_good(yard: DiskYard) -> None:
    (yard.folder / "in the way").write_text("")
    with pytest.raises(backups.BackupFailed, match="cannot be written"):
        backups.make(yard.folder, yard.folder / "in the way")
    assert backups.state(yard.folder).why is not None
    backups.make(yard.folder)
    assert backups.state(yard.folder).why is None


def test_no_room_is_said_before_anything_is_written(yard: DiskYard, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(yard.folder)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=1000))
    with pytest.raises(backups.BackupFailed, match="room for 0 MB"):
        backups.make(yard.folder)
    assert backups.found(yard.folder / "backups") == []


class Disk:
    """Room for so many databases beside what is there."""

    def __init__(self, yard: DiskYard, monkeypatch: pytest.MonkeyPatch) -> None:
        self.yard, self.place, self.room = yard, yard.folder / "backups", 0.0
        self.real = shutil.disk_usage(yard.folder)
        monkeypatch.setattr(shutil, "disk_usage", lambda _path: self.real._replace(free=self.free()))
        monkeypatch.setattr(backups, "_ROOM", 0.5)  # the log of the database counts, too

    def free(self) -> int:
        """A backup that is gone has made room."""
        size = (self.yard.folder / "yardmaster.db").stat().st_size
        return int(size * (self.room - len(backups.found(self.place))))


@pytest.fixture
def disk(yard: DiskYard, monkeypatch: pytest.MonkeyPatch) -> Disk:
    """Two backups, and room for as many: all of the log is in the database."""
    yard.connection.execute("pragma wal_checkpoint(truncate)")
    found = Disk(yard, monkeypatch)
    found.room = 10
    for _ in range(2):
        backups.make(yard.folder)
    found.room = 2
    return found


def test_without_room_the_oldest_goes_first_if_it_would_go_anyway(yard: DiskYard, disk: Disk) -> None:
    old = backups.found(disk.place)
    made = backups.make(yard.folder, keep=2)
    assert backups.found(disk.place) == [old[1], made.folder]


@pytest.mark.parametrize("keep", [None, 3])
def test_without_room_none_goes_that_would_have_stayed(yard: DiskYard, disk: Disk, keep: int | None) -> None:
    old = backups.found(disk.place)
    with pytest.raises(backups.BackupFailed, match="has room for 0 MB"):
        backups.make(yard.folder, keep=keep)
    assert backups.found(disk.place) == old


def test_without_room_the_only_good_one_stays(yard: DiskYard, disk: Disk) -> None:
    good, last = backups.found(disk.place)
    said = manifest(last)
    (last / "manifest.json").write_text(json.dumps(said | {"wrong": ["moves: row 1"]}))
    made = backups.make(yard.folder, keep=1)
    assert backups.found(disk.place) == [made.folder], "it went when there was another good one"
    disk.room = 1
    with pytest.raises(backups.BackupFailed, match="has room"):
        backups.make(yard.folder, keep=1)
    assert backups.found(disk.place) == [made.folder]
    assert good != made.folder


def test_without_room_nothing_goes_in_vain_or_for_what_does_not_hold(yard: DiskYard, disk: Disk) -> None:
    old = backups.found(disk.place)
    disk.room = 0
    with pytest.raises(backups.BackupFailed, match="has room"):
        backups.make(yard.folder, keep=2)
    disk.room = 2
    yard.connection.execute("update events set who = 'somebody else' where id = 1")
    with pytest.raises(backups.BackupFailed, match="has room"):
        backups.make(yard.folder, keep=2)
    assert backups.found(disk.place) == old


def test_two_at_once_are_refused(yard: DiskYard) -> None:
    place = yard.folder / "backups"
    lock = DataLock.take(place, holder="backup")
    with pytest.raises(backups.BackupFailed, match="another backup"):
        backups.make(yard.folder)
    lock.release()
    backups.make(yard.folder)


def test_artifacts_that_are_gone_are_counted(yard: DiskYard) -> None:
    uid = artifact(yard, b"gone")
    (yard.folder / "artifacts" / place_of(uid)).unlink()
    made = backups.make(yard.folder)
    assert (made.missing, made.lost) == (1, 1)
    assert backups.state(yard.folder).artifacts_lost == 1


def test_artifacts_that_were_cleared_away_meanwhile_are_not_lost(
    yard: DiskYard, monkeypatch: pytest.MonkeyPatch
) -> None:
    uid = artifact(yard, b"old")
    real = copying.copy

    def copy_and_clear(database: Path, target: Path) -> None:
        real(database, target)
        yard.connection.execute("delete from artifacts where uid = ?", (uid,))
        (yard.folder / "artifacts" / place_of(uid)).unlink()

    monkeypatch.setattr(copying, "copy", copy_and_clear)
    made = backups.make(yard.folder)
    assert (made.missing, made.lost) == (1, 0)


@pytest.mark.parametrize("how", ["another byte", "shorter", "unreadable"])
def test_an_artifact_that_is_damaged_is_left_out_and_said(yard: DiskYard, how: str) -> None:
    whole, bad = artifact(yard, b"a picture"), artifact(yard, b"bad sector")
    file = yard.folder / "artifacts" / place_of(bad)
    if how == "unreadable":
        file.unlink()
        file.mkdir()  # reading it fails, also for root
    else:
        file.write_bytes(b"bad sectos" if how == "another byte" else b"bad")
    made = backups.make(yard.folder)
    assert (made.artifacts, made.missing, made.damaged, made.lost) == (1, 0, [bad], 1)
    said = manifest(made.folder)["artifacts"]
    assert (list(said["files"]), said["damaged"]) == ([str(place_of(whole))], [bad])
    assert not (made.folder / "artifacts" / place_of(bad)).exists()
    assert backups.state(yard.folder).artifacts_lost == 1
    backup = restoring.check(made.folder)
    assert backup.left_out == [], "what it has is whole, so it can be restored"
