"""The process around agents: one loop, one journal file, one transaction for all that is ready, then the effects."""

import asyncio
import heapq
import logging
import signal
import sys
import threading
from collections import Counter
from contextlib import suppress

from config.clock import steady
from edge_agent.journal import JournalFile, NotWritten
from edge_agent.link import Link, LinkSettings
from edge_agent.operations import Driver, OperationEvent
from edge_agent.protocol import AgentCore
from edge_agent.recorded import RecordedFiles
from edge_agent.recordings import UploadEnd
from edge_agent.seat import Seat
from edge_agent.upload_thread import UploadThread
from edge_agent.uploader import Box

_LOG = logging.getLogger(__name__)

EXIT_DEFECT, EXIT_TAKEN_OVER = 1, 6
_LONGEST_SLEEP_S = 1.0
"""The loop's own clock may stop while the machine is suspended; leases and limits do not."""
_LINK_TICK_S = 3.0
_DISK_RETRY_S = 1.0
_SLOW_COMMIT_S = 0.5
_TOGETHER_S = 0.02
"""Where many agents share a process: how late a time may be served, so that one turn serves many."""
Uploading = tuple[Box, RecordedFiles]
_SPREAD_S = 0.002
"""Between the first connections of two agents."""


class AgentProcess:
    """Runs any number of agents on the running loop; add them before or during `run`.

    `gather_s`: how long a turn waits for more to come, so that many agents share one commit. `uploads`: the box over
    HTTP and the folder of what was recorded; absent: nothing is uploaded.
    """

    def __init__(self, file: JournalFile, gather_s: float = 0.0, uploads: Uploading | None = None) -> None:
        self.counters: Counter[str] = Counter()
        self._uploads = None if uploads is None else UploadThread(*uploads, self._upload_ended)
        self._file, self._gather_s = file, gather_s
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._seats: dict[str, Seat] = {}
        self._links: dict[str, Link] = {}
        self._ready: dict[str, Seat] = {}
        self._times: list[tuple[float, str]] = []
        self._turn_at: asyncio.Handle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._disk_is_full = False
        self._stopped = asyncio.Event()
        self._exit_code = 0

    # ------------------------------------------------------------ agents come and go
    def add(self, core: AgentCore, driver: Driver, link: LinkSettings) -> None:
        """Start an agent; its core is new, and so is the driver's `emit`."""
        seat = Seat(core, driver, self._want)
        driver.emit = lambda event: self._emit(seat, event)
        with self._file.transaction():
            core.boot(steady())
        seat.wake = core.wake_at
        seat.line = made = Link(core.robot, link, seat, lambda: core.sender.presence(online=False))
        seat.uploads = self._uploads
        self._seats[core.robot], self._links[core.robot] = seat, made
        self._want(seat)
        made.start(after=_SPREAD_S * (len(self._links) - 1))

    def remove(self, robot: str, *, goodbye: bool = True) -> None:
        """End an agent; without a goodbye it is as if its process had died."""
        seat = self._seats.pop(robot)
        self._ready.pop(robot, None)
        seat.line = None
        self._links.pop(robot).close(seat.core.sender.presence(online=False) if goodbye else None)
        self._file.discard(robot)
        seat.driver.close()

    def __contains__(self, robot: str) -> bool:
        return robot in self._seats

    def seat(self, robot: str) -> Seat:
        """The agent of a robot, for looking at it."""
        return self._seats[robot]

    # ------------------------------------------------------------ life of the process
    async def run(self) -> int:
        """Until `stop`, or until no agent is left; answers the exit code."""
        keeping = self._loop.create_task(self._keep_links())
        if self._uploads is not None:
            self._uploads.start({known for seat in self._seats.values() for known in seat.core.known_recordings})
        try:
            await self._stopped.wait()
        finally:
            keeping.cancel()
            if self._uploads is not None:
                self._uploads.close()
            for robot in tuple(self._seats):
                self.remove(robot)
            for handle in (self._turn_at, self._timer):
                if handle is not None:
                    handle.cancel()
        return self._exit_code

    def stop(self) -> None:
        """End cleanly: attempts in hand are in the journal, and the next start says what became of them."""
        self._stopped.set()

    def stop_on_signals(self) -> None:
        """SIGTERM and SIGINT end the process cleanly."""
        for number in (signal.SIGTERM, signal.SIGINT):
            if sys.platform == "win32":
                signal.signal(number, lambda *_: self._loop.call_soon_threadsafe(self.stop))
            else:
                self._loop.add_signal_handler(number, self.stop)

    async def _keep_links(self) -> None:
        while True:
            await asyncio.sleep(_LINK_TICK_S)
            for link in tuple(self._links.values()):
                link.tick()
            for seat in self._seats.values():
                seat.tell_problems()

    # ------------------------------------------------------------ turns
    def _emit(self, seat: Seat, event: OperationEvent) -> None:
        """From any thread; inside the loop's thread an event takes no detour."""
        if threading.get_ident() == self._thread:
            seat.heard(event)
        else:
            with suppress(RuntimeError):  # the loop is closed: nobody listens any more
                self._loop.call_soon_threadsafe(seat.heard, event)

    def _upload_ended(self, robot: str, end: UploadEnd) -> None:
        """From the thread of uploads."""

        def tell() -> None:
            if robot in self._seats:  # else its next boot asks for it again, and is told again
                self._seats[robot].upload_ended(end)

        with suppress(RuntimeError):  # the loop is closed: likewise
            self._loop.call_soon_threadsafe(tell)

    def _want(self, seat: Seat) -> None:
        """This agent has something to do in the next turn."""
        self._ready[seat.robot] = seat
        if self._turn_at is None and not self._disk_is_full:
            later = self._gather_s if len(self._seats) > 1 else 0.0
            self._turn_at = self._loop.call_later(later, self._turn) if later else self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        """All that is ready in one transaction; nothing leaves before it has committed."""
        self._turn_at = None
        now = steady()
        while self._times and self._times[0][0] <= now:
            self._add_due(heapq.heappop(self._times)[1], now)
        ready, self._ready = self._ready, {}
        try:
            with self._file.transaction():
                for seat in ready.values():
                    self._work(seat, now)
            self._catch_up(ready, now)
        except NotWritten as error:
            self._begin_waiting_for_disk(error, ready)
        else:
            self._follow(ready)

    def _catch_up(self, ready: dict[str, Seat], now: float) -> None:
        """A slow disk took its time: what must not begin any more is taken back before the driver hears of it."""
        while steady() - now > _SLOW_COMMIT_S:
            now = steady()
            with self._file.transaction():
                for seat in ready.values():
                    if self._seats.get(seat.robot) is seat:
                        seat.core.fence(now)

    def _add_due(self, robot: str, now: float) -> None:
        seat = self._seats.get(robot)
        if seat is not None and seat.wake <= now:
            self._ready[robot] = seat

    def _work(self, seat: Seat, now: float) -> None:
        if self._seats.get(seat.robot) is not seat:
            return
        if seat.is_taken_over:
            _LOG.error("another agent uses the name %s: this one stops", seat.robot)
            self._leave(seat, EXIT_TAKEN_OVER)
            return
        try:
            seat.work(now)
        except Exception:  # noqa: BLE001 - one agent's defect must not end the others
            # What its core knows is half done; the journal is whole, so the next start is honest.
            _LOG.exception("%s: the agent has a defect and stops", seat.robot)
            self._leave(seat, EXIT_DEFECT)

    def _leave(self, seat: Seat, code: int) -> None:
        self.remove(seat.robot, goodbye=False)
        self.counters["agents stopped"] += 1
        if not self._seats:
            self._exit_code = code
            self._stopped.set()

    def _follow(self, ready: dict[str, Seat]) -> None:
        for seat in ready.values():
            if self._seats.get(seat.robot) is not seat:
                continue
            seat.follow()
            heapq.heappush(self._times, (seat.wake, seat.robot))
            if seat.has_more:
                self._want(seat)
        self._set_timer()

    def _set_timer(self) -> None:
        if len(self._times) > 4 * len(self._seats) + 64:
            # Times that were moved stay in the heap until then.
            self._times = [(seat.wake, robot) for robot, seat in self._seats.items()]
            heapq.heapify(self._times)
        if self._timer is not None:
            self._timer.cancel()
        left = self._times[0][0] - steady() if self._times else _LONGEST_SLEEP_S
        if left > 0 and self._gather_s:
            left = max(left, _TOGETHER_S)
        self._timer = self._loop.call_later(min(max(left, 0.0), _LONGEST_SLEEP_S), self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        if self._turn_at is None and not self._disk_is_full:
            self._turn()

    # ------------------------------------------------------------ a disk that takes nothing
    def _begin_waiting_for_disk(self, error: NotWritten, ready: dict[str, Seat]) -> None:
        """Everything stays as it is, and nothing leaves, until the journal can be written."""
        _LOG.error("the journal cannot be written: %s; nothing is reported until it can", error)
        self._disk_is_full = True
        self._ready = ready
        self._count_failure()

    def _count_failure(self) -> None:
        self.counters["journal writes failed"] += 1
        self._loop.call_later(_DISK_RETRY_S, self._try_disk)

    def _try_disk(self) -> None:
        now = steady()
        for seat in self._seats.values():
            seat.core.fence(now)
        try:
            self._file.commit()
        except NotWritten:
            for seat in self._seats.values():
                seat.halt()
            self._count_failure()
            return
        _LOG.warning("the journal can be written again")
        self._disk_is_full, self._ready = False, {}
        for seat in self._seats.values():
            self._want(seat)
        self._follow(dict(self._seats))
