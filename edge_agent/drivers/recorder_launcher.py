"""A process around a screen recorder: it ends the recorder politely when told to, or when its agent is gone.

It reads one line of JSON, the recorder's argument list; the end of its standard input means *finish the file*.
"""

import contextlib
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable

POLITE_S = 3.0
"""How long a recorder has after each of two requests, `q` on its standard input and then SIGTERM."""


def main() -> None:
    line = sys.stdin.buffer.readline()
    if line.endswith(b"\n"):  # else the agent was gone before it said what to do
        _run(json.loads(line))


def _run(argv: list[str]) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # only the agent's end of the pipe counts
    recorder = subprocess.Popen(argv, stdin=subprocess.PIPE, preexec_fn=_before_start())  # noqa: PLW1509 - one thread
    waiter = threading.Thread(target=_end_when_told, args=(recorder,), daemon=True)
    waiter.start()
    sys.exit(recorder.wait() and 1)


def _end_when_told(recorder: "subprocess.Popen[bytes]") -> None:
    sys.stdin.buffer.read()
    requests: tuple[Callable[[], None], ...] = (lambda: _say_q(recorder), recorder.terminate, recorder.kill)
    for request in requests:
        request()
        with contextlib.suppress(subprocess.TimeoutExpired):
            recorder.wait(POLITE_S)
            return


def _say_q(recorder: "subprocess.Popen[bytes]") -> None:
    """What ffmpeg and others like it take as the end."""
    if recorder.stdin is not None:
        with contextlib.suppress(OSError):
            recorder.stdin.write(b"q\n")
            recorder.stdin.close()


def _before_start() -> Callable[[], None] | None:
    """Linux: the recorder takes SIGTERM again, and dies with this process."""
    if sys.platform != "linux":
        return None
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)

    def prepare() -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        libc.prctl(1, signal.SIGKILL, 0, 0, 0)

    return prepare


if __name__ == "__main__":
    main()
