"""The rules that can be taken away from a running process; each function switches one seam.

Rules are about what processes do to each other. Those of the protocol alone are in `tests.model.mutants`.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

WIDENED_S = 0.08
"""How long a mutant takes between two steps that the product keeps in order: a fault must be able to fall between."""


def _switch(owner: Any, name: str, new: Any) -> None:
    setattr(owner, name, new)


# ---------------------------------------------------------------- controller
def ack_before_commit() -> None:
    """Acknowledgements, answers and letters leave before the transaction is on disk."""
    from controller.loop import Loop
    from controller.store.connection import Store

    turn: dict[str, Any] = {}
    real_out, real_settle, real_transaction = Loop._carry_out, Loop._settle, Store.transaction

    def carry_out(self: Loop, now: Any, messages: Any, commands: Any, *, tick: bool = True) -> Any:
        turn.update(loop=self, messages=messages, commands=commands)
        return real_out(self, now, messages, commands, tick=tick)

    def settle(self: Loop, messages: Any, commands: Any, answers: Any) -> None:
        if not turn.pop("settled", False):
            real_settle(self, messages, commands, answers)

    @contextmanager
    def transaction(self: Store) -> Iterator[None]:
        with real_transaction(self):
            yield
            if "loop" in turn:
                _leave_early(turn, real_settle)

    _switch(Loop, "_carry_out", carry_out)
    _switch(Loop, "_settle", settle)
    _switch(Store, "transaction", transaction)
    _keep_answers(turn)


def _leave_early(turn: dict[str, Any], settle: Callable[..., None]) -> None:
    loop, messages, commands = turn.pop("loop"), turn.pop("messages"), turn.pop("commands")
    answers = turn.pop("answers", [])
    settle(loop, messages, commands, answers[: len(commands)])
    loop._link.flush()
    turn["settled"] = True
    time.sleep(WIDENED_S if messages or commands else 0)


def _keep_answers(turn: dict[str, Any]) -> None:
    from controller.core import Core

    real = Core.command

    def command(self: Core, now: Any, frame: Any) -> Any:
        answer = real(self, now, frame)
        if "loop" in turn:
            turn.setdefault("answers", []).append(answer)
        return answer

    _switch(Core, "command", command)


def cancel_shown_at_once() -> None:
    """A cancel is shown as done before the robot has said that it stands still."""
    from controller.moves import Moves
    from schemas.status import JobState

    def cancelling(self: Moves, live: Any, event: Any, who: str, why: Any, *_rest: Any) -> None:
        self.move(live, JobState.CANCELLED, event, who=who, why=why)

    _switch(Moves, "_cancelling", cancelling)


def keys_forgotten() -> None:
    """A key that was answered is not known any more: no dedupe of requests."""
    from controller.store import definitions

    _switch(definitions, "answered", lambda *_args: None)
    _switch(definitions, "remember", lambda *_args: None)


def pauses_unnoticed() -> None:
    """The controller takes its own pauses for its robots' silence."""
    from controller.loop import Loop

    _switch(Loop, "_notice_pause", lambda _self: None)


def anybody_speaks() -> None:
    """A row counts whoever sends it: no fencing of attempts by robot and journal."""
    from controller.reports import Reports

    real = Reports._about_attempt

    def about(self: Reports, robot: Any, journal: str, row: Any, topic: str) -> None:
        live = self.desk.memory.live.get(row.attempt)
        if live is None:
            real(self, robot, journal, row, topic)
        else:
            self._held(self.desk.memory.robots[live.robot], row)

    _switch(Reports, "_about_attempt", about)


def no_lock() -> None:
    """Whoever comes second may write, too."""
    from controller import lock

    _switch(lock, "_try", lambda _file: True)


def wall_clock_decides() -> None:
    """Durations are measured on the wall's clock: a jump expires what waits (and is not taken for an own pause)."""
    pauses_unnoticed()
    import controller.app
    import controller.loop
    from config.clock import Instant

    for module in (controller.app, controller.loop):
        _switch(module, "steady", time.time)
        _switch(module, "instant", lambda: Instant(time.time(), time.time_ns() // 1000))


def a_turn_each() -> None:
    """Every message has a commit of its own: what arrives together is not written together."""
    from controller import loop

    _switch(loop, "MOST_A_TURN", 1)


def rubbish_raises() -> None:
    """A message that cannot be read is a defect of the core, not of the message."""
    from controller.core import Core
    from schemas.reading import BadMessage

    def unreadable(_self: Core, _name: str, _kind: str, _payload: bytes, error: BadMessage) -> None:
        raise error

    _switch(Core, "_unreadable", unreadable)


def restore_unnoticed() -> None:
    """A database that is older than what robots have seen is taken for the present one."""
    from controller.store.connection import Store

    real = Store._load_numbers

    def load(self: Store) -> None:
        real(self)
        self.restored, self.why = False, ""

    _switch(Store, "_load_numbers", load)


# ---------------------------------------------------------------- agents
def agent_says_once() -> None:
    """A report leaves once, and is not said again although nobody has acknowledged it."""
    from edge_agent.outbox import Outbox

    for name in ("all_again", "again", "tick"):
        _switch(Outbox, name, lambda *_: None)


def agent_journal_after_moving() -> None:
    """What the journal is told reaches the disk a second later; the robot moves and reports at once."""
    from edge_agent.journal import JournalFile

    real, last = JournalFile.commit, [0.0]

    def commit(self: JournalFile) -> None:
        if time.monotonic() - last[0] > 1.0:
            last[0] = time.monotonic()
            real(self)

    _switch(JournalFile, "commit", commit)


def agent_forgets_unwritten() -> None:
    """What the disk did not take is not kept for the next transaction."""
    from edge_agent.journal import JournalFile, NotWritten

    real = JournalFile.commit

    def commit(self: JournalFile) -> None:
        try:
            real(self)
        except NotWritten:
            self._batches, self._reached, self._touched = [], {}, {}
            raise

    _switch(JournalFile, "commit", commit)


def agent_no_grant() -> None:
    """A robot moves as soon as it is told to, and never asks for leave."""
    from edge_agent.hands import Hands

    real = Hands.take_on

    def take_on(self: Hands, assign: Any, payload: bytes, now: float) -> Any:
        hand = real(self, assign, payload, now)
        hand.granted = True
        self.settle(hand, now)
        return hand

    _switch(Hands, "take_on", take_on)


def agent_no_fence() -> None:
    """A robot goes on whatever its lease says."""
    from edge_agent.protocol import AgentCore

    real = AgentCore._grant

    def grant(self: AgentCore, hand: Any, asked: float, now: float) -> None:
        real(self, hand, asked, now)
        hand.lease = None if hand.lease is None else 1e12

    _switch(AgentCore, "_grant", grant)


RULES: dict[str, Callable[[], None]] = {
    rule.__name__: rule
    for rule in (
        ack_before_commit, cancel_shown_at_once, keys_forgotten, pauses_unnoticed, anybody_speaks, no_lock,
        wall_clock_decides, a_turn_each, rubbish_raises, restore_unnoticed,
        agent_says_once, agent_journal_after_moving, agent_forgets_unwritten, agent_no_grant, agent_no_fence,
    )
}  # fmt: skip
