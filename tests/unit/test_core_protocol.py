"""The controller's side of the protocol: binding, leave to move, order, holds, heartbeats, time-outs, restarts."""

import json

import pytest

from controller.core_settings import CoreSettings
from schemas.commands import Frame
from tests.fakes.yard import PRINT_FLOW, FakeRobot, Yard, running


def test_a_job_goes_out_is_granted_and_succeeds() -> None:
    yard = Yard()
    robot, uid = running(yard)
    assert robot.last("ack")["verdict"] == "grant"
    block = {"path": "-1/1", "n": 1, "try": 0}
    robot.say(
        robot.about("block", status="start.begin", **block),
        robot.about("block", status="monitor.success", outputs={"x": 1}, **block),
        robot.about("succeeded"),
    )
    assert yard.state(uid) == "succeeded"
    assert robot.last("ack")["upto"] == 4
    runs = {row["n"]: (row["status"], row["outputs"]) for row in yard.rows("block_runs")}
    assert runs == {0: ("monitor.success", None), 1: ("monitor.success", '{"x":1}')}
    assert yard.rows("outbox") == []


def test_rows_are_recorded_once_and_in_order() -> None:
    yard = Yard()
    robot, uid = running(yard)
    late = {"seq": 3, "time": ""} | robot.about("succeeded")
    robot.send([late])  # early: 2 has not come
    assert yard.state(uid) == "running"
    assert robot.last("ack")["upto"] == 1
    robot.send([{"seq": 2, "time": ""} | robot.about("noted", command=1), late])
    robot.send([late])
    assert yard.state(uid) == "succeeded"
    assert len(yard.rows("reports")) == 3


def test_a_retry_counts_granted_attempts_and_waits_longer_each_time() -> None:
    yard = Yard(CoreSettings(failures_to_hold=9))
    robot, uid = running(yard, max_retries=2)
    numbers = [robot.last("assign")["attempt"]]
    for wait in (5, 10):
        robot.say(robot.about("failed", reason="the gripper is stuck"))
        assert yard.state(uid) == "queued"
        yard.tick(wait - 1, beating=True)
        assert yard.state(uid) == "queued", "it waits before its next attempt"
        yard.tick(2, beating=True)
        assert yard.state(uid) == "assigned"
        robot.accept()
        numbers.append(robot.last("assign")["attempt"])
    robot.say(robot.about("failed", reason="the gripper is stuck"))
    job = yard.job(uid)
    assert (job["state"], job["reason"], job["attempt_count"]) == ("failed", "the gripper is stuck", 3)
    assert numbers == sorted(set(numbers))


def test_a_rejected_offer_uses_no_retry_and_goes_to_another_robot() -> None:
    yard = Yard()
    yard.flow()
    first, second = yard.robot("r1"), yard.robot("r2")
    uid = yard.submit(max_retries=0)
    first.say(first.about("rejected", reason="busy"))
    assert yard.job(uid)["robot"] == "r2"
    second.accept()
    second.say(second.about("succeeded"))
    job = yard.job(uid)
    assert (job["state"], job["attempt_count"], job["used"]) == ("succeeded", 1, 0)


def test_an_unanswered_offer_comes_back_and_holds_the_robot_until_it_is_proven_idle() -> None:
    yard = Yard()
    yard.flow()
    robot = yard.robot("r1")
    uid = yard.submit()
    attempt = robot.last("assign")["attempt"]
    yard.tick(11)
    assert yard.state(uid) == "queued"
    assert yard.holds("r1") == {"no_answer"}
    assert robot.last("cancel")["reason"] == "revoke"
    robot.highest = attempt - 1
    robot.beat()
    assert yard.holds("r1") == {"no_answer"}, "it has not seen the number, so the offer may still come"
    robot.highest = attempt
    robot.beat(settled=False)
    assert yard.holds("r1") == {"no_answer"}, "an old heartbeat proves nothing"
    robot.beat()
    assert yard.holds("r1") == set()


def test_offers_and_commands_leave_again_until_a_report_shows_they_arrived() -> None:
    yard = Yard()
    yard.flow()
    robot = yard.robot("r1")
    yard.submit()
    yard.tick(7)
    assert len(robot.all("assign")) == 3, "after 2 s, then 4 s"
    assert len({m["attempt"] for m in robot.all("assign")}) == 1
    robot.accept()
    before = len(robot.all("assign"))
    yard.tick(8)
    assert len(robot.all("assign")) == before


def test_an_offer_that_could_not_leave_starts_no_clock_and_leaves_soon() -> None:
    yard = Yard()
    yard.flow()
    robot = yard.robot("r1")
    uid = yard.submit()
    for _ in range(45):  # eleven seconds without room on the way out
        yard.core.unsent(next(out for out in reversed(yard.sent) if out.kind == "assign"))
        yard.now += 0.25
        robot.beat()
    assert yard.state(uid) == "assigned"
    assert len(robot.all("assign")) > 40
    yard.tick(11, beating=True)
    assert yard.holds("r1") == {"no_answer"}


def test_nothing_is_remembered_of_jobs_that_have_ended() -> None:
    yard = Yard(CoreSettings(refusals_to_hold=999, failures_to_hold=999))
    yard.flow()
    first, second = yard.robot("r1"), yard.robot("r2")
    for _ in range(5):
        uid = yard.submit(max_retries=1)
        by = first if yard.job(uid)["robot"] == "r1" else second
        by.say(by.about("rejected", reason="busy"))
        by = first if yard.job(uid)["robot"] == "r1" else second
        by.accept()
        by.say(by.about("failed", reason="broken"))
        assert yard.core.desk.memory.avoid
        yard.must("job.cancel", job=uid)
    memory = yard.core.desk.memory
    assert (dict(memory.exclusions), dict(memory.avoid), memory.live, memory.letters) == ({}, {}, {}, {})
    assert (memory.first_sent, memory.running_since, memory.cancel_since) == ({}, {}, {})
    assert (memory.letters_of, memory.sending, yard.core.desk.fresh) == ({}, {}, {})


def test_a_robot_that_can_do_more_is_asked_again() -> None:
    yard = Yard()
    yard.flow()
    robot = yard.robot("r1")
    uid = yard.submit()
    robot.say(robot.about("rejected", reason="unknown_block_kind"))
    yard.tick(400, step=2, beating=True)
    assert yard.state(uid) == "queued"
    robot.kinds = [*robot.kinds, "WhileBp"]
    robot.beat()
    assert yard.state(uid) == "assigned"


def test_a_cancel_is_the_robots_word() -> None:
    yard = Yard()
    robot, uid = running(yard)
    yard.must("job.cancel", job=uid, reason="wrong pallet")
    command = robot.last("cancel")["command"]
    robot.say(robot.about("noted", command=command))
    assert yard.state(uid) == "cancelling"
    assert yard.rows("outbox") == []
    robot.say(robot.about("cancelled", command=command))
    job = yard.job(uid)
    assert (job["state"], job["cancelled_while"], job["reason"]) == ("cancelled", "running", "wrong pallet")


def test_a_refused_cancel_leads_back() -> None:
    yard = Yard()
    robot, uid = running(yard)
    yard.must("job.cancel", job=uid)
    command = robot.last("cancel")["command"]
    robot.say(robot.about("noted", command=command), robot.about("refused", command=command, reason="in the lift"))
    assert yard.state(uid) == "running"
    assert yard.job(uid)["cancelled_while"] is None


def test_force_waits_for_the_robot_then_takes_a_persons_word() -> None:
    yard = Yard()
    _, uid = running(yard)
    yard.must("job.cancel", job=uid)
    assert yard.ask("job.force", job=uid, outcome="cancelled", reason="seen").error is not None
    yard.tick(31)
    yard.must("job.force", job=uid, outcome="cancelled", reason="stands still, seen by Li")
    assert yard.state(uid) == "cancelled"
    assert "forced" in yard.holds("r1")


def test_a_silent_job_becomes_uncertain_and_running_again() -> None:
    yard = Yard()
    robot, uid = running(yard)
    yard.tick(24)
    assert yard.state(uid) == "running"
    yard.tick(2)
    assert yard.state(uid) == "uncertain"
    robot.beat(robot.hold(), settled=False)
    assert yard.state(uid) == "uncertain", "not settled: contact only"
    robot.beat(robot.hold("paused"))
    assert yard.state(uid) == "paused", "its own word"


def test_a_silent_job_marked_requeue_goes_elsewhere_and_the_robot_is_held() -> None:
    yard = Yard()
    robot, uid = running(yard, on_lost="requeue", safe_to_repeat=True)
    assert robot.last("assign")["lease_s"] == 15
    yard.tick(26)
    assert yard.state(uid) == "queued"
    assert "silent" in yard.holds("r1")


def test_requeue_is_only_sent_to_robots_that_stop_by_themselves() -> None:
    yard = Yard()
    yard.robot("r1", kinds=["RootBp", "PrintBp"])
    robot, uid = running(yard, on_lost="requeue", safe_to_repeat=True)
    assert robot.last("assign")["on_lost"] == "hold"
    yard.tick(26)
    assert yard.state(uid) == "uncertain"


def test_a_grant_goes_only_to_the_journal_that_accepted() -> None:
    yard = Yard()
    robot, uid = running(yard)
    robot.journal = "another disk"
    robot.seq = 0
    robot.beat(robot.hold("waiting", ask=9))
    assert robot.last("ack")["verdict"] == "void"
    assert yard.holds("r1") == {"two_agents"}
    robot.say(robot.about("succeeded"))
    assert yard.state(uid) == "running", "another journal moves nothing"
    assert len(yard.rows("reports")) == 2, "but it is recorded"


def test_an_idle_robot_with_a_new_disk_is_adopted_after_a_silence() -> None:
    yard = Yard()
    robot = yard.robot("r1")
    robot.journal = "new"
    robot.beat()
    assert yard.holds("r1") == {"two_agents"}
    yard.now += 26
    robot.beat()
    assert yard.holds("r1") == set()
    assert yard.rows("robots")[0]["journal"] == "new"


def test_what_a_robot_holds_that_is_not_its_own_is_revoked() -> None:
    yard = Yard()
    robot = yard.robot("r1")
    robot.highest = 10_000_000_000
    robot.beat({"job": "x", "attempt": 77, "activity": "running"})
    assert yard.holds("r1") == {"foreign"}
    assert robot.last("cancel") | {"command": 0} == {
        "v": 1, "job": "x", "attempt": 77, "command": 0, "reason": "revoke", "by": "controller",
    }  # fmt: skip
    robot.say({"kind": "cancelled", "job": "x", "attempt": 77})
    robot.beat()
    assert yard.holds("r1") == set()
    assert yard.rows("outbox") == []


def test_a_robot_ahead_of_the_counter_gets_nothing() -> None:
    yard = Yard()
    yard.flow()
    robot = yard.robot("r1")
    robot.highest = 5 * 10**10
    robot.beat()
    assert yard.holds("r1") == {"ahead"}
    uid = yard.submit()
    assert yard.state(uid) == "queued"


def test_an_unknown_attempts_end_answers_its_revoke() -> None:
    yard = Yard()
    robot = yard.robot("r1")
    robot.say({"kind": "succeeded", "job": "of another life", "attempt": 5})
    assert yard.rows("jobs") == []
    assert [row["kind"] for row in yard.rows("reports")] == ["succeeded"]


def test_a_row_whose_job_does_not_fit_its_attempt_is_quarantined() -> None:
    yard = Yard()
    robot, uid = running(yard)
    robot.say(robot.about("succeeded") | {"job": "not this one"})
    assert yard.state(uid) == "running"
    assert yard.rows("quarantine")[0]["reason"] == "the job does not fit the attempt"


def test_the_root_block_is_not_a_robots_to_report() -> None:
    yard = Yard()
    robot, _ = running(yard)
    root = {"path": "-1", "n": 0, "try": 0}
    before = [(run["status"], run["state"]) for run in yard.rows("block_runs") if run["n"] == 0]
    robot.say(robot.about("block", status="monitor.success", **root))
    assert [(run["status"], run["state"]) for run in yard.rows("block_runs") if run["n"] == 0] == before
    assert [row["reason"] for row in yard.rows("quarantine")] == ["the root block is the controller's to record"]
    robot.say(robot.about("succeeded"))
    assert yard.rows("jobs")[0]["state"] == "succeeded"


def test_one_bad_row_never_blocks_those_behind_it() -> None:
    yard = Yard()
    robot, uid = running(yard)
    robot.say({"kind": "block", "job": uid, "attempt": "x"}, robot.about("succeeded"))
    assert yard.state(uid) == "succeeded"
    assert robot.last("ack")["upto"] == 3
    assert len(yard.rows("quarantine")) == 1


@pytest.mark.parametrize("column", ["inputs", "outputs"])
def test_a_number_too_large_for_any_reader_is_null_and_holds_up_nothing(column: str) -> None:
    yard = Yard()
    robot, uid = running(yard)
    block = robot.about("block", path="-1/1", n=1, status="start.begin", **{column: {"far": "TOO FAR"}})
    envelope = {"v": 1, "journal": robot.journal, "boot": robot.boot, "first": 1, "rows": [
        block | {"seq": robot.seq + 1}, robot.about("succeeded", outputs={"far": "TOO FAR"}) | {"seq": robot.seq + 2},
    ]}  # fmt: skip
    yard.hear("r1", "block-status", json.dumps(envelope).replace('"TOO FAR"', "1e999").encode())
    assert yard.state(uid) == "succeeded"
    assert yard.job(uid)["outputs"] == '{"far":null}'
    assert [run[column] for run in yard.rows("block_runs") if run["n"] == 1] == ['{"far":null}']


@pytest.mark.parametrize(
    "payload", [b"", b"{", b"[" * 100_000, b'{"v":1,"x":NaN}', b"\xff\xfe{", b"9" * 5000, b'{"v":2}', b"x" * 300_000]
)
@pytest.mark.parametrize("kind", ["heartbeat", "block-status", "log", "submit"])
def test_rubbish_is_counted_kept_and_holds_the_robot_until_it_makes_sense(payload: bytes, kind: str) -> None:
    yard = Yard()
    robot = yard.robot("r1")
    yard.hear("r1", kind, payload)
    assert yard.holds("r1") == {"unreadable"}
    assert sum(n for key, n in yard.core.counters.items() if key[0] == "bad messages") == 1
    assert len(yard.rows("quarantine")) == 1
    robot.beat()
    assert yard.holds("r1") == set()


def test_retained_messages_change_nothing() -> None:
    yard = Yard()
    robot, uid = running(yard)
    robot.seq += 1
    row = {"seq": robot.seq, "time": ""} | robot.about("succeeded")
    envelope = {"v": 1, "journal": robot.journal, "boot": robot.boot, "first": 1, "rows": [row]}
    yard.hear("r1", "block-status", envelope, retained=True)
    yard.hear("r1", "presence", {"v": 1, "online": False, "boot": "x"}, retained=True)
    assert yard.state(uid) == "running"
    assert yard.holds("r1") == set()


def test_what_an_agent_no_longer_has_is_a_gap_on_record() -> None:
    yard = Yard()
    robot, uid = running(yard)
    robot.seq = robot.first = 10
    robot.first = 11
    robot.say(robot.about("succeeded"))
    assert yard.state(uid) == "succeeded"
    assert [(g["first"], g["last"]) for g in yard.rows("gaps")] == [(2, 10)]


def test_a_lost_accepted_is_asked_for_again() -> None:
    yard = Yard()
    yard.flow()
    robot = yard.robot("r1")
    uid = yard.submit()
    robot.highest = robot.last("assign")["attempt"]
    robot.beat(robot.hold("waiting", ask=1))
    assert robot.last("assign")["again"] is True
    assert robot.last("ack")["verdict"] == "wait"
    robot.accept()
    assert yard.state(uid) == "running"


def test_a_running_job_that_its_robot_does_not_hold_is_asked_after() -> None:
    yard = Yard()
    robot, uid = running(yard)
    robot.beat()
    assert robot.last("assign")["again"] is True
    assert yard.state(uid) == "running"
    robot.say(robot.about("interrupted", reason="unknown"))
    assert (yard.state(uid), yard.job(uid)["reason_code"]) == ("failed", "interrupted")


def test_three_failures_of_different_jobs_hold_the_robot() -> None:
    yard = Yard()
    yard.flow()
    robot = yard.robot("r1")
    for _ in range(3):
        yard.submit(max_retries=0)
        robot.accept()
        robot.say(robot.about("failed", reason="broken"))
    assert yard.holds("r1") == {"failures"}
    robot.beat()
    assert yard.holds("r1") == {"failures"}, "only a person ends it"
    yard.must("robot.release", robot="r1", reason="gripper replaced")
    assert yard.holds("r1") == set()


def test_failures_of_one_job_again_and_again_are_no_reason_to_hold() -> None:
    yard = Yard(CoreSettings(retry_max_s=5))
    yard.flow()
    robot = yard.robot("r1")
    first = yard.submit(max_retries=3, priority=5000)
    yard.submit(max_retries=0)
    for _ in range(4):  # the first, the other one while the first waits, and the first again
        robot.accept()
        robot.say(robot.about("failed", reason="broken"))
        yard.tick(6, beating=True)
    assert yard.job(first)["attempt_count"] == 3
    assert yard.holds("r1") == set()


def test_five_refusals_in_a_row_hold_the_robot() -> None:
    yard = Yard()
    yard.flow()
    robot = yard.robot("r1")
    for _ in range(5):
        yard.submit()
        robot.say(robot.about("rejected", reason="busy"))
        yard.tick(1, beating=True)
    assert yard.holds("r1") == {"refusals"}


def test_a_restart_changes_no_job_and_clocks_begin_anew() -> None:
    yard = Yard()
    robot, uid = running(yard)
    yard.must("job.pause", job=uid)
    before = yard.rows("jobs")
    yard.tick(20)
    yard.boot()
    assert yard.rows("jobs") == before
    assert robot.last("control")["do"] in ("pause", "report_now")
    yard.tick(20)
    assert yard.state(uid) == "running", "20 s before and 20 s after a restart are no silence of 25 s"
    yard.tick(6)
    assert yard.state(uid) == "uncertain"


def test_an_own_pause_expires_nothing() -> None:
    yard = Yard()
    _, uid = running(yard)
    yard.now += 300
    with yard.store.transaction():
        yard.core.paused(yard.instant())
        yard.core.tick(yard.instant())
    assert yard.state(uid) == "running"


def test_no_silence_is_counted_while_the_broker_is_away() -> None:
    yard = Yard()
    _, uid = running(yard)
    with yard.store.transaction():
        yard.core.broker(False, yard.instant())
    yard.tick(60)
    assert yard.state(uid) == "running"
    with yard.store.transaction():
        yard.core.broker(True, yard.instant())
    yard.tick(24)
    assert yard.state(uid) == "running"


def test_a_rollback_forgets_what_the_turn_believed() -> None:
    yard = Yard()
    yard.flow()
    robot = yard.robot("r1")

    class Full(Exception):
        pass

    def turn() -> None:
        args = {"flow": "hello", "target": {"queue": "main"}}
        with yard.store.transaction():
            yard.core.command(yard.instant(), Frame(id=1, command="job.submit", args=args))
            yard.core.tick(yard.instant())
            raise Full

    with pytest.raises(Full):
        turn()
    yard.core.undo()
    assert yard.core.take() == []
    assert yard.rows("jobs") == []
    yard.now += 9
    robot.beat()
    uid = yard.submit()
    assert yard.job(uid)["robot"] == "r1"
    assert len(robot.all("assign")) == 1
    yard.tick(5)
    assert yard.state(uid) == "assigned", "the answer clock of a number that was rolled back is forgotten with it"


def test_a_flow_that_was_rolled_back_is_not_sent_in_the_place_of_the_next() -> None:
    yard = Yard()
    robot = yard.robot("r1")

    def turn() -> None:
        with yard.store.transaction():
            for command, args in (
                ("flow.save", {"flow": "lost", "definition": PRINT_FLOW}),
                ("job.submit", {"flow": "lost", "target": {"queue": "main"}}),
            ):
                yard.core.command(yard.instant(), Frame(id=1, command=command, args=args))
            yard.core.tick(yard.instant())
            raise KeyError

    with pytest.raises(KeyError):
        turn()
    yard.core.undo()
    yard.submit(yard.flow("kept"))
    assert robot.last("assign")["flow"]["id"] == "kept"


def test_an_unknown_robot_is_shown_and_gets_nothing_until_it_is_added() -> None:
    yard = Yard(CoreSettings(auto_accept=False))
    yard.flow()
    yard.must("queue.put", queue="main")
    robot = FakeRobot(yard, "r9", ("main",), ["RootBp", "PrintBp"])
    yard.robots["r9"] = robot
    robot.beat()
    uid = yard.submit()
    assert yard.must("robot.live")["unknown"][0]["robot"] == "r9"
    assert yard.state(uid) == "queued"
    yard.must("robot.put", robot="r9", kind="agv", queues=["main"])
    robot.beat()
    assert yard.state(uid) == "assigned"


def test_a_run_time_limit_ends_failed_without_a_retry() -> None:
    yard = Yard()
    robot, uid = running(yard, time_limit_s=60)
    for _ in range(61):
        yard.now += 1
        robot.beat(robot.hold())
    assert yard.state(uid) == "cancelling"
    robot.say(robot.about("cancelled", command=robot.last("cancel")["command"]))
    job = yard.job(uid)
    assert (job["state"], job["reason_code"]) == ("failed", "time_limit")


def test_late_messages_after_the_end_change_nothing() -> None:
    yard = Yard()
    robot, uid = running(yard)
    robot.say(robot.about("succeeded"))
    before = yard.rows("jobs")
    for kind in ("accepted", "failed", "cancelled", "interrupted", "paused", "resumed"):
        robot.say(robot.about(kind))
    assert yard.rows("jobs") == before
    assert yard.state(uid) == "succeeded"


def test_a_robot_first_heard_with_something_in_hand_gets_nothing_settled_or_not() -> None:
    """After a restore a robot may be unknown to the database and still move for the life before."""
    yard = Yard()
    yard.flow()
    yard.must("queue.put", queue="main")
    uid = yard.submit()
    robot = FakeRobot(yard, "r1", ("main",), ["RootBp", "PrintBp"])
    yard.robots["r1"] = robot
    robot.seq = robot.highest = 4
    robot.beat({"job": "x", "attempt": 4, "activity": "running"}, settled=False)
    assert yard.state(uid) == "queued"
    assert [r["code"] for r in yard.must("job.waiting", job=uid)["reasons"]] == ["foreign"]


def test_a_thinned_span_that_is_partly_recorded_goes_on_behind_it() -> None:
    yard = Yard()
    robot, uid = running(yard)
    log = {"kind": "log", "level": 1, "text": "x"}
    robot.say(log, log)
    robot.send([{"seq": 2, "time": "", "kind": "dropped", "to": 9}, {"seq": 10, "time": ""} | robot.about("succeeded")])
    assert yard.state(uid) == "succeeded"
    assert robot.last("ack")["upto"] == 10
