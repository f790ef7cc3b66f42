"""The controller's one loop: gather what arrived, one transaction, and only then acknowledge, send and answer."""

import logging
import selectors
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from config.clock import Instant, instant, steady
from controller.ballast import GROWING, Ballast, none
from controller.degraded import ClockWatch
from controller.link import Received
from controller.metrics import Timings
from controller.ports import Asks, Carries, Decides, Keeps
from controller.socket import Request
from controller.store.failures import is_fatal, is_trouble
from schemas.commands import QUERIES, Answer, Frame, Refusal
from schemas.topics import BadTopic, Topics

log = logging.getLogger(__name__)

MOST_A_TURN = 1000
READ_S = 0.005
MOST_KEPT = 5000
"""Messages that wait for the store to work again; beyond that the broker keeps them, and then their robots do."""
OWN_PAUSE_S = 4.0
RETRY_S = 1.0
LONGEST_WAIT_S = 1.0
INTERNAL = Refusal(code="internal", message="This could not be carried out because of a defect; it is in the log.")


def _nothing() -> None:
    pass


@dataclass
class Trouble:
    """The store does not take commits: since when, why, and when it is tried again."""

    since: float
    reason: str
    retry_at: float


class Loop:
    """Owns the order of things; everything it works with is handed in."""

    def __init__(
        self, core: Decides, store: Keeps, link: Carries, door: Asks, topics: Topics, ballast: Ballast | None = None
    ) -> None:
        self.timings = Timings()
        self.reports: Mapping[str, Callable[[], dict[str, Any]]] = {}
        """Queries about the process itself, which the core knows nothing of."""
        self.after_commit: Callable[[], None] = _nothing
        """Comes before every acknowledgement and answer: a door is shut before anybody is told that it is."""
        self.trouble: Trouble | None = None
        self.damage: str | None = None
        """What SQLite said when a question met damage; it stands until the box is restored and started."""
        self.defects = 0
        self.ballast = ballast or none()
        self.clock = ClockWatch()
        self._core, self._store, self._link, self._door, self._topics = core, store, link, door, topics
        self._kept: list[Received] = []
        self._told = (False, 0)
        self._paused = self._stale = False
        self._last = steady()

    @property
    def kept(self) -> int:
        """Messages received and not committed yet."""
        return len(self._kept)

    def run_once(self, selector: selectors.BaseSelector) -> None:
        """Wait until something is to be done, and do one turn."""
        for key, mask in selector.select(self._wait_s()):
            key.data(mask)
        self._notice_pause()
        self._link.drive()
        self._kept += self._link.receive(min(MOST_A_TURN, MOST_KEPT - len(self._kept)), steady() + READ_S)
        self.turn(instant(), self._door.take())
        self._link.flush()

    def turn(self, now: Instant, requests: list[Request]) -> None:
        """Everything that waits, in one transaction; then what must not happen before it."""
        started = steady()
        self.clock.see(now)
        self.ballast.look()
        queries = [r for r in requests if r.frame.command in QUERIES]
        commands = [r for r in requests if r.frame.command not in QUERIES]
        if self.trouble is not None and now.mono < self.trouble.retry_at:
            self._refuse(commands, self.trouble.reason)
        elif (commands := self._without_new(commands)) or self._is_due(now):
            self._change(now, commands)
        if queries:
            self._look(now, queries)
        self.timings.turn.observe(steady() - started)

    def _without_new(self, commands: list[Request]) -> list[Request]:
        """While the reserve is given up nothing new begins; what ends and decides things goes on."""
        self._core.tight = self.ballast.given_up
        if not self.ballast.given_up:
            return commands
        self._refuse([r for r in commands if r.frame.command in GROWING], "the disk is full")
        return [r for r in commands if r.frame.command not in GROWING]

    # ------------------------------------------------------------ waiting
    def _wait_s(self) -> float:
        now = steady()
        core_at = self.trouble.retry_at if self.trouble is not None else self._core.wake_at
        return min(max(min(core_at, self._link.wake_at) - now, 0.0), LONGEST_WAIT_S)

    def _notice_pause(self) -> None:
        now = steady()
        if now - self._last > OWN_PAUSE_S:
            self._paused = True
            log.warning("this process did not run for %.1f s; all clocks begin anew", now - self._last)
        self._last = now

    def _is_due(self, now: Instant) -> bool:
        news = self._paused or self._told != (self._link.connected, self._link.connection)
        return bool(self._kept) or news or self.trouble is not None or now.mono >= self._core.wake_at

    # ------------------------------------------------------------ one transaction
    def _change(self, now: Instant, commands: list[Request]) -> None:
        try:
            answers = self._carry_out(now, self._kept, commands)
        except Exception as error:
            if is_trouble(error):
                self._store_fails(now, error, commands)
            elif is_fatal(error) or not (self._kept or commands):
                raise  # this process ends, and the supervisor starts another
            else:
                log.exception("a turn failed; its parts are carried out one by one")
                self._one_by_one(now, commands)
        else:
            messages, self._kept = self._kept, []
            self._settle(messages, commands, answers)

    def _carry_out(
        self, now: Instant, messages: list[Received], commands: list[Request], *, tick: bool = True
    ) -> list[Answer]:
        """Everything inside one transaction; whatever it raises, nothing of it has happened."""
        self._freshen()
        self._stale = True  # until the commit says otherwise
        told = (self._link.connected, self._link.connection)
        with self._store.transaction():
            self._tell(now, told)
            for message in messages:
                self._hand_over(now, message)
            answers = [self._core.command(now, request.frame) for request in commands]
            if tick:
                self._core.tick(now)
            committing = steady()
        self.timings.commit.observe(steady() - committing)
        self._stale = self._paused = False
        self._told = told
        self._recover()
        return answers

    def _freshen(self) -> None:
        """After a rollback the core's memory is not what the store says."""
        if self._stale:
            self._core.undo()
            self._stale = False

    def _tell(self, now: Instant, told: tuple[bool, int]) -> None:
        """What happened to the connection and to this process, before anything is decided."""
        if told != self._told:
            if self._told[0]:
                self._core.broker(connected=False, now=now)
            if told[0]:
                self._core.broker(connected=True, now=now)
        if self._paused:
            self._core.paused(now)

    def _hand_over(self, now: Instant, message: Received) -> None:
        try:
            robot, kind = self._topics.parse(message.topic)
        except BadTopic:
            self._core.foreign(message.topic)
        else:
            self._core.receive(now, robot, kind, message.payload, message.retained)

    def _settle(self, messages: list[Received], commands: list[Request], answers: list[Answer]) -> None:
        """The commit is on disk: acknowledge, send, answer."""
        self.after_commit()
        for message in messages:
            self._link.ack(message)
        for letter in self._core.take():
            if not self._link.publish(self._topics.of(letter.robot, letter.kind), letter.payload, letter.qos):
                self._core.unsent(letter)
        for request, answer in zip(commands, answers, strict=True):
            self._door.answer(request, answer)

    def _look(self, now: Instant, queries: list[Request]) -> None:
        """Answer what changes nothing; it works on a full disk, too."""
        for request in queries:
            try:
                answer = self._answer_query(now, request.frame)
            except Exception as error:
                log.exception("%s failed", request.frame.command)
                if is_fatal(error):  # what runs goes on: only a change would make it worse
                    self.damage = str(error)
                self.defects += 1
                answer = Answer(id=request.frame.id, error=INTERNAL)
            self._door.answer(request, answer)

    def _answer_query(self, now: Instant, frame: Frame) -> Answer:
        report = self.reports.get(frame.command)
        if report is not None:
            return Answer(id=frame.id, ok=report())
        self._freshen()
        with self._store.transaction():
            return self._core.command(now, frame)

    # ------------------------------------------------------------ when it does not go well
    def _store_fails(self, now: Instant, error: Exception, commands: list[Request]) -> None:
        """Nothing was committed: refuse, keep what the broker still holds for us, and try again soon."""
        if self.trouble is None:
            log.error("the store does not take commits: %s", error)
            self.trouble = Trouble(now.mono, str(error), 0.0)
        self.trouble.reason, self.trouble.retry_at = str(error), now.mono + RETRY_S
        if self.ballast.helps_against(error) and self.ballast.give_up():
            self.trouble.retry_at = now.mono  # what has arrived is recorded at once
        self._paused = True  # robots were heard and it did not count
        self._kept = [message for message in self._kept if message.qos]
        self._refuse(commands, self.trouble.reason)

    def _recover(self) -> None:
        if self.trouble is not None:
            log.warning("the store takes commits again, after %.1f s", steady() - self.trouble.since)
            self.trouble = None

    def _refuse(self, commands: list[Request], reason: str) -> None:
        refusal = Refusal(code="store.full", message=f"Nothing can be stored at present: {reason}")
        for request in commands:
            self._door.answer(request, Answer(id=request.frame.id, error=refusal))

    def _one_by_one(self, now: Instant, commands: list[Request]) -> None:
        """Find the one that a defect trips over; it alone is given up, and tried never again."""
        while self._kept:
            message = self._kept[0]
            if not self._alone(now, [message], []):
                if self.trouble is not None:
                    self._refuse(commands, self.trouble.reason)
                    return
                log.error("a message on %s was given up", message.topic[:200])
                self._link.ack(message)
            self._kept.pop(0)
        for index, request in enumerate(commands):
            if not self._alone(now, [], [request]):
                if self.trouble is not None:
                    self._refuse(commands[index:], self.trouble.reason)
                    return
                self._door.answer(request, Answer(id=request.frame.id, error=INTERNAL))

    def _alone(self, now: Instant, messages: list[Received], commands: list[Request]) -> bool:
        try:
            answers = self._carry_out(now, messages, commands, tick=False)
        except Exception as error:
            if is_fatal(error):
                raise
            if is_trouble(error):
                self._store_fails(now, error, [])
            else:
                self.defects += 1
                log.exception("a defect in the controller")
            return False
        self._settle(messages, commands, answers)
        return True
