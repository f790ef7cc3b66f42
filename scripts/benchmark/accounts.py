"""Process accounting: processor time and memory of the box's processes and of the agents, with their children."""

from collections.abc import Mapping

import psutil

BOX = ("controller", "broker", "web")
"""What the goals are about; the agents are measured beside them, and so is the rest of the box."""


class Accounts:
    """Processes by the names people know them by."""

    def __init__(self, processes: Mapping[str, psutil.Process]) -> None:
        self.processes = dict(processes)

    def cpu_s(self) -> dict[str, float]:
        """Seconds of processor time of each since its start, its living and its ended children included."""
        return {name: sum(map(_seconds, _family(process))) for name, process in self.processes.items()}

    def rss_mb(self) -> dict[str, float]:
        """Resident memory in MB; pages that processes share count in each."""
        return {
            name: sum(one.memory_info().rss for one in _family(process)) / 1e6
            for name, process in self.processes.items()
        }

    def pss_mb(self) -> dict[str, float]:
        """Memory in MB with shared pages divided among those who share them; only where the system counts that."""
        return {
            name: sum(one.memory_full_info().pss for one in _family(process)) / 1e6
            for name, process in self.processes.items()
        }


def _family(process: psutil.Process) -> list[psutil.Process]:
    return [process, *process.children(recursive=True)]


def _seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system + times.children_user + times.children_system)


def spent(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """What was spent between two readings."""
    return {name: after[name] - before[name] for name in after}
