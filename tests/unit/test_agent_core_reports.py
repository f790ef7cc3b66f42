"""The agent's rules, step by step: what is said, how often, and in which words."""

import json

import pytest

from edge_agent.operations import Telemetry
from tests.fakes.agent_bench import Bench
from tests.fakes.flow_bench import block, flow


@pytest.fixture
def b() -> Bench:
    return Bench()


# ---------------------------------------------------------------- reports
def test_reports_are_kept_until_this_journal_is_acknowledged(b: Bench) -> None:
    b.assign()
    b.ack(journal="another", upto=1)
    assert b.journal.first == 1
    assert b.core.problems["ack of another journal"] == 1
    b.ack(boot="another", upto=1)
    assert b.journal.first == 2


def test_reports_are_repeated_with_longer_and_longer_pauses(b: Bench) -> None:
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
def test_reports_leave_at_once_when_somebody_may_listen(b: Bench, how: str) -> None:
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


def test_heartbeats_name_the_newest_life_of_the_box_that_this_boot_has_heard_of(b: Bench) -> None:
    assert b.beats()[-1].life == 0
    for told, known in ((3, 3), (2, 3), (None, 3), (4, 4)):
        b.tell("control", do="report_now", **({} if told is None else {"life": told}))
        assert b.beats()[-1].life == known
    b.restart()
    assert b.beats()[-1].life == 0


def test_messages_are_bounded_and_rows_are_cut(b: Bench) -> None:
    many = [block(i, "PrintBp", p_message="x" * 20_000) for i in range(1, 40)]
    b.assign(flow=flow(*many))
    b.answer()
    b.core.disconnected(b.now)
    b.step("connected")
    assert len([send for send in b.sent if send.kind in ("block-status", "log")]) > 1
    assert all(len(send.payload) <= 262_144 for send in b.sent)
    assert b.words()[-1] == "succeeded"


def test_only_logs_go_to_the_log_topic(b: Bench) -> None:
    b.assign()
    b.answer()
    b.sent.clear()
    b.driver.say(b.going(), "log", text="a line")
    b.settle()
    assert [send.kind for send in b.sent] == ["log"]
    b.end()
    assert b.sent[-1].kind == "block-status"


@pytest.mark.parametrize(("said", "told"), [(-5, 0), (2, 2), (7, 3)])
def test_a_line_of_the_driver_has_a_level_that_the_wire_knows(b: Bench, said: int, told: int) -> None:
    b.begin()
    b.driver.say(b.going(), "log", text="a line", level=said)
    b.settle()
    b.answer()
    assert [row["level"] for row in b.rows.values() if row.get("text") == "a line"] == [told]


def test_outputs_that_json_cannot_carry_do_not_end_the_agent(b: Bench) -> None:
    b.begin()
    b.end(outputs={"x": "\ud800!"})
    b.answer()
    assert [row["outputs"] for row in b.rows.values() if "outputs" in row] == [{"x": "?!"}]
    b.finish()
    assert b.words()[-1] == "succeeded"


def test_an_old_disk_makes_a_new_journal(b: Bench) -> None:
    b.begin()
    old, head = b.journal.id, b.journal.head
    b.ack(upto=head + 50)
    assert b.journal.id != old
    b.end()
    b.read()
    assert [seq for journal, seq in b.rows if journal == b.journal.id] == list(range(1, b.journal.head + 1))
    b.restart()
    assert b.journal.id not in (old, "")


def test_a_journal_that_is_too_long_drops_logs_and_says_so() -> None:
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
def test_heartbeats_say_what_is_held(b: Bench) -> None:
    b.driver.shown = Telemetry(80.0, True, {"x": 1.0, "y": 2.0}, {"kind": "pallet"})
    b.wait(2)
    (beat,) = b.beats()[-1:]
    assert (beat.holds, beat.highest, beat.head, beat.first) == ((), 0, 0, 1)
    assert (beat.battery, beat.charging, beat.position.x) == (80.0, True, 1.0)
    b.begin()
    b.wait(2)
    held = b.beats()[-1].holds[0]
    assert (held.job, held.attempt, held.activity, held.path, held.ask) == ("job-1", 1, "running", "-1/1", None)


NONSENSE = {
    "too large a number": Telemetry(battery=700.0),
    "not a number": Telemetry(battery=float("nan")),
    "another type": Telemetry(position={"x": "here", "y": 0}),
    "no JSON": Telemetry(load={"x": object()}),
    "half a character": Telemetry(load={"x": "\ud800"}),
    "no mapping": Telemetry(load=7),  # type: ignore[arg-type]
    "too much": Telemetry(load={"x": "y" * 300_000}),
}


@pytest.mark.parametrize("what", NONSENSE)
def test_nonsense_from_the_driver_does_not_silence_the_agent(b: Bench, what: str) -> None:
    for shown in (NONSENSE[what], Telemetry(50.0), NONSENSE[what]):
        b.driver.shown = shown
        b.sent.clear()
        b.wait(2)
        (beat,) = b.beats()
        assert (beat.battery, beat.position, beat.load) == (
            shown.battery if shown.battery == 50.0 else None,
            None,
            None,
        )
        assert beat.kind == b.profile.kind


def test_a_heartbeat_shows_what_is_so_now(b: Bench) -> None:
    load = {"pallet": {"weight": 1}}
    for weight in (1, 2, 2, 3):
        load["pallet"]["weight"] = weight
        b.driver.shown = Telemetry(load=load)
        b.sent.clear()
        b.wait(2)
        assert b.beats()[0].load == {"pallet": {"weight": weight}}
    b.driver.shown = Telemetry()
    b.sent.clear()
    b.wait(2)
    assert b.beats()[0].load is None


def test_beats_every_two_seconds_and_none_while_disconnected(b: Bench) -> None:
    b.sent.clear()
    for _ in range(100):
        b.wait(0.1)
    assert len(b.beats()) == 5
    b.step("disconnected")
    b.sent.clear()
    b.wait(10)
    assert b.sent == []


def test_presence_is_a_retained_hint(b: Bench) -> None:
    (presence,) = [send for send in b.sent if send.kind == "presence"]
    assert presence.retain
    assert json.loads(presence.payload)["online"] is True
    assert json.loads(b.core.sender.presence(online=False).payload)["online"] is False


def test_wake_at_is_the_next_thing_to_do(b: Bench) -> None:
    assert b.core.wake_at == b.now + 2
    b.step("disconnected")
    assert b.core.wake_at == float("inf")
    b.step("connected")
    b.begin(on_lost="requeue", safe=True, lease_s=15.0, time_limit_s=5)
    b.wait(0.5)
    assert b.core.wake_at <= b.now + 2
