"""Broken variants of the protocol: each takes one rule away from the real cores, and the walk must notice."""

from typing import Any

from controller.beats import Beats
from controller.desk import Desk
from controller.dispatcher import Dispatcher
from controller.domain import lifecycle
from controller.domain.lifecycle import Cell, Event
from controller.moves import Moves
from controller.reports import Reports
from controller.store import jobs
from controller.store.connection import Store
from edge_agent.answers import Answers
from edge_agent.asks import Asks
from edge_agent.flow.engine import Engine
from edge_agent.flow.steps import Runner
from edge_agent.hands import Hands
from edge_agent.protocol import AgentCore
from edge_agent.records import Ended
from schemas.status import JobState
from tests.model.mutants_of_persons import (
    OF_PERSONS,
    Mutant,
    Patch,
    failed_block_unseen,
    waiting_block_untold,
)
from tests.model.walk import Walk
from tests.model.world import Machine, World


# ---------------------------------------------------------------- controller
def ack_before_commit(patch: Patch) -> None:
    """What was to be acknowledged leaves although the transaction is lost."""

    def lost_turn(self: World) -> None:
        self.core.desk.flush_acks()
        for out in self.core.take():
            if out.kind == "ack":
                self.publish(out)

    patch.setattr(World, "lost_turn", lost_turn)


def publish_before_commit(patch: Patch) -> None:
    """Assignments leave although the transaction is lost, and their number is given again."""

    def lost_turn(self: World) -> None:
        for key in self.core.desk.fresh:
            letter = self.core.desk.memory.letters.get(key)
            if letter is not None:
                self.net.append(("robot", letter.robot, letter.topic, letter.payload))
        for out in self.core.take():
            self.publish(out)

    patch.setattr(World, "lost_turn", lost_turn)


def no_dedupe(patch: Patch) -> None:
    """A repeated report is recorded again; the store's own key then refuses it loudly."""
    patch.setattr(Reports, "is_next", lambda _self, seq, upto: seq <= upto + 1)


def any_order(patch: Patch) -> None:
    patch.setattr(Reports, "is_next", lambda _self, seq, upto: seq > upto)


def no_fence(patch: Patch) -> None:
    """Rows of an older attempt move the job that has a newer one."""
    real = Reports._held

    def held(self: Reports, robot: Any, row: Any) -> None:
        live = self.desk.memory.live
        if row.attempt not in live:
            newer = [x for x in live.values() if x.uid == row.job]
            if newer and row.kind != "block":
                self._live(robot, newer[0], row)
                return
        real(self, robot, row)

    patch.setattr(Reports, "_held", held)


def no_outbox(patch: Patch) -> None:
    """Assignments leave once, and are forgotten."""

    def resend(self: Dispatcher, _looks: bool) -> None:
        for key in list(self.desk.fresh):
            letter = self.desk.memory.letters.get(key)
            if letter is not None:
                self.desk.send(letter.robot, letter.topic, letter.payload)
                if letter.topic == "assign":
                    self.desk.drop(key)
        self.desk.fresh.clear()

    patch.setattr(Dispatcher, "_resend", resend)


def control_no_outbox(patch: Patch) -> None:
    """Commands leave once, and are forgotten."""
    real = Dispatcher._resend

    def resend(self: Dispatcher, looks: bool) -> None:
        fresh = [self.desk.memory.letters[key] for key in self.desk.fresh if key in self.desk.memory.letters]
        real(self, looks)
        for letter in fresh:
            if letter.topic == "control":
                self.desk.drop(letter.key)

    patch.setattr(Dispatcher, "_resend", resend)


def cancel_shown_at_once(patch: Patch) -> None:
    def cancelling(self: Moves, live: Any, event: Any, who: str, why: Any, *_rest: Any) -> None:
        self.move(live, JobState.CANCELLED, event, who=who, why=why)

    patch.setattr(Moves, "_cancelling", cancelling)


def no_revoke(patch: Patch) -> None:
    patch.setattr(Moves, "revoke", lambda *_args: None)


def free_on_expiry(patch: Patch) -> None:
    def hold_and_revoke(self: Moves, live: Any, *_rest: Any) -> None:
        self.revoke(live.robot, live.uid, live.number)

    patch.setattr(Moves, "hold_and_revoke", hold_and_revoke)


def any_journal(patch: Patch) -> None:
    """Whoever uses the robot's name speaks for it."""
    patch.setattr(Beats, "_adopt", lambda _self, _robot, _beat: True)
    patch.setattr(Beats, "proves", lambda *_args: True)

    def bind(_self: Reports, _robot: Any, journal: str, _row: Any, _known: Any) -> str:
        return journal

    def verdict(self: Reports, robot: Any, _journal: str, attempt: int) -> str:
        live = self.desk.memory.live.get(attempt)
        if live is None or live.robot != robot.id:
            return "void"
        return "grant" if live.state == JobState.RUNNING else "wait"

    patch.setattr(Reports, "_bind", bind)
    patch.setattr(Reports, "verdict", verdict)


def no_incarnation(patch: Patch) -> None:
    """After a restore the same numbers are given once more."""
    patch.setattr(Store, "raise_incarnation", lambda _self: None)
    real = Walk.prepare_restore
    patch.setattr(Walk, "prepare_restore", lambda self, _newest: real(self, 0))


def attempt_only(patch: Patch) -> None:
    """An attempt is known by its number alone, on both sides."""
    real = Reports._about_attempt

    def about(self: Reports, robot: Any, journal: str, row: Any, topic: str) -> None:
        known = self.attempt(row.attempt)
        real(self, robot, journal, row.model_copy(update={"job": known[1]}) if known else row, topic)

    patch.setattr(Reports, "_about_attempt", about)

    def seen(self: Answers, job: str, attempt: int) -> None:
        hand, known = self._hands.get(attempt), self._journal.ended(attempt)
        if hand:
            hand.desk.about("accepted")
        else:
            said = Ended(attempt, job, known.kind, known.reason) if known else None
            self._hands.report(said or Ended(attempt, job, "interrupted", "unknown"), counts=False)

    patch.setattr(Answers, "seen", seen)


def no_first(patch: Patch) -> None:
    """Reports that an agent no longer has are waited for."""
    patch.setattr(Reports, "skip_gap", lambda *_args: None)


def no_park(patch: Patch) -> None:
    patch.setattr("controller.core.park_everything", lambda *_args: None)


def resend_restored(patch: Patch) -> None:
    """Assignments of a restored database leave again."""

    def park(desk: Desk, _moves: Moves) -> None:
        jobs.park_open(desk.db)
        for robot in desk.memory.robots.values():
            desk.hold(robot, "restored", None, "")

    patch.setattr("controller.core.park_everything", park)


def poison_blocks(patch: Patch) -> None:
    """One row that cannot be read stops those behind it."""
    real = Reports._one

    def one(self: Reports, robot: Any, journal: str, known: list[int], row: Any, topic: str) -> None:
        if row.seq % 37 != 0:
            real(self, robot, journal, known, row, topic)

    patch.setattr(Reports, "_one", one)


def grant_once(patch: Patch) -> None:
    """An ask in a heartbeat gets no verdict."""
    real = Desk.answer_ask

    def answer(self: Desk, *args: Any) -> None:
        if args[-1] is None:
            real(self, *args)

    patch.setattr(Desk, "answer_ask", answer)


def running_rejected(patch: Patch) -> None:
    """*Rejected* counts only while the job is assigned."""
    for state in (JobState.RUNNING, JobState.PAUSED, JobState.CANCELLING, JobState.UNCERTAIN):
        patch.setitem(lifecycle.LIFE, (state, Event.REJECTED), Cell.NOTHING)


def retry_unsafe(patch: Patch) -> None:
    def may(**rules: Any) -> bool:
        return lifecycle.may_retry(**(rules | {"safe": True}))

    patch.setattr("controller.moves.may_retry", may)


def cancelled_by_silence(patch: Patch) -> None:
    """A cancel that nobody answers is shown as cancelled after a silence."""
    for event in (Event.SILENT_HOLD, Event.SILENT_REQUEUE):
        patch.setitem(lifecycle.LIFE, (JobState.CANCELLING, event), Cell.CANCELLED)


def contact_by_heartbeat(patch: Patch) -> None:
    """Only heartbeats are contact."""
    from controller.core import Core
    from schemas.reading import read_rows

    patch.setattr(
        Core, "_rows", lambda self, robot, kind, payload: self.reports.receive(robot, read_rows(payload), kind)
    )


def commands_restart(patch: Patch) -> None:
    """Commands count from 1 in each database, so that a restored one gives old numbers again."""

    def number(self: Moves, live: Any) -> int:
        live.command = int(live.command or 0) % 1000 + 1
        jobs.change(self.desk.db, live.job, command=live.command)
        return int(live.command)

    patch.setattr(Moves, "_number", number)


def assign_once(patch: Patch) -> None:
    """A heartbeat at odds with the store asks nothing."""
    patch.setattr(Beats, "_again", lambda *_args: None)
    patch.setattr(Beats, "_mark_again", lambda *_args: None)


def old_heartbeats(patch: Patch) -> None:
    """After a restore a heartbeat from before it proves that its robot is idle."""
    patch.setattr(Desk, "is_of_now", lambda *_args: True)


# ---------------------------------------------------------------- agent
def agent_no_dedupe(patch: Patch) -> None:
    patch.setattr(AgentCore, "_was_seen", lambda _self, _attempt: False)


def no_journal(patch: Patch) -> None:
    """An agent that remembers nothing over a restart."""
    from edge_agent.journal import JournalFile

    def boot(self: Machine) -> None:
        self.file = JournalFile(":memory:", lambda: f"{self.name}-only")
        real(self)

    real = Machine.boot
    patch.setattr(Machine, "boot", boot)


def no_grant(patch: Patch) -> None:
    """It moves as soon as it is told to."""
    real = Hands.take_on

    def take_on(self: Hands, assign: Any, payload: bytes, now: float) -> Any:
        hand = real(self, assign, payload, now)
        hand.granted = True
        self.settle(hand, now)
        return hand

    patch.setattr(Hands, "take_on", take_on)


def grant_no_age(patch: Patch) -> None:
    """A grant counts however long ago it was asked for."""
    real = Asks.__init__

    def init(self: Asks, _max_age_s: float) -> None:
        real(self, 1e12)

    patch.setattr(Asks, "__init__", init)


def no_self_fence(patch: Patch) -> None:
    real = AgentCore._grant

    def grant(self: AgentCore, hand: Any, asked: float, now: float) -> None:
        real(self, hand, asked, now)
        hand.lease = None if hand.lease is None else 1e12

    patch.setattr(AgentCore, "_grant", grant)


def lease_by_any_message(patch: Patch) -> None:
    real = AgentCore.receive

    def receive(self: AgentCore, kind: str, payload: bytes, now: float) -> None:
        real(self, kind, payload, now)
        for hand in self.hands:
            if hand.lease is not None:
                hand.lease = now + (hand.assign.lease_s or 0)

    patch.setattr(AgentCore, "receive", receive)


def ack_of_any_journal(patch: Patch) -> None:
    """An acknowledgement meant for another disk deletes reports."""
    patch.setattr(AgentCore, "_is_ours", lambda _self, _ack: True)


def blind_resume(patch: Patch) -> None:
    """What was cut off is begun again, whether or not that is safe."""
    real = Runner.__init__

    def init(self: Runner, engine: Engine) -> None:
        real(self, engine)
        self._safe = True

    patch.setattr(Runner, "__init__", init)


def control_no_number(patch: Patch) -> None:
    patch.setattr(AgentCore, "_is_new", lambda _self, _command, _hand: True)


def cancel_unheld_says_cancelled(patch: Patch) -> None:
    """A cancel of what it no longer holds is answered by *cancelled*, whatever became of it."""

    def cancel(self: Answers, message: Any) -> None:
        not_held = Ended(message.attempt, message.job, "cancelled", "not held")
        self._journal.raise_highest(message.attempt)
        self._hands.report(not_held, counts=False)

    patch.setattr(Answers, "cancel", cancel)


def move_before_journal(patch: Patch) -> None:
    """The driver begins although the journal's transaction is lost."""
    from edge_agent.effects import DriverStart

    def crash(self: Machine) -> None:
        lost = [e for e in self.core.hands.calls if isinstance(e, DriverStart)]
        for effect in lost:
            self.world.started(self, effect.operation)
        real(self)

    real = Machine.crash
    patch.setattr(Machine, "crash", crash)


ALONE: tuple[Mutant, ...] = (
    ack_before_commit, no_dedupe, any_order, no_fence, no_outbox, control_no_outbox, cancel_shown_at_once, no_revoke,
    any_journal, no_incarnation, no_first, no_park, resend_restored, poison_blocks, grant_once, running_rejected,
    retry_unsafe, cancelled_by_silence, contact_by_heartbeat,
    commands_restart, assign_once, old_heartbeats, agent_no_dedupe, no_journal, no_grant, grant_no_age, no_self_fence,
    lease_by_any_message, ack_of_any_journal, blind_resume, control_no_number,
    cancel_unheld_says_cancelled, move_before_journal, *OF_PERSONS,
)  # fmt: skip
TOGETHER: tuple[tuple[Mutant, ...], ...] = (
    (publish_before_commit, no_grant), (free_on_expiry, no_self_fence), (attempt_only, no_incarnation),
    (failed_block_unseen, waiting_block_untold),
)  # fmt: skip
MUTANTS: dict[str, tuple[Mutant, ...]] = {m.__name__: (m,) for m in ALONE} | {
    "+".join(m.__name__ for m in pair): pair for pair in TOGETHER
}
