"""A little of each fault of the disk, and the broken variants that each must notice; scripts/faults --full has all."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from config.clock import Instant
from controller.core import Core
from controller.store.mark import Mark
from controller.store.sums import Sums
from edge_agent.soundness import Soundness
from tests.faults.storage import flips
from tests.faults.storage.journals import journal_flips
from tests.faults.storage.loss import power_loss
from tests.faults.storage.power import EVERYTHING, NOTHING, SEEDS, Disk
from tests.faults.storage.suites import SUITES
from tests.faults.storage.tape import Step

LEAST = {"power-loss-serve": 4}
"""Cycles of a small size, where whole processes are started."""


@pytest.mark.parametrize("name", SUITES)
def test_no_promise_is_broken(name: str, tmp_path: Path) -> None:
    row = SUITES[name](False, tmp_path)
    if row.skipped:
        pytest.skip(f"{name}: {row.skipped}")
    assert row.ok, row
    assert row.cycles >= LEAST.get(name, 8)


@pytest.mark.parametrize(
    ("scene", "mutant", "kind"),
    [
        ("box", "unsynced", "lost"),
        ("journal", "unsynced", "lost"),
        ("journal", "move_first", "has moved"),
        ("box", "mark_first", "nothing was lost"),
    ],
)
def test_a_mutant_is_caught(scene: str, mutant: str, kind: str, tmp_path: Path) -> None:
    row = power_loss(scene, tmp_path, steps=120, mutant=mutant)
    if row.skipped:
        pytest.skip(row.skipped)
    assert row.lost if kind == "lost" else any(kind in text for text in row.wrong), row


def _stumbles(core: Core) -> None:
    if core.store.one("select 1 from jobs where state = 'running'"):
        raise KeyError("a job that runs")


def _gives_up(core: Core) -> None:
    core.store.db.execute("update jobs set state = 'uncertain' where state = 'running'")


@pytest.mark.parametrize(("broken", "found"), [(_stumbles, "does not start"), (_gives_up, "a start changed jobs")])
def test_a_controller_that_starts_badly_on_what_is_left_is_found(
    broken: Callable[[Core], None], found: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Core.start

    def start(core: Core, now: Instant) -> None:
        real(core, now)
        broken(core)

    monkeypatch.setattr(Core, "start", start)
    row = power_loss("box", tmp_path, steps=60)
    if row.skipped:
        pytest.skip(row.skipped)
    assert any(found in text for text in row.wrong), row


def test_without_sums_flips_are_silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Sums, "_is", lambda *_: True)
    monkeypatch.setattr("controller.store.queries.verify.bad_pages", lambda _database: [])
    monkeypatch.setattr("controller.store.opening.check_head", lambda _database: None)
    row = flips.bit_flips(tmp_path, 60, 60)
    assert "SILENT" in row.note, row


def test_without_a_sum_flips_in_journals_are_silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Soundness, "_check", lambda _self: None)
    row = journal_flips(tmp_path, 60)
    assert "SILENT" in row.note, row


def test_without_a_mark_a_journal_without_its_log_is_silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Soundness, "_marked", lambda _self: 0)
    row = journal_flips(tmp_path, 60)
    assert any("the log is gone" in text for text in row.wrong), row


def test_without_a_mark_a_missing_log_is_silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Mark, "read", lambda _self: None)
    row = flips.missing_logs(tmp_path, 4)
    assert not row.ok, row


def test_the_disk_keeps_what_was_synced_and_anything_of_the_rest(tmp_path: Path) -> None:
    disk = Disk()
    for step in (
        Step("make", "a"),
        Step("write", "a", 0, b"x" * 1024),
        Step("sync", "a"),
        Step("write", "a", 512, b"y" * 1024),
        Step("make", "b"),
        Step("write", "b", 0, b"z"),
    ):
        disk.play(step)
    seen = set()
    for luck in SEEDS:
        for seed in range(40):
            folder = tmp_path / f"{luck}{seed}"
            folder.mkdir()
            disk.left(luck, random.Random(seed), folder)
            content = (folder / "a").read_bytes()
            assert content[:512] == b"x" * 512
            seen.add((luck, content, (folder / "b").exists()))
    assert [content for luck, content, _ in seen if luck == NOTHING] == [b"x" * 1024]
    assert [content for luck, content, _ in seen if luck == EVERYTHING] == [b"x" * 512 + b"y" * 1024]
    assert len({content for _, content, _ in seen}) == 4, "each sector by itself"
    assert {exists for *_, exists in seen} == {True, False}
