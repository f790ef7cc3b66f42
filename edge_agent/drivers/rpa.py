"""The driver of an RPA robot: runs the programs that the robot's own configuration names."""

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVarTuple

import psutil

from edge_agent.drivers.process_tree import end_run, still_same
from edge_agent.drivers.rpa_commands import BadCommand, RpaSettings, command_of
from edge_agent.drivers.rpa_ends import remembered_end
from edge_agent.drivers.rpa_process import STUBBORN_S, RpaProcess
from edge_agent.drivers.rpa_recording import RunRecording
from edge_agent.drivers.rpa_runs import Leftover, RunFolder, Runs
from edge_agent.drivers.voice import Voice
from edge_agent.operations import Happening, Key, Operation, OperationEvent, Telemetry
from edge_agent.recorded import RecordedFiles

FAREWELL_S = 2.0
"""A launcher whose agent died ends its tree and writes the result by itself; so long it is left alone."""
logger = logging.getLogger(__name__)
Args = TypeVarTuple("Args")


class RpaDriver:
    """Runs one process tree an operation. Processes of an earlier boot are ended first; until then it is not idle."""

    capabilities: tuple[str, ...] = ("RpaRunBp", "stops_with_agent")

    def __init__(self, robot: str, settings: RpaSettings) -> None:
        self._robot, self._settings, self._voice = robot, settings, Voice()
        self._lock = threading.Lock()
        self._running: dict[Key, RpaProcess] = {}
        self._runs = Runs(settings.data_dir)
        self._files = RecordedFiles(settings.data_dir) if settings.record else None
        self._swept = threading.Event()
        leftovers = self._runs.leftovers()
        if leftovers:
            self._aside(self._sweep, leftovers)
        else:
            self._swept.set()

    @property
    def emit(self) -> Callable[[OperationEvent], None]:
        return self._voice.emit

    @emit.setter
    def emit(self, listener: Callable[[OperationEvent], None]) -> None:
        self._voice.emit = listener

    def start(self, operation: Operation) -> None:
        self._voice.open(operation.key)
        if operation.kind != "RpaRunBp":
            reason = f"an RPA robot cannot carry out {operation.kind}"
            self._aside(self._voice.say, OperationEvent(operation.key, "refused", reason=reason))
            return
        self._runs.prune()
        folder = self._runs.of(operation.key)
        process = RpaProcess(operation, folder, self._voice.say, self._over, self._recording(operation, folder))
        with self._lock:
            self._running[operation.key] = process
        process.begin(self._settings.commands)

    def stop(self, key: Key) -> None:
        with self._lock:
            process = self._running.get(key)
        if process is not None:
            process.stop()
        elif not self._voice.is_over(key) and not self._voice.is_open(key):
            # Not of this boot: it has stopped once the leftovers are gone.
            self._voice.open(key)
            self._aside(self._say_swept, OperationEvent(key, "stopped"))

    def resume(self, operation: Operation) -> None:
        if not self._voice.is_over(operation.key):
            self._voice.open(operation.key)
            self._aside(self._recall, operation, self._runs.of(operation.key))

    def tidy(self, key: Key) -> None:
        self._aside(self._remove_work, self._runs.of(key))

    def rehearse(self, operation: Operation) -> str | None:
        if operation.kind != "RpaRunBp":
            return f"an RPA robot cannot carry out {operation.kind}"
        try:
            command_of(operation.inputs, self._settings.commands)
        except BadCommand as error:
            return str(error)
        return None

    def idle(self) -> bool:
        with self._lock:
            return self._swept.is_set() and not self._running

    def telemetry(self) -> Telemetry:
        return Telemetry()

    def close(self) -> None:
        self._voice.close()
        with self._lock:
            running = tuple(self._running.values())
        for process in running:
            process.stop()

    def _over(self, end: OperationEvent) -> None:
        with self._lock:
            self._running.pop(end.key, None)
        self._voice.say(self._holding(end))

    def _holding(self, end: OperationEvent) -> OperationEvent:
        """An end that says whether a folder is left."""
        return replace(end, holds=self._runs.of(end.key).work.is_dir())

    def _remove_work(self, folder: RunFolder) -> None:
        self._swept.wait()
        problem = folder.remove_work()
        what: Happening = "tidied" if problem is None else "not_tidied"
        self._voice.say_tidied(OperationEvent(folder.key, what, reason=problem))

    def _recording(self, operation: Operation, folder: RunFolder) -> RunRecording:
        return RunRecording(operation, folder, self._settings, self._files, self._voice.say)

    def _recall(self, operation: Operation, folder: RunFolder) -> None:
        self._swept.wait()
        self._recording(operation, folder).collect()
        self._voice.say(self._holding(remembered_end(folder, operation.mask)))

    def _say_swept(self, event: OperationEvent) -> None:
        self._swept.wait()
        self._voice.say(self._holding(event))

    def _sweep(self, leftovers: tuple[Leftover, ...]) -> None:
        for leftover in leftovers:
            _end_leftover(leftover)
        self._swept.set()

    @staticmethod
    def _aside(target: Callable[[*Args], None], *args: *Args) -> None:
        threading.Thread(target=target, args=args, daemon=True).start()


def _end_leftover(leftover: Leftover) -> None:
    launcher = still_same(leftover.pid, leftover.created)
    if launcher is not None:
        psutil.wait_procs([launcher], FAREWELL_S)
    while not end_run(leftover.mark, launcher, STUBBORN_S):
        logger.error("processes left by run %s of an earlier boot do not end", leftover.folder.key)
    leftover.folder.all_gone()
