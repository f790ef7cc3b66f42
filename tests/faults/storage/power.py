"""What a disk may hold after the power went at some step of a tape: what was synced for sure, anything of the rest.

What was written to a file since its last sync may be there, be missing, or be torn, sector by sector. Making, renaming
and removing files happen in their order, as in a journal of the file system, but the last of them may be missing until
their folder or the new file has been synced.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.storage.tape import ACKNOWLEDGED, Step

SECTOR = 512
NOTHING, EVERYTHING, SOME, TORN = "nothing", "everything", "some", "torn"
SEEDS = (NOTHING, EVERYTHING, SOME, TORN)
"""What becomes of what was not synced: the four kinds of luck."""


@dataclass
class _File:
    synced: bytearray = field(default_factory=bytearray)
    since: list[Step] = field(default_factory=list)


class Disk:
    """Plays a tape; at any step one may ask what would be left."""

    def __init__(self) -> None:
        self._files: dict[int, _File] = {}
        self._names: dict[str, int] = {}
        self._sure: dict[str, int] = {}
        """Names as they are now, and as they are for sure."""
        self._renamings: list[tuple[Step, int]] = []
        """With the file that a name is made for."""
        self._next = 0
        self.acknowledged = b""

    def play(self, step: Step) -> None:
        """One step more."""
        if step.name == ACKNOWLEDGED:
            self.acknowledged = step.content or self.acknowledged
        elif step.what in ("make", "rename", "remove"):
            self._name(step)
        elif step.what == "sync":
            self._sync(step.name)
        else:
            self._file(step.name).since.append(step)

    def _sync(self, name: str) -> None:
        self._sure, self._renamings = dict(self._names), []
        if name != ".":
            file = self._file(name)
            for step in file.since:
                _write(file.synced, step)
            file.since.clear()

    def _file(self, name: str) -> _File:
        return self._files[self._names[name]]

    def _name(self, step: Step) -> None:
        if step.what == "make":
            if step.name in self._names:
                return
            self._next += 1
            self._files[self._next] = _File()
        _change(self._names, step, self._next)
        self._renamings.append((step, self._next))

    def left(self, luck: str, dice: random.Random, folder: Path) -> None:
        """Write what is left into an empty folder."""
        names = dict(self._sure)
        kept = {NOTHING: 0, EVERYTHING: len(self._renamings)}.get(luck, dice.randint(0, len(self._renamings)))
        if luck == EVERYTHING:
            names = dict(self._names)
        else:
            for step, number in self._renamings[:kept]:
                _change(names, step, number)
        for name, number in names.items():
            content = bytearray(self._files[number].synced)
            for step in self._files[number].since:
                _survive(content, step, luck, dice)
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def _change(names: dict[str, int], step: Step, number: int) -> None:
    if step.what == "make":
        names[step.name] = number
    elif step.what == "rename" and step.name in names:
        names[step.to] = names.pop(step.name)
    elif step.what == "remove":
        names.pop(step.name, None)


def _write(content: bytearray, step: Step) -> None:
    if step.what == "cut":
        content[step.at :] = bytes(max(0, step.at - len(content)))
        return
    if len(content) < step.at:
        content.extend(bytes(step.at - len(content)))
    content[step.at : step.at + len(step.content)] = step.content


def _survive(content: bytearray, step: Step, luck: str, dice: random.Random) -> None:
    if luck == EVERYTHING or (luck == SOME and dice.random() < 0.5):
        _write(content, step)
    elif luck == TORN and step.what == "write":
        for piece in _sectors(step):
            if dice.random() < 0.5:
                _write(content, piece)
    elif luck == TORN and dice.random() < 0.5:
        _write(content, step)


def _sectors(step: Step) -> Iterator[Step]:
    """A write as the disk does it."""
    at, end = step.at, step.at + len(step.content)
    while at < end:
        upto = min(end, (at // SECTOR + 1) * SECTOR)
        yield step._replace(at=at, content=step.content[at - step.at : upto - step.at])
        at = upto
