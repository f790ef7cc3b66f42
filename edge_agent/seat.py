"""One agent in a process: its core, driver and link, and what waits to be told to the core."""

import logging
from collections import Counter, deque
from collections.abc import Callable
from typing import Protocol

from edge_agent.effects import (
    DriverResume,
    DriverStart,
    DriverStop,
    DriverTidy,
    DropRecording,
    Effect,
    Send,
    StartUpload,
)
from edge_agent.link import Received
from edge_agent.operations import Driver, Happening, Key, OperationEvent
from edge_agent.protocol import AgentCore
from edge_agent.recordings import UploadEnd
from edge_agent.upload_thread import UploadThread

_LOG = logging.getLogger(__name__)

TURN_ITEMS = 256
"""What one agent may handle in one transaction, so that none keeps the others waiting."""
_MOST_MESSAGES, _MOST_EVENTS = 1000, 10_000


class Line(Protocol):
    """What a seat needs of a link."""

    def publish(self, send: Send) -> bool:
        """Hand a message over."""

    def ack(self, message: Received) -> None:
        """The broker may forget this message."""


class Seat:
    """Takes what happens in order, gives it to the core inside a transaction, and carries out what follows."""

    def __init__(self, core: AgentCore, driver: Driver, wanted: Callable[["Seat"], None]) -> None:
        self.core, self.driver = core, driver
        self.line: Line | None = None
        self.uploads: UploadThread | None = None
        self.counters: Counter[str] = Counter()
        self.wake = float("inf")
        self.is_taken_over = False
        self._wanted = wanted
        self._inbox: deque[Received | OperationEvent | UploadEnd | bool] = deque()
        self._messages = 0
        self._unacknowledged: list[Received] = []
        self._told: Counter[str] = Counter()

    @property
    def robot(self) -> str:
        return self.core.robot

    # ------------------------------------------------------------ what happens
    def link_up(self) -> None:
        self._take(item=True)

    def link_down(self) -> None:
        self._take(item=False)

    def link_received(self, message: Received) -> None:
        if self._messages >= _MOST_MESSAGES:
            # The controller repeats what matters; the broker must not wait for what is not kept.
            self.counters["messages dropped"] += 1
            if self.line is not None:
                self.line.ack(message)
            return
        self._messages += 1
        self._take(message)

    def link_taken_over(self) -> None:
        self.is_taken_over = True
        self._wanted(self)

    def heard(self, event: OperationEvent) -> None:
        """What the driver says, on the loop's thread."""
        if event.what == "log" and len(self._inbox) >= _MOST_EVENTS:
            self.counters["log lines dropped"] += 1
            return
        self._take(event)

    def upload_ended(self, end: UploadEnd) -> None:
        """What became of an upload, on the loop's thread."""
        self._take(end)

    def _take(self, item: Received | OperationEvent | UploadEnd | bool) -> None:
        self._inbox.append(item)
        self._wanted(self)

    @property
    def has_more(self) -> bool:
        """Something waits for a further transaction."""
        return bool(self._inbox)

    # ------------------------------------------------------------ inside the transaction
    def work(self, now: float) -> None:
        """Tell the core what has happened, and that time has passed."""
        for _ in range(min(TURN_ITEMS, len(self._inbox))):
            item = self._inbox.popleft()
            if isinstance(item, Received):
                self._messages -= 1
                self._unacknowledged.append(item)
                self.core.receive(item.kind, item.payload, now)
            elif isinstance(item, OperationEvent):
                self.core.operation(item, now)
            elif isinstance(item, UploadEnd):
                self.core.upload_ended(item, now)
            elif item:
                self.core.connected(now)
            else:
                self.core.disconnected(now)
        if now >= self.wake:
            self.core.tick(now)
        self.wake = self.core.wake_at

    # ------------------------------------------------------------ after the commit
    def follow(self) -> None:
        """Do what the core wants done, then let the broker forget what led to it."""
        for effect in self.core.take():
            self._perform(effect)
        done, self._unacknowledged = self._unacknowledged, []
        if self.line is not None:
            for message in done:
                self.line.ack(message)

    def tell_problems(self) -> None:
        """Log what was newly counted since the last time."""
        if not self.core.problems and not self.counters:
            return
        new = self.core.problems + self.counters - self._told
        self._told += new
        for what, count in new.items():
            _LOG.warning("%s: %s (%s times)", self.robot, what, count)

    def halt(self) -> None:
        """Stop what must stop even though nothing can be written."""
        for stop in self.core.take_stops():
            self._perform(stop)

    def _perform(self, effect: Effect) -> None:
        match effect:
            case Send():
                if self.line is not None:
                    self.line.publish(effect)
            case DriverStart(operation):
                self._call(operation.key, lambda: self.driver.start(operation))
            case DriverResume(operation):
                self._call(operation.key, lambda: self.driver.resume(operation))
            case DriverStop(key):
                self._call(key, lambda: self.driver.stop(key))
            case DriverTidy(key):
                self._call(key, lambda: self.driver.tidy(key), "not_tidied")
            case StartUpload() | DropRecording():
                self._see_to(effect)

    def _see_to(self, effect: StartUpload | DropRecording) -> None:
        """What was recorded leaves by a thread of its own, or is removed."""
        if self.uploads is None:
            return
        if isinstance(effect, StartUpload):
            self.uploads.put(self.robot, effect.upload)
        else:
            self.uploads.drop(effect.id)

    def _call(self, key: Key, call: Callable[[], None], what: Happening = "unknown") -> None:
        try:
            call()
        except Exception:  # noqa: BLE001 - drivers are other people's code
            # A defect of the driver: what moves now is unknown, and that is what is said.
            _LOG.exception("%s: the driver failed in operation %s of attempt %s", self.robot, key[1], key[0])
            self.counters["driver defects"] += 1
            self.heard(OperationEvent(key, what, reason="the driver failed"))
