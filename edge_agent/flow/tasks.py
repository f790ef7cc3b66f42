"""A tiny trampoline: coroutines stepped in a fixed order, waiting for conditions instead of events."""

from collections.abc import Callable, Coroutine, Generator
from typing import Any

from edge_agent.flow.signals import Signal

Work = Callable[[], Coroutine[Any, Any, None]]
"""Makes a coroutine when its task is stepped for the first time."""


class Wait:
    """Await it to pause until `ready` says so; `wake_at` is when time alone may make it ready."""

    def __init__(self, ready: Callable[[], bool], wake_at: float | None = None) -> None:
        self.ready = ready
        self.wake_at = wake_at

    def __await__(self) -> Generator["Wait", None, None]:
        if not self.ready():
            yield self


class Task:
    """One line of execution; a task below a cancelled one is cancelled."""

    def __init__(self, work: Work, parent: "Task | None") -> None:
        self._work = work
        self._going: Coroutine[Any, Any, None] | None = None
        self._parent = parent
        self._cancelled = False
        self.waiting: Wait | None = None
        self.done = False
        self.signal: Signal | None = None

    @property
    def cancelled(self) -> bool:
        """It shall begin nothing further."""
        return self._cancelled or (self._parent is not None and self._parent.cancelled)

    def cancel(self) -> None:
        """Ask it to end; it does so at its next boundary."""
        self._cancelled = True

    def is_ready(self) -> bool:
        """It can go on now."""
        return not self.done and (self.waiting is None or self.waiting.ready())

    def step(self) -> None:
        """Go on to the next wait, or to the end; a signal that leaves the task is kept."""
        self._going = self._going or self._work()
        try:
            self.waiting = self._going.send(None)
        except StopIteration:
            self.done = True
        except Signal as signal:
            self.done, self.signal = True, signal


class Tasks:
    """All tasks of a flow, oldest first."""

    def __init__(self) -> None:
        self._tasks: list[Task] = []
        self._current: Task | None = None

    @property
    def current(self) -> Task:
        """The task that is being stepped."""
        if self._current is None:
            raise RuntimeError("no task is being stepped")
        return self._current

    def spawn(self, work: Work, parent: Task | None) -> Task:
        """Add a task; it begins in the same run of the trampoline."""
        task = Task(work, parent)
        self._tasks.append(task)
        return task

    def run(self) -> None:
        """Step tasks, always in the same order, until every one waits."""
        while ready := [task for task in self._tasks if task.is_ready()]:
            for task in ready:
                # A task stepped just before may have taken away what this one was waiting for.
                if task.is_ready():
                    self._current = task
                    task.step()
            self._current = None
            self._tasks = [task for task in self._tasks if not task.done]

    def wake_at(self) -> float | None:
        """The first moment at which time alone lets a task go on."""
        times = [task.waiting.wake_at for task in self._tasks if task.waiting and task.waiting.wake_at is not None]
        return min(times, default=None)
