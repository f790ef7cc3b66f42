"""One process of an RPA robot from its start to the proof that nothing of it lives, on a thread of its own."""

import json
import logging
import os
import queue
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

from config.clock import steady
from edge_agent.drivers.process_tree import MARK, end_run, identity
from edge_agent.drivers.rpa_commands import BadCommand, Command, command_of, environment, find_program, secret_variables
from edge_agent.drivers.rpa_ends import Why, end_of
from edge_agent.drivers.rpa_output import LINES_A_SECOND, LineGate, Stream
from edge_agent.drivers.rpa_recording import RunRecording
from edge_agent.drivers.rpa_runs import RunFolder
from edge_agent.drivers.windows_job import Job
from edge_agent.operations import Happening, Operation, OperationEvent

OUTPUT = "YARDMASTER_OUTPUT"
"""Variable that names the file for a command's JSON object."""
LAUNCHER_PATIENCE_S = 3.0
"""How long the launcher has to end the tree by itself before that is done from outside."""
STUBBORN_S, READERS_S = 5.0, 2.0
_ROOT = str(Path(__file__).resolve().parents[2])
# Not -m: the launcher must start from any folder, and see no module of the folder it starts in (-I).
_LAUNCH = f"import sys; sys.path.append({_ROOT!r}); from edge_agent.drivers.rpa_launcher import main; main()"
_NO_WINDOW = getattr(subprocess, "CREATE_NO_WINDOW", 0)
"""Windows: a console that pops up would take the keyboard from what is being automated."""
_one_at_a_time = threading.Lock()
"""On Windows two starts at once would inherit each other's pipe ends, which then never close."""
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Launched:
    """A launcher, and all by which its descendants are found."""

    command: Command
    process: "subprocess.Popen[bytes]"
    known: psutil.Process
    mark: str
    job: Job


class RpaProcess:
    """Carries out one operation; `over` is called with the event that ends it, after nothing of it lives."""

    def __init__(
        self,
        operation: Operation,
        folder: RunFolder,
        say: Callable[[OperationEvent], None],
        over: Callable[[OperationEvent], None],
        recording: RunRecording,
    ) -> None:
        self._recording = recording
        self._operation, self._folder, self._say, self._over = operation, folder, say, over
        self._orders: queue.SimpleQueue[Why] = queue.SimpleQueue()
        self._gone = threading.Event()

    def begin(self, commands: Mapping[str, Command]) -> None:
        """Start; every answer comes from the thread."""
        name = f"rpa {self._operation.key}"
        threading.Thread(target=self._run, args=(commands,), name=name, daemon=True).start()

    def stop(self) -> None:
        """End it; harmless at any time."""
        self._orders.put("stop")

    def _run(self, commands: Mapping[str, Command]) -> None:
        try:
            launched = self._start(commands)
        except BadCommand as error:
            end = self._event("refused", str(error))
        except OSError as error:
            end = self._event("refused", f"could not be started: {error}")
        else:
            end = self._attend(launched) if launched else self._event("stopped", "stopped")
        self._recording.end(end)
        self._over(end)

    def _start(self, commands: Mapping[str, Command]) -> _Launched | None:
        """None: it was stopped before. Raises `BadCommand` or `OSError`; then nothing has begun."""
        command, argv = command_of(self._operation.inputs, commands)
        self._folder.create()
        mark = uuid.uuid4().hex
        own = {MARK: mark, OUTPUT: str(self._folder.output), **self._recording.environment()}
        env = environment(command, secret_variables(self._operation.inputs), own)
        cwd = command.cwd.resolve() if command.cwd else self._folder.work
        argv = (find_program(argv[0], cwd, env), *argv[1:])
        launched = self._launch(command, mark, env)
        if not self._orders.empty():
            self._end_all(launched)
            return None
        self._recording.begin()
        self._tell(launched, argv, cwd)
        self._say(self._event("taken"))
        self._say(self._event("carried"))
        return launched

    def _launch(self, command: Command, mark: str, env: Mapping[str, str]) -> _Launched:
        pipe = subprocess.PIPE
        with _one_at_a_time:
            process = subprocess.Popen(
                [sys.executable, "-I", "-c", _LAUNCH],
                stdin=pipe,
                stdout=pipe,
                stderr=pipe,
                env=dict(env),
                cwd=self._folder.path,
                start_new_session=True,
                creationflags=_NO_WINDOW,
            )
        try:
            job = Job()
            job.adopt(process.pid)
            self._folder.write_process(process.pid, identity(process.pid), mark)
            return _Launched(command, process, psutil.Process(process.pid), mark, job)
        except (OSError, psutil.Error) as error:
            process.kill()  # it was told nothing yet, so there is nothing below it
            process.wait()
            raise OSError(str(error)) from error

    def _tell(self, launched: _Launched, argv: tuple[str, ...], cwd: Path) -> None:
        files = {"result": str(self._folder.result), "output": str(self._folder.output)}
        line = json.dumps({"argv": argv, "cwd": str(cwd), **files}).encode() + b"\n"
        stdin = launched.process.stdin
        try:
            if stdin is None:
                raise OSError("the launcher has no standard input")
            stdin.write(line)
            stdin.flush()
        except OSError:
            # Part of the line at most was read, so nothing has begun.
            self._end_all(launched)
            raise

    def _attend(self, launched: _Launched) -> OperationEvent:
        limit, encoding = _limit(self._operation, launched.command), launched.command.encoding
        gate = LineGate(lambda level, text: self._say(self._event("log", None, level, text)), self._say_left_out)
        mask = self._operation.mask
        streams = (Stream(1, encoding, gate, mask), Stream(2, encoding, gate, mask))
        pipes = (launched.process.stdout, launched.process.stderr)
        readers = [_reader(pipe, stream) for pipe, stream in zip(pipes, streams, strict=True) if pipe]
        threading.Thread(target=self._wait_for, args=(launched.process,), daemon=True).start()
        why = self._first(limit)
        if why != "gone":
            _close(launched.process.stdin)
            self._gone.wait(LAUNCHER_PATIENCE_S)
        self._end_all(launched)
        for reader in readers:
            reader.join(READERS_S)
        gate.close()
        return end_of(self._folder, why, limit, streams, mask)

    def _say_left_out(self, count: int) -> None:
        args = {"count": count, "most": LINES_A_SECOND}
        self._say(OperationEvent(self._operation.key, "log", level=2, message="lines_left_out", args=args))

    def _wait_for(self, process: "subprocess.Popen[bytes]") -> None:
        process.wait()
        self._gone.set()
        self._orders.put("gone")

    def _first(self, limit: float | None) -> Why:
        """What comes first; the clock runs on while the machine sleeps, so it is looked at again and again."""
        deadline = float("inf") if limit is None else steady() + limit
        while (left := deadline - steady()) > 0:
            try:
                return self._orders.get(timeout=min(left, 10.0))
            except queue.Empty:
                continue
        return "limit"

    def _end_all(self, launched: _Launched) -> None:
        """Returns only when nothing of the run lives; until then the robot counts as moving."""
        _close(launched.process.stdin)
        launched.job.end()
        while not end_run(launched.mark, launched.known, STUBBORN_S):
            logger.error("processes of run %s do not end", self._operation.key)
            self._say(OperationEvent(self._operation.key, "log", level=3, message="processes_stay", args={}))
        launched.process.wait()
        self._folder.all_gone()

    def _event(self, what: Happening, reason: str | None = None, level: int = 1, text: str = "") -> OperationEvent:
        return OperationEvent(self._operation.key, what, None, reason, level, text)


def _limit(operation: Operation, command: Command) -> float | None:
    """The shortest of what the flow, the block and the machine's configuration allow, in seconds."""
    timeout = operation.inputs.get("timeout")
    block = timeout / 1000 if isinstance(timeout, int | float) and timeout > 0 else None
    given = [limit for limit in (operation.limit_s, block, command.timeout_s) if limit is not None]
    return min(given, default=None)


def _reader(pipe: IO[bytes], stream: Stream) -> threading.Thread:
    def read() -> None:
        with pipe:
            while data := os.read(pipe.fileno(), 65_536):
                stream.feed(data)
        stream.feed(b"", final=True)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    return thread


def _close(pipe: IO[bytes] | None) -> None:
    try:
        if pipe is not None:
            pipe.close()
    except OSError:
        return  # the launcher was gone already and could not take what was still buffered
