"""Finding and ending every process of a run, however far it has wandered from its parent."""

import time
from collections.abc import Iterator

import psutil

MARK = "YARDMASTER_RUN"
"""Variable that every process of a run inherits: the way to find those that left their parent and session."""
CLOCK_STEP_S = 2.0
"""Two readings of one process's start may differ by this when the wall clock was set in between."""


def identity(pid: int) -> float:
    """When the process began: with its number it names one process for ever; raises `psutil.NoSuchProcess`."""
    return psutil.Process(pid).create_time()


def marked(mark: str) -> Iterator[psutil.Process]:
    """Living processes that carry the mark."""
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                yield process
        except (psutil.Error, OSError):
            continue  # gone meanwhile, or another user's, which we could not have started


def still_same(pid: int, created: float) -> psutil.Process | None:
    """The living process of that number, if it is the one that began then and not a later one."""
    try:
        process = psutil.Process(pid)
        same = abs(process.create_time() - created) <= CLOCK_STEP_S
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.NoSuchProcess:
        return None


def kill_run(mark: str, launcher: psutil.Process | None) -> bool:
    """Kill what is left of a run, once; true when nothing was left to kill."""
    left = [*marked(mark), *_below(launcher)]
    for process in left:
        try:
            process.kill()
        except psutil.Error:
            continue  # gone meanwhile, or not killable: then it is found again
    return not left


def _below(launcher: psutil.Process | None) -> list[psutil.Process]:
    try:
        if launcher is None or not launcher.is_running() or launcher.status() == psutil.STATUS_ZOMBIE:
            return []
        return [*launcher.children(recursive=True), launcher]
    except psutil.NoSuchProcess:
        return []


def end_run(mark: str, launcher: psutil.Process | None, patience_s: float) -> bool:
    """Kill until nothing is left; false when something still lives after `patience_s`."""
    deadline = time.monotonic() + patience_s
    while not kill_run(mark, launcher):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
