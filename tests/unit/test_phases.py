"""Each of the 22 words of a block run is said by real work: which work says which word, and doing it."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from controller.core_settings import CoreSettings
from edge_agent.drivers.rpa import RpaDriver
from edge_agent.drivers.rpa_commands import RpaSettings
from edge_agent.operations import OperationEvent
from schemas.status import PHASE_STATE, BlockState, Phase
from tests.fakes.agent_bench import Bench
from tests.fakes.flow_bench import block, flow
from tests.fakes.yard import Yard
from tests.waiting import wait_for

Words = set[str]
"""Words that came over the wire, or stood on the root's row."""


# ---------------------------------------------------------------- the root's own row
def _roots(yard: Yard) -> Words:
    return {row["status"] for row in yard.rows("block_runs") if row["n"] == 0}


def published(_: Path) -> Words:
    """The assignment is in the outbox."""
    yard = Yard()
    yard.flow()
    yard.robot("r1")
    yard.submit()
    return _roots(yard)


def unanswered(_: Path) -> Words:
    """The robot did not answer the assignment in time."""
    yard = Yard()
    yard.flow()
    robot = yard.robot("r1")
    yard.submit()
    yard.tick(CoreSettings().answer_s + 1)
    assert robot.last("assign")
    return _roots(yard)


# ---------------------------------------------------------------- an agent with a robot that is told what becomes of it
def _said(b: Bench) -> Words:
    b.answer()
    return {row["status"] for row in b.rows.values() if row["kind"] == "block"}


def carried_out(_: Path) -> Words:
    """An operation is begun, taken, carried out and done."""
    b = Bench()
    b.begin()
    b.end()
    return _said(b)


def failed(_: Path) -> Words:
    b = Bench()
    b.begin()
    b.end("failed", reason="jam")
    return _said(b)


def refused(_: Path) -> Words:
    """The robot did not take the block."""
    b = Bench()
    b.begin()
    b.end("refused", reason="it is locked")
    return _said(b)


def cancelled(_: Path) -> Words:
    """The robot has stopped what was asked to stop."""
    b = Bench()
    b.begin()
    b.cancel(5)
    return _said(b)


def cannot_stop(_: Path) -> Words:
    b = Bench()
    b.driver.stoppable = False
    b.begin()
    b.cancel(5)
    return _said(b)


def never_taken(_: Path) -> Words:
    """A cancel comes before the robot has taken the block."""
    b = Bench()
    b.assign()
    asks = b.read()
    b.ack()
    for attempt, ask in asks:
        # The driver is silent: what it said is on its way.
        b.step("receive", "ack", _grant(b, attempt, ask))
    b.driver.events.clear()
    b.cancel(5)
    return _said(b)


def _grant(b: Bench, attempt: int, ask: int) -> bytes:
    upto = b.upto.get(b.journal.id, 0)
    return (
        f'{{"v":1,"journal":"{b.journal.id}","boot":"{b.core.boot_id}","upto":{upto},'
        f'"attempt":{attempt},"ask":{ask},"verdict":"grant"}}'
    ).encode()


def _debugged(undo: str) -> Words:
    """A block failed in debug mode, and a person had what was done before undone."""
    back = {"rollback": [block(11, "CAgvOperationBp", p_targetSiteLabel="home")]}
    go = [block(n, "CAgvOperationBp", p_targetSiteLabel="A") for n in (1, 2)]
    b = Bench()
    b.begin(debug=True, flow={"id": "f", "version": 1} | flow(go[0] | back, go[1]))
    b.end()
    b.end("failed", reason="jam")
    b.control("resume_with_rollback", 5)
    b.end(undo, **({} if undo == "succeeded" else {"reason": "jam again"}))
    assert b.about()[-1].startswith("failed")
    return _said(b)


def undone(_: Path) -> Words:
    return _debugged("succeeded")


def not_undone(_: Path) -> Words:
    return _debugged("failed")


def _rehearsed(*blocks: dict[str, Any]) -> Words:
    b = Bench()
    b.assign(mock=True, flow={"id": "f", "version": 1} | flow(*blocks))
    b.answer()
    assert b.driver.started == []
    return _said(b)


def would_move(_: Path) -> Words:
    return _rehearsed(block(1, "CAgvOperationBp", p_targetSiteLabel="A"))


def nothing_to_do(_: Path) -> Words:
    return _rehearsed(block(1, "GetBatteryLevelBp"))


def could_not(_: Path) -> Words:
    return _rehearsed(block(1, "CAgvOperationBp", p_targetSiteLabel="nowhere"))


# ---------------------------------------------------------------- an agent with a machine that runs real processes
class Machine:
    """A real driver whose words wait until the bench takes them."""

    def __init__(self, folder: Path) -> None:
        command = {"argv": [sys.executable, "-c", "open('left', 'w').write('behind')"]}
        settings = RpaSettings.model_validate({"data_dir": folder, "commands": {"write": command}})
        self.real = RpaDriver("agv-01", settings)
        self.events: list[OperationEvent] = []
        self.real.emit = self.events.append

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


def _program(folder: Path) -> Words:
    b = Bench()
    machine: Any = Machine(folder)
    b.driver = machine
    b.boot()
    b.assign(flow={"id": "f", "version": 1} | flow(block(1, "RpaRunBp", p_command="write")))
    b.answer()

    def over() -> bool:
        b.settle()
        return not list(b.core.hands)

    wait_for(over, 30, "the program has ended, and what it left is removed")
    machine.real.close()
    return _said(b)


def tidied(folder: Path) -> Words:
    """A program's own folder is removed before its attempt ends."""
    words = _program(folder)
    assert list(folder.glob("rpa/*/result.json"))
    assert not list(folder.glob("rpa/*/work"))
    return words


def not_tidied(folder: Path) -> Words:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("edge_agent.drivers.rpa_runs.shutil.rmtree", _busy)
        return _program(folder)


def _busy(path: Path) -> None:
    raise OSError(16, "Device or resource busy", str(path))


WORK: dict[Phase, Callable[[Path], Words]] = {
    Phase.PRODUCE_SUCCESS: published,
    Phase.PRODUCE_FAILED: unanswered,
    Phase.START_BEGIN: carried_out,
    Phase.START_FAILED: refused,
    Phase.START_SUCCESS: carried_out,
    Phase.MONITOR_BEGIN: carried_out,
    Phase.MONITOR_SUCCESS: carried_out,
    Phase.MONITOR_FAILED: failed,
    Phase.ROLLBACK_BEGIN: undone,
    Phase.ROLLBACK_SUCCESS: undone,
    Phase.ROLLBACK_FAILED: not_undone,
    Phase.DELETE_BEGIN: tidied,
    Phase.DELETE_SUCCESS: tidied,
    Phase.DELETE_FAILED: not_tidied,
    Phase.CANCEL_BEGIN: cancelled,
    Phase.CANCEL_SUCCESS: cancelled,
    Phase.CANCEL_FAILED: cannot_stop,
    Phase.CANCELED: never_taken,
    Phase.MOCK_BEGIN: would_move,
    Phase.MOCK_SUCCESS: would_move,
    Phase.MOCK_PASSED: nothing_to_do,
    Phase.MOCK_FAILED: could_not,
}


@pytest.mark.parametrize("phase", Phase)
def test_the_word_is_said_by_real_work(phase: Phase, tmp_path: Path) -> None:
    assert phase in WORK[phase](tmp_path)


def test_there_are_22_and_what_follows_an_end_keeps_the_state() -> None:
    assert len(Phase) == 22
    after = {phase for phase, state in PHASE_STATE.items() if state is None}
    assert after == {phase for phase in Phase if phase.split(".")[0] in ("rollback", "delete")}
    assert set(PHASE_STATE) == set(Phase)
    assert {state for state in PHASE_STATE.values() if state is not None} == set(BlockState)
