"""Restarts: whenever the agent dies, the flow comes to the same end, and the robot does everything once."""

from collections import Counter
from typing import Any

import pytest

from edge_agent.flow import recall, run
from edge_agent.flow.frame import Variable
from edge_agent.flow.run import FlowRun
from edge_agent.operations import FlowEnd
from schemas.blocks import BLOCK_KINDS
from schemas.status import BLOCK_ENDED, PHASE_STATE
from tests.fakes.flow_bench import Answer, Bench, Crash, Robot, assign, block, flow
from tests.fakes.flow_examples import EXAMPLES, SCRIPT, TIMED

CHANGING = frozenset({"TimestampBp", "CreateUuidBp"})


def bench(name: str, **rest: Any) -> Bench:
    return Bench(assign(EXAMPLES[name]), Robot(SCRIPT), **rest)


def drive(b: Bench, lives: int | None) -> FlowEnd | None:
    """Run to the end; die instead of writing one row more than `lives`, start again and go on."""
    b.host.lives = lives
    try:
        return b.finish()
    except Crash:
        b.crash()
        return b.finish()


def result(b: Bench, name: str) -> dict[str, Any]:
    """What must not depend on when the agent died."""
    keep_n = name not in TIMED
    runs = {
        key: (past.n if keep_n else 0, str(past.status), past.inputs, past.outputs, past.reason)
        for key, past in b.final().items()
    }
    return {"runs": runs, "end": b.run.end, "moves": sorted(b.robot.started)}


def without_what_changes(found: dict[str, Any]) -> dict[str, Any]:
    text = repr({key: value for key, value in found.items() if key != "runs"})
    runs = {key: (n, status, reason) for key, (n, status, _, _, reason) in found["runs"].items()}
    return {"rest": text, "runs": runs}


def check_rows(b: Bench) -> None:
    """Each block run begins once, ends once, and keeps its number."""
    begun = Counter((row.path, row.try_) for row in b.host.rows if row.status in ("start.begin", "mock.begin"))
    ended = Counter((row.path, row.try_) for row in b.host.rows if PHASE_STATE[row.status] in BLOCK_ENDED)
    assert set(begun.values()) <= {1}
    assert set(ended.values()) <= {1}
    assert set(begun) == set(ended)
    numbers = {(row.path, row.try_): row.n for row in b.host.rows}
    assert len(set(numbers.values())) == len(numbers)
    assert all(numbers[row.path, row.try_] == row.n for row in b.host.rows)
    assert max(Counter(b.robot.started).values()) == 1


def test_the_examples_use_every_pure_kind() -> None:
    used = {b["blockType"].split("::")[0] for b in _blocks(EXAMPLES)} | {"SubTaskBp"} - {"SubTask"}
    assert {name for name, kind in BLOCK_KINDS.items() if not kind.operation} <= used


def _blocks(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, list):
        return [found for item in value for found in _blocks(item)]
    if isinstance(value, dict):
        here = [value] if "blockType" in value else []
        return here + [found for item in value.values() for found in _blocks(item)]
    return []


def lives_of(name: str) -> int:
    b = bench(name)
    b.finish()
    return len(b.host.rows) + len(b.host.logs)


def every_crash(name: str, make: Any = FlowRun) -> None:
    whole = bench(name)
    assert whole.finish() is not None
    check_rows(whole)
    expected = result(whole, name)
    for lives in range(lives_of(name)):
        b = bench(name, make=make)
        drive(b, lives)
        check_rows(b)
        found = result(b, name)
        if name == "serial":  # its times and ids differ, unless they were recorded
            assert without_what_changes(found) == without_what_changes(expected), lives
        else:
            assert same(found, expected, name), (lives, found, expected)


def same(found: dict[str, Any], expected: dict[str, Any], name: str) -> bool:
    if name not in TIMED:
        return found == expected
    return without_what_changes(found) == without_what_changes(expected)


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_crash_after_any_row(name: Any) -> None:
    every_crash(name)


@pytest.mark.parametrize("name", EXAMPLES)
def test_crashes_between_all_turns(name: Any) -> None:
    """The agent dies after each and every transaction; then log rows are the same, too."""
    whole = bench(name)
    whole.finish()
    b = bench(name)
    for _ in range(5_000):
        b.turn()
        if b.run.end is not None:
            break
        b.crash()
        b.run.advance(b.now, True)
        # Only the robot's own time passes here: a wait that begins anew at each death would never end.
        while b.turn():
            pass
        assert b.run.end is not None or b.wait()
    check_rows(b)
    assert same(result(b, name), result(whole, name), name) or name == "serial"
    said = sorted(repr(log) for log in b.host.logs if log["type"] == "block")
    assert said == sorted(repr(log) for log in whole.host.logs if log["type"] == "block")


def test_recorded_values_are_read_again() -> None:
    b = bench("serial")
    while ("-1/9/5", 0) not in b.final():
        b.quiet()
        b.wait()
    stamp, made = dict(b.outputs("-1/9/3") or {}), dict(b.outputs("-1/9/4") or {})
    b.crash()
    b.finish()
    assert (b.outputs("-1/9/3"), b.outputs("-1/9/4")) == (stamp, made)
    text = f"{made['createUuid']}{stamp['timestamp']}"
    assert any(log.get("text") == text for log in b.host.logs)


def test_numbers_go_on_after_a_restart() -> None:
    b = bench("while")
    for _ in range(3):
        b.quiet()
        b.wait()
    before = max(row.n for row in b.host.rows)
    rows = len(b.host.rows)
    b.crash()
    b.finish()
    begun = [row.n for row in b.host.rows[rows:] if row.status == "start.begin"]
    assert begun == list(range(before + 1, before + 1 + len(begun)))


def test_a_restart_without_leave_moves_nothing() -> None:
    b = bench("while")
    b.quiet()
    b.crash()
    b.robot.now += 60
    b.quiet(go=False)
    assert b.words()[-1] == "-1/1#0/2.0 monitor.success"
    assert len(b.robot.started) == 1
    assert b.run.moved
    assert b.finish().kind == "succeeded"


def go(id_: int, **rest: Any) -> dict[str, Any]:
    return block(id_, "CAgvOperationBp", p_targetSiteLabel="P", **rest)


def cut_off(**fields: Any) -> Bench:
    """An agent that died while an operation went on, and a robot that has forgotten it."""
    b = Bench(assign(flow(block(1, "TryCatchBp", b_try=[go(2)], p_swallowError=True), go(3)), **fields), Robot())
    b.quiet()
    b.robot.forgets = True
    b.crash()
    return b


def test_what_nobody_can_tell_ends_the_attempt_by_name() -> None:
    b = cut_off()
    end = b.finish()
    assert (end.kind, end.path) == ("interrupted", "-1/1/2")
    assert "'b2'" in str(end.reason)
    assert b.final()["-1/1/2", 0].reason == "interrupted"
    assert b.phases("-1/1/2")[-1] == "monitor.failed"
    assert len(b.robot.started) == 1
    for _ in range(2):
        b.crash()
        assert b.finish() == end


def test_what_is_safe_to_repeat_gets_a_further_try() -> None:
    b = cut_off(safe=True)
    b.quiet(go=False)
    assert b.final()["-1/1/2", 0].reason == "interrupted"
    assert b.robot.started == [("-1/1/2", 0)]
    b.crash()
    b.robot.forgets = False
    assert b.finish().kind == "succeeded"
    assert b.robot.started == [("-1/1/2", 0), ("-1/1/2", 1), ("-1/3", 0)]


def test_a_driver_cannot_say_by_chance_that_a_run_was_cut_off() -> None:
    b = Bench(assign(flow(go(1)), safe=True), Robot({"b1": [Answer("failed", reason="interrupted")]}))
    end = b.finish()
    assert (end.kind, end.reason) == ("failed", "the robot says: interrupted")


def test_an_interruption_stops_the_other_branches_first() -> None:
    script = {"b3": [Answer(seconds=50)]}
    b = Bench(assign(flow(block(1, "ParallelFlowBp", go(2), go(3)))), Robot(script))
    b.quiet()
    keys = {operation.name: key for key, operation in b.run.operations.items()}
    b.crash()
    del b.robot.known[keys["b2"]]
    end = b.finish()
    assert (end.kind, end.path) == ("interrupted", "-1/1/2")
    assert b.phases("-1/1/3")[-1] == "cancel.success"


def last_word() -> Bench:
    """The branch that is written first sets the variable last; then the agent dies."""
    late = block(2, "SerialFlowBp", go(3), block(4, "SetTaskVariableBp", p_varName="x", p_varValue="late"))
    early = block(5, "SetTaskVariableBp", p_varName="x", p_varValue="early")
    definition = flow(block(1, "ParallelFlowBp", late, early), go(6), block(7, "PrintBp", e_message="vars.x"))
    b = Bench(assign(definition), Robot())
    while not b.run.operations or b.run.path != "-1/6":
        b.quiet()
        b.wait()
    b.crash()
    b.finish()
    return b


def test_variables_keep_the_value_that_was_set_last() -> None:
    assert [log["text"] for log in last_word().host.logs if log["type"] == "print"] == ["late"]


# ---------------------------------------------------------------- broken variants must not pass
def forgets_everything(order: Any, host: Any, past: Any, robot: Any, now: float, *, world: Any) -> FlowRun:
    return FlowRun(order, host, {}, robot, now, world=world)


def test_a_variant_that_ignores_the_past_is_caught() -> None:
    with pytest.raises(AssertionError):
        every_crash("serial", forgets_everything)


def test_a_variant_that_starts_numbers_again_is_caught(monkeypatch: Any) -> None:
    class Restarted(recall.Recall):
        def __init__(self, past: Any) -> None:
            super().__init__(past)
            self._next = 1

    monkeypatch.setattr(run, "Recall", Restarted)
    with pytest.raises(AssertionError):
        every_crash("while")


def test_a_variant_that_decides_passes_anew_is_caught(monkeypatch: Any) -> None:
    monkeypatch.setattr(recall.Recall, "has_pass", lambda _, prefix, after, until: False)
    with pytest.raises(AssertionError):
        every_crash("while")


def test_a_variant_that_takes_runs_of_a_later_try_is_caught(monkeypatch: Any) -> None:
    monkeypatch.setattr(recall.Recall, "until", lambda _, path, until: until)
    with pytest.raises(AssertionError):
        every_crash("limited tries")


def test_a_variant_that_does_not_repeat_effects_is_caught(monkeypatch: Any) -> None:
    monkeypatch.setattr("edge_agent.flow.steps.REPEATED", frozenset())
    with pytest.raises(AssertionError):
        every_crash("while")


def test_a_variant_that_sets_variables_in_the_order_of_the_replay_is_caught(monkeypatch: Any) -> None:
    monkeypatch.setattr(Variable, "set", lambda self, name, value, n: self.values.update({name: value}))
    assert [log["text"] for log in last_word().host.logs if log["type"] == "print"] == ["early"]
