"""The agent's rules, step by step: what is taken on, granted, done, and said."""

import pytest

from edge_agent.operations import Telemetry
from edge_agent.profile import Profile
from schemas.reading import read, read_rows
from tests.fakes.agent_bench import Bench
from tests.fakes.flow_bench import block, flow


@pytest.fixture
def b():
    return Bench()


RUN = [
    "accepted",
    "-1/1.0 start.begin",
    "-1/1.0 start.success",
    "-1/1.0 monitor.begin",
    "-1/1.0 monitor.success",
    "-1/2.0 start.begin",
    "log",
    "-1/2.0 monitor.success",
    "-1/3.0 start.begin",
    "-1/3.0 start.success",
    "-1/3.0 monitor.begin",
    "-1/3.0 monitor.success",
    "log",
    "succeeded",
]


def test_a_job_from_assign_to_end(b):
    b.begin()
    b.end()
    b.end()
    assert b.words() == RUN
    assert len(b.driver.started) == 2
    assert b.journal.first == b.journal.head + 1
    assert b.journal.held() == []


# ---------------------------------------------------------------- assign
def test_nothing_moves_without_a_grant(b):
    b.assign()
    for _ in range(10):
        b.wait(2)
    assert b.driver.started == []
    assert b.words()[0] == "accepted"


def test_a_repeated_assign_is_answered_and_never_run_again(b):
    b.begin()
    b.assign()
    b.assign(again=True)
    b.end()
    b.end()
    b.assign()
    b.answer()
    b.assign(again=True)
    assert b.about() == ["accepted", "accepted", "succeeded", "succeeded"]
    assert len(b.driver.started) == 2


def test_an_answer_that_waits_is_sent_once_more_instead_of_written_twice(b):
    b.assign()
    head = b.journal.head
    b.sent.clear()
    b.assign()
    assert b.journal.head == head
    (send,) = b.sent
    assert read_rows(send.payload).rows[0].ask


def test_an_old_number_that_is_not_remembered(b):
    b.cancel(command=90, attempt=5, job="x")
    b.assign(attempt=4)
    assert b.about(4) == ["interrupted unknown"]
    assert b.driver.started == []


def test_again_starts_nothing(b):
    b.assign(attempt=9, again=True)
    assert b.about(9) == ["interrupted unknown"]
    assert len(b.core.hands) == 0


def test_one_attempt_at_a_time(b):
    b.begin()
    b.assign(attempt=2, job="job-2")
    assert b.about(2) == ["rejected busy"]
    b.assign(attempt=2, job="job-2")
    assert b.about(2) == ["rejected busy", "rejected busy"]


def test_a_station_holds_as_many_as_it_declares():
    b = Bench(profile=Profile(kind="station", capacity=2))
    for attempt in (1, 2, 3):
        b.assign(attempt=attempt, job=f"job-{attempt}")
    b.answer()
    assert len(b.driver.moving) == 2
    assert b.about(3) == ["rejected busy"]
    b.wait(2)
    assert [held.attempt for held in b.beats()[-1].holds] == [1, 2]


def test_draining(b):
    b.core.accepting = False
    b.assign()
    assert b.about() == ["rejected draining"]
    b.wait(2)
    assert not b.beats()[-1].accepting


def test_a_number_known_for_another_job(b):
    b.begin()
    b.assign(job="job-2")
    assert b.about() == ["accepted", "rejected stale"]
    b.end()
    b.end()
    b.assign(job="job-2")
    b.answer()
    b.cancel(command=77, job="job-2")
    assert b.about()[2:] == ["succeeded", "rejected stale", "cancelled not held"]
    b.assign()
    assert b.about()[-1] == "succeeded"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"flow": flow(block(1, "TeleportBp"))}, "unknown_block_kind"),
        ({"flow": {}}, "bad_parameters"),
        ({"flow": 7}, "bad_parameters"),
        ({"on_lost": "requeue"}, "bad_parameters"),
        ({"inputs": {"text": "x" * 1_100_000}}, "too_large"),
    ],
)
def test_what_cannot_be_run_is_rejected(b, fields, reason):
    b.assign(**fields)
    assert b.about() == [f"rejected {reason}"]
    b.assign()
    assert b.about()[-1] == f"rejected {reason}"
    assert len(b.core.hands) == 0


@pytest.mark.parametrize(
    ("kind", "payload", "problem"),
    [
        ("assign", b"{", "fields"),
        ("assign", b'{"job": 3}', "fields"),
        ("assign", b'{"v":1,"job":"a","attempt":"one","flow":{}}', "fields"),
        ("assign", b"[1]", "fields"),
        ("cancel", b'{"v":1}', "fields"),
        ("ack", b"[" * 100_000, "depth"),
        ("ack", b'{"v":1,"journal":"x","boot":"x","upto":99999999999999999999}', "number"),
        ("child", b"{}", "child"),
        ("presence", b"{}", "presence"),
        ("control", b'{"v":1,"do":"pause","job":"a","attempt":1,"command":1}', "control of no attempt in hand"),
    ],
)
def test_bad_messages_are_counted_and_change_nothing(b, kind, payload, problem):
    b.step("receive", kind, payload)
    assert b.core.problems == {problem: 1}
    assert b.journal.head == 0


# ---------------------------------------------------------------- grants
def ask_of(b):
    """The newest ask that left."""
    return b.read()[-1]


def test_a_grant_that_is_too_old_moves_nothing(b):
    b.assign()
    attempt, ask = ask_of(b)
    b.now += 15
    b.ack(attempt=attempt, ask=ask, verdict="grant")
    assert b.driver.started == []
    b.wait(2)
    b.answer()
    assert len(b.driver.started) == 1


@pytest.mark.parametrize("wrong", [{"journal": "another"}, {"boot": "another"}, {"ask": 1000}])
def test_a_grant_must_fit(b, wrong):
    b.assign()
    attempt, ask = ask_of(b)
    b.ack(**({"attempt": attempt, "ask": ask, "verdict": "grant"} | wrong))
    assert b.driver.started == []
    b.ack(attempt=attempt, ask=ask, verdict="grant")
    assert len(b.driver.started) == 1


def test_a_grant_for_one_attempt_is_none_for_another():
    b = Bench(profile=Profile(kind="station", capacity=2))
    b.assign(attempt=1)
    _, ask = ask_of(b)
    b.assign(attempt=2, job="job-2")
    b.ack(attempt=2, ask=ask, verdict="grant")
    assert b.driver.started == []


def test_wait_keeps_it_and_void_ends_it(b):
    b.assign()
    b.answer("wait")
    assert b.about() == ["accepted"]
    b.wait(2)
    b.answer("void")
    assert b.about() == ["accepted", "cancelled"]
    assert b.driver.started == []


def test_void_stops_what_moves(b):
    b.begin()
    b.assign()
    b.answer("void")
    assert not b.driver.moving
    assert b.about()[-1] == "cancelled"


def test_each_ask_has_a_number_of_its_own(b):
    b.assign()
    asks = b.read()
    for _ in range(3):
        b.wait(2)
        asks += b.read()
    numbers = [ask for _, ask in asks]
    assert len(numbers) == len(set(numbers)) >= 4


# ---------------------------------------------------------------- leases and limits
LEASED = {"on_lost": "requeue", "safe": True, "lease_s": 15.0}


def beat_of(b):
    return [beat.beat for beat in b.beats()][-1]


def test_without_answers_the_lease_ends_and_the_robot_stops(b):
    b.begin(**LEASED)
    b.now += 14.9
    b.step("tick")
    assert b.driver.moving
    b.wait(0.2)
    assert not b.driver.moving
    assert b.about()[-1] == "interrupted lease"


def test_the_lease_counts_from_the_sending_of_the_beat(b):
    b.begin(**LEASED)
    b.wait(2)
    beat = beat_of(b)
    b.now += 10
    b.ack(beat=beat)
    b.wait(4.9)
    assert b.driver.moving
    b.wait(0.2)
    assert not b.driver.moving


def test_a_late_answer_does_not_wake_a_dead_lease(b):
    b.begin(**LEASED)
    b.now += 13
    b.step("tick")
    beat = beat_of(b)
    b.now += 5
    b.ack(beat=beat)
    assert not b.driver.moving
    assert b.about()[-1] == "interrupted lease"


def test_a_lease_that_ends_before_anything_began(b):
    b.assign(**LEASED, flow=flow(block(1, "CAgvOperationBp", p_targetSiteLabel="A")))
    b.control("pause", 5)
    b.answer()
    b.wait(20)
    assert b.about()[-1] == "rejected lease"


def test_without_requeue_silence_stops_nothing(b):
    b.begin()
    b.wait(10_000)
    assert b.driver.moving


def test_the_time_limit(b):
    b.begin(time_limit_s=100)
    b.wait(99)
    assert b.driver.moving
    b.wait(2)
    assert b.about()[-1] == "failed time_limit"


def test_downtime_is_no_run_time(b):
    b.begin(time_limit_s=100)
    b.wait(60)
    b.now += 5000
    b.restart()
    b.settle()
    b.answer()
    b.wait(30)
    assert b.driver.moving
    b.wait(30)
    assert b.about()[-1] == "failed time_limit"


# ---------------------------------------------------------------- commands
def test_cancel_is_noted_and_then_done(b):
    b.begin()
    b.cancel(5)
    assert b.about() == ["accepted", "noted", "cancelled"]
    assert not b.driver.moving


def test_cancelled_is_said_only_when_nothing_moves(b):
    b.begin()
    stop, b.driver.stop = b.driver.stop, lambda key: None
    b.cancel(5)
    b.wait(60)
    assert b.about() == ["accepted", "noted"]
    stop(b.going())
    b.settle()
    assert b.about()[-1] == "cancelled"


def test_an_old_command_is_ignored(b):
    b.begin()
    b.control("pause", 5)
    b.cancel(5)
    b.cancel(4)
    assert b.driver.moving
    assert b.about() == ["accepted", "noted"]


def test_a_cancel_that_is_not_possible(b):
    b.begin()
    b.driver.stoppable = False
    b.cancel(5)
    assert b.about()[1:] == ["noted", "refused the operation that is going on cannot be stopped"]
    b.end()
    b.driver.stoppable = True
    assert b.driver.moving
    b.cancel(6)
    assert b.about()[-1] == "cancelled"


@pytest.mark.parametrize("how", ["revoke", "void"])
def test_what_cannot_be_refused_waits_for_the_end_of_the_block(b, how):
    b.begin()
    b.driver.stoppable = False
    if how == "revoke":
        b.cancel(5, reason="revoke")
    else:
        b.assign()
        b.answer("void")
    assert b.driver.moving
    b.end()
    assert b.about()[-1] == "cancelled"
    assert len(b.driver.started) == 1


def test_cancel_before_the_grant(b):
    b.assign()
    b.cancel(5)
    b.answer()
    assert b.about() == ["accepted", "noted", "cancelled"]
    assert b.driver.started == []


def test_cancel_of_what_was_never_seen_makes_it_void(b):
    b.cancel(5, attempt=7)
    b.assign(attempt=7)
    assert b.about(7) == ["cancelled not held"]
    b.assign(attempt=7)
    assert b.about(7) == ["cancelled not held", "cancelled not held"]
    assert b.journal.highest == 7


def test_pause_at_the_next_block_and_resume(b):
    b.begin()
    b.control("pause", 5)
    assert b.about() == ["accepted", "noted"]
    b.end()
    assert b.about() == ["accepted", "noted", "paused"]
    b.wait(2)
    assert b.beats()[-1].holds[0].activity == "paused"
    assert not b.driver.moving
    b.control("resume", 6)
    assert b.about()[-2:] == ["noted", "resumed"]
    b.end()
    assert b.about()[-1] == "succeeded"


def test_a_pause_that_was_not_reached_is_taken_back(b):
    b.begin()
    b.control("pause", 5)
    b.control("resume", 6)
    b.end()
    b.end()
    assert b.about() == ["accepted", "noted", "noted", "succeeded"]


def test_debug_commands_and_late_pauses_are_refused(b):
    b.begin()
    b.control("reRun", 5, path="-1/1", **{"try": 0})
    b.driver.stop = lambda key: None
    b.cancel(6)
    b.control("pause", 7)
    assert b.about() == [
        "accepted",
        "noted",
        "refused this agent does not run flows in debug mode",
        "noted",
        "noted",
        "refused the attempt is being stopped",
    ]


# ---------------------------------------------------------------- reports
def test_reports_are_kept_until_this_journal_is_acknowledged(b):
    b.assign()
    b.ack(journal="another", upto=1)
    assert b.journal.first == 1
    assert b.core.problems["ack of another journal"] == 1
    b.ack(boot="another", upto=1)
    assert b.journal.first == 2


def test_reports_are_repeated_with_longer_and_longer_pauses(b):
    b.assign()
    b.sent.clear()
    began, at = b.now, []
    while b.now < began + 200:
        b.wait(0.5)
        at += [b.now - began for send in b.sent if send.kind == "block-status"]
        b.sent.clear()
    pauses = [after - before for before, after in zip([0.0, *at], at, strict=False)]
    assert 4 <= pauses[0] <= 6.5
    assert 8 <= pauses[1] <= 12.5
    assert all(24 <= pause <= 36.5 for pause in pauses[3:])


@pytest.mark.parametrize("how", ["reconnect", "report_now"])
def test_reports_leave_at_once_when_somebody_may_listen(b, how):
    b.assign()
    b.sent.clear()
    if how == "reconnect":
        b.step("disconnected")
        b.wait(60)
        assert b.sent == []
        b.step("connected")
    else:
        b.tell("control", do="report_now")
    kinds = [send.kind for send in b.sent]
    assert kinds[0] == "block-status"
    assert "heartbeat" in kinds


def test_messages_are_bounded_and_rows_are_cut(b):
    many = [block(i, "PrintBp", p_message="x" * 20_000) for i in range(1, 40)]
    b.assign(flow=flow(*many))
    b.answer()
    b.core.disconnected(b.now)
    b.step("connected")
    assert len([send for send in b.sent if send.kind in ("block-status", "log")]) > 1
    assert all(len(send.payload) <= 262_144 for send in b.sent)
    assert b.words()[-1] == "succeeded"


def test_only_logs_go_to_the_log_topic(b):
    b.assign()
    b.answer()
    b.sent.clear()
    b.driver.say(b.going(), "log", text="a line")
    b.settle()
    assert [send.kind for send in b.sent] == ["log"]
    b.end()
    assert b.sent[-1].kind == "block-status"


def test_an_old_disk_makes_a_new_journal(b):
    b.begin()
    old, head = b.journal.id, b.journal.head
    b.ack(upto=head + 50)
    assert b.journal.id != old
    b.end()
    b.read()
    assert [seq for journal, seq in b.rows if journal == b.journal.id] == list(range(1, b.journal.head + 1))
    b.restart()
    assert b.journal.id not in (old, "")


def test_a_journal_that_is_too_long_drops_logs_and_says_so():
    b = Bench(max_rows=50)
    b.begin()
    b.step("disconnected")
    key = b.going()
    for line in range(400):
        b.driver.say(key, "log", text=f"line {line}")
    b.settle()
    b.wait(5)
    b.end()
    b.step("connected")
    for _ in range(20):
        b.answer()
    kinds = [row["kind"] for row in b.rows.values()]
    assert "dropped" in kinds
    assert kinds.count("log") < 400
    assert b.journal.first == b.journal.head + 1
    assert "-1/1.0 monitor.success" in b.words()


# ---------------------------------------------------------------- heartbeats
def test_heartbeats_say_what_is_held(b):
    b.driver.shown = Telemetry(80.0, True, {"x": 1.0, "y": 2.0}, {"kind": "pallet"})
    b.wait(2)
    (beat,) = b.beats()[-1:]
    assert (beat.holds, beat.highest, beat.head, beat.first) == ((), 0, 0, 1)
    assert (beat.battery, beat.charging, beat.position.x) == (80.0, True, 1.0)
    b.begin()
    b.wait(2)
    held = b.beats()[-1].holds[0]
    assert (held.job, held.attempt, held.activity, held.path, held.ask) == ("job-1", 1, "running", "-1/1", None)


def test_nonsense_from_the_driver_does_not_silence_the_agent(b):
    b.driver.shown = Telemetry(battery=700.0)
    b.sent.clear()
    b.wait(2)
    assert b.beats()[0].battery is None


def test_beats_every_two_seconds_and_none_while_disconnected(b):
    b.sent.clear()
    for _ in range(100):
        b.wait(0.1)
    assert len(b.beats()) == 5
    b.step("disconnected")
    b.sent.clear()
    b.wait(10)
    assert b.sent == []


def test_presence_is_a_retained_hint(b):
    (presence,) = [send for send in b.sent if send.kind == "presence"]
    assert presence.retain
    assert read("presence", presence.payload).online
    assert not read("presence", b.core.sender.presence(online=False).payload).online


def test_wake_at_is_the_next_thing_to_do(b):
    assert b.core.wake_at == b.now + 2
    b.step("disconnected")
    assert b.core.wake_at == float("inf")
    b.step("connected")
    b.begin(**LEASED, time_limit_s=5)
    b.wait(0.5)
    assert b.core.wake_at <= b.now + 2
