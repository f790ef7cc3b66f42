"""Debug mode and dry runs in the controller: what waits for a person, who may decide, what is kept of it."""

from typing import Any

import pytest

from schemas.status import Phase
from tests.fakes.yard import FakeRobot, Yard, running


def fail(robot: FakeRobot, n: int = 1, try_: int = 0, path: str = "-1/1", reason: str = "jam") -> None:
    """A block run fails, and the robot pauses for it."""
    assign = robot.last("assign")
    about = {"kind": "block", "job": assign["job"], "attempt": assign["attempt"], "path": path, "n": n, "try": try_}
    robot.say(about | {"status": "start.begin"}, about | {"status": "monitor.failed", "reason": reason})
    robot.say(robot.about("paused", path=path, reason=reason))


WAITS = {"path": "-1/1", "n": 1, "try": 0, "reason": "jam"}
"""As heartbeats name the run that waits."""


def stuck() -> tuple[Yard, FakeRobot, str, str]:
    """A job in debug mode that waits for a person: yard, robot, job, failed run."""
    yard = Yard()
    robot, uid = running(yard, debug=True)
    fail(robot)
    return yard, robot, uid, f"{robot.last('assign')['attempt']}.1"


def resumed(robot: FakeRobot, **more: Any) -> None:
    command = robot.last("control")["command"]
    robot.say(robot.about("noted", command=command), robot.about("resumed", command=command, **more))


def root(yard: Yard) -> tuple[str, str]:
    row = next(row for row in yard.rows("block_runs") if row["n"] == 0)
    return row["status"], row["state"]


def code(yard: Yard, command: str, **args: str) -> str:
    answer = yard.ask(command, **args)
    assert answer.error is not None
    return answer.error.code


def test_the_job_is_paused_with_the_reason_of_its_failed_block() -> None:
    yard, _, uid, _ = stuck()
    job = yard.job(uid)
    assert (job["state"], job["reason_code"], job["reason"], job["failed_path"]) == ("paused", "debug", "jam", "-1/1")


def test_it_stays_so_over_a_restart_of_the_controller() -> None:
    yard, robot, uid, run = stuck()
    before = yard.job(uid)
    yard.boot()
    robot.beat(robot.hold("paused", failed=WAITS))
    assert yard.job(uid) == before
    yard.must("job.rerun_block", job=uid, run=run)
    assert robot.last("control")["do"] == "reRun"


def test_running_it_again_clears_what_it_waited_for() -> None:
    yard, robot, uid, run = stuck()
    yard.must("job.rerun_block", job=uid, run=run, reason="I put it back")
    assert yard.state(uid) == "paused"
    resumed(robot)
    job = yard.job(uid)
    assert (job["state"], job["reason_code"], job["reason"], job["failed_path"]) == ("running", None, None, None)
    events = [(row["event"], row["why"]) for row in yard.rows("events") if row["event"] == "reRun asked"]
    assert events == [("reRun asked", "I put it back")]


def test_only_the_last_try_of_the_block_that_waits_is_run_again() -> None:
    yard, robot, uid, run = stuck()
    yard.must("job.rerun_block", job=uid, run=run)
    resumed(robot)
    fail(robot, n=2, try_=1, reason="jam again")
    assert code(yard, "job.rerun_block", job=uid, run=run) == "job.no_failed_block"
    yard.must("job.rerun_block", job=uid, run=run.replace(".1", ".2"))
    assert robot.last("control")["try"] == 1


def test_a_command_is_repeated_until_it_is_noted_and_a_newer_one_replaces_it() -> None:
    yard, robot, uid, run = stuck()
    yard.must("job.rerun_block", job=uid, run=run)
    yard.tick(5, beating=True)
    assert len({message["command"] for message in robot.all("control")}) == 1
    yard.must("job.rollback", job=uid)
    first, last = robot.all("control")[0], robot.last("control")
    assert (last["do"], last["command"] > first["command"]) == ("resume_with_rollback", True)
    resumed(robot, rolled_back=True)
    sent = len(robot.all("control"))
    yard.tick(20)
    assert len(robot.all("control")) == sent


def test_undoing_shows_on_the_root_and_ends_without_a_retry() -> None:
    yard, robot, uid, _ = stuck()
    yard.must("job.rollback", job=uid)
    resumed(robot, rolled_back=True)
    assert (yard.state(uid), root(yard)) == ("running", ("rollback.begin", "running"))
    robot.say(robot.about("failed", reason="jam", rolled_back=True))
    job = yard.job(uid)
    assert (job["state"], job["reason"], job["failed_path"], job["max_retries"]) == ("failed", "jam", None, 3)
    assert root(yard) == ("rollback.success", "failed")
    assert yard.holds("r1") == set()


@pytest.mark.parametrize("together", [True, False])
def test_what_could_not_be_undone_shows_on_the_root(together: bool) -> None:
    yard, robot, uid, _ = stuck()
    yard.must("job.rollback", job=uid)
    resumed(robot, rolled_back=True)
    block = robot.about("block", path="-1/1", n=1, status="rollback.failed") | {"try": 0}
    end = robot.about("failed", reason="jam", rolled_back=True)
    if together:
        robot.say(block, end)
    else:
        robot.say(block)
        robot.say(end)
    assert root(yard) == ("rollback.failed", "failed")


def test_an_attempt_that_was_lost_while_undoing_is_not_repeated() -> None:
    yard = Yard()
    robot, uid = running(yard, debug=True, safe_to_repeat=True)
    fail(robot)
    yard.must("job.rollback", job=uid)
    resumed(robot, rolled_back=True)
    robot.say(robot.about("interrupted", reason="lease", rolled_back=True))
    assert yard.state(uid) == "failed"


def test_debug_commands_need_a_failed_block_in_debug_mode() -> None:
    yard = Yard()
    robot, plain = running(yard)
    assert code(yard, "job.rollback", job=plain) == "job.not_debug"
    assert code(yard, "job.rollback", job="none") == "job.not_found"
    robot.say(robot.about("succeeded"))
    _, uid = running(yard, debug=True)
    run = f"{robot.last('assign')['attempt']}.1"
    assert code(yard, "job.rerun_block", job=uid, run=run) == "job.state"
    yard.must("job.pause", job=uid)
    robot.say(robot.about("paused", command=robot.last("control")["command"]))
    assert code(yard, "job.rerun_block", job=uid, run=run) == "job.no_failed_block"
    assert code(yard, "job.rollback", job=uid) == "job.no_failed_block"
    yard.must("job.resume", job=uid)


def test_a_cancel_while_it_waits() -> None:
    yard, robot, uid, _ = stuck()
    yard.must("job.cancel", job=uid)
    robot.say(robot.about("cancelled", command=robot.last("cancel")["command"]))
    job = yard.job(uid)
    assert (job["state"], job["cancelled_while"], job["failed_path"]) == ("cancelled", "paused", None)


def test_silence_and_return_leave_it_waiting() -> None:
    yard, robot, uid, run = stuck()
    yard.tick(30)
    assert yard.state(uid) == "uncertain"
    robot.beat(robot.hold("paused", failed=WAITS))
    assert (yard.state(uid), yard.job(uid)["failed_path"]) == ("paused", "-1/1")
    yard.must("job.rerun_block", job=uid, run=run)


def not_heard_of(robot: FakeRobot) -> None:
    """The rows behind which a box is after the restore of an older backup: acknowledged, and unknown to it."""
    robot.seq, robot.first = robot.seq + 9, robot.seq + 10


@pytest.mark.parametrize("first_known", [False, True], ids=["nothing of it is known", "its first try is known"])
def test_after_a_restore_a_heartbeat_says_which_block_waits(first_known: bool) -> None:
    yard = Yard()
    robot, uid = running(yard, debug=True)
    attempt, waits = robot.last("assign")["attempt"], WAITS | {"n": 3, "try": 1}
    if first_known:
        fail(robot)
    not_heard_of(robot)
    robot.beat(robot.hold("paused", failed=waits))
    job = yard.job(uid)
    assert (job["state"], job["reason_code"], job["reason"], job["failed_path"]) == ("paused", "debug", "jam", "-1/1")
    assert code(yard, "job.resume", job=uid) == "job.state"
    seen = yard.job(uid)["version"]
    robot.beat(robot.hold("paused", failed=waits))
    assert yard.job(uid)["version"] == seen, "what is known is not written again"
    yard.must("job.rerun_block", job=uid, run=f"{attempt}.3")
    last = robot.last("control")
    assert (last["do"], last["path"], last["try"]) == ("reRun", "-1/1", 1)
    yard.must("job.rollback", job=uid)


@pytest.mark.parametrize(("activity", "state"), [("running", "running"), ("paused", "paused")])
def test_after_a_restore_nothing_waits_that_was_decided_since(activity: str, state: str) -> None:
    yard, robot, uid, run = stuck()
    not_heard_of(robot)
    robot.beat(robot.hold(activity))
    job = yard.job(uid)
    assert (job["state"], job["failed_path"], job["reason"]) == (state, None, None)
    if activity == "paused":
        assert code(yard, "job.rerun_block", job=uid, run=run) == "job.no_failed_block"
        yard.must("job.resume", job=uid)


def test_a_heartbeat_that_is_older_than_the_rows_decides_nothing() -> None:
    yard, robot, uid, run = stuck()
    old = robot.seq
    yard.must("job.rerun_block", job=uid, run=run)
    resumed(robot)
    robot.beat(robot.hold("paused", failed=WAITS), head=old)
    assert (yard.state(uid), yard.job(uid)["failed_path"]) == ("running", None)


def test_without_the_number_of_its_run_a_block_that_waits_can_be_undone() -> None:
    yard = Yard()
    robot, uid = running(yard, debug=True)
    not_heard_of(robot)
    robot.beat(robot.hold("paused", failed={"path": "-1/1"}))
    assert (yard.state(uid), yard.job(uid)["failed_path"]) == ("paused", "-1/1")
    yard.must("job.rollback", job=uid)


def test_both_commands_are_in_the_audit() -> None:
    yard, _, uid, run = stuck()
    yard.must("job.rerun_block", job=uid, run=run, reason="again")
    yard.must("job.rollback", job=uid)
    rows = [(row["action"], row["subject"], row["why"]) for row in yard.rows("audit") if "job.r" in row["action"]]
    assert rows == [("job.rerun_block", f"job:{uid}", "again"), ("job.rollback", f"job:{uid}", None)]


# ---------------------------------------------------------------- dry runs
def test_a_dry_run_is_dispatched_as_any_job_and_says_so() -> None:
    yard = Yard()
    robot, uid = running(yard, mock=True)
    assert robot.last("assign")["mock"] is True
    assert yard.rows("attempts")[0]["open"] == 1
    robot.say(robot.about("succeeded"))
    assert yard.state(uid) == "succeeded"
    assert yard.rows("job_hours") == []


def test_a_dry_run_is_made_once_unless_retries_are_asked_for() -> None:
    yard = Yard()
    robot, uid = running(yard, mock=True)
    robot.say(robot.about("failed", reason="there is no such site"))
    assert yard.state(uid) == "failed"
    assert yard.job(yard.submit(mock=True, max_retries=2))["max_retries"] == 2


def test_dry_runs_that_fail_say_nothing_about_the_robot() -> None:
    yard = Yard()
    for _ in range(4):
        robot, _uid = running(yard, mock=True)
        robot.say(robot.about("failed", reason="there is no such site"))
    assert yard.holds("r1") == set()


# ---------------------------------------------------------------- words after an end
@pytest.mark.parametrize(
    ("end", "word", "shown"),
    [
        (Phase.MONITOR_SUCCESS, Phase.DELETE_SUCCESS, Phase.MONITOR_SUCCESS),
        (Phase.MONITOR_FAILED, Phase.DELETE_SUCCESS, Phase.MONITOR_FAILED),
        (Phase.CANCEL_SUCCESS, Phase.DELETE_SUCCESS, Phase.DELETE_SUCCESS),
        (Phase.MONITOR_SUCCESS, Phase.DELETE_FAILED, Phase.DELETE_FAILED),
        (Phase.MONITOR_SUCCESS, Phase.ROLLBACK_SUCCESS, Phase.ROLLBACK_SUCCESS),
    ],
)
@pytest.mark.parametrize("together", [True, False])
def test_what_follows_an_end_keeps_the_state(end: Phase, word: Phase, shown: Phase, together: bool) -> None:
    yard = Yard()
    robot, _ = running(yard)
    begin = Phase.DELETE_BEGIN if word.startswith("delete") else Phase.ROLLBACK_BEGIN
    rows = [
        robot.about("block", path="-1/1", n=1, status=status.value) | {"try": 0}
        for status in (Phase.START_BEGIN, end, begin, word)
    ]
    if together:
        robot.say(*rows)
    else:
        for row in rows:
            robot.say(row)
    run = next(row for row in yard.rows("block_runs") if row["n"] == 1)
    state = {"monitor.success": "succeeded", "monitor.failed": "failed", "cancel.success": "cancelled"}[end]
    assert (run["status"], run["state"], run["ended_at"] is not None) == (shown, state, True)
