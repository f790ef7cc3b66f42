"""The agent's side of the protocol: messages, driver events and time in; journal writes and effects out."""

import random
from collections import Counter
from collections.abc import Callable, Collection

from config.clock import instant
from edge_agent.answers import Answers, named_in
from edge_agent.attempt import CANCEL, REVOKE, VOID, InHand
from edge_agent.effects import DriverStop, Effect
from edge_agent.flow.run import BadFlow, RobotFacts
from edge_agent.hands import Hands, NotWaiting
from edge_agent.journal import Journal
from edge_agent.operations import Driver, Key, OperationEvent, Recording
from edge_agent.profile import Profile, Timing
from edge_agent.recordings import Recordings, UploadEnd
from edge_agent.records import Ended
from edge_agent.rows import stamp
from edge_agent.sender import Sender
from schemas.messages import Ack, Assign, Cancel, Control
from schemas.reading import BadMessage, read

NO_DEBUG = "the attempt does not run in debug mode"
NO_UPLOADS = "jobs want recordings, but this agent was not told of the box's HTTP address and a token"
NOT_WAITING = "no such block has failed and waits for a person"
BEING_STOPPED = "the attempt is being stopped"


def utc_now() -> int:
    """Microseconds since 1970; only ever shown."""
    return instant().utc_us


class AgentCore:
    """One agent without sockets, threads or clocks.

    Every method but `take` belongs inside a transaction of the journal's file; what `take` returns may be done only
    after that transaction has committed. `now` is in seconds of `config.clock.steady`.
    """

    def __init__(
        self,
        robot: str,
        journal: Journal,
        driver: Driver,
        profile: Profile,
        settings: Timing,
        rng: random.Random,
        utc_us: Callable[[], int] = utc_now,
        recordings: Recordings | None = None,
    ) -> None:
        self.robot, self.journal, self.profile = robot, journal, profile
        self.problems: Counter[str] = Counter()
        """What was wrong with messages and events that were not used, by reason."""
        self.accepting = True
        """False: what is in hand is finished, new work is rejected."""
        self._driver, self._rng, self._utc_us = driver, rng, utc_us
        facts = RobotFacts(robot, profile.kind, profile.queues, profile.tags)
        self.hands = Hands(facts, journal, driver, settings, self._wall)
        self.sender = Sender(journal, self.hands, settings, rng)
        self._answers = Answers(journal, self.hands, self.sender)
        self._recordings = recordings
        if recordings is not None:
            self.hands.before_end = recordings.ended
        self._now = 0.0

    # -------------------------------------------------------------- life of the process
    def boot(self, now: float) -> None:
        """Begin: a new boot id, no grants, and an honest word about what the last boot had in hand."""
        self._now = now
        self.sender.boot_id = f"{self._rng.getrandbits(64):016x}"
        if self._recordings is not None:
            self._recordings.boot()
        self.hands.boot(now)

    def connected(self, now: float) -> None:
        """The broker is there: say so, and send at once what is open."""
        self._begin(now)
        self.sender.connected()
        self._report_now(now)

    def disconnected(self, now: float) -> None:
        """Nothing can be sent until `connected`."""
        self._begin(now)
        self.sender.disconnected()

    # -------------------------------------------------------------- what happens
    def receive(self, kind: str, payload: bytes, now: float) -> None:
        """A message from the controller; one that cannot be read is counted and changes nothing."""
        self._begin(now)
        try:
            message = read(kind, payload) if kind in self._handlers else None
        except BadMessage as bad:
            self.problems[bad.reason] += 1
            if kind == "assign" and self.hands.proven:
                self._unreadable(payload, bad, now)
            return
        if message is None:
            self.problems[kind] += 1
        elif kind == "ack" or self.hands.proven:
            self._handlers[kind](self, message, payload, now)
        else:
            # Until it is known what moves, no number is answered; the controller asks again.
            self.problems["not ready"] += 1

    def operation(self, event: OperationEvent, now: float) -> None:
        """What the driver says about an operation."""
        self._begin(now)
        if event.recording is not None:
            self._recorded(event.key, event.recording)
        elif not self.hands.feed(event, now):
            self.problems["operation of no attempt in hand"] += 1
        self.journal.thin(self.sender.outbox.known_upto)

    def _recorded(self, key: Key, recording: Recording) -> None:
        """A driver has recorded something of an operation; what belongs to nothing in hand is not wanted."""
        hand = self.hands.get(key[0])
        if self._recordings is None:
            self.problems["recordings that nobody uploads"] += 1
        elif hand is None:
            self._recordings.recorded(recording, key[0], "", None, "never")
        else:
            operation = hand.flow.operations.get(key)
            path = None if operation is None else operation.path
            self._recordings.recorded(recording, key[0], hand.held.job, path, hand.assign.recording)

    def upload_ended(self, end: UploadEnd, now: float) -> None:
        """The box has a recording, or will never take it."""
        self._begin(now)
        if self._recordings is not None:
            self._recordings.uploaded(end)

    @property
    def known_recordings(self) -> Collection[str]:
        """The ids of recordings that are kept on this robot."""
        return () if self._recordings is None else self._recordings.known

    def tick(self, now: float) -> None:
        """Time has passed; harmless at any moment, useful from `wake_at` on."""
        self._begin(now)
        self.hands.tick(now)
        self.journal.thin(self.sender.outbox.known_upto)
        self.sender.outbox.tick(now)
        if now >= self.sender.beat_at:
            self._beat(now)

    def fence(self, now: float) -> None:
        """Only what cannot wait for a disk that takes no transactions: leases and time limits."""
        self._begin(now)

    @property
    def boot_id(self) -> str:
        """New at each start of the process."""
        return self.sender.boot_id

    @property
    def wake_at(self) -> float:
        """When `tick` is wanted next."""
        return min(self.hands.wake_at(self._now), self.sender.beat_at, self.sender.outbox.resend_at)

    def take(self) -> list[Effect]:
        """What is to be done now that the journal has committed: driver calls, reports, heartbeats."""
        effects: list[Effect] = list(self.hands.calls)
        self.hands.calls.clear()
        if self._recordings is not None:
            effects += self._recordings.take()
        return effects + self.sender.take(self._now)

    def take_stops(self) -> list[DriverStop]:
        """The effects that need no commit: whatever stops the robot."""
        stops = [call for call in self.hands.calls if isinstance(call, DriverStop)]
        self.hands.calls[:] = [call for call in self.hands.calls if not isinstance(call, DriverStop)]
        return stops

    def _begin(self, now: float) -> None:
        """Whatever happens next, a lease that is over is over first."""
        self._now = now
        self.hands.expire(now)

    def _report_now(self, now: float) -> None:
        self.sender.outbox.all_again()
        self._beat(now)

    def _beat(self, now: float) -> None:
        facts = {"accepting": self.accepting, "time": self._wall()}
        self.sender.beat(self.profile, facts, self._driver.telemetry(), now)

    # -------------------------------------------------------------- assign
    def _assign(self, assign: Assign, payload: bytes, now: float, flaw: str | None = None) -> None:
        if self._was_seen(assign.attempt):
            self._answers.seen(assign.job, assign.attempt)
        elif assign.again:
            self.hands.report(Ended(assign.attempt, assign.job, "interrupted", "unknown"))
        else:
            self.journal.raise_highest(assign.attempt)
            refusal = flaw or self._refusal() or self._take_on(assign, payload, now)
            if refusal is not None:
                self.hands.end_unheld(Ended(assign.attempt, assign.job, "rejected", refusal))

    def _was_seen(self, attempt: int) -> bool:
        """A number at or below the highest is never run."""
        return attempt <= self.journal.highest

    def _refusal(self) -> str | None:
        if not self.accepting:
            return "draining"
        if len(self.hands) >= self.profile.capacity or not (len(self.hands) or self._driver.idle()):
            return "busy"
        return None

    def _take_on(self, assign: Assign, payload: bytes, now: float) -> str | None:
        try:
            hand = self.hands.take_on(assign, payload, now)
        except BadFlow as bad:
            return bad.reason
        hand.desk.about("accepted")
        if assign.recording != "never" and self._recordings is None:
            self.problems[NO_UPLOADS] = 1  # said once, however many jobs want it
        return None

    def _unreadable(self, payload: bytes, bad: BadMessage, now: float) -> None:
        """An assign whose job and attempt can be read is answered, whatever else is wrong with it."""
        assign = named_in(payload) if bad.reason in ("size", "fields") else None
        if assign is not None:
            self._assign(assign, b"", now, "too_large" if bad.reason == "size" else "bad_parameters")

    # -------------------------------------------------------------- commands
    def _cancel(self, cancel: Cancel, _payload: bytes, now: float) -> None:
        hand = self._in_hand(cancel.attempt, cancel.job)
        if hand is None:
            self._answers.cancel(cancel)
        elif self._is_new(cancel.command, hand):
            self._note(hand, cancel.command, now)
            self.hands.stop(hand, REVOKE if cancel.reason == "revoke" else CANCEL, now, cancel.command)

    def _control(self, control: Control, _payload: bytes, now: float) -> None:
        if control.do == "report_now":
            self.sender.life = max(self.sender.life, control.life or 0)
            self._report_now(now)
            return
        hand = self._in_hand(control.attempt or 0, control.job or "")
        if hand is None or control.command is None:
            self.problems["control of no attempt in hand"] += 1
        elif self._is_new(control.command, hand):
            self._note(hand, control.command, now)
            self._do(hand, control, control.command, now)

    def _do(self, hand: InHand, control: Control, command: int, now: float) -> None:
        if control.do in ("reRun", "resume_with_rollback") and not hand.assign.debug:
            hand.desk.about("refused", command=command, reason=NO_DEBUG)
        elif hand.held.stop is not None:
            hand.desk.about("refused", command=command, reason=BEING_STOPPED)
        elif control.do == "pause":
            hand.held.pause = command
            self.hands.keep(hand, now)
            self.hands.settle(hand, now)
        elif control.do == "resume":
            self.hands.resume(hand, command, now)
        else:
            self._decide(hand, control, command, now)

    def _decide(self, hand: InHand, control: Control, command: int, now: float) -> None:
        """What a person has decided about the block that failed."""
        try:
            if control.do == "reRun":
                self.hands.run_again(hand, (control.path or "", control.try_ or 0), command, now)
            else:
                self.hands.roll_back(hand, command, now)
        except NotWaiting:
            hand.desk.about("refused", command=command, reason=NOT_WAITING)

    def _is_new(self, command: int, hand: InHand) -> bool:
        """Old and repeated commands are ignored."""
        return command > hand.held.command

    def _note(self, hand: InHand, command: int, now: float) -> None:
        hand.held.command = command
        self.hands.keep(hand, now)
        hand.desk.about("noted", command=command)

    def _in_hand(self, attempt: int, job: str) -> InHand | None:
        hand = self.hands.get(attempt)
        return hand if hand is not None and hand.held.job == job else None

    # -------------------------------------------------------------- acknowledgements and grants
    def _ack(self, ack: Ack, _payload: bytes, now: float) -> None:
        if not self._is_ours(ack):
            self.problems["ack of another journal"] += 1
            return
        done = self.journal.acknowledge(ack.upto)
        if done == "old copy":
            self.sender.outbox.renumbered()
            return
        if done == "gone":
            self.sender.outbox.acknowledged(now)
        if ack.boot == self.boot_id:
            self._renew(ack)
            self._verdict(ack, now)

    def _is_ours(self, ack: Ack) -> bool:
        return ack.journal == self.journal.id

    def _renew(self, ack: Ack) -> None:
        """An answered beat renews leases, counted from its own sending."""
        sent = None if ack.beat is None else self.sender.beats.sent(ack.beat)
        for hand in self.hands:
            if sent is not None and hand.lease is not None and hand.assign.lease_s is not None:
                hand.lease = max(hand.lease, sent + hand.assign.lease_s)

    def _verdict(self, ack: Ack, now: float) -> None:
        hand = self.hands.get(ack.attempt or 0)
        if hand is None or ack.ask is None:
            return
        if ack.verdict == "void":
            self.hands.stop(hand, VOID, now)
        elif ack.verdict == "grant" and not hand.granted:
            asked = self._asked_at(ack.ask, hand, now)
            if asked is not None:
                self._grant(hand, asked, now)

    def _asked_at(self, ask: int, hand: InHand, now: float) -> float | None:
        """When this was asked, if the answer still counts: an old one may have been overtaken by anything."""
        return self.sender.asks.sent(ask, hand.attempt, now)

    def _grant(self, hand: InHand, asked: float, now: float) -> None:
        lease = asked + (hand.assign.lease_s or 0.0) if hand.is_requeued else None
        if lease is not None and lease <= now:
            return
        hand.granted, hand.lease = True, lease
        self.hands.settle(hand, now)

    def _wall(self) -> str:
        return stamp(self._utc_us())

    _handlers: dict[str, Callable[..., None]] = {  # noqa: RUF012 - a table, never changed
        "assign": _assign,
        "cancel": _cancel,
        "control": _control,
        "ack": _ack,
    }
