"""What a start of the controller leaves as it is (I17), and that it does not wait until all is looked at (I20)."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from controller.store.connection import Store
from controller.store.pages import Damaged
from controller.store.scrub import Scrub
from schemas.status import JobState
from tests.fakes.yard import FakeRobot, Yard, running
from tests.waiting import wait_for

TABLES = ("jobs", "attempts", "block_runs", "holds", "outbox", "reports", "idempotency", "job_counts")


def begun(yard: Yard) -> FakeRobot:
    """A robot that runs the yard's only job."""
    robot, _ = running(yard, max_retries=0)
    robot.beat(robot.hold())
    return robot


def queued(yard: Yard) -> None:
    yard.must("queue.put", queue="main")
    yard.flow()
    yard.submit()


def assigned(yard: Yard) -> None:
    yard.flow()
    yard.robot("r1")
    yard.submit()


def cancelled(yard: Yard) -> None:
    queued(yard)
    yard.must("job.cancel", job=yard.rows("jobs")[0]["uid"])


def paused(yard: Yard) -> None:
    robot = begun(yard)
    yard.must("job.pause", job=yard.rows("jobs")[0]["uid"])
    robot.say(robot.about("paused"))


def cancelling(yard: Yard) -> None:
    begun(yard)
    yard.must("job.cancel", job=yard.rows("jobs")[0]["uid"])


def uncertain(yard: Yard) -> None:
    begun(yard)
    yard.tick(26)


def ended(kind: str) -> Callable[[Yard], None]:
    def scene(yard: Yard) -> None:
        robot = begun(yard)
        robot.say(robot.about(kind, reason="broken") if kind == "failed" else robot.about(kind))

    return scene


SCENES: dict[str, Callable[[Yard], None]] = {
    "queued": queued, "assigned": assigned, "running": lambda yard: void(begun(yard)), "paused": paused,
    "cancelling": cancelling, "uncertain": uncertain, "succeeded": ended("succeeded"), "failed": ended("failed"),
    "cancelled": cancelled,
}  # fmt: skip


def void(_: Any) -> None:
    """For scenes whose value nobody needs."""


def everything(yard: Yard) -> dict[str, list[dict[str, Any]]]:
    """All rows that a start has no business with."""
    return {table: yard.rows(table) for table in TABLES}


def test_every_state_has_its_scene() -> None:
    assert set(SCENES) == {state.value for state in JobState}


@pytest.mark.parametrize("state", SCENES)
def test_a_start_changes_nothing_about_a_job(state: str) -> None:
    yard = Yard()
    SCENES[state](yard)
    assert [job["state"] for job in yard.rows("jobs")] == [state]
    before = everything(yard)
    for _ in range(3):
        yard.boot()
        assert everything(yard) == before


def test_a_start_without_time_to_look_comes_up_and_the_rest_is_looked_at_beside_work(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    file = tmp_path / "yardmaster.db"
    store = Store.open(file)
    store.close()
    with file.open("r+b") as pages:  # the last page holds nothing that a start reads
        pages.seek(-50, 2)
        pages.write(b"rot")
    with pytest.raises(Damaged):
        Store.open(file, check_s=60)
    store = Store.open(file, check_s=0)
    assert "the rest is checked while the box runs" in caplog.text
    assert store.sums is not None
    scrub = Scrub(store.sums, lambda: None, rest=0)
    scrub.start()
    try:
        wait_for(lambda: scrub.last, 20, "the first look at all pages")
        assert scrub.last is not None
        assert "is not what was written" in str(scrub.last.wrong)
    finally:
        scrub.end()
        store.close()
