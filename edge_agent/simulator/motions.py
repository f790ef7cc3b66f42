"""What simulated robots physically did: an append-only file that no agent writes, so records can be held against it."""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from edge_agent.operations import Key

Outcome = Literal["succeeded", "failed", "stopped", "cut"]
"""cut: the robot stopped because its agent had died; an end of None then means *not after the agent's process*."""
MAX_BYTES = 64 * 1024 * 1024


class BadMotions(ValueError):
    """A line of the file is not one of ours; the message names file and line."""


@dataclass(frozen=True)
class State:
    """How a robot stands once a motion is over."""

    node: str | None = None
    to: str | None = None
    metres: float = 0.0
    battery: float | None = None
    load: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Motion:
    """One operation that a robot began; times are seconds on the steady clock."""

    robot: str
    attempt: int
    n: int
    path: str
    try_: int
    what: str
    start: float
    until: float | None = None
    """When it will be over if nothing happens; None: never."""
    will: Outcome = "succeeded"
    outputs: Mapping[str, Any] = field(default_factory=dict)
    reason: str | None = None
    then: State = field(default_factory=State)
    end: float | None = None
    outcome: Outcome | None = None

    @property
    def key(self) -> Key:
        return (self.attempt, self.n)


class MotionLog:
    """The file of a fleet. A line reaches the operating system before the call returns: a killed process loses
    nothing. (Not synced to disk: what a power cut takes from a simulation is no robot's movement.)

    Raises `BadMotions` when an existing file is damaged before its last line.
    """

    def __init__(self, path: Path, max_bytes: int = MAX_BYTES) -> None:
        self._path, self._max = path, max_bytes
        self._newest: dict[str, dict[Key, Motion]] = {}
        self._states: dict[str, State] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        _drop_torn_line(path)
        for motion in _merged(path):
            self._remember(motion)
        self._file = path.open("ab", buffering=0)

    def begin(self, motion: Motion) -> None:
        """Before the robot moves."""
        self._write({**_as_json(motion), "then": vars(motion.then)})
        self._remember(motion)

    def end(self, motion: Motion, outcome: Outcome, end: float | None, then: State, reason: str | None) -> Motion:
        """Before anybody hears that it is over."""
        over = replace(motion, outcome=outcome, end=end, then=then, reason=reason)
        line = {"robot": over.robot, "attempt": over.attempt, "n": over.n, "what": over.what, "end": end}
        self._write({**line, "outcome": outcome, "then": vars(then), "reason": reason})
        self._remember(over)
        return over

    def find(self, robot: str, key: Key) -> Motion | None:
        """A motion of the robot's newest attempt."""
        return self._newest.get(robot, {}).get(key)

    def open_of(self, robot: str) -> tuple[Motion, ...]:
        """Motions that were begun and have no end yet."""
        return tuple(motion for motion in self._newest.get(robot, {}).values() if motion.outcome is None)

    def state_of(self, robot: str) -> State | None:
        """How the robot stood after its last ended motion."""
        return self._states.get(robot)

    def close(self) -> None:
        self._file.close()

    def _remember(self, motion: Motion) -> None:
        kept = self._newest.setdefault(motion.robot, {})
        if kept and motion.attempt > next(iter(kept.values())).attempt:
            # Only what goes on is still wanted of older attempts.
            for key in [key for key, old in kept.items() if old.outcome is not None]:
                del kept[key]
        kept[motion.key] = motion
        if motion.outcome is not None:
            self._states[motion.robot] = motion.then

    def _write(self, line: Mapping[str, Any]) -> None:
        data = json.dumps(line, separators=(",", ":")).encode() + b"\n"
        if self._file.tell() + len(data) > self._max:
            self._turn_over()
        written = self._file.write(data)
        if written != len(data):
            raise OSError(f"{self._path}: only {written} of {len(data)} bytes were written")

    def _turn_over(self) -> None:
        self._file.close()
        os.replace(self._path, _older(self._path))
        self._file = self._path.open("ab", buffering=0)


def read_motions(path: Path) -> tuple[Motion, ...]:
    """Every motion on file, in the order they began; raises `BadMotions`."""
    whole: dict[tuple[str, Key], Motion] = {}
    for motion in _merged(path):
        whole[(motion.robot, motion.key)] = motion
    return tuple(whole.values())


def _merged(path: Path) -> Iterator[Motion]:
    """Each line as the motion it begins or ends; an end whose beginning was turned over twice is left out."""
    begun: dict[tuple[str, Key], Motion] = {}
    for line in _lines(path):
        name = (line["robot"], (line["attempt"], line["n"]))
        then = State(**line["then"])
        if "start" in line:
            begun[name] = Motion(**(line | {"then": then, "try_": line.pop("try")}))
            yield begun[name]
        elif name in begun:
            end = {"outcome": line["outcome"], "end": line["end"], "reason": line["reason"]}
            yield replace(begun.pop(name), then=then, **end)


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    for file in (_older(path), path):
        if not file.exists():
            continue
        with file.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if not line.endswith(b"\n"):
                    return
                try:
                    value = json.loads(line)
                except ValueError as error:
                    raise BadMotions(f"{file}: line {number}: {error}") from error
                yield value


def _as_json(motion: Motion) -> dict[str, Any]:
    names = ("robot", "attempt", "n", "path", "what", "start", "until", "will", "outputs", "reason")
    return {name: getattr(motion, name) for name in names} | {"try": motion.try_}


def _older(path: Path) -> Path:
    return path.with_name(path.name + ".1")


def _drop_torn_line(path: Path) -> None:
    """A process that was killed in the middle of a line had not moved for it yet, nor told anybody."""
    if not path.exists():
        return
    with path.open("r+b") as file:
        data_end = file.seek(0, os.SEEK_END)
        while data_end > 0:
            step = min(4096, data_end)
            file.seek(data_end - step)
            cut = file.read(step).rfind(b"\n")
            if cut >= 0:
                file.truncate(data_end - step + cut + 1)
                return
            data_end -= step
        file.truncate(0)
